from __future__ import annotations

from django.apps import AppConfig


class ModelserverConfig(AppConfig):
    name = "modelserver"
    default_auto_field = "django.db.models.BigAutoField"
