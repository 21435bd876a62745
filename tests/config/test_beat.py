"""The periodic reconcile."""

from __future__ import annotations

from pathlib import Path

from celery.beat import Service
from django.conf import settings

from config.celery import app


def test_beat_starts_without_any_file_and_has_reconcile_to_send() -> None:
    assert not (Path(settings.DATA_DIR) / "run").exists()
    scheduler = Service(app, scheduler_cls=app.conf.beat_scheduler).get_scheduler()
    assert scheduler.schedule["reconcile"].task == "collection.tasks.reconcile"
    assert not (Path(settings.DATA_DIR) / "run").exists()
    assert list(Path.cwd().glob("celerybeat-schedule*")) == []
