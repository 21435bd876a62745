"""Labelled data that an arm starts with, before anybody has written in it."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from collection.models.studies import Arm


class RoundZero(models.Model):
    """Rows that join the training data of every version of an arm, as if they came from a round 0.

    ``sha256`` names their file in the data store, ``name`` is that of the file that they came from.
    """

    arm = models.OneToOneField(Arm, on_delete=models.CASCADE, related_name="round_zero")
    sha256 = models.CharField(max_length=64)
    rows = models.PositiveIntegerField()
    name = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    def __str__(self) -> str:
        return f"{self.rows} rows of round 0 of {self.arm}"
