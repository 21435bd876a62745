"""People who write and validate, where they are enrolled, and what they have earned.

A study is known here only by an opaque key: this app never looks into an experiment.
"""

from __future__ import annotations

import hashlib
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
    # Since then nobody knows who this was (see annotators.erasure).
    erased_at = models.DateTimeField(null=True, blank=True)

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


class Membership(models.Model):
    """What somebody is in a study: the role gives the rights (see collection.access)."""

    class Role(models.TextChoices):
        OWNER = "owner", "owner"
        RESEARCHER = "researcher", "researcher"
        VALIDATOR = "validator", "validator"
        ANNOTATOR = "annotator", "annotator"

    study = models.UUIDField()
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="memberships")
    role = models.CharField(max_length=20, choices=Role.choices)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["study", "user"], name="one_role_a_study")]

    def __str__(self) -> str:
        return f"{self.user} as {self.role}"


def sha256_of(secret: str) -> str:
    """The hash under which a secret of 256 random bits is kept and looked up, in hex.

    For so many a fast hash is enough, and a look-up by it gives nothing away by its time.
    """
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


class Invitation(models.Model):
    """A link by which people join a study in a role. Only the hash of its secret is kept."""

    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    study = models.UUIDField(db_index=True)
    role = models.CharField(max_length=20, choices=Membership.Role.choices)
    secret_sha256 = models.CharField(max_length=64, unique=True)
    max_uses = models.PositiveIntegerField(default=1)
    uses = models.PositiveIntegerField(default=0)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(uses__lte=models.F("max_uses")), name="invitation_is_not_overused"
            )
        ]

    def __str__(self) -> str:
        return f"invitation {self.key} as {self.role}"


class ApiToken(models.Model):
    """A key to the API for one user's programs. Only its hash is kept; ``scopes`` bound what may be done with it."""

    class Scope(models.TextChoices):
        ANNOTATE = "annotate", "write and validate"
        READ = "read", "look at experiments and their data"
        RUN = "run", "make, launch and change experiments"
        MANAGE = "manage", "members and invitations"

    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=60)
    start = models.CharField(max_length=12)
    secret_sha256 = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.start}… of {self.user}"


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
