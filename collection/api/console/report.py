"""The report on an experiment: what it says, section by section, and asking for a new one."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from collection import reports
from collection.access import Right
from collection.api.authentication import user_of
from collection.api.console import report_serializers as s
from collection.api.console.base import ConsoleView, iso
from collection.api.idempotency import idempotent
from collection.api.reading import parameters
from collection.errors import NotYours
from collection.models import Experiment, Report, ReportSection


class ReportView(ConsoleView):
    """The report as it was last computed."""

    @extend_schema(operation_id="report_get", responses=s.ReportOut)
    def get(self, request: Request, slug: str) -> Response:
        """Its state, the summary in words, and which sections there are. 404 before the first round is done."""
        experiment = self.experiment(slug)
        parameters(request)
        standing = Report.objects.filter(experiment=experiment).first()
        if standing is None:
            raise NotYours("report")
        return Response(_report(standing))

    @extend_schema(request=None, responses={202: s.ReportOut})
    @idempotent
    def post(self, request: Request, slug: str) -> Response:
        """Have it computed anew with all that is there by now; a worker does it."""
        experiment: Experiment = self.experiment(slug, Right.RUN)
        return Response(_report(reports.ask(experiment, user_of(request))), status=202)


class ReportSectionView(ConsoleView):
    """One section of the report."""

    @extend_schema(operation_id="report_section_get", responses=s.ReportSectionOut)
    def get(self, request: Request, slug: str, section: str) -> Response:
        """Findings in words, tables whose figures have n, interval and method, charts as Vega-Lite specifications."""
        experiment = self.experiment(slug)
        parameters(request)
        found = ReportSection.objects.filter(report__experiment=experiment, slug=section).first()
        if found is None:
            raise NotYours("report")
        return Response(found.content)


def _report(report: Report) -> dict[str, object]:
    sections = list(report.sections.defer("content").order_by("position"))
    summary = report.sections.filter(slug="summary").values_list("content", flat=True).first()
    return {
        "state": report.state,
        "problem": report.problem,
        "computed_at": iso(report.computed_at),
        "seconds": report.seconds,
        "colophon": report.colophon,
        "summary": summary["findings"] if summary else [],
        "sections": [{"id": item.slug, "title": item.title} for item in sections],
    }
