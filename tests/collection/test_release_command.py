"""``manage.py release``: making, fetching, deciding, comparing."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.core.management import CommandError, call_command

from collection import releases
from collection.models import Release, Round
from tests import factories
from tests.collection import released

pytestmark = pytest.mark.django_db


def run(*arguments: Any) -> str:
    """What the command prints."""
    printed = io.StringIO()
    call_command("release", *map(str, arguments), stdout=printed, stderr=io.StringIO())
    return printed.getvalue()


def test_a_release_is_made_here_and_its_files_are_the_stored_ones(tmp_path: Path, sent_nudges: list[str]) -> None:
    released.study()
    out = tmp_path / "out"
    printed = run("study", "--formats", "jsonl", "csv", "--attempts", "--splits", "fooling", "--dev", 0.3, "--out", out)
    release = Release.objects.get()
    assert f"sha256 {release.sha256}" in printed
    assert release.choices["splits"] == {"method": "fooling", "dev": 0.3, "test": 0.1, "contexts": False, "seed": 0}
    found = {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert {path: hashlib.sha256(content).hexdigest() for path, content in found.items()} == {
        path: item["sha256"] for path, item in release.files.items()
    }
    assert sent_nudges == []


def test_a_release_that_exists_is_fetched_by_its_number(tmp_path: Path) -> None:
    released.built(released.study())
    run("study", "--number", 1, "--out", tmp_path / "out")
    assert json.loads((tmp_path / "out" / "release.json").read_text())["number"] == 1
    assert Release.objects.count() == 1


def test_a_folder_with_something_in_it_is_not_touched(tmp_path: Path) -> None:
    released.study()
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(CommandError, match="not empty"):
        run("study", "--out", tmp_path)
    assert not Release.objects.exists()


def test_what_is_found_is_shown_and_decided_by_a_second_call() -> None:
    experiment = factories.running(**released.QUICK)
    released.with_text(experiment, "Write to jane.doe@example.org today.")
    released.over(experiment)
    with pytest.raises(CommandError, match="--number 1 --findings accepted or left_out"):
        run("study")
    assert "done" not in run_refused("study", "--number", 1)
    assert "release 1:" in run("study", "--number", 1, "--findings", "left_out")
    assert released.rows(Release.objects.get(), "jsonl/static/examples.jsonl") == []


def run_refused(*arguments: Any) -> str:
    """What the command prints before it refuses."""
    printed = io.StringIO()
    with pytest.raises(CommandError):
        call_command("release", *map(str, arguments), stdout=printed)
    assert "jane" not in printed.getvalue()
    assert "e-mail address: 1" in printed.getvalue()
    return printed.getvalue()


def test_a_worker_that_was_faster_is_waited_for() -> None:
    release = releases.ask(released.study(), {})
    held = releases.claim(release.pk)
    assert held is not None

    def meanwhile(seconds: float) -> None:
        Release.objects.filter(pk=release.pk).update(state="due", progress={"phase": "reading", "done": 1, "of": 6})

    with mock.patch("time.sleep", meanwhile):
        assert "release 1:" in run("study", "--number", 1)


def test_two_releases_are_compared() -> None:
    experiment = factories.running(**released.QUICK | {"quota": 4})
    factories.accepted(experiment, "static", 1)
    released.over(experiment)
    released.built(experiment, formats=["jsonl"])
    Round.objects.update(state="open")
    example = released.with_text(experiment, "One more.")
    released.over(experiment)
    released.built(experiment, formats=["jsonl", "csv"])
    printed = run("study", "--diff", 1, 2)
    assert "formats: ['jsonl'] → ['jsonl', 'csv']" in printed
    assert "files added: csv/dynamic/examples.csv" in printed
    assert f"static: added: 1 ({example.key})" in printed
    assert "dynamic: added: 0\n" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nobody"], "experiment: there is no"),
        (["study", "--arms", "nobody"], "arms: There is no"),
        (["study", "--rounds", "7"], "rounds: There is no round 7"),
        (["study", "--splits", "random"], r"splits\.method: Must be one of"),
        (["study", "--number", "7"], "no such release"),
        (["study", "--diff", "1", "2"], "no such release"),
    ],
)
def test_what_is_wrong_is_named(arguments: list[str], message: str) -> None:
    released.study()
    with pytest.raises(CommandError, match=message):
        run(*arguments)
