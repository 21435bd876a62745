"""Celery tasks of collection: nudges to look at the database."""

from __future__ import annotations

from celery import shared_task
from django.conf import settings

from collection import analysis, imports, intake, releases, releasing, reports
from collection import reconcile as reconciliation
from collection.health import WORKER
from collection.nudges import RECONCILE
from lifecycle.signs import leave_sign
from modelserver import registry
from modelserver.tasks import send_due


@shared_task(name=RECONCILE, ignore_result=True)
def reconcile() -> None:
    """Move whatever is due, then send the runs, reports, releases and imports that wait for a worker."""
    leave_sign(WORKER)
    reconciliation.reconcile(registry.model_client())
    send_due(expires_s=settings.RECONCILE_SECONDS)
    for report in reports.due():
        analyse.apply_async((report.pk,), expires=settings.RECONCILE_SECONDS)
    for wanted in releases.due():
        release.apply_async((wanted.pk,), expires=settings.RECONCILE_SECONDS)
    for item in imports.due():
        bring_in.apply_async((item.pk,), expires=settings.RECONCILE_SECONDS)


@shared_task(name="collection.tasks.analyse", ignore_result=True)
def analyse(report_id: int) -> None:
    """Compute a report that is due. Comes twice, late or for one that is done: does nothing."""
    analysis.analyse(report_id)


@shared_task(name="collection.tasks.release", ignore_result=True)
def release(release_id: int) -> None:
    """Build a release that is due. Comes twice, late or for one that is done: does nothing."""
    releasing.release(release_id)


@shared_task(name="collection.tasks.bring_in", ignore_result=True)
def bring_in(import_id: int) -> None:
    """Carry out an import that is due. Comes twice, late or for one that is done: does nothing."""
    intake.carry_out(import_id)
