"""Computing the report on an experiment, in a worker: it loads pandas and draws charts."""

from __future__ import annotations

import logging
import time

from collection import reports
from collection.analytics.drawing import draw
from collection.analytics.report import colophon, sections_of
from collection.analytics.sections import Options
from collection.analytics.typesetting import typeset
from collection.models import Report
from collection.study_tables import study_of
from lifecycle.moves import LostRace

log = logging.getLogger(__name__)


def analyse(report_id: int) -> None:
    """Compute a report that is due, if there is one to take, and keep it."""
    report = reports.claim(report_id)
    if report is None:
        return
    try:
        _compute(report)
    except LostRace:
        log.info("%s was taken over by another worker", report)
    except Exception as error:
        # The boundary of a computation over people's data: whatever it meets is told, and the worker goes on.
        log.exception("%s failed", report)
        reports.fail(report, f"{type(error).__name__}: {error}")


def _compute(report: Report) -> None:
    began = time.monotonic()
    options = Options(seed=report.experiment.seed % 2**32)
    made_by = colophon(options)
    parts = reports.StoredParts(report, made_by)
    study = study_of(report.experiment)
    sections = sections_of(study, options, parts)
    pictures = {}
    for section in sections:
        for chart in section.charts:
            reports.heartbeat(report)
            pictures[section.id, chart.id] = draw(section, chart)
    pdf = typeset(study.name, sections, {key: picture.svg for key, picture in pictures.items()}, made_by)
    drawn = [reports.Drawn(section, slug, item.svg, item.png) for (section, slug), item in pictures.items()]
    reports.store(report, sections, drawn, pdf, made_by, time.monotonic() - began)
    parts.forget_others()
