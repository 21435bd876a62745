"""Releases that are not what they should be: every fault with file, line and column, and nothing stored."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User

from annotators.models import Annotator
from collection import imports, intake
from collection.access import visible
from collection.importing.studies.batches import batches
from collection.models import Assignment, Attempt, DataImport, Experiment, ImportedVersion, Task, TestSet, Validation
from collection.states import ImportState
from modelserver.models import ModelVersion
from tests import factories
from tests.collection.importing.studies.studies import changed, counts, released, sealed, study, write

pytestmark = pytest.mark.django_db

EXAMPLES, ATTEMPTS = "jsonl/dynamic/examples.jsonl", "jsonl/dynamic/attempts.jsonl"
Rows = list[dict[str, Any]]


@pytest.fixture(autouse=True)
def _own_folders(settings: LazySettings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path / "site"
    settings.TRAINING_DATA_URL = f"file://{tmp_path}/data"


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A release that could be imported, but that its study is on this site, under other ids and names."""
    experiment = study()
    folder = released(experiment, tmp_path / "release")
    elsewhere(folder)
    return folder


def elsewhere(folder: Path) -> None:
    """Give all that has a name on this site another one, as if it came from elsewhere."""
    for path in folder.rglob("*.json*"):
        content = path.read_bytes()
        if path.parent.name in ("static", "dynamic", "non-adversarial") or path.name == "round_scores.jsonl":
            # The first group of hexadecimal digits of a UUID.
            content = _other_ids(content)
        for name in (b"study-dynamic", b"study-static", b"study-non-adversarial", b'"base/', b'"name":"base"'):
            content = content.replace(name, name.replace(b"study-", b"else-").replace(b"base", b"elsebase"))
        content = content.replace(b'"slug":"study"', b'"slug":"elsewhere"')
        path.write_bytes(content)
    sealed(folder)


def _other_ids(content: bytes) -> bytes:
    rows = [orjson.loads(line) for line in content.splitlines()]

    def other(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: other(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [other(item, key) for item in value]
        if isinstance(value, str) and key in ("id", "assignment", "attempt", "example", "examples"):
            return ("0" if value[0] != "0" else "1") + value[1:]
        return value

    return b"".join(orjson.dumps(other(row)) + b"\n" for row in rows)


def imported(path: Path, **options: Any) -> DataImport:
    """The import of a release, carried out."""
    taken = imports.begin(None, DataImport.Kind.RELEASE, path, options=options)
    intake.carry_out_taken(taken)
    taken.refresh_from_db()
    return taken


def refused(path: Path) -> list[tuple[str, int, str]]:
    """File, line and column of each fault of an import that stored nothing."""
    before = [*counts(), User.objects.count(), Annotator.objects.count(), ModelVersion.objects.count()]
    taken = imported(path)
    assert (taken.state, taken.made) == (ImportState.REFUSED, None)
    after = [*counts(), User.objects.count(), Annotator.objects.count(), ModelVersion.objects.count()]
    assert after == before
    assert not Experiment.objects.filter(state="importing").exists()
    return [(fault["file"], fault["line"], fault["column"]) for fault in taken.faults]


def test_the_release_of_these_tests_can_be_imported(release: Path) -> None:
    taken = imported(release)
    assert (taken.state, taken.problem) == (ImportState.DONE, "")
    assert taken.made is not None
    assert (taken.made.slug, taken.made.state) == ("elsewhere", "finished")


@pytest.mark.parametrize("path", [EXAMPLES, ATTEMPTS])
def test_nothing_is_put_to_what_is_another_studys(release: Path, path: str) -> None:
    theirs = Assignment.objects.order_by("pk").first()
    assert theirs is not None
    before = Attempt.objects.filter(assignment=theirs).count()
    changed(release, path, set_first("assignment", str(theirs.key)))
    sealed(release)
    assert (path, 1, "assignment") in refused(release)
    assert Attempt.objects.filter(assignment=theirs).count() == before


@pytest.mark.parametrize("kind", [Attempt, Validation])
def test_an_attempt_or_a_vote_that_is_here_already_is_refused(release: Path, kind: type[Attempt | Validation]) -> None:
    here = str(kind.objects.values_list("key", flat=True)[0])

    def say_it_again(rows: Rows) -> None:
        if kind is Attempt:
            rows[0]["attempt"] = here
        else:
            rows[0]["votes"][0]["id"] = here

    changed(release, EXAMPLES, say_it_again)
    sealed(release)
    assert (EXAMPLES, 1, "attempt" if kind is Attempt else "votes") in refused(release)


def test_versions_may_not_take_the_names_of_another_study_that_will_need_them(release: Path) -> None:
    factories.draft("else")
    assert {(file, column) for file, _, column in refused(release)} == {("study/versions.jsonl", "name")}


def test_what_took_a_name_since_the_release_was_checked_is_not_taken_for_it(
    release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collection.importing.studies.site.check_site", lambda *_: None)
    monkeypatch.setattr("collection.importing.studies.release.check_site", lambda *_: None, raising=False)
    assert TestSet.objects.update(sha256="0" * 64) > 0
    taken = imported(release)
    assert taken.state != ImportState.DONE
    assert "There is another test set" in taken.problem
    assert not Experiment.objects.filter(slug="elsewhere").exists()


def set_first(column: str, value: object) -> Callable[[Rows], None]:
    """Change the first row's cell."""

    def change(rows: Rows) -> None:
        rows[0][column] = value

    return change


def repeat_first(rows: Rows) -> None:
    """The first row comes again at the end."""
    rows.append(dict(rows[0]))


def with_a_seed_twice(rows: Rows) -> None:
    """Another version of the first one's round was trained with its seed."""
    rows.insert(1, rows[0] | {"index": rows[0]["index"] + 100})


def with_examples_twice(rows: Rows) -> None:
    """The first version is scored twice on each example."""
    for column in ("examples", "predicted"):
        rows[0][column] *= 2


def vote_for(label: str) -> Callable[[Rows], None]:
    """The first vote is for something else."""

    def change(rows: Rows) -> None:
        rows[0]["votes"][0]["label"] = label

    return change


def votes_for_own(rows: Rows) -> None:
    """The writer is the validator."""
    rows[0]["votes"][0]["validator"] = rows[0]["writer"]


def nested(depth: int) -> dict[str, Any]:
    """Objects in each other."""
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"inner": value}
    return value


def circle(rows: Rows) -> None:
    """The first version comes from the last, which comes from the first."""
    rows[0]["parent"] = f"{rows[-1]['name']}/{rows[-1]['version']}"
    rows[-1]["parent"] = f"{rows[0]['name']}/{rows[0]['version']}"


@pytest.mark.parametrize(
    ("path", "change", "place"),
    [
        (EXAMPLES, set_first("label", "maybe"), (EXAMPLES, 1, "label")),
        (EXAMPLES, set_first("prediction", "maybe"), (EXAMPLES, 1, "prediction")),
        (EXAMPLES, set_first("state", "retracted"), (EXAMPLES, 1, "state")),
        (EXAMPLES, set_first("round", 7), (EXAMPLES, 1, "round")),
        (EXAMPLES, set_first("arm", "static"), (EXAMPLES, 1, "arm")),
        (EXAMPLES, set_first("context", 99), (EXAMPLES, 1, "context")),
        (EXAMPLES, set_first("writer", "w000000000000"), (EXAMPLES, 1, "writer")),
        (EXAMPLES, set_first("model_version", "none/1"), (EXAMPLES, 1, "model_version")),
        (EXAMPLES, set_first("fooled", False), (EXAMPLES, 1, "fooled")),
        (EXAMPLES, set_first("id", "1; DROP TABLE"), (EXAMPLES, 1, "id")),
        (EXAMPLES, set_first("submitted_at", "yesterday"), (EXAMPLES, 1, "submitted_at")),
        (EXAMPLES, set_first("hypothesis", "nul\0"), (EXAMPLES, 1, "")),
        (EXAMPLES, set_first("hypothesis", None), (EXAMPLES, 1, "hypothesis")),
        (EXAMPLES, set_first("extra", 1), (EXAMPLES, 1, "")),
        (EXAMPLES, repeat_first, (EXAMPLES, 5, "id")),
        (EXAMPLES, vote_for("maybe"), (EXAMPLES, 1, "votes")),
        (EXAMPLES, votes_for_own, (EXAMPLES, 1, "votes")),
        (EXAMPLES, lambda rows: rows[0].pop("label"), (EXAMPLES, 1, "label")),
        (ATTEMPTS, set_first("state", "unheard"), (ATTEMPTS, 1, "state")),
        (ATTEMPTS, set_first("example", "00000000-0000-4000-8000-000000000000"), (ATTEMPTS, 1, "example")),
        (ATTEMPTS, lambda rows: rows.pop(0), (ATTEMPTS, 0, "id")),
        (ATTEMPTS, repeat_first, (ATTEMPTS, 5, "id")),
        ("study/versions.jsonl", circle, ("study/versions.jsonl", 1, "parent")),
        ("study/versions.jsonl", set_first("parent", "nobody/1"), ("study/versions.jsonl", 1, "parent")),
        ("study/versions.jsonl", repeat_first, ("study/versions.jsonl", 5, "version")),
        ("study/versions.jsonl", set_first("name", "../etc"), ("study/versions.jsonl", 1, "name")),
        ("study/rounds.jsonl", set_first("state", "open"), ("study/rounds.jsonl", 1, "state")),
        ("study/rounds.jsonl", set_first("arm", "unheard"), ("study/rounds.jsonl", 1, "arm")),
        ("study/rounds.jsonl", set_first("trained_version", "x/1"), ("study/rounds.jsonl", 1, "trained_version")),
        ("study/rounds.jsonl", set_first("quota", -1), ("study/rounds.jsonl", 1, "quota")),
        ("study/contexts.jsonl", repeat_first, ("study/contexts.jsonl", 11, "position")),
        ("study/contexts.jsonl", set_first("text", ""), ("study/contexts.jsonl", 1, "text")),
        ("study/writers.jsonl", set_first("arm", "unheard"), ("study/writers.jsonl", 1, "arm")),
        ("study/evaluations.jsonl", set_first("test_set", "x"), ("study/evaluations.jsonl", 1, "test_set")),
        ("study/evaluations.jsonl", set_first("predicted", [9] * 10), ("study/evaluations.jsonl", 1, "predicted")),
        ("study/round_scores.jsonl", set_first("version", "x/1"), ("study/round_scores.jsonl", 1, "version")),
        ("study/curve.jsonl", set_first("round", 9), ("study/curve.jsonl", 1, "round")),
        ("study/curve.jsonl", with_a_seed_twice, ("study/curve.jsonl", 2, "seed")),
        ("study/round_scores.jsonl", with_examples_twice, ("study/round_scores.jsonl", 1, "examples")),
        (EXAMPLES, set_first("try", 2**31), (EXAMPLES, 1, "try")),
        (EXAMPLES, set_first("why_label", "x" * 100_001), (EXAMPLES, 1, "why_label")),
        (EXAMPLES, set_first("why_label", "x" * 1_000_001), (EXAMPLES, 0, "")),
        (EXAMPLES, set_first("probabilities", nested(200)), (EXAMPLES, 1, "probabilities")),
        (EXAMPLES, set_first("probabilities", {"entailment": -0.5}), (EXAMPLES, 1, "probabilities")),
        ("study/versions.jsonl", set_first("recipe", nested(200)), ("study/versions.jsonl", 1, "recipe")),
        ("study/versions.jsonl", set_first("metrics", nested(51)), ("study/versions.jsonl", 1, "metrics")),
        ("study/versions.jsonl", set_first("data_sha256", "2" * 65), ("study/versions.jsonl", 1, "data_sha256")),
        ("study/curve.jsonl", set_first("data_sha256", "not one"), ("study/curve.jsonl", 1, "data_sha256")),
        ("study/test_sets.jsonl", set_first("name", "n" * 101), ("study/test_sets.jsonl", 1, "name")),
        ("study/test_items.jsonl", set_first("label", "maybe"), ("study/test_items.jsonl", 1, "label")),
        ("study/test_items.jsonl", set_first("texts", {"premise": "x"}), ("study/test_items.jsonl", 1, "texts")),
    ],
)
def test_what_is_wrong_in_a_row_is_named(
    release: Path, path: str, change: Callable[[Rows], object], place: tuple[str, int, str]
) -> None:
    changed(release, path, change)
    assert place in refused(release)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"half": "a li', "cut off"),
        (b'{"premise": "\xff"}\n', "Not UTF-8"),
        (b"{]\n", "Not JSON"),
        (b"[]\n", "Not an object"),
        (b'{"premise": "\\ud800"}\n', "Not JSON"),
    ],
)
def test_truncated_and_wrongly_encoded_lines_are_named(release: Path, content: bytes, message: str) -> None:
    path = release / EXAMPLES
    path.write_bytes(path.read_bytes() + content)
    sealed(release)
    assert (EXAMPLES, 5, "") in refused(release)
    assert message in str(DataImport.objects.latest("pk").faults)


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_a_damaged_table_of_another_format_is_named(tmp_path: Path, format: str) -> None:
    folder = released(study(), tmp_path / "release", [format])
    elsewhere(folder)
    path = folder / f"{format}/dynamic/examples.{format}"
    path.write_bytes(path.read_bytes()[:-40] + b"\xff\xff")
    sealed(folder)
    assert any(file == f"{format}/dynamic/examples.{format}" for file, _, _ in refused(folder))


def test_a_file_that_was_changed_since_is_named(release: Path) -> None:
    path = release / EXAMPLES
    path.write_bytes(path.read_bytes().replace(b"Something", b"Somewhere"))
    assert (EXAMPLES, 0, "") in refused(release)
    assert "was changed or cut off" in DataImport.objects.latest("pk").problem


def test_a_manifest_that_was_changed_with_a_file_is_seen_through(release: Path) -> None:
    path = release / "release.json"
    manifest = orjson.loads(path.read_bytes())
    manifest["files"][EXAMPLES]["rows"] = None
    manifest["sha256"] = "0" * 64
    path.write_bytes(orjson.dumps(manifest))
    assert refused(release) == [("release.json", 0, "sha256")]


def test_a_missing_file_is_named(release: Path) -> None:
    (release / EXAMPLES).unlink()
    assert (EXAMPLES, 0, "") in refused(release)


def test_at_most_a_hundred_faults_are_named_and_all_counted(release: Path) -> None:
    changed(release, "study/contexts.jsonl", lambda rows: rows.extend([dict(rows[0])] * 150))
    assert len(refused(release)) == 100
    assert DataImport.objects.latest("pk").fault_count == 150


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest.update(format="other/1"),
        lambda manifest: manifest.update(files=[]),
        lambda manifest: manifest["files"].update({"../../etc/passwd": manifest["files"][EXAMPLES]}),
        lambda manifest: manifest["files"].update({"/etc/passwd": manifest["files"][EXAMPLES]}),
        lambda manifest: manifest["files"][EXAMPLES].update(size=10**15),
        lambda manifest: manifest["files"][EXAMPLES].update(size="1"),
    ],
)
def test_a_manifest_that_is_none_is_refused(release: Path, change: Callable[[Any], None]) -> None:
    manifest = orjson.loads((release / "release.json").read_bytes())
    change(manifest)
    write(release / "release.json", orjson.dumps(manifest))
    assert refused(release) == []
    assert DataImport.objects.latest("pk").problem.startswith("file: ")


def zipped(folder: Path, top: str = "") -> Path:
    """The release as a zip."""
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for item in folder.rglob("*"):
            if item.is_file():
                archive.write(item, f"{top}{item.relative_to(folder)}")
    return path


@pytest.mark.parametrize("top", ["", "study-1/"])
def test_a_zip_of_a_release_is_imported(release: Path, top: str, tmp_path: Path) -> None:
    assert imported(zipped(release, top)).state == ImportState.DONE
    assert list((tmp_path / "site/imports").iterdir()) == []


def test_a_zip_that_holds_more_than_its_manifest_says_is_not_unpacked_further(release: Path, tmp_path: Path) -> None:
    write(release / EXAMPLES, (release / EXAMPLES).read_bytes() + b"\n" * 50_000_000)
    assert (EXAMPLES, 0, "") in refused(zipped(release))


def test_a_zip_leads_nowhere_else_and_what_no_manifest_names_is_not_unpacked(release: Path, tmp_path: Path) -> None:
    path = zipped(release)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../../escaped", "x")
    assert imported(path).state == ImportState.DONE
    assert not list(tmp_path.rglob("escaped"))


@pytest.mark.parametrize(
    ("change", "column"),
    [
        (lambda study: study["task"].update(slug="t" * 41), "task.slug"),
        (lambda study: study["task"].update(slug="Not a slug"), "task.slug"),
        (lambda study: study["task"].update(name="n" * 101), "name"),
        (lambda study: study["task"].update(fields=[nested(200)]), "task"),
        (lambda study: study["settings"].update(recipe=nested(200)), "settings"),
        (lambda study: study["arms"][1].update(position=study["arms"][0]["position"]), "arms"),
    ],
)
def test_what_is_wrong_in_the_study_is_named(release: Path, change: Callable[[Any], None], column: str) -> None:
    path = release / "study/study.json"
    told = orjson.loads(path.read_bytes())
    change(told)
    write(path, orjson.dumps(told))
    sealed(release)
    assert ("study/study.json", 0, column) in refused(release)


def test_long_rows_are_stored_fewer_at_a_time() -> None:
    rows = [{"text": "x" * 4_000_000, "votes": [{"reason": "y" * 1_000_001}]}] * 5
    assert [len(batch) for batch in batches(rows)] == [2, 2, 1]
    assert [len(batch) for batch in batches(range(2_500))] == [1000, 1000, 500]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a zip", b"{}"])
def test_what_is_no_release_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "release.zip"
    path.write_bytes(content)
    assert refused(path) == []


def test_a_cut_off_zip_is_refused(release: Path) -> None:
    path = zipped(release)
    path.write_bytes(path.read_bytes()[:-2000])
    assert refused(path) == []


def test_what_is_on_this_site_already_is_named(tmp_path: Path) -> None:
    folder = released(study(), tmp_path / "release")
    places = refused(folder)
    assert (EXAMPLES, 1, "id") in places
    assert "is on this site already" in DataImport.objects.latest("pk").problem


def test_a_name_that_is_taken_is_named_and_another_can_be_chosen(release: Path) -> None:
    factories.draft("elsewhere")
    assert refused(release) == []
    assert "There is an experiment 'elsewhere' already" in DataImport.objects.latest("pk").problem
    taken = imported(release, slug="another")
    assert taken.made is not None
    assert (taken.state, taken.made.slug) == (ImportState.DONE, "another")


def test_a_version_of_the_same_name_and_another_hash_is_named(release: Path) -> None:
    ModelVersion.objects.create(name="else-dynamic", version=1, manifest_sha256="9" * 64, labels=list(factories.LABELS))
    assert ("study/versions.jsonl", 1, "manifest_sha256") in [(file, 1, column) for file, _, column in refused(release)]


def test_a_task_or_test_set_of_the_same_name_and_other_content_is_named(release: Path) -> None:
    changed(release, "study/test_sets.jsonl", set_first("sha256", "8" * 64))
    assert ("study/test_sets.jsonl", 1, "slug") in refused(release)
    Task.objects.update(labels=[{"name": "yes"}, {"name": "no"}])
    assert ("study/study.json", 0, "task") in refused(release)


def test_an_import_that_fails_in_the_middle_takes_all_away_and_can_be_tried_again(
    release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    before = [*counts(), User.objects.count(), Annotator.objects.count()]
    with monkeypatch.context() as patched:
        patched.setattr("collection.importing.studies.release.finish", full)
        taken = imported(release)
    assert (taken.state, taken.made) == (ImportState.FAILED, None)
    assert "No space left on device" in taken.problem
    assert [*counts(), User.objects.count(), Annotator.objects.count()] == before
    assert imported(release).state == ImportState.DONE


def test_an_import_that_was_killed_is_hidden_and_taken_away(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def killed(*_: object, **__: object) -> None:
        raise Killed

    before = [*counts(), User.objects.count(), Annotator.objects.count()]
    monkeypatch.setattr("collection.importing.studies.release.finish", killed)
    with pytest.raises(Killed):
        imported(release)
    admin = User.objects.create(username="admin", is_superuser=True)
    hidden = Experiment.objects.get(state="importing")
    assert not visible(admin).filter(pk=hidden.pk).exists()
    DataImport.objects.update(heartbeat_at="2020-01-01T00:00:00Z")
    imports.reclaim_dead()
    imports.discard_leftovers()
    admin.delete()
    assert [*counts(), User.objects.count(), Annotator.objects.count()] == before
    assert DataImport.objects.get().state == ImportState.FAILED
    assert ImportedVersion.objects.count() == 4
