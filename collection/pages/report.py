"""The report on an experiment, as a worker has stored it: a section a page, charts and tables to take along."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AbstractBaseUser
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from collection import reports
from collection.access import Right
from collection.analytics.sections import Section
from collection.errors import Refused
from collection.models import Report, ReportChart, ReportDocument, ReportSection
from collection.pages.people import looked_at, looked_at_with
from collection.printing import csv_of, html_of, laid_out

# Of a table on a page: thousands of rows are nothing to read, and slow to lay out.
MOST_ROWS = 200


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def report(request: HttpRequest, slug: str, section: str = "") -> HttpResponse:
    """One section, the summary first; a POST asks for a new report."""
    if request.method == "POST":
        return _ask(request, slug)
    experiment, held = looked_at_with(request, slug)
    standing = Report.objects.filter(experiment=experiment).first()
    sections = list(ReportSection.objects.filter(report=standing).defer("content")) if standing else []
    wanted = next((item for item in sections if not section or item.slug == section), None)
    if section and wanted is None:
        raise Http404
    page = {
        "experiment": experiment,
        "manages": Right.MANAGE in held,
        "runs": Right.RUN in held and experiment.base_version_id is not None,
        "report": standing,
        "sections": sections,
        "laid": laid_out(Section.from_plain(wanted.content), {}, MOST_ROWS) if wanted else None,
    }
    return render(request, "collection/report.html", page)


def _ask(request: HttpRequest, slug: str) -> HttpResponse:
    experiment = looked_at(request, slug, Right.RUN)
    assert isinstance(request.user, AbstractBaseUser)
    try:
        reports.ask(experiment, request.user)
    except Refused as error:
        messages.warning(request, str(error))
    return redirect("report", slug=slug)


@login_required
@require_GET
def svg(request: HttpRequest, slug: str, section: str, chart: str) -> HttpResponse:
    """A chart as SVG."""
    found = _chart(request, slug, section, chart, "svg")
    return _file(found.svg.encode(), "image/svg+xml", f"{slug}.{section}.{chart}.svg")


@login_required
@require_GET
def png(request: HttpRequest, slug: str, section: str, chart: str) -> HttpResponse:
    """A chart as PNG."""
    found = _chart(request, slug, section, chart, "png")
    return _file(bytes(found.png), "image/png", f"{slug}.{section}.{chart}.png")


@login_required
@require_GET
def table(request: HttpRequest, slug: str, section: str, table: str) -> HttpResponse:
    """A table as CSV."""
    experiment = looked_at(request, slug)
    found = get_object_or_404(ReportSection, report__experiment=experiment, slug=section)
    try:
        chosen = Section.from_plain(found.content).table(table)
    except KeyError:
        raise Http404 from None
    return _file(csv_of(chosen).encode(), "text/csv; charset=utf-8", f"{slug}.{section}.{table}.csv")


@login_required
@require_GET
def printed(request: HttpRequest, slug: str) -> HttpResponse:
    """The whole report as one page that needs nothing else."""
    experiment = looked_at(request, slug)
    standing = get_object_or_404(Report, experiment=experiment)
    sections, pictures = reports.stored(standing)
    if not sections:
        raise Http404
    page = html_of(experiment.name, sections, pictures, standing.colophon)
    answer = _file(page.encode(), "text/html; charset=utf-8", f"{slug}.report.html")
    # To be looked at and printed, with its own style sheet in it.
    answer["Content-Disposition"] = "inline"
    answer["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
    return answer


@login_required
@require_GET
def pdf(request: HttpRequest, slug: str) -> HttpResponse:
    """The whole report for paper."""
    found = get_object_or_404(ReportDocument, report__experiment=looked_at(request, slug))
    return _file(bytes(found.pdf), "application/pdf", f"{slug}.report.pdf")


def _chart(request: HttpRequest, slug: str, section: str, chart: str, column: str) -> ReportChart:
    experiment = looked_at(request, slug)
    found = ReportChart.objects.filter(section__report__experiment=experiment, section__slug=section)
    return get_object_or_404(found.only(column), slug=chart)


def _file(content: bytes, kind: str, name: str) -> HttpResponse:
    answer = HttpResponse(content, content_type=kind)
    answer["Content-Disposition"] = f'inline; filename="{name}"'
    answer["Cache-Control"] = "private, no-cache"
    return answer
