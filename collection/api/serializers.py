"""What goes in and out of the API, field by field. What a client sends is checked by these and by the operations."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers as s

from annotators.models import ApiToken, Membership
from collection.models import Experiment, TestSet
from collection.states import ArmKind, ExampleState, ExperimentState, RoundState

Fields = s.Serializer[Any]
ARM_KINDS, EXAMPLE_STATES, EXPERIMENT_STATES, ROUND_STATES = (
    [(item.value, item.value) for item in kind] for kind in (ArmKind, ExampleState, ExperimentState, RoundState)
)
SLUG = r"^[a-z][a-z0-9-]{0,59}$"


class WithFields(Fields):
    """``fields`` is a name that serializers use themselves: it is declared as ``fields_``."""

    def get_fields(self) -> dict[str, Any]:
        """The fields by the names that clients see."""
        return {name.removesuffix("_"): field for name, field in super().get_fields().items()}


class CredentialsIn(Fields):
    username = s.CharField(max_length=200)
    password = s.CharField(max_length=200, trim_whitespace=False)


class SessionOut(Fields):
    username = s.CharField(allow_null=True)
    csrf_token = s.CharField()


class FieldOut(Fields):
    name = s.CharField()
    title = s.CharField()
    source = s.ChoiceField(["context", "writer"])
    min_length = s.IntegerField()
    max_length = s.IntegerField()


class LabelOut(Fields):
    name = s.CharField()
    title = s.CharField()
    means = s.CharField(allow_blank=True)


class StudyOut(WithFields):
    """An experiment as its annotators see it."""

    slug = s.CharField()
    name = s.CharField()
    state = s.ChoiceField(EXPERIMENT_STATES)
    instructions = s.CharField(allow_blank=True)
    fields_ = FieldOut(many=True)
    labels = LabelOut(many=True)


class EnrolledOut(Fields):
    enrolled = s.BooleanField()


class VerdictOut(Fields):
    fooled = s.BooleanField()
    prediction = s.CharField()
    probabilities = s.DictField(child=s.FloatField())
    model_version = s.IntegerField(allow_null=True)


class AttemptOut(Fields):
    """``state`` and ``verdict`` are there only where a model is shown."""

    key = s.UUIDField()
    index = s.IntegerField()
    texts = s.ListField(child=s.CharField())
    label = s.CharField()
    state = s.CharField(required=False)
    verdict = VerdictOut(required=False, allow_null=True)


class AssignmentOut(Fields):
    """``tries_left`` is there only where a model is shown."""

    key = s.UUIDField()
    state = s.CharField()
    round = s.IntegerField()
    context = s.CharField(allow_null=True)
    target_label = s.CharField(allow_null=True)
    expires_at = s.DateTimeField()
    attempts = AttemptOut(many=True)
    tries_left = s.IntegerField(required=False)


class AttemptIn(Fields):
    texts = s.DictField()
    label = s.CharField(required=False, allow_null=True)


class ExampleIn(Fields):
    attempt = s.UUIDField()
    why_label = s.CharField(required=False, allow_blank=True)
    why_fooled = s.CharField(required=False, allow_blank=True)


class OwnExampleOut(Fields):
    key = s.UUIDField()
    state = s.ChoiceField(EXAMPLE_STATES)
    label = s.CharField()


class ReasonIn(Fields):
    reason = s.CharField(allow_blank=True)


class VoteIn(Fields):
    """A label, or ``flag`` with its reason."""

    label = s.CharField(required=False, allow_null=True)
    flag = s.BooleanField(required=False)
    reason = s.CharField(required=False, allow_blank=True)


class ValidationOut(Fields):
    key = s.UUIDField()
    state = s.CharField()
    texts = s.DictField(child=s.CharField())
    expires_at = s.DateTimeField()
    label = s.CharField(allow_null=True)
    flag = s.BooleanField()
    reason = s.CharField(allow_blank=True)


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


class RoundOut(Fields):
    arm = s.CharField()
    number = s.IntegerField()
    state = s.ChoiceField(ROUND_STATES)
    quota = s.IntegerField()
    accepted = s.IntegerField()
    collected = s.IntegerField()
    note = s.CharField(allow_blank=True)
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


class ScoreOut(Fields):
    test_set = s.CharField()
    rows = s.IntegerField()
    accuracy = s.FloatField()
    low = s.FloatField()
    high = s.FloatField()
    balanced_accuracy = s.FloatField()


class VersionOut(Fields):
    name = s.CharField()
    version = s.IntegerField()
    parent = s.CharField(allow_null=True)
    arm = s.CharField(allow_null=True)
    round = s.IntegerField(allow_null=True)
    labels = s.ListField(child=s.CharField())
    recipe = s.DictField()
    seed = s.IntegerField()
    manifest_sha256 = s.CharField()
    data_sha256 = s.CharField(allow_blank=True)
    data_rows = s.IntegerField()
    metrics = s.DictField()
    scores = ScoreOut(many=True)
    created_at = s.DateTimeField()


class TextsIn(Fields):
    texts = s.DictField()


class PredictionOut(Fields):
    prediction = s.CharField()
    probabilities = s.DictField(child=s.FloatField())
    model_version = s.CharField()


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
