"""What comes out of the API about a report, field by field."""

from __future__ import annotations

from rest_framework import serializers as s

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
