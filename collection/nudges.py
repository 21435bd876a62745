"""Telling the workers that something may be due. The database is the truth: a nudge that is lost costs only time."""

from __future__ import annotations

import logging
from typing import Any

from celery import current_app
from django.conf import settings
from django.db import transaction
from django.dispatch import receiver
from kombu.exceptions import OperationalError

from modelserver.signals import run_ended

log = logging.getLogger(__name__)

RECONCILE = "collection.tasks.reconcile"


def nudge() -> None:
    """Ask a worker to reconcile, once the current transaction is committed."""
    transaction.on_commit(_send, robust=True)


def _send() -> None:
    try:
        current_app.send_task(RECONCILE, expires=settings.RECONCILE_SECONDS)
    except (OperationalError, OSError):
        # The broker is away. The periodic reconcile will find what is due.
        log.warning("could not reach the broker; reconcile will run in at most %s s", settings.RECONCILE_SECONDS)


@receiver(run_ended, dispatch_uid="collection.reconcile_after_run")
def _after_run(**_: Any) -> None:
    nudge()
