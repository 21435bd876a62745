"""Data that leave the site as releases, and people who came with one that was imported."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from annotators.models import Annotator
from collection.models.studies import Experiment
from collection.states import MOVES, ReleaseState
from lifecycle.models import Movable


class Release(Movable):
    """An immutable export of an experiment, the ``number``-th from 1; made by a worker, and kept in storage.

    ``choices`` say what is in it (see export.choices), as of ``as_of``. ``salt`` makes its pseudonyms and is never
    written out. ``owner`` is the token of the worker that builds it: whoever lost it can store nothing. ``findings``
    are what the scan of its texts has found. ``files`` are path → {sha256, size, rows}, ``sha256`` is that of all of
    them together, ``size`` their bytes. ``link`` lets anybody who has it download the release without an account.
    """

    MOVES = MOVES["release"]

    class Findings(models.TextChoices):
        UNDECIDED = "", "undecided"
        ACCEPTED = "accepted", "released as they are"
        LEFT_OUT = "left_out", "left out"

    experiment = models.ForeignKey(Experiment, on_delete=models.PROTECT, related_name="releases")
    number = models.PositiveIntegerField()
    state = models.CharField(
        max_length=20, default=ReleaseState.DUE, choices=[(state.value, state.value) for state in ReleaseState]
    )
    problem = models.TextField(blank=True)
    choices = models.JSONField()
    salt = models.CharField(max_length=64)
    as_of = models.DateTimeField()
    owner = models.UUIDField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    progress = models.JSONField(default=dict, blank=True)
    findings = models.JSONField(default=dict, blank=True)
    findings_decision = models.CharField(
        max_length=10, choices=Findings.choices, default=Findings.UNDECIDED, blank=True
    )
    sha256 = models.CharField(max_length=64, blank=True)
    size = models.BigIntegerField(null=True, blank=True)
    files = models.JSONField(default=dict, blank=True)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)
    done_at = models.DateTimeField(null=True, blank=True)
    link = models.UUIDField(null=True, blank=True, unique=True)
    note = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["experiment", "number"], name="one_release_a_number")]
        indexes = [models.Index(fields=["state"])]

    def __str__(self) -> str:
        return f"release {self.number} of {self.experiment}"


class ImportedWriter(models.Model):
    """Somebody who came with an imported release, and keeps the pseudonym and draws that stood in it.

    ``draws`` are seed → hexadecimal digits (see export.splits): nobody's key stands behind them here.
    """

    annotator = models.OneToOneField(Annotator, on_delete=models.PROTECT, related_name="imported")
    experiment = models.ForeignKey(Experiment, on_delete=models.PROTECT, related_name="imported_writers")
    pseudonym = models.CharField(max_length=40)
    draws = models.JSONField(default=dict, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["experiment", "pseudonym"], name="one_imported_writer_a_pseudonym")
        ]

    def __str__(self) -> str:
        return f"{self.pseudonym} of {self.experiment}"
