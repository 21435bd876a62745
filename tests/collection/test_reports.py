"""When a report is due, who computes it, and what is kept of it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.conf import LazySettings
from django.utils import timezone

from collection import analysis, reports
from collection.analytics.parts import Parts
from collection.analytics.report import colophon, sections_of
from collection.analytics.sections import Column, Options, Section, Table
from collection.analytics.study import Study
from collection.errors import Conflict
from collection.models import Experiment, Report, ReportPart
from collection.reconcile import reconcile
from collection.study_tables import study_of
from lifecycle.models import StateChange
from lifecycle.moves import LostRace
from modelserver import runs
from modelserver.datafiles import DataStore
from modelserver.runs import RunSpec, request
from tests import factories

pytestmark = pytest.mark.django_db

QUICK: dict[str, Any] = {"quota": 1, "quorum": 1, "max_validations": 1, "rounds": 2}


@pytest.fixture
def store(tmp_path: Path) -> DataStore:
    """Data files of a test."""
    return DataStore(f"file://{tmp_path}/data", tmp_path / "cache")


def settle(store: DataStore) -> None:
    """Reconcile and train until nothing is left to do."""
    client = factories.client_that_says("entailment")
    reconcile(client, store)
    while waiting := runs.due():
        for run in waiting:
            factories.train(run)
        reconcile(client, store)


def one_round(store: DataStore) -> Experiment:
    """A study with its first round done in every arm."""
    experiment = factories.running(**QUICK)
    for arm in ("non-adversarial", "static", "dynamic"):
        factories.accepted(experiment, arm, 1)
    settle(store)
    return experiment


def counted(study: Study, options: Options, parts: Parts) -> Section:
    """A section with one figure."""
    count = len(study.accepted)
    known = parts("count", str(count), lambda: [count])
    table = Table("count", "Examples", (Column("n", "n"),), ({"n": known[0]},), "counted")
    return Section("comparison", "Count", (f"{known[0]} examples.",), (table,))


def computed(report: Report) -> Report:
    """Have a worker look at a report, with one section in it."""
    with mock.patch("collection.analytics.report.BUILDERS", (counted,)):
        analysis.analyse(report.pk)
    report.refresh_from_db()
    return report


def test_the_first_report_is_due_when_a_round_is_done_and_not_before(store: DataStore) -> None:
    experiment = factories.running(**QUICK)
    factories.accepted(experiment, "dynamic", 1)
    reconcile(factories.client_that_says("entailment"), store)
    assert not Report.objects.exists()
    settle(store)
    assert [report.experiment for report in reports.due()] == [experiment]


def test_a_report_is_computed_once_and_due_again_when_another_round_is_done(store: DataStore) -> None:
    experiment = one_round(store)
    report = computed(reports.due()[0])
    assert (report.state, [section.slug for section in report.sections.all()]) == ("done", ["summary", "comparison"])
    settle(store)
    assert reports.due() == []
    factories.accepted(experiment, "dynamic", 1)
    settle(store)
    assert reports.due() == [report]
    assert "4 examples." in computed(report).sections.get(slug="summary").content["findings"]


def test_while_runs_are_under_way_a_report_waits_for_their_end_but_not_for_ever(store: DataStore) -> None:
    experiment = one_round(store)
    report = computed(reports.due()[0])
    Report.objects.update(made_of="something else")
    request("train:x", experiment.key, RunSpec(kind="train", labels=factories.LABELS))
    reports.note_changes(experiment)
    assert reports.due() == []
    Report.objects.update(heartbeat_at=timezone.now() - reports.LONGEST_WAIT - dt.timedelta(seconds=1))
    reports.note_changes(experiment)
    assert reports.due() == [report]


def test_parts_of_a_report_are_kept_until_nothing_asks_for_them(store: DataStore) -> None:
    one_round(store)
    report = computed(reports.due()[0])
    assert [part.name for part in ReportPart.objects.all()] == ["count"]
    reports.ask(report.experiment)
    with mock.patch("collection.analytics.report.BUILDERS", ()):
        analysis.analyse(report.pk)
    assert not ReportPart.objects.exists()


def test_a_part_is_computed_once(store: DataStore) -> None:
    one_round(store)
    claimed = reports.claim(reports.due()[0].pk)
    assert claimed is not None
    parts = reports.StoredParts(claimed, {"versions": {"numpy": "2"}})
    compute = mock.Mock(return_value={"x": 1})
    assert [parts("a", "k", compute), parts("a", "k", compute)] == [{"x": 1}] * 2
    assert reports.StoredParts(claimed, {"versions": {"numpy": "2"}})("a", "k", compute) == {"x": 1}
    compute.assert_called_once_with()


def test_parts_that_another_version_of_a_package_made_are_computed_anew_and_forgotten(store: DataStore) -> None:
    one_round(store)
    report = computed(reports.due()[0])
    (old,) = ReportPart.objects.all()
    reports.ask(report.experiment)
    computed(report)
    assert ReportPart.objects.get().pk == old.pk
    reports.ask(report.experiment)
    newer = dict.fromkeys(colophon(Options())["versions"], "99")
    with mock.patch("collection.analytics.report.version", newer.__getitem__):
        computed(report)
    assert ReportPart.objects.get().pk != old.pk
    assert report.colophon["versions"] == newer
    assert {"numpy", "scikit-learn", "sacrebleu"} <= set(newer)


def test_two_workers_compute_a_report_once(store: DataStore) -> None:
    one_round(store)
    report = reports.due()[0]
    assert reports.claim(report.pk) is not None
    assert reports.claim(report.pk) is None


def test_a_worker_that_was_given_up_stores_nothing(store: DataStore) -> None:
    one_round(store)
    first = reports.claim(reports.due()[0].pk)
    assert first is not None
    Report.objects.update(heartbeat_at=timezone.now() - dt.timedelta(hours=1))
    reports.reclaim_dead()
    second = reports.claim(first.pk)
    assert second is not None
    with pytest.raises(LostRace):
        reports.heartbeat(first)
    with pytest.raises(LostRace):
        reports.store(first, [], [], b"", {}, 1.0)
    reports.store(second, [Section("summary", "Summary")], [], b"", {}, 1.0)
    assert Report.objects.get().sections.count() == 1


def test_a_report_that_takes_its_workers_with_it_fails_until_somebody_asks_again(store: DataStore) -> None:
    experiment = one_round(store)

    def lost() -> Report:
        assert reports.claim(reports.due()[0].pk) is not None
        Report.objects.update(heartbeat_at=timezone.now() - dt.timedelta(hours=1))
        reports.reclaim_dead()
        return Report.objects.get()

    assert [lost().state for _ in range(3)] == ["due", "due", "failed"]
    assert Report.objects.get().problem.startswith("3 workers were lost with it")
    assert reports.due() == []
    reports.ask(experiment)
    assert lost().state == "due"


def test_a_worker_that_gives_signs_keeps_its_report(store: DataStore) -> None:
    one_round(store)
    claimed = reports.claim(reports.due()[0].pk)
    assert claimed is not None
    reports.heartbeat(claimed)
    reports.reclaim_dead()
    assert Report.objects.get().state == "computing"


def test_a_report_that_fails_says_why_and_the_one_before_goes_on_standing(store: DataStore) -> None:
    experiment = one_round(store)
    report = computed(reports.due()[0])
    reports.ask(experiment)

    def broken(study: Study, options: Options, parts: Parts) -> Section:
        raise ZeroDivisionError("no data")

    with mock.patch("collection.analytics.report.BUILDERS", (broken,)):
        analysis.analyse(report.pk)
    report.refresh_from_db()
    assert (report.state, report.problem) == ("failed", "ZeroDivisionError: no data")
    assert report.sections.count() == 2
    settle(store)
    assert reports.due() == [], "the same data would fail again"


def test_only_so_many_reports_are_computed_at_once(store: DataStore, settings: LazySettings) -> None:
    settings.REPORTS_AT_ONCE = 1
    one_round(store)
    reports.ask(factories.running("other"))
    assert len(reports.due()) == 1
    assert reports.claim(reports.due()[0].pk) is not None
    assert reports.due() == []


def test_asking_is_on_record_and_asking_twice_is_asking_once() -> None:
    experiment = factories.running(**QUICK)
    somebody = factories.person().user
    report = reports.ask(experiment, somebody)
    assert reports.ask(experiment, somebody) == report
    events = StateChange.objects.filter(subject_type="collection.report")
    assert [(event.to_state, event.actor) for event in events] == [("due", somebody)]


def test_there_is_no_report_on_a_draft() -> None:
    with pytest.raises(Conflict, match="before the launch"):
        reports.ask(factories.draft())


def test_the_summary_repeats_what_sections_found_first_and_what_they_could_not_find_out() -> None:
    def found(study: Study, options: Options, parts: Parts) -> Section:
        said = ("One.", "Two.", "Three.", "Four.", "Five.")
        return Section("panel", "X", said, limits=("not enough data: y", "how z is counted"))

    with mock.patch("collection.analytics.report.BUILDERS", (found,)):
        summary = sections_of(study_of(factories.running(**QUICK)), Options())[0]
    assert summary.findings[1:] == ("One.", "Two.", "Three.", "Four.")
    assert summary.limits == ("X: not enough data: y",)
