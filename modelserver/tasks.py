"""Celery tasks of training workers: nudges to look at a run's row."""

from __future__ import annotations

from celery import shared_task

from modelserver import runner, runs


@shared_task(name="modelserver.tasks.run_training", ignore_result=True)
def run_training(run_id: int) -> None:
    """Carry out a queued run. Comes twice, late or for a run that is done: does nothing."""
    runner.work(run_id)


def send_due(expires_s: float) -> None:
    """Send a task for each run that is due. Messages expire, so that a busy worker does not gather old ones."""
    for run in runs.due():
        run_training.apply_async((run.pk,), expires=expires_s)
