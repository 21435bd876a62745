from __future__ import annotations

from collection.models import (
    Arm,
    Assignment,
    Attempt,
    Context,
    ContextDraw,
    Evaluation,
    Example,
    Experiment,
    ImportedWriter,
    Release,
    Round,
    Task,
    TestItem,
    TestSet,
    Validation,
)
from lifecycle.admin import show

show(Task, ("slug", "name"))
show(TestSet, ("slug", "name", "kind", "rows"), ("kind",))
show(TestItem, ("test_set", "index", "label"), ("test_set",))
show(Experiment, ("slug", "name", "state", "rounds", "quota", "problem"), ("state",))
show(Arm, ("experiment", "slug", "kind"), ("kind",))
show(Round, ("arm", "number", "state", "quota", "model_version", "trained_version", "problem"), ("state",))
show(Context, ("experiment", "position", "text"))
show(ContextDraw, ("arm", "index", "context", "skipped_at"))
show(Assignment, ("round", "annotator", "state", "target_label", "expires_at"), ("state",))
show(Attempt, ("assignment", "index", "label", "state", "prediction", "fooled", "model_version"), ("state", "fooled"))
show(Example, ("round", "annotator", "label", "state", "submitted_at"), ("state",))
show(Validation, ("example", "annotator", "state", "label", "flagged", "voted_at"), ("state", "flagged"))
show(Evaluation, ("model_version", "test_set", "rows", "accuracy", "balanced_accuracy"), ("test_set",))
show(Release, ("experiment", "number", "state", "as_of", "sha256", "size", "problem"), ("state",))
show(ImportedWriter, ("experiment", "pseudonym"))
