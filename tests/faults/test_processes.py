"""The product as real processes: the whole loop over HTTP, and what a kill -9 does to it. Nothing lost or doubled."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from tests.site import Person, Site, everybody_works, wait_for

pytestmark = [pytest.mark.faults, pytest.mark.timeout(400)]

# Nothing beside the loop, but in the one test that is about it too.
QUICK = {"rounds": 2, "quota": 2, "max_tries": 2, "recipe": {"epochs": 1, "method": "full"}, "curve_seeds": 0}


def verdicts(person: Person) -> list[dict[str, Any]]:
    """Every verdict in anything that a person was sent."""
    return [item["verdict"] for item in person.seen if item.get("verdict")]


def check_books(site: Site, slug: str, quota: int) -> None:
    """What must hold of a finished experiment, whatever happened on the way."""
    rounds = site.query(
        "SELECT a.slug, r.number, r.state, "
        "(SELECT COUNT(*) FROM collection_example e WHERE e.round_id = r.id AND e.state = 'accepted') "
        "FROM collection_round r JOIN collection_arm a ON a.id = r.arm_id "
        "JOIN collection_experiment x ON x.id = a.experiment_id WHERE x.slug = %s",
        slug,
    )
    assert len(rounds) == 6
    assert all(state == "done" and count == quota for _, _, state, count in rounds), rounds
    doubled = site.query(
        "SELECT name, version, COUNT(*) FROM modelserver_modelversion GROUP BY name, version HAVING COUNT(*) > 1"
    )
    assert doubled == []
    waiting = site.query("SELECT COUNT(*) FROM collection_attempt WHERE state = 'waiting'")
    assert waiting[0][0] == 0


@pytest.mark.timeout(900)
def test_rounds_fill_over_http_and_each_arm_plays_its_own_version(site: Site, tiny_model: Path) -> None:
    model_server = site.processes["modelserver"].pid
    people = site.seed("whole", tiny_model, people=6, **(QUICK | {"curve_seeds": 1}))
    everybody_works(site, "whole", people)
    check_books(site, "whole", quota=2)
    played = site.query(
        "SELECT a.kind, r.number, v.version, COUNT(*) FROM collection_attempt t "
        "JOIN collection_assignment s ON s.id = t.assignment_id JOIN collection_round r ON r.id = s.round_id "
        "JOIN collection_arm a ON a.id = r.arm_id JOIN collection_experiment x ON x.id = a.experiment_id "
        "LEFT JOIN modelserver_modelversion v ON v.id = t.model_version_id "
        "WHERE x.slug = 'whole' GROUP BY a.kind, r.number, v.version"
    )
    assert {(kind, number, version) for kind, number, version, _ in played} == {
        ("non-adversarial", 1, None),
        ("non-adversarial", 2, None),
        ("static", 1, 0),
        ("static", 2, 0),
        ("dynamic", 1, 0),
        ("dynamic", 2, 1),
    }
    assert site.processes["modelserver"].pid == model_server
    assert site.processes["modelserver"].poll() is None
    groups = dict(
        site.query(
            'SELECT u.username, e."group" FROM annotators_enrolment e '
            "JOIN annotators_annotator a ON a.id = e.annotator_id JOIN auth_user u ON u.id = a.user_id"
        )
    )
    for person in people:
        told = verdicts(person)
        if groups[person.username] == "non-adversarial":
            assert told == []
            assert all("verdict" not in str(body) and "fooled" not in str(body) for body in person.seen)
        else:
            assert told
            versions = {verdict["model_version"] for verdict in told}
            assert versions == ({0} if groups[person.username] == "static" else {0, 1})

    def reported() -> bool:
        scores = site.query("SELECT COUNT(*) FROM collection_roundscore")[0][0]
        state, problem = site.query("SELECT state, problem FROM collection_report")[0]
        assert state != "failed", problem
        return scores == 7 * 6 and state == "done"

    wait_for(reported, "every version to be scored on every round, and the report to be computed", 480)
    drawn = site.query("SELECT COUNT(*) FROM collection_reportchart")[0][0]
    assert drawn > 5


def test_a_worker_killed_in_mid_training_is_noticed_and_its_run_done_again(site: Site, tiny_model: Path) -> None:
    slow = QUICK | {"recipe": {"epochs": 300, "method": "full", "batch_size": 1}}
    people = site.seed("training", tiny_model, people=6, **slow)

    def training() -> list[tuple[Any, ...]]:
        for person in people:
            person.write()
            person.validate()
        return site.query(
            "SELECT id FROM modelserver_trainingrun WHERE state = 'running' AND key LIKE 'train:%%'"
            if site.environment["DATABASE_URL"].startswith("postgres")
            else "SELECT id FROM modelserver_trainingrun WHERE state = 'running' AND key LIKE 'train:%'"
        )

    run = wait_for(training, "a training to run")[0][0]
    wait_for(
        lambda: (
            '"training"' in str(site.query("SELECT progress FROM modelserver_trainingrun WHERE id = %s", run))
            or "'training'" in str(site.query("SELECT progress FROM modelserver_trainingrun WHERE id = %s", run))
        ),
        "the training process to be at it",
    )
    site.kill("trainer")
    wait_for(lambda: not training_processes(site), "the training process to end with its worker")
    site.start("trainer")
    everybody_works(site, "training", people)
    check_books(site, "training", quota=2)
    attempts, state = site.query("SELECT attempts, state FROM modelserver_trainingrun WHERE id = %s", run)[0]
    assert state == "succeeded"
    assert attempts == 2


def training_processes(site: Site) -> list[str]:
    """The training processes of this site that are alive."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().decode().replace("\0", " ")
            except OSError:
                continue
            if "modelserver.training" in command and str(site.folder) in command:
                found.append(command)
    return found


@pytest.mark.parametrize("victim", ["modelserver", "web"])
def test_a_process_killed_in_mid_submit_loses_nothing_and_doubles_nothing(
    site: Site, tiny_model: Path, victim: str
) -> None:
    slug = f"submit-{victim}"
    people = site.seed(slug, tiny_model, people=6, **(QUICK | {"quota": 4}))
    started = threading.Barrier(len(people) + 1)
    written: list[int] = []

    def write(person: Person) -> None:
        started.wait()
        written.append(sum(person.write() for _ in range(2)))

    threads = [threading.Thread(target=write, args=(person,)) for person in people]
    for thread in threads:
        thread.start()
    started.wait()
    wait_for(
        lambda: (
            site.query(
                "SELECT COUNT(*) FROM collection_attempt t JOIN collection_assignment s ON s.id = t.assignment_id "
                "JOIN collection_experiment x ON x.id = s.experiment_id WHERE x.slug = %s",
                slug,
            )[0][0]
            > 0
        ),
        "the first text",
    )
    site.kill(victim)
    site.start(victim)
    for thread in threads:
        thread.join()
    submitted = site.query(
        "SELECT COUNT(*), COUNT(DISTINCT e.fingerprint) FROM collection_example e "
        "JOIN collection_arm a ON a.id = e.arm_id JOIN collection_experiment x ON x.id = a.experiment_id "
        "WHERE x.slug = %s",
        slug,
    )[0]
    assert len(written) == len(people)
    assert submitted == (sum(written), sum(written))
    everybody_works(site, slug, people)
    check_books(site, slug, quota=4)


def test_all_processes_killed_at_once_the_site_carries_on_where_it_was(site: Site, tiny_model: Path) -> None:
    people = site.seed("everything", tiny_model, people=6, **QUICK)
    assert people[0].write()
    for name in list(site.processes):
        site.kill(name)
    site.start()
    everybody_works(site, "everything", people)
    check_books(site, "everything", quota=2)
