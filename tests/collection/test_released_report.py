"""The report inside a release: nobody can be found in it by what pages, or another release, call people."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.conf import LazySettings

from annotators.models import Annotator
from collection import analysis, releases, releasing, reports
from collection.analytics.typesetting import source, typeset
from collection.models import Example, Experiment, Release, ReportSection
from collection.pseudonyms import pseudonym
from tests.collection import released

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_folder(settings: LazySettings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path
    settings.RELEASES_URL = f"file://{tmp_path}/releases"


@pytest.fixture
def paper() -> Iterator[list[str]]:
    """What is set as PDF: its markup and the charts in it, as text."""
    printed: list[str] = []

    def watched(*arguments: Any) -> bytes:
        printed.extend([*source(*arguments), *arguments[2].values()])
        return typeset(*arguments)

    with mock.patch("collection.released_report.typeset", watched):
        yield printed


@pytest.fixture
def experiment() -> Experiment:
    """A study with texts, votes and the whole report on them."""
    made = released.study(each=4)
    report = reports.ask(made)
    analysis.analyse(report.pk)
    report.refresh_from_db()
    assert (report.state, report.problem) == ("done", "")
    return made


def pseudonyms(experiment: Experiment) -> set[str]:
    """What pages of the study call people."""
    return {pseudonym(experiment, person) for person in Annotator.objects.all()}


def tables(release: Release) -> dict[str, list[dict[str, Any]]]:
    """The rows of the report's tables."""
    sections = json.loads(released.content(release, "report/report.json"))["sections"]
    return {table["id"]: table["rows"] for section in sections for table in section["tables"]}


def names(release: Release) -> set[str]:
    """Whom the report of a release names."""
    found = tables(release)
    columns = ("lowest_without", "highest_without")
    beside = {row[column] for row in found["writers-effects"] for column in columns if row.get(column)}
    people = {row["writer"] for row in found["writers-people"]}
    return people | {row["validator"] for row in found["agreement-validators"]} | beside


def test_no_file_of_a_release_has_a_pseudonym_of_the_pages(experiment: Experiment, paper: list[str]) -> None:
    known = pseudonyms(experiment)
    shown = json.dumps(list(ReportSection.objects.values_list("content", flat=True)))
    assert sum(name in shown for name in known) > 5, "the report that stands names people"
    release = released.built(experiment, attempts=True, formats=["jsonl", "csv", "huggingface"])
    assert paper
    for path, content in {**released.everything(release), "paper": "\n".join(paper).encode()}.items():
        assert not [name for name in known if name.encode() in content], path


def test_the_report_calls_people_as_the_release_does(experiment: Experiment) -> None:
    release = released.built(experiment)
    writers = {row["writer"] for row in released.rows(release, "study/writers.jsonl")}
    assert names(release)
    assert names(release) <= writers
    page = released.content(release, "report/report.html").decode()
    assert all(name in page for name in names(release))


def test_two_releases_share_no_name_in_their_reports(experiment: Experiment) -> None:
    first, second = released.built(experiment), released.built(experiment)
    assert len(names(first)) == len(names(second)) > 5
    assert not names(first) & names(second)


def test_rows_are_ordered_by_what_people_are_called_in_the_release(experiment: Experiment) -> None:
    release = released.built(experiment)
    for table, count, name in (("writers-people", "texts", "writer"), ("agreement-validators", "votes", "validator")):
        rows = [(-row[count], row[name]) for row in tables(release)[table]]
        assert rows == sorted(rows)


def test_who_cannot_be_found_any_more_has_a_number(experiment: Experiment) -> None:
    gone = Example.objects.filter(arm__experiment=experiment).earliest("pk").annotator
    former = pseudonym(experiment, gone)
    # As an erasure does.
    Annotator.objects.filter(pk=gone.pk).update(key=uuid.uuid4())
    release = released.built(experiment)
    assert "writer 1" in names(release)
    assert "writer 2" not in names(release)
    assert former not in released.content(release, "report/report.html").decode()


def test_a_build_that_was_killed_takes_the_report_once(experiment: Experiment) -> None:
    whole = released.built(experiment)
    release = releases.ask(experiment, {})
    Release.objects.filter(pk=release.pk).update(salt=whole.salt, as_of=whole.as_of)
    with (
        mock.patch("collection.export.kept.Kept.divide", side_effect=KeyboardInterrupt),
        pytest.raises(KeyboardInterrupt),
    ):
        releasing.release(release.pk)
    ReportSection.objects.all().delete()
    Release.objects.filter(pk=release.pk).update(state="due")
    released.again(release)
    report = [path for path in whole.files if path.startswith("report/")]
    assert len(report) == 3
    assert [release.files[path] for path in report] == [whole.files[path] for path in report]
