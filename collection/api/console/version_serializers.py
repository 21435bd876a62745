"""What goes in and out of the API about model versions, field by field."""

from __future__ import annotations

from rest_framework import serializers as s

from collection.api.serializers import Fields


class ScoreOut(Fields):
    test_set = s.CharField()
    rows = s.IntegerField()
    accuracy = s.FloatField()
    low = s.FloatField()
    high = s.FloatField()
    balanced_accuracy = s.FloatField()


class PlayedInOut(Fields):
    arm = s.CharField()
    round = s.IntegerField()


class VersionOut(Fields):
    """``examples`` had been accepted in the arm until the version was trained, on ``data_rows`` of them."""

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
    examples = s.IntegerField(allow_null=True)
    scores = ScoreOut(many=True)
    children = s.ListField(child=s.CharField())
    played_in = PlayedInOut(many=True)
    loss_curve = s.ListField(child=s.ListField(child=s.FloatField()), help_text="(step, loss) in the order of steps")
    started_at = s.DateTimeField(allow_null=True)
    ended_at = s.DateTimeField(allow_null=True)
    created_at = s.DateTimeField()


class TextsIn(Fields):
    texts = s.DictField()


class PredictionOut(Fields):
    prediction = s.CharField()
    probabilities = s.DictField(child=s.FloatField())
    model_version = s.CharField()
