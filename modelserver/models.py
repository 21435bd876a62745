"""Model versions and the runs that make and score them, as the database knows them."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils import timezone

from lifecycle.append_only import AppendOnly
from lifecycle.models import Movable
from modelserver.states import RUN_MOVES, RunState
from modelserver.wire import ModelRef

LONGEST_KEY = 120


class ModelVersion(AppendOnly, models.Model):
    """One immutable set of weights, published in the model repository under ``name``/``version``.

    ``manifest_sha256`` fixes the artifact to the byte: its manifest names the hash of every file.
    """

    name = models.CharField(max_length=100)
    version = models.PositiveIntegerField()
    manifest_sha256 = models.CharField(max_length=64)
    labels = models.JSONField()
    parent = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="children")
    recipe = models.JSONField(default=dict)
    seed = models.BigIntegerField(default=0)
    data_sha256 = models.CharField(max_length=64, blank=True)
    data_rows = models.PositiveIntegerField(default=0)
    metrics = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name", "version"], name="one_model_version")]

    def __str__(self) -> str:
        return f"{self.name}/{self.version}"

    @property
    def ref(self) -> ModelRef:
        """Its name on the wire."""
        return ModelRef(self.name, self.version)


class TrainingRun(Movable):
    """One job for a training worker: import a base model, train a version, or score one.

    ``key`` names what it is for and is unique, so asking twice makes one run. ``spec`` is the job without paths
    (see runs.RunSpec). ``owner`` is the token of the worker that has it: whoever lost it can change nothing.
    """

    MOVES = RUN_MOVES

    key = models.CharField(max_length=LONGEST_KEY, unique=True)
    study = models.UUIDField(db_index=True)
    spec = models.JSONField()
    state = models.CharField(
        max_length=20, default=RunState.QUEUED, choices=[(state.value, state.value) for state in RunState]
    )
    attempts = models.PositiveIntegerField(default=0)
    not_before = models.DateTimeField(null=True, blank=True)
    owner = models.UUIDField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    progress = models.JSONField(default=dict, blank=True)
    error_field = models.CharField(max_length=60, blank=True)
    error = models.TextField(blank=True)
    scores = models.JSONField(default=list, blank=True)
    model_version = models.ForeignKey(
        ModelVersion, null=True, blank=True, on_delete=models.PROTECT, related_name="runs"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["state", "not_before"])]

    def __str__(self) -> str:
        return f"run {self.key} ({self.state})"

    @property
    def kind(self) -> str:
        """import, train or evaluate."""
        kind: Any = self.spec["kind"]
        return str(kind)
