"""Celery tasks of collection: nudges to look at the database."""

from __future__ import annotations

from celery import shared_task
from django.conf import settings

from collection import reconcile as reconciliation
from collection.health import WORKER
from collection.nudges import RECONCILE
from lifecycle.signs import leave_sign
from modelserver import registry
from modelserver.tasks import send_due


@shared_task(name=RECONCILE, ignore_result=True)
def reconcile() -> None:
    """Move whatever is due, then send the training runs that wait for a worker. Safe at any time, however often."""
    leave_sign(WORKER)
    reconciliation.reconcile(registry.model_client())
    send_due(expires_s=settings.RECONCILE_SECONDS)
