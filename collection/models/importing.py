"""Data that come to the site as files too long for a request, and versions that came without their weights."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone

from collection.models.studies import Experiment, Task
from collection.states import MOVES, ImportState
from lifecycle.models import Movable
from modelserver.models import ModelVersion


class DataImport(Movable):
    """A file that a worker stores, whole or not at all.

    ``options`` say how it is to be read (see collection.intake). ``size`` is in bytes and empty until the file is
    whole; ``file_gone`` says that it is not kept any more. ``owner`` is the token of the worker that has it: whoever
    lost it can store nothing. ``faults`` are the first of ``fault_count``, each {file, line, column, message}. ``made``
    is the experiment that a release became; until the import is done it is being built and nobody sees it.
    """

    MOVES = MOVES["import"]

    class Kind(models.TextChoices):
        RELEASE = "release", "a release of a study"
        ROUND_ZERO = "round-zero", "data that arms start with"
        CONTEXTS = "contexts", "contexts"
        TEST_SET = "test-set", "a test set"

    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    kind = models.CharField(max_length=20, choices=Kind.choices)
    experiment = models.ForeignKey(Experiment, null=True, blank=True, on_delete=models.PROTECT, related_name="imports")
    task = models.ForeignKey(Task, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=200, blank=True)
    options = models.JSONField(default=dict, blank=True)
    size = models.BigIntegerField(null=True)
    file_gone = models.BooleanField(default=False)
    state = models.CharField(
        max_length=20, default=ImportState.DUE, choices=[(state.value, state.value) for state in ImportState]
    )
    problem = models.TextField(blank=True)
    owner = models.UUIDField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    progress = models.JSONField(default=dict, blank=True)
    faults = models.JSONField(default=list, blank=True)
    fault_count = models.PositiveIntegerField(default=0)
    outcome = models.CharField(max_length=300, blank=True)
    made = models.ForeignKey(Experiment, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["state"])]

    def __str__(self) -> str:
        return f"import {self.key} ({self.state})"


# What the key of the run begins with to which an imported study's scores belong: it was never run here.
IMPORTED_RUN = "imported:"


class ImportedVersion(models.Model):
    """A model version that came with a release: its row is here, its weights are not."""

    version = models.OneToOneField(ModelVersion, on_delete=models.PROTECT, related_name="imported")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    def __str__(self) -> str:
        return f"{self.version}, without weights"
