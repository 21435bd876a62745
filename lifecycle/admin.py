"""The admin shows everything and changes nothing: every change goes through an operation."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from lifecycle.models import StateChange


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """An admin in which a superuser can look."""

    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never."""
        return False


def show(model: type[models.Model], columns: tuple[str, ...], filters: tuple[str, ...] = ()) -> None:
    """Register a model for looking at, newest first."""
    related = tuple(name for name in columns if model._meta.get_field(name).is_relation)
    options = {
        "list_display": ("pk", *columns),
        "list_filter": filters,
        "list_select_related": related,
        "ordering": ("-pk",),
    }
    admin.site.register(model, type(f"{model.__name__}Admin", (ReadOnlyAdmin,), options))


show(StateChange, ("at", "subject_type", "subject_id", "from_state", "to_state", "actor"), ("subject_type", "to_state"))
