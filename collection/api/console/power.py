"""What a study to be will see, worked out from what is stated of it."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from collection.analytics.power import Design, DesignError
from collection.analytics.power_section import plan_section
from collection.api.console import report_serializers as s
from collection.api.console.base import SiteView
from collection.api.reading import read
from collection.errors import Invalid


class PowerView(SiteView):
    """Simulated power. Nothing is stored."""

    throttle_scope = "power"

    @extend_schema(operation_id="power_simulate", request=s.PowerIn, responses=s.ReportSectionOut)
    def post(self, request: Request) -> Response:
        """What it will see and cost, and the smallest study that sees enough: a section like those of reports."""
        self.check_researcher()
        try:
            design = Design(**read(s.PowerIn, request))
        except DesignError as error:
            first = error.faults[0]
            raise Invalid(first.fields[0], first.message) from None
        return Response(plan_section(design).to_plain())
