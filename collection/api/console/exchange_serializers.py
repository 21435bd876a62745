"""What goes in and out of the API about imports, round 0 and releases, field by field."""

from __future__ import annotations

from rest_framework import serializers as s

from collection.api.console.serializers import FaultOut, PreviewOut
from collection.api.serializers import IMPORT_STATES, Fields
from collection.importing.tables import FORMATS
from collection.models import DataImport, TestSet


class ImportIn(Fields):
    """``columns`` maps a field of the task, or ``label``, to a column; ``labels`` a word of the file to a label;
    ``slug`` names a test set, or the experiment that a release becomes. What a kind has no use for is refused."""

    kind = s.ChoiceField(DataImport.Kind.choices)
    file = s.FileField()
    experiment = s.CharField(required=False)
    task = s.CharField(required=False)
    format = s.ChoiceField(FORMATS, required=False)
    column = s.CharField(required=False)
    columns = s.JSONField(required=False)
    labels = s.JSONField(required=False)
    arms = s.ListField(child=s.CharField(), required=False)
    slug = s.CharField(required=False)
    name = s.CharField(required=False)
    kind_of_set = s.ChoiceField(TestSet.Kind.choices, required=False)


class FileFaultOut(FaultOut):
    """``line`` is 0 where the whole file is meant."""

    file = s.CharField(allow_blank=True)


class ImportLineOut(Fields):
    key = s.UUIDField()
    kind = s.ChoiceField(DataImport.Kind.choices)
    name = s.CharField(allow_blank=True)
    experiment = s.CharField(allow_null=True)
    task = s.CharField(allow_null=True)
    size = s.IntegerField()
    state = s.ChoiceField(IMPORT_STATES)
    created_at = s.DateTimeField()
    ended_at = s.DateTimeField(allow_null=True)


class ImportOut(ImportLineOut):
    """``faults`` are the first of ``fault_count``; ``made`` is the experiment that a release became."""

    progress = s.DictField()
    problem = s.CharField(allow_blank=True)
    fault_count = s.IntegerField()
    faults = FileFaultOut(many=True)
    outcome = s.CharField(allow_blank=True)
    made = s.CharField(allow_null=True)


class ImportPageOut(Fields):
    results = ImportLineOut(many=True)
    next = s.CharField(allow_null=True)


class RoundZeroIn(Fields):
    """``columns`` maps a field of the task, or ``label``, to a column, ``labels`` a word of the file to a label, where
    their names do not tell. Without ``arms`` every arm starts with the rows."""

    file = s.FileField()
    format = s.ChoiceField(FORMATS)
    columns = s.JSONField(required=False)
    labels = s.JSONField(required=False)
    arms = s.ListField(child=s.CharField(), required=False)
    store = s.BooleanField(default=False)


class RoundZeroPreviewOut(PreviewOut):
    """``tested`` of the rows are rows of a test set of the experiment: stored, and left out of training."""

    tested = s.IntegerField()


class RoundZeroArmOut(Fields):
    """What an arm starts with; null for nothing."""

    arm = s.CharField()
    rows = s.IntegerField(allow_null=True)
    name = s.CharField(allow_null=True, allow_blank=True)
    sha256 = s.CharField(allow_null=True)


class RoundZeroOut(Fields):
    """``locked`` says why it cannot be changed (any more)."""

    arms = RoundZeroArmOut(many=True)
    locked = s.CharField(allow_null=True)
