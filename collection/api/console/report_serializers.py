"""What goes in and out of the API about a report, field by field."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers as s

from collection.analytics.power import BOUNDS, Design
from collection.analytics.power_section import TITLES
from collection.api.serializers import Fields
from collection.states import ReportState


class ReportTitleOut(Fields):
    id = s.CharField()
    title = s.CharField()


class ReportOut(Fields):
    state = s.ChoiceField([state.value for state in ReportState])
    problem = s.CharField(allow_blank=True)
    computed_at = s.DateTimeField(allow_null=True)
    seconds = s.FloatField(allow_null=True)
    colophon = s.DictField()
    summary = s.ListField(child=s.CharField())
    sections = ReportTitleOut(many=True)


class ReportColumnOut(Fields):
    name = s.CharField()
    title = s.CharField()
    unit = s.CharField(allow_blank=True)


class ReportTableOut(Fields):
    id = s.CharField()
    title = s.CharField()
    columns = ReportColumnOut(many=True)
    rows = s.ListField(child=s.DictField())
    method = s.CharField(allow_blank=True)
    notes = s.ListField(child=s.CharField())


class ReportChartOut(Fields):
    id = s.CharField()
    title = s.CharField()
    description = s.CharField()
    table = s.CharField()
    spec = s.DictField()


class ReportSectionOut(Fields):
    id = s.CharField()
    title = s.CharField()
    findings = s.ListField(child=s.CharField())
    tables = ReportTableOut(many=True)
    charts = ReportChartOut(many=True)
    limits = s.ListField(child=s.CharField())


class PowerIn(Fields):
    """A study to be and what is assumed; what is missing has its default."""

    def get_fields(self) -> dict[str, Any]:
        """The fields of a design with their bounds."""
        return {name: _stated(name, type(getattr(Design, name))) for name in TITLES}


def _stated(name: str, kind: type) -> s.Field[Any, Any, Any, Any]:
    if kind is str:
        return s.CharField(required=False, max_length=3, help_text=TITLES[name])
    field = s.IntegerField if kind is int else s.FloatField
    least, most = BOUNDS.get(name, (None, None))
    return field(required=False, min_value=least, max_value=most, help_text=TITLES[name])
