"""Telling the workers that something may be due. The database is the truth: a nudge that is lost costs only time."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from celery import current_app
from django.conf import settings
from django.db import transaction
from django.dispatch import receiver
from kombu.exceptions import OperationalError

from modelserver.signals import run_ended

log = logging.getLogger(__name__)

RECONCILE = "collection.tasks.reconcile"


_held_back: ContextVar[bool] = ContextVar("held_back", default=False)


def nudge() -> None:
    """Ask a worker to reconcile, once the current transaction is committed."""
    if not _held_back.get():
        transaction.on_commit(_send, robust=True)


@contextmanager
def held_back() -> Iterator[None]:
    """Send no nudges meanwhile: for whoever reconciles by itself."""
    token = _held_back.set(True)
    try:
        yield
    finally:
        _held_back.reset(token)


def _send() -> None:
    try:
        current_app.send_task(RECONCILE, expires=settings.RECONCILE_SECONDS)
    except (OperationalError, OSError):
        # The broker is away. The periodic reconcile will find what is due.
        log.warning("could not reach the broker; reconcile will run in at most %s s", settings.RECONCILE_SECONDS)


@receiver(run_ended, dispatch_uid="collection.reconcile_after_run")
def _after_run(**_: Any) -> None:
    nudge()
