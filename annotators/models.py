"""People who write and validate, where they are enrolled, and what they have earned.

A study is known here only by an opaque key: this app never looks into an experiment.
"""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower

from annotators.money import Money
from lifecycle.append_only import AppendOnly


class Annotator(models.Model):
    """One person who annotates. ``platform`` and ``platform_id`` say where the person came from."""

    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="annotator")
    platform = models.CharField(max_length=20, default="inhouse")
    platform_id = models.CharField(max_length=100)
    # The name on leaderboards; empty for everybody who has not asked to be named.
    public_name = models.CharField(max_length=30, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["platform", "platform_id"], name="one_annotator_a_platform_id"),
            models.UniqueConstraint(
                Lower("public_name"), condition=~models.Q(public_name=""), name="one_annotator_a_public_name"
            ),
        ]

    def __str__(self) -> str:
        return f"annotator {str(self.key)[:8]}"


class EnrolmentPlan(models.Model):
    """How a study deals people out to its groups: permuted blocks from ``seed``; ``enrolled`` people came so far."""

    study = models.UUIDField(unique=True)
    groups = models.JSONField()
    seed = models.BigIntegerField()
    enrolled = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"enrolment plan of study {self.study}"


class Enrolment(models.Model):
    """One annotator in one group of one study, for good."""

    plan = models.ForeignKey(EnrolmentPlan, on_delete=models.PROTECT, related_name="enrolments")
    annotator = models.ForeignKey(Annotator, on_delete=models.PROTECT, related_name="enrolments")
    group = models.CharField(max_length=60)
    position = models.PositiveIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["plan", "annotator"], name="one_enrolment_a_study"),
            models.UniqueConstraint(fields=["plan", "position"], name="one_enrolment_a_position"),
        ]

    def __str__(self) -> str:
        return f"{self.annotator} in {self.group}"


class LedgerEntry(AppendOnly, models.Model):
    """An amount earned (or taken back, negative) by an annotator. Rows are only ever added.

    ``key`` names what is paid for; it is unique, so nothing is ever credited twice.
    """

    class Kind(models.TextChoices):
        BASE = "base", "base pay"
        BONUS = "bonus", "fooling bonus"
        VALIDATION = "validation", "validation"
        PAYMENT = "payment", "paid out"

    annotator = models.ForeignKey(Annotator, on_delete=models.PROTECT, related_name="ledger")
    study = models.UUIDField()
    kind = models.CharField(max_length=20, choices=Kind.choices)
    key = models.CharField(max_length=120, unique=True)
    minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "ledger entries"
        indexes = [models.Index(fields=["annotator", "study"])]
        constraints = [models.CheckConstraint(condition=~models.Q(minor=0), name="ledger_entry_is_not_zero")]

    def __str__(self) -> str:
        return f"{self.kind} {self.money} for {self.annotator}"

    @property
    def money(self) -> Money:
        """The amount."""
        return Money(self.minor, self.currency)
