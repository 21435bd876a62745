"""Experiments, their arms and rounds, and what people write and validate in them."""

from __future__ import annotations

import uuid
from enum import StrEnum

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from annotators.models import Annotator
from annotators.money import Money
from collection.schema import TaskSchema
from collection.states import (
    MOVES,
    ArmKind,
    AssignmentState,
    AttemptState,
    ExampleState,
    ExperimentState,
    RoundState,
    ValidationState,
)
from lifecycle.models import Movable
from modelserver.models import ModelVersion, TrainingRun


def _choices(states: type[StrEnum]) -> list[tuple[str, str]]:
    return [(state.value, state.value) for state in states]


class Task(models.Model):
    """What is labelled: input fields, labels, limits and instructions, all as data (see schema.TaskSchema)."""

    slug = models.SlugField(unique=True, max_length=40)
    name = models.CharField(max_length=100)
    fields = models.JSONField()
    labels = models.JSONField()
    # For writers; and for validators, who see the former if the latter is empty.
    instructions = models.TextField(blank=True)
    guidelines = models.TextField(blank=True)

    def __str__(self) -> str:
        return self.name

    @property
    def schema(self) -> TaskSchema:
        """The fields and labels, parsed. Raises Invalid if what is stored is no schema."""
        return TaskSchema.parse(self.fields, self.labels)


class TestSet(models.Model):
    """Examples that never enter training. ``sha256`` names their file in the data store."""

    __test__ = False

    class Kind(models.TextChoices):
        IMPORTED = "imported", "imported"
        EXPERT = "expert", "expert-written"
        HELD_OUT = "held-out", "held-out writers"
        ADVERSARIAL = "adversarial", "errors of a model in no arm's loop"

    slug = models.SlugField(unique=True, max_length=60)
    name = models.CharField(max_length=100)
    task = models.ForeignKey(Task, on_delete=models.PROTECT, related_name="test_sets")
    kind = models.CharField(max_length=20, choices=Kind.choices, default=Kind.IMPORTED)
    sha256 = models.CharField(max_length=64)
    rows = models.PositiveIntegerField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    def __str__(self) -> str:
        return f"{self.name} ({self.rows} rows)"


class TestItem(models.Model):
    """One row of a test set; ``texts`` in the order of the task's fields."""

    __test__ = False

    test_set = models.ForeignKey(TestSet, on_delete=models.CASCADE, related_name="items")
    index = models.PositiveIntegerField()
    texts = models.JSONField()
    label = models.CharField(max_length=40)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["test_set", "index"], name="one_test_item_an_index")]

    def __str__(self) -> str:
        return f"{self.test_set_id}[{self.index}]"


class Experiment(Movable):
    """A study that compares arms: ways of collecting that differ in nothing but the model shown."""

    MOVES = MOVES["experiment"]

    class Labels(models.TextChoices):
        ASSIGNED = "assigned", "the server assigns a target label"
        FREE = "free", "the writer chooses"

    class StartFrom(models.TextChoices):
        BASE = "base", "the base model, each round"
        PREVIOUS = "previous", "the arm's last version"

    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    slug = models.SlugField(unique=True, max_length=60)
    name = models.CharField(max_length=100)
    task = models.ForeignKey(Task, on_delete=models.PROTECT, related_name="experiments")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=20, choices=_choices(ExperimentState), default=ExperimentState.DRAFT)
    problem = models.TextField(blank=True)
    seed = models.BigIntegerField(default=0)

    rounds = models.PositiveIntegerField(default=20)
    quota = models.PositiveIntegerField(default=150)
    quorum = models.PositiveIntegerField(default=2)
    max_validations = models.PositiveIntegerField(default=3)
    max_tries = models.PositiveIntegerField(default=5)
    max_skips = models.PositiveIntegerField(null=True, blank=True, default=3)
    lease_seconds = models.PositiveIntegerField(default=1800)
    label_policy = models.CharField(max_length=10, choices=Labels.choices, default=Labels.ASSIGNED)
    # Whether anybody with an account may join, or only who was invited.
    open_enrolment = models.BooleanField(default=False)
    # How long a validator may take back the last vote; a vote counts when this time is over.
    undo_seconds = models.PositiveIntegerField(default=60)
    sandbox = models.BooleanField(default=False)
    inspiration = models.BooleanField(default=False)
    leaderboard = models.BooleanField(default=False)

    base_model = models.CharField(max_length=300)
    base_version = models.ForeignKey(ModelVersion, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    start_from = models.CharField(max_length=10, choices=StartFrom.choices, default=StartFrom.BASE)
    recipe = models.JSONField(default=dict, blank=True)
    # How many versions an arm and round are trained beside the loop for the learning curve, each with its own seed;
    # 0: nothing is trained or scored beside it.
    curve_seeds = models.PositiveIntegerField(default=1)
    test_sets = models.ManyToManyField(TestSet, blank=True, related_name="experiments")

    currency = models.CharField(max_length=3, default="USD")
    base_pay_minor = models.PositiveIntegerField(default=0)
    fooling_bonus_minor = models.PositiveIntegerField(default=0)
    validation_pay_minor = models.PositiveIntegerField(default=0)

    created_at = models.DateTimeField(default=timezone.now, editable=False)
    # The sha256 of the release that it was imported from; empty for what was collected here.
    imported_from = models.CharField(max_length=64, blank=True, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(rounds__gte=1, quota__gte=1, quorum__gte=1, max_tries__gte=1, lease_seconds__gte=1),
                name="experiment_counts_are_positive",
            ),
            models.CheckConstraint(
                condition=Q(max_validations__gte=F("quorum")), name="experiment_quorum_can_be_reached"
            ),
            models.CheckConstraint(
                condition=Q(state__in=("draft", "preparing", "ended", "importing")) | Q(base_version__isnull=False),
                name="experiment_runs_with_a_base_version",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def pay(self, minor: int) -> Money:
        """An amount in the experiment's currency."""
        return Money(minor, self.currency)


class Arm(models.Model):
    """One collection method of an experiment."""

    experiment = models.ForeignKey(Experiment, on_delete=models.PROTECT, related_name="arms")
    slug = models.SlugField(max_length=30)
    kind = models.CharField(max_length=20, choices=_choices(ArmKind))
    position = models.PositiveIntegerField()

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["experiment", "slug"], name="one_arm_a_slug"),
            models.UniqueConstraint(fields=["experiment", "position"], name="one_arm_a_position"),
        ]

    def __str__(self) -> str:
        return self.slug

    @property
    def shows_model(self) -> bool:
        """Whether writers of this arm see a verdict."""
        return self.kind != ArmKind.NON_ADVERSARIAL


class Round(Movable):
    """One collect-validate-train cycle. ``model_version`` is what it is played against, if a model is shown."""

    MOVES = MOVES["round"]

    arm = models.ForeignKey(Arm, on_delete=models.PROTECT, related_name="rounds")
    number = models.PositiveIntegerField()
    quota = models.PositiveIntegerField()
    state = models.CharField(max_length=20, choices=_choices(RoundState), default=RoundState.OPEN)
    problem = models.TextField(blank=True)
    model_version = models.ForeignKey(ModelVersion, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    training_run = models.ForeignKey(TrainingRun, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    trained_version = models.ForeignKey(ModelVersion, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    opened_at = models.DateTimeField(default=timezone.now, editable=False)
    closed_at = models.DateTimeField(null=True, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["arm", "number"], name="one_round_a_number"),
            models.UniqueConstraint(fields=["arm"], condition=Q(state="open"), name="one_open_round_an_arm"),
        ]
        indexes = [models.Index(fields=["state"])]

    def __str__(self) -> str:
        return f"{self.arm} round {self.number}"


class Context(models.Model):
    """A text that writers are given. ``position`` is its place in the experiment's shuffled order, from 0."""

    experiment = models.ForeignKey(Experiment, on_delete=models.PROTECT, related_name="contexts")
    position = models.PositiveIntegerField()
    text = models.TextField()
    fingerprint = models.CharField(max_length=64)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["experiment", "position"], name="one_context_a_position"),
            models.UniqueConstraint(fields=["experiment", "fingerprint"], name="one_context_a_text"),
        ]

    def __str__(self) -> str:
        return self.text[:60]


class ContextFlag(models.Model):
    """A writer's word that something is wrong with a context."""

    context = models.ForeignKey(Context, on_delete=models.PROTECT, related_name="flags")
    annotator = models.ForeignKey(Annotator, on_delete=models.PROTECT, related_name="+")
    reason = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["context", "annotator"], name="one_flag_a_context_and_annotator")
        ]

    def __str__(self) -> str:
        return f"flag on context {self.context_id}"


class Assignment(Movable):
    """One slot of a round, leased to a writer: what the writer turns into an example."""

    MOVES = MOVES["assignment"]

    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    experiment = models.ForeignKey(Experiment, on_delete=models.PROTECT, related_name="+")
    round = models.ForeignKey(Round, on_delete=models.PROTECT, related_name="assignments")
    annotator = models.ForeignKey(Annotator, on_delete=models.PROTECT, related_name="assignments")
    state = models.CharField(max_length=20, choices=_choices(AssignmentState), default=AssignmentState.LEASED)
    context = models.ForeignKey(Context, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    target_label = models.CharField(max_length=40, blank=True)
    skips = models.PositiveIntegerField(default=0)
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["experiment", "annotator"], condition=Q(state="leased"), name="one_lease_an_annotator"
            )
        ]
        indexes = [models.Index(fields=["round", "state"]), models.Index(fields=["state", "expires_at"])]

    def __str__(self) -> str:
        return f"assignment {self.pk} ({self.state})"


class Draft(models.Model):
    """What a writer has typed so far for an assignment: field name → text, unchecked and never part of the data."""

    assignment = models.OneToOneField(Assignment, on_delete=models.CASCADE, related_name="draft")
    texts = models.JSONField()
    saved_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"draft of assignment {self.assignment_id}"


class ContextDraw(models.Model):
    """A context shown to a writer: the ``index``-th (from 0) that its arm has dealt out. Skips are recorded here."""

    arm = models.ForeignKey(Arm, on_delete=models.PROTECT, related_name="draws")
    index = models.PositiveIntegerField()
    context = models.ForeignKey(Context, on_delete=models.PROTECT, related_name="draws")
    assignment = models.ForeignKey(Assignment, on_delete=models.PROTECT, related_name="draws")
    skipped_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["arm", "index"], name="one_draw_an_index")]

    def __str__(self) -> str:
        return f"draw {self.index} of {self.arm}"


class Attempt(Movable):
    """One text put to the model in the loop. Every attempt is kept, whatever came of it.

    ``fooled`` is whether the prediction differs from ``label``, the writer's; both verdict and version are the
    server's own and empty where no model is shown. ``latency_ms`` is the time that the verdict took.
    """

    MOVES = MOVES["attempt"]

    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    assignment = models.ForeignKey(Assignment, on_delete=models.PROTECT, related_name="attempts")
    index = models.PositiveIntegerField()
    context = models.ForeignKey(Context, null=True, blank=True, on_delete=models.PROTECT, related_name="attempts")
    texts = models.JSONField()
    label = models.CharField(max_length=40)
    state = models.CharField(max_length=20, choices=_choices(AttemptState))
    idempotency_key = models.CharField(max_length=100)
    body_sha256 = models.CharField(max_length=64)
    model_version = models.ForeignKey(ModelVersion, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    prediction = models.CharField(max_length=40, blank=True)
    probabilities = models.JSONField(null=True, blank=True)
    fooled = models.BooleanField(null=True, blank=True)
    latency_ms = models.FloatField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    judged_at = models.DateTimeField(null=True, blank=True)
    # Since then what its writer wrote is gone.
    erased_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["assignment", "index"]
        constraints = [
            models.UniqueConstraint(fields=["assignment", "index"], name="one_attempt_an_index"),
            models.UniqueConstraint(fields=["assignment", "idempotency_key"], name="one_attempt_an_idempotency_key"),
            models.CheckConstraint(
                condition=Q(state="judged", fooled__isnull=False, model_version__isnull=False)
                | (~Q(state="judged") & Q(fooled__isnull=True, prediction="")),
                name="attempt_has_a_verdict_when_judged",
            ),
        ]
        indexes = [models.Index(fields=["state"])]

    def __str__(self) -> str:
        return f"attempt {self.index} of assignment {self.assignment_id}"


class Example(Movable):
    """The attempt that was submitted, with its writer's label. It holds its round's slot unless rejected or flagged."""

    MOVES = MOVES["example"]

    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    assignment = models.OneToOneField(Assignment, on_delete=models.PROTECT, related_name="example")
    attempt = models.OneToOneField(Attempt, on_delete=models.PROTECT, related_name="example")
    arm = models.ForeignKey(Arm, on_delete=models.PROTECT, related_name="examples")
    round = models.ForeignKey(Round, on_delete=models.PROTECT, related_name="examples")
    annotator = models.ForeignKey(Annotator, on_delete=models.PROTECT, related_name="examples")
    label = models.CharField(max_length=40)
    fingerprint = models.CharField(max_length=64)
    # The writer's answers to two optional questions: why the label is right, and why the model was fooled.
    why_label = models.TextField(blank=True)
    why_fooled = models.TextField(blank=True)
    # An expert's words, where an expert decided.
    ruling = models.TextField(blank=True)
    state = models.CharField(max_length=20, choices=_choices(ExampleState), default=ExampleState.PENDING)
    submitted_at = models.DateTimeField(default=timezone.now, editable=False)
    decided_at = models.DateTimeField(null=True, blank=True)
    # As of its attempt: counted and paid as before, and in no training data and no release from then on.
    erased_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["arm", "fingerprint"], condition=~Q(state="retracted"), name="one_example_a_text_and_arm"
            )
        ]
        indexes = [
            models.Index(fields=["round", "state"]),
            # For lists that go through a part of them from the newest on.
            models.Index(fields=["annotator", "arm", "id"], name="examples_by_writer"),
            models.Index(fields=["arm", "id"], name="examples_by_arm"),
            models.Index(fields=["arm", "state", "id"], name="examples_by_arm_and_state"),
            models.Index(fields=["round", "id"], name="examples_by_round"),
        ]

    def __str__(self) -> str:
        return f"example {self.pk} ({self.state})"


class Validation(Movable):
    """One validator's look at one example: first a lease, then a vote (a label) or a flag (no label, a reason).

    A vote counts, and is paid, once it is settled: from then on it cannot be taken back.
    """

    MOVES = MOVES["validation"]

    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    example = models.ForeignKey(Example, on_delete=models.PROTECT, related_name="validations")
    annotator = models.ForeignKey(Annotator, on_delete=models.PROTECT, related_name="validations")
    state = models.CharField(max_length=20, choices=_choices(ValidationState), default=ValidationState.LEASED)
    label = models.CharField(max_length=40, blank=True)
    flagged = models.BooleanField(default=False)
    reason = models.TextField(blank=True)
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    voted_at = models.DateTimeField(null=True, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["example", "annotator"], name="one_validation_an_annotator"),
            models.CheckConstraint(
                condition=Q(settled_at__isnull=True) | Q(state="voted"), name="validation_is_settled_when_voted"
            ),
            models.CheckConstraint(
                condition=~Q(state="voted") | (Q(flagged=True, label="") | (Q(flagged=False) & ~Q(label=""))),
                name="validation_is_a_label_or_a_flag",
            ),
        ]
        indexes = [
            models.Index(fields=["state", "expires_at"]),
            models.Index(
                fields=["voted_at"], condition=Q(state="voted", settled_at__isnull=True), name="unsettled_votes"
            ),
        ]

    def __str__(self) -> str:
        return f"validation {self.pk} ({self.state})"


class SandboxUse(models.Model):
    """One text tried in the sandbox. The text is not kept; that somebody tried one is, for it is practice."""

    annotator = models.ForeignKey(Annotator, on_delete=models.PROTECT, related_name="+")
    round = models.ForeignKey(Round, on_delete=models.PROTECT, related_name="sandbox_uses")
    model_version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["annotator", "created_at"])]

    def __str__(self) -> str:
        return f"sandbox use {self.pk}"


class Evaluation(models.Model):
    """One model version scored on one test set. ``predicted`` holds a label index a row, ``confidence`` the
    probability of the gold label, both in the order of the test set's items."""

    model_version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="evaluations")
    test_set = models.ForeignKey(TestSet, on_delete=models.PROTECT, related_name="evaluations")
    run = models.ForeignKey(TrainingRun, on_delete=models.PROTECT, related_name="evaluations")
    rows = models.PositiveIntegerField()
    accuracy = models.FloatField()
    balanced_accuracy = models.FloatField()
    predicted = models.JSONField()
    confidence = models.JSONField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["model_version", "test_set"], name="one_evaluation_a_test_set")]

    def __str__(self) -> str:
        return f"{self.model_version} on {self.test_set}"


class PendingUpload(models.Model):
    """A file or a pasted text that somebody looks at before it is stored; one without an experiment is a test set.

    ``size`` is in bytes and empty until the file is whole; ``name`` is empty for a pasted text, ``outcome`` until it
    is stored.
    """

    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    experiment = models.ForeignKey(Experiment, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=200, blank=True)
    size = models.PositiveIntegerField(null=True)
    outcome = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    def __str__(self) -> str:
        return f"upload {self.key}"
