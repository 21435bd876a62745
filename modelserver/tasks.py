"""Celery tasks of training workers: nudges to look at a run's row."""

from __future__ import annotations

import time
from typing import Any

from celery import shared_task
from celery.signals import heartbeat_sent
from django.conf import settings
from django.db import connection

from lifecycle.signs import leave_sign
from modelserver import runner, runs

QUEUE = "training"
_last_sign = 0.0


@shared_task(name="modelserver.tasks.run_training", ignore_result=True)
def run_training(run_id: int) -> None:
    """Carry out a queued run. Comes twice, late or for a run that is done: does nothing."""
    runner.work(run_id)


def send_due(expires_s: float) -> None:
    """Send a task for each run that is due. Messages expire, so that a busy worker does not gather old ones."""
    for run in runs.due():
        run_training.apply_async((run.pk,), expires=expires_s)


@heartbeat_sent.connect
def show_idle_trainer(sender: Any, **_: Any) -> None:
    """Leave a sign of a trainer that waits for work: Celery's own heartbeat calls this every two seconds."""
    global _last_sign
    now = time.monotonic()
    due = now - _last_sign >= settings.TRAINING_HEARTBEAT_SECONDS
    if due and QUEUE in sender.eventer.app.amqp.queues.consume_from:
        _last_sign = now
        leave_sign(runs.TRAINER)
        # It is a thread of Celery's that comes here, or a process that forks: neither keeps a connection.
        connection.close()
