from __future__ import annotations

from annotators.models import Annotator, Enrolment, EnrolmentPlan, LedgerEntry
from lifecycle.admin import show

show(Annotator, ("user", "platform", "platform_id", "created_at"), ("platform",))
show(EnrolmentPlan, ("study", "seed", "enrolled"))
show(Enrolment, ("annotator", "group", "position", "created_at"), ("group",))
show(LedgerEntry, ("annotator", "kind", "minor", "currency", "key", "created_at"), ("kind", "currency"))
