"""When the report on an experiment is due, who computes it, and keeping it. Computing it: collection.analysis."""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from annotators.models import Annotator
from collection.analytics.sections import Section
from collection.errors import Conflict
from collection.models import (
    CurveVersion,
    Example,
    Experiment,
    Report,
    ReportChart,
    ReportDocument,
    ReportPart,
    ReportSection,
    Round,
    RoundScore,
)
from collection.nudges import nudge
from collection.states import OVER, ReportState, RoundState
from lifecycle.lost import give_back
from lifecycle.moves import LostRace, move, record
from modelserver.models import TrainingRun
from modelserver.states import RUN_ENDED

LONGEST_WAIT = dt.timedelta(minutes=10)


@dataclass(frozen=True)
class Drawn:
    """A section's chart as SVG and PNG; ``slug`` is the chart's id."""

    section: str
    slug: str
    svg: str
    png: bytes


def note_changes(experiment: Experiment) -> None:
    """Make the experiment's report due if what it is made of has changed since it was computed.

    That is so when a round is done and when a version was trained or scored; single texts and votes wait for these.
    While such runs are under way each would make it due again: then it waits for their end, or for LONGEST_WAIT.
    """
    report = Report.objects.filter(experiment=experiment).first()
    if report is None:
        if Round.objects.filter(arm__experiment=experiment, state=RoundState.DONE).exists():
            _first(experiment)
    elif report.state in (ReportState.DONE, ReportState.FAILED) and report.made_of != inputs_digest(experiment):
        under_way = TrainingRun.objects.filter(study=experiment.key).exclude(state__in=RUN_ENDED).exists()
        old = report.heartbeat_at is None or report.heartbeat_at < timezone.now() - LONGEST_WAIT
        if old or not under_way:
            move(report, ReportState.DUE)


def ask(experiment: Experiment, actor: AbstractBaseUser | None = None) -> Report:
    """Have the report computed anew with all that is there by now. One that is due or being computed stays so.

    Raises Conflict for an experiment that has not been launched: there is nothing to report on.
    """
    if experiment.base_version_id is None:
        raise Conflict("not_launched", "There is nothing to report on before the launch.")
    report = _first(experiment, actor)
    if report.state in (ReportState.DONE, ReportState.FAILED):
        try:
            move(report, ReportState.DUE, actor=actor)
        except LostRace:
            report.refresh_from_db()
    nudge()
    return report


def _first(experiment: Experiment, actor: AbstractBaseUser | None = None) -> Report:
    with transaction.atomic():
        report, created = Report.objects.get_or_create(experiment=experiment)
        if created:
            record(report, ReportState.DUE, actor=actor)
    return report


def due() -> list[Report]:
    """The reports that a worker should compute now, oldest first: with those in work at most REPORTS_AT_ONCE."""
    free = settings.REPORTS_AT_ONCE - Report.objects.filter(state=ReportState.COMPUTING).count()
    return list(Report.objects.filter(state=ReportState.DUE).order_by("pk")[: max(free, 0)])


def claim(report_id: int) -> Report | None:
    """Take a due report for this worker. None if there is nothing to take."""
    report = Report.objects.select_related("experiment__task").filter(pk=report_id, state=ReportState.DUE).first()
    if report is None:
        return None
    try:
        made_of = inputs_digest(report.experiment)
        move(report, ReportState.COMPUTING, owner=uuid.uuid4(), heartbeat_at=timezone.now(), made_of=made_of)
    except LostRace:
        return None
    return report


def heartbeat(report: Report) -> None:
    """Say that the report is being computed. Raises LostRace if it is no longer this worker's: then stop."""
    mine = Report.objects.filter(pk=report.pk, state=ReportState.COMPUTING, owner=report.owner)
    if mine.update(heartbeat_at=timezone.now()) != 1:
        raise LostRace(f"{report} is computed by somebody else")


def reclaim_dead() -> None:
    """computing → due, where the worker has given no sign for REPORT_DEADLINE_SECONDS; → failed for the third lost."""
    silent = timezone.now() - dt.timedelta(seconds=settings.REPORT_DEADLINE_SECONDS)
    for report in Report.objects.filter(state=ReportState.COMPUTING, heartbeat_at__lt=silent):
        consequence = "The one before stands."
        give_back(report, ReportState.DUE, ReportState.FAILED, sign=report.heartbeat_at, consequence=consequence)


def store(
    report: Report,
    sections: Sequence[Section],
    drawn: Sequence[Drawn],
    pdf: bytes,
    colophon: dict[str, Any],
    seconds: float,
) -> None:
    """Put sections in place of the former ones: computing → done. Raises LostRace if it is no longer this worker's."""
    charts: dict[str, list[Drawn]] = {}
    for chart in drawn:
        charts.setdefault(chart.section, []).append(chart)
    with transaction.atomic():
        move(
            report,
            ReportState.DONE,
            where={"owner": report.owner},
            computed_at=timezone.now(),
            seconds=seconds,
            colophon=colophon,
            problem="",
        )
        ReportDocument.objects.update_or_create(report=report, defaults={"pdf": pdf})
        report.sections.all().delete()
        for position, section in enumerate(sections):
            kept = ReportSection.objects.create(
                report=report, position=position, slug=section.id, title=section.title, content=section.to_plain()
            )
            ReportChart.objects.bulk_create(
                ReportChart(section=kept, slug=chart.slug, svg=chart.svg, png=chart.png)
                for chart in charts.get(section.id, ())
            )


def stored(report: Report) -> tuple[list[Section], dict[tuple[str, str], str]]:
    """The sections that stand, and their charts as SVG by section and chart."""
    sections = [Section.from_plain(item.content) for item in ReportSection.objects.filter(report=report)]
    drawn = ReportChart.objects.filter(section__report=report).values_list("section__slug", "slug", "svg")
    return sections, {(section, chart): svg for section, chart, svg in drawn}


def fail(report: Report, problem: str) -> None:
    """computing → failed; the report that stood goes on standing."""
    move(report, ReportState.FAILED, where={"owner": report.owner}, problem=problem)


class StoredParts:
    """Parts that are kept with a report (see analytics.parts). Each use is a sign that it is being computed.

    ``colophon`` is what the figures depend on beside the data: a part that other packages or settings made is none of
    this report's.
    """

    def __init__(self, report: Report, colophon: Mapping[str, Any]) -> None:
        self._report = report
        self._made_by = repr(sorted(colophon.items()))
        # At once: a report may ask for hundreds of parts.
        self._kept = {(part.name, part.key): part for part in ReportPart.objects.filter(report=report)}
        self._used: set[int] = set()

    def __call__(self, name: str, key: str, compute: Any) -> Any:
        """The part that is kept under that name and key, or a new one."""
        heartbeat(self._report)
        key = hashlib.sha256(f"{key} {self._made_by}".encode()).hexdigest()[:32]
        found = self._kept.get((name, key))
        if found is None:
            content = compute()
            found, _ = ReportPart.objects.get_or_create(
                report=self._report, name=name, key=key, defaults={"content": content}
            )
            self._kept[name, key] = found
        self._used.add(found.pk)
        return found.content

    def forget_others(self) -> None:
        """Delete the parts that nothing has asked for."""
        old = set(ReportPart.objects.filter(report=self._report).values_list("pk", flat=True)) - self._used
        ReportPart.objects.filter(pk__in=old).delete()


def inputs_digest(experiment: Experiment) -> str:
    """A digest of what a report is made of, as far as it changes: when rounds and runs end, and people are erased."""
    rounds = Round.objects.filter(arm__experiment=experiment, state=RoundState.DONE).order_by("pk")
    curve = CurveVersion.objects.filter(round__arm__experiment=experiment).exclude(version=None)
    made_of = [
        list(rounds.values_list("pk", "trained_version")),
        list(rounds.aggregate(Count("trained_version__evaluations")).values()),
        list(curve.aggregate(Count("pk", distinct=True), Count("version__evaluations")).values()),
        RoundScore.objects.filter(round__arm__experiment=experiment).count(),
        list(experiment.test_sets.order_by("pk").values_list("pk", flat=True)),
        experiment.state in OVER,
    ]
    erased = Annotator.objects.exclude(erased_at=None)
    gone = erased.filter(enrolments__plan__study=experiment.key).count()
    texts = Example.objects.filter(arm__experiment=experiment).exclude(erased_at=None).count()
    if gone or texts:
        # Reports name people by pseudonyms, and quote words.
        made_of.append([gone, texts])
    return hashlib.sha256(repr(made_of).encode()).hexdigest()
