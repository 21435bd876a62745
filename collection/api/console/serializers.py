"""What goes in and out of the console's API, field by field."""

from __future__ import annotations

from rest_framework import serializers as s

from annotators.models import ApiToken, Membership
from collection.api.serializers import (
    ARM_KINDS,
    EXAMPLE_STATES,
    EXPERIMENT_STATES,
    ROUND_STATES,
    SLUG,
    Fields,
    WithFields,
)
from collection.models import Experiment, TestSet


class TaskIn(WithFields):
    slug = s.CharField()
    name = s.CharField(max_length=100)
    fields_ = s.ListField(child=s.DictField())
    labels = s.ListField(child=s.DictField())
    instructions = s.CharField(required=False, allow_blank=True, max_length=10_000)
    guidelines = s.CharField(required=False, allow_blank=True, max_length=10_000)


class TaskOut(WithFields):
    slug = s.CharField()
    name = s.CharField()
    fields_ = s.ListField(child=s.DictField())
    labels = s.ListField(child=s.DictField())
    instructions = s.CharField(allow_blank=True)
    guidelines = s.CharField(allow_blank=True)


class RowIn(Fields):
    texts = s.DictField(child=s.CharField(trim_whitespace=False))
    label = s.CharField()


class TestSetIn(Fields):
    __test__ = False

    slug = s.RegexField(SLUG)
    name = s.CharField(max_length=100)
    task = s.CharField()
    kind = s.ChoiceField(TestSet.Kind.choices, default=TestSet.Kind.IMPORTED)
    rows = RowIn(many=True, allow_empty=False)


class TestSetOut(Fields):
    __test__ = False

    slug = s.CharField()
    name = s.CharField()
    task = s.CharField()
    kind = s.CharField()
    rows = s.IntegerField()
    sha256 = s.CharField()


class ArmIn(Fields):
    name = s.CharField()
    kind = s.ChoiceField(ARM_KINDS)


class SettingsIn(Fields):
    """All of an experiment that may be chosen; what is missing has its default."""

    rounds = s.IntegerField(required=False)
    quota = s.IntegerField(required=False)
    quorum = s.IntegerField(required=False)
    max_validations = s.IntegerField(required=False)
    max_tries = s.IntegerField(required=False)
    max_skips = s.IntegerField(required=False, allow_null=True)
    lease_seconds = s.IntegerField(required=False)
    undo_seconds = s.IntegerField(required=False)
    label_policy = s.ChoiceField(Experiment.Labels.choices, required=False)
    start_from = s.ChoiceField(Experiment.StartFrom.choices, required=False)
    recipe = s.DictField(required=False)
    seed = s.IntegerField(required=False)
    curve_seeds = s.IntegerField(required=False)
    currency = s.CharField(required=False)
    base_pay_minor = s.IntegerField(required=False)
    fooling_bonus_minor = s.IntegerField(required=False)
    validation_pay_minor = s.IntegerField(required=False)
    open_enrolment = s.BooleanField(required=False)
    sandbox = s.BooleanField(required=False)
    inspiration = s.BooleanField(required=False)
    leaderboard = s.BooleanField(required=False)


class PlanIn(Fields):
    slug = s.CharField()
    name = s.CharField(max_length=100)
    task = s.CharField()
    base_model = s.CharField(max_length=300)
    contexts = s.ListField(child=s.CharField(trim_whitespace=False), required=False)
    test_sets = s.ListField(child=s.CharField(), required=False)
    arms = ArmIn(many=True, required=False)
    settings = SettingsIn(required=False)


class ArmOut(Fields):
    name = s.CharField()
    kind = s.ChoiceField(ARM_KINDS)


class ExperimentOut(Fields):
    slug = s.CharField()
    name = s.CharField()
    state = s.ChoiceField(EXPERIMENT_STATES)
    problem = s.CharField(allow_blank=True)
    task = s.CharField()
    base_model = s.CharField()
    base_version = s.CharField(allow_null=True)
    arms = ArmOut(many=True)
    test_sets = s.ListField(child=s.CharField())
    contexts = s.IntegerField()
    settings = s.DictField()
    created_at = s.DateTimeField()


class ExperimentListOut(Fields):
    slug = s.CharField()
    name = s.CharField()
    state = s.ChoiceField(EXPERIMENT_STATES)
    task = s.CharField()
    created_at = s.DateTimeField()


class ExperimentPageOut(Fields):
    results = ExperimentListOut(many=True)
    next = s.CharField(allow_null=True)


class SureIn(Fields):
    sure = s.BooleanField()


class EstimateOut(Fields):
    """A share with Wilson's 95% interval; null without data."""

    value = s.FloatField(allow_null=True)
    low = s.FloatField(allow_null=True)
    high = s.FloatField(allow_null=True)
    n = s.IntegerField()


class TrainingOut(Fields):
    """How far a training or scoring is; ``points`` are (step, loss), ``eta_s`` the seconds left of the phase."""

    phase = s.CharField(allow_blank=True)
    step = s.IntegerField()
    steps = s.IntegerField()
    eta_s = s.FloatField(allow_null=True)
    points = s.ListField(child=s.ListField(child=s.FloatField()))


class PartOut(Fields):
    name = s.CharField()
    well = s.BooleanField()
    message = s.CharField()


class RoundOut(Fields):
    """``mer``, ``vmer``, ``tries`` and ``minutes`` are null where no model is shown."""

    arm = s.CharField()
    number = s.IntegerField()
    state = s.ChoiceField(ROUND_STATES)
    quota = s.IntegerField()
    accepted = s.IntegerField()
    pending = s.IntegerField()
    flagged = s.IntegerField()
    rejected = s.IntegerField()
    collected = s.IntegerField()
    mer = EstimateOut(allow_null=True)
    vmer = EstimateOut(allow_null=True)
    tries = s.FloatField(allow_null=True)
    minutes = s.FloatField(allow_null=True)
    note = s.CharField(allow_blank=True)
    training = TrainingOut(allow_null=True)
    plays = s.CharField(allow_null=True)
    trained = s.CharField(allow_null=True)
    problem = s.CharField(allow_blank=True)


class EventOut(Fields):
    at = s.DateTimeField()
    subject = s.CharField()
    subject_id = s.IntegerField()
    from_state = s.CharField(allow_blank=True)
    to_state = s.CharField()
    actor = s.CharField(allow_null=True)
    detail = s.DictField()


class EventPageOut(Fields):
    results = EventOut(many=True)
    next = s.CharField(allow_null=True)


class MemberOut(Fields):
    username = s.CharField()
    role = s.ChoiceField(Membership.Role.choices)


class RoleIn(Fields):
    role = s.ChoiceField(Membership.Role.choices)


class InvitationIn(Fields):
    role = s.ChoiceField(Membership.Role.choices)
    days = s.IntegerField(default=7, min_value=1, max_value=90)
    max_uses = s.IntegerField(default=1, min_value=1, max_value=10_000)


class InvitationOut(Fields):
    key = s.UUIDField()
    role = s.ChoiceField(Membership.Role.choices)
    uses = s.IntegerField()
    max_uses = s.IntegerField()
    expires_at = s.DateTimeField()
    revoked = s.BooleanField()


class NewInvitationOut(InvitationOut):
    """The link is shown this once."""

    path = s.CharField()


class SecretIn(Fields):
    secret = s.CharField(max_length=200)


class JoinedOut(Fields):
    experiment = s.CharField()
    role = s.ChoiceField(Membership.Role.choices)


class TokenIn(Fields):
    name = s.CharField(max_length=60)
    scopes = s.ListField(child=s.ChoiceField(ApiToken.Scope.choices), allow_empty=False)
    days = s.IntegerField(default=90, min_value=1, max_value=366)


class TokenOut(Fields):
    key = s.UUIDField()
    name = s.CharField()
    start = s.CharField()
    scopes = s.ListField(child=s.CharField())
    created_at = s.DateTimeField()
    expires_at = s.DateTimeField()
    last_used_at = s.DateTimeField(allow_null=True)
    revoked = s.BooleanField()


class NewTokenOut(TokenOut):
    """The secret is shown this once."""

    secret = s.CharField()


class DecisionIn(Fields):
    outcome = s.ChoiceField(["accepted", "rejected"])
    reason = s.CharField()


class ExampleOut(Fields):
    """People appear under pseudonyms. Since ``erased_at`` what the writer wrote is empty."""

    key = s.UUIDField()
    texts = s.ListField(child=s.CharField())
    label = s.CharField()
    state = s.ChoiceField(EXAMPLE_STATES)
    fooled = s.BooleanField(allow_null=True)
    arm = s.CharField()
    round = s.IntegerField()
    votes = s.DictField(child=s.IntegerField())
    flags = s.IntegerField()
    writer = s.CharField()
    submitted_at = s.DateTimeField()
    erased_at = s.DateTimeField(allow_null=True)


class ExamplesOut(Fields):
    results = ExampleOut(many=True)
    next = s.CharField(allow_null=True)
    previous = s.CharField(allow_null=True)
    searched = s.IntegerField(allow_null=True)


class AttemptLineOut(Fields):
    key = s.UUIDField()
    index = s.IntegerField()
    texts = s.ListField(child=s.CharField())
    label = s.CharField()
    state = s.CharField()
    prediction = s.CharField(allow_blank=True)
    probabilities = s.DictField(child=s.FloatField(), allow_null=True)
    model_version = s.CharField(allow_null=True)
    fooled = s.BooleanField(allow_null=True)
    latency_ms = s.FloatField(allow_null=True)
    created_at = s.DateTimeField()
    judged_at = s.DateTimeField(allow_null=True)
    submitted = s.BooleanField()
    erased_at = s.DateTimeField(allow_null=True)


class VoteLineOut(Fields):
    """``label`` is null for a flag; ``counts`` when it cannot be taken back any more."""

    validator = s.CharField()
    label = s.CharField(allow_null=True)
    reason = s.CharField(allow_blank=True)
    voted_at = s.DateTimeField()
    counts = s.BooleanField()


class EventLineOut(Fields):
    at = s.DateTimeField()
    from_state = s.CharField(allow_blank=True)
    to_state = s.CharField()
    actor = s.CharField(allow_blank=True)


class ExampleDetailOut(ExampleOut):
    context = s.CharField(allow_null=True)
    why_label = s.CharField(allow_blank=True)
    why_fooled = s.CharField(allow_blank=True)
    ruling = s.CharField(allow_blank=True)
    claimed_at = s.DateTimeField()
    decided_at = s.DateTimeField(allow_null=True)
    attempts = AttemptLineOut(many=True)
    ballots = VoteLineOut(many=True)
    events = EventLineOut(many=True)


FORMATS = [(name, name) for name in ("csv", "jsonl", "parquet", "text")]


class ContextOut(Fields):
    position = s.IntegerField()
    text = s.CharField()


class ContextPageOut(Fields):
    results = ContextOut(many=True)
    next = s.CharField(allow_null=True)


class ContextsIn(Fields):
    file = s.FileField()
    format = s.ChoiceField(FORMATS)
    column = s.CharField(required=False, allow_blank=True)
    store = s.BooleanField(default=False)


class TestSetFileIn(Fields):
    """``columns`` maps a field of the task, or ``label``, to a column, where their names do not tell."""

    __test__ = False

    file = s.FileField()
    format = s.ChoiceField(FORMATS)
    slug = s.RegexField(SLUG)
    name = s.CharField(max_length=100)
    task = s.CharField()
    kind = s.ChoiceField(TestSet.Kind.choices, default=TestSet.Kind.IMPORTED)
    columns = s.JSONField(required=False)
    store = s.BooleanField(default=False)


class FaultOut(Fields):
    line = s.IntegerField()
    column = s.CharField(allow_blank=True)
    message = s.CharField()


class PreviewOut(Fields):
    columns = s.ListField(child=s.CharField())
    rows = s.IntegerField()
    shown = s.ListField(child=s.DictField())
    fault_count = s.IntegerField()
    faults = FaultOut(many=True)
    duplicate_count = s.IntegerField()
    known_count = s.IntegerField()


class StoredOut(Fields):
    added = s.IntegerField()
    already = s.IntegerField()


class ProblemOfPlanOut(Fields):
    field = s.CharField()
    code = s.CharField()
    message = s.CharField()


class EstimateOfPlanOut(Fields):
    """Expected values; money in minor units. ``assumptions`` says what they rest on."""

    examples = s.IntegerField()
    submissions = s.FloatField()
    votes = s.FloatField()
    hours = s.FloatField()
    training_runs = s.IntegerField()
    people = s.IntegerField()
    currency = s.CharField()
    base_minor = s.IntegerField()
    bonus_minor = s.IntegerField()
    validation_minor = s.IntegerField()
    total_minor = s.IntegerField()
    assumptions = s.ListField(child=s.CharField())


class CheckOut(Fields):
    problems = ProblemOfPlanOut(many=True)
    estimate = EstimateOfPlanOut(allow_null=True)


class CopyIn(Fields):
    slug = s.CharField()
    name = s.CharField(max_length=100)


class LocksOut(Fields):
    locked = s.DictField(child=s.CharField())


class ChangeIn(Fields):
    name = s.CharField(max_length=100, required=False)
    settings = SettingsIn(required=False)


class ExtendIn(Fields):
    """``told`` is the quota it has: if it has another by now, nothing is done."""

    by = s.IntegerField()
    told = s.IntegerField(required=False)


class CloseIn(Fields):
    """``told`` is how many texts wait for validation: if there are more by now, nothing is done."""

    sure = s.BooleanField()
    told = s.IntegerField(required=False)


class ActionOut(Fields):
    """``refusal`` says why it cannot be done yet; ``told`` is the number on which the consequences rest."""

    name = s.CharField()
    title = s.CharField()
    consequences = s.ListField(child=s.CharField())
    final = s.BooleanField()
    refusal = s.CharField(allow_blank=True)
    arm = s.CharField(allow_blank=True)
    number = s.IntegerField(allow_null=True)
    told = s.IntegerField(allow_null=True)
