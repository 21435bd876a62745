"""What goes in and out of the API, field by field. What a client sends is checked by these and by the operations."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers as s

from collection.states import ArmKind, ExampleState, ExperimentState, ImportState, ReleaseState, RoundState

Fields = s.Serializer[Any]
ARM_KINDS, EXAMPLE_STATES, EXPERIMENT_STATES, IMPORT_STATES, RELEASE_STATES, ROUND_STATES = (
    [(item.value, item.value) for item in kind]
    for kind in (ArmKind, ExampleState, ExperimentState, ImportState, ReleaseState, RoundState)
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
