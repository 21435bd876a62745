"""The Celery app. Queues: ``default`` for short tasks, ``training`` for runs of the training process."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from celery import Celery
from celery.signals import worker_ready
from django.conf import settings
from kombu.transport import TRANSPORT_ALIASES

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

TRANSPORT_ALIASES["filesystem"] = "config.folder_broker:Transport"

app = Celery("whetstone")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_ready.connect
def _ready(sender: Any, **_: Any) -> None:
    """Reconcile as soon as there is a worker, and leave a mark for whoever waits for it."""
    folder = Path(settings.DATA_DIR) / "run"
    folder.mkdir(parents=True, exist_ok=True)
    for queue in sender.app.amqp.queues.consume_from:
        (folder / f"{queue}.ready").touch()
    sender.app.send_task("collection.tasks.reconcile", expires=settings.RECONCILE_SECONDS)
