"""Settings, URLs and processes. Importing it makes the Celery app the current one."""

from __future__ import annotations

from config.celery import app as celery

__all__ = ["celery"]
