"""What goes in and out of the API about imports, round 0 and releases, field by field."""

from __future__ import annotations

from rest_framework import serializers as s

from collection.api.console.serializers import FaultOut, PreviewOut
from collection.api.serializers import IMPORT_STATES, RELEASE_STATES, Fields
from collection.export.choices import FORMATS as RELEASE_FORMATS
from collection.export.choices import STATES
from collection.importing.tables import FORMATS
from collection.models import DataImport, TestSet
from collection.releases import DECISIONS


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


class ReleaseIn(Fields):
    """What is not sent has its default: all arms, their rounds that are done, accepted examples, no attempts, formats
    ``jsonl`` and ``huggingface``, no splits. ``rounds`` are numbers, or numbers by arm; ``splits`` have ``method``, the
    shares ``dev`` and ``test`` of the writers, ``contexts`` and ``seed``."""

    arms = s.ListField(child=s.CharField(), required=False, allow_null=True)
    rounds = s.JSONField(required=False, allow_null=True)
    states = s.ListField(child=s.ChoiceField([str(state) for state in STATES]), required=False, allow_null=True)
    attempts = s.BooleanField(required=False)
    formats = s.ListField(child=s.ChoiceField(RELEASE_FORMATS), required=False, allow_null=True)
    splits = s.DictField(required=False, allow_null=True)
    test_items = s.BooleanField(required=False)


class FindingsIn(Fields):
    decision = s.ChoiceField(DECISIONS)


class ReleaseLineOut(Fields):
    """``examples`` are counted by arm; ``public`` says that it has a link for people without an account."""

    number = s.IntegerField()
    state = s.ChoiceField(RELEASE_STATES)
    problem = s.CharField(allow_blank=True)
    progress = s.DictField()
    choices = s.DictField()
    examples = s.DictField(child=s.IntegerField())
    size = s.IntegerField(allow_null=True)
    sha256 = s.CharField(allow_blank=True)
    note = s.CharField(allow_blank=True)
    public = s.BooleanField()
    as_of = s.DateTimeField()
    done_at = s.DateTimeField(allow_null=True)


class ReleasePageOut(Fields):
    results = ReleaseLineOut(many=True)
    next = s.CharField(allow_null=True)


class FindingOut(Fields):
    """Something that may tell who somebody is, in a masked excerpt."""

    table = s.CharField()
    id = s.CharField()
    column = s.CharField()
    kind = s.CharField()
    excerpt = s.CharField(allow_blank=True)


class FindingsOut(Fields):
    """``counts`` by kind; ``kept`` are the first of them."""

    counts = s.DictField(child=s.IntegerField())
    kept = FindingOut(many=True)


class ReleasedFileOut(Fields):
    path = s.CharField()
    sha256 = s.CharField()
    size = s.IntegerField()
    rows = s.IntegerField(allow_null=True)


class ReleaseOut(ReleaseLineOut):
    """``link`` is the path of its page for people without an account, told to owners alone."""

    findings = FindingsOut()
    findings_decision = s.ChoiceField(DECISIONS, allow_null=True)
    files = ReleasedFileOut(many=True)
    link = s.CharField(allow_null=True)


class IdsOut(Fields):
    """How many examples, and the ids of the first of them."""

    count = s.IntegerField()
    first = s.ListField(child=s.CharField())


class MovedOut(IdsOut):
    from_split = s.CharField()
    to_split = s.CharField()


class DifferentExamplesOut(Fields):
    """``compared`` is false for an arm that one of the releases does not have as JSON lines."""

    arm = s.CharField()
    compared = s.BooleanField()
    added = IdsOut(allow_null=True)
    removed = IdsOut(allow_null=True)
    changed = IdsOut(allow_null=True)
    moved = MovedOut(many=True)


class DifferenceOut(Fields):
    """``settings`` are the choices that differ, each with its former and its latter value."""

    settings = s.DictField(child=s.ListField())
    files_added = s.ListField(child=s.CharField())
    files_removed = s.ListField(child=s.CharField())
    files_changed = s.ListField(child=s.CharField())
    examples = DifferentExamplesOut(many=True)
