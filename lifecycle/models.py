"""The record of every change of state, and of settings: who changed what, from where to where, and when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.conf import settings
from django.db import models

from lifecycle.append_only import AppendOnly


class StateChange(AppendOnly, models.Model):
    """One legal move of one row, or a change of its other columns: then it goes from its state to the same state.

    ``actor`` is empty when the system did it by itself. The database lets nothing of a row be changed but ``detail``,
    and that only to append_only.ERASED.
    """

    subject_type = models.CharField(max_length=60)
    subject_id = models.BigIntegerField()
    from_state = models.CharField(max_length=20, blank=True)
    to_state = models.CharField(max_length=20)
    at = models.DateTimeField(auto_now_add=True)
    # PROTECT: removing a person must not rewrite history.
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    detail = models.JSONField(default=dict, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["subject_type", "subject_id", "id"]),
            models.Index(fields=["at"]),
        ]

    def __str__(self) -> str:
        return f"{self.subject_type} {self.subject_id}: {self.from_state or '(new)'} to {self.to_state}"


class DoneRequest(models.Model):
    """A write that a client may send again under the same key: what was answered, once it was.

    ``status`` is empty while it is being done.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=100)
    body_sha256 = models.CharField(max_length=64)
    status = models.PositiveIntegerField(null=True)
    # As text: a database that keeps JSON by its meaning would answer in another order.
    answer = models.TextField(blank=True)
    begun_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="one_request_a_key")]
        indexes = [models.Index(fields=["begun_at"])]

    def __str__(self) -> str:
        return f"request {self.key}"


class Sign(models.Model):
    """When a kind of process last showed that it works."""

    name = models.CharField(max_length=40, unique=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} at {self.at}"


class Movable(models.Model):
    """A model with a ``state`` column that only ``lifecycle.moves.move`` changes, along the legal ``MOVES``."""

    MOVES: ClassVar[Mapping[Any, frozenset[Any]]]
    state = models.CharField(max_length=20)

    class Meta:
        abstract = True
