from __future__ import annotations

from django.apps import AppConfig


class CollectionConfig(AppConfig):
    name = "collection"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Listen to training runs that end."""
        from collection import nudges  # noqa: F401  (its receivers need the models to be loaded)
