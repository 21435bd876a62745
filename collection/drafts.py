"""What a writer has typed and not sent: kept on the server, so that a reload, a lost session or a lost lease loses
nothing. Drafts are not data; nothing is made of them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from django.utils import timezone
from django.utils.translation import gettext as _

from annotators.models import Annotator
from collection.assignment import own_assignment
from collection.errors import Invalid
from collection.models import Assignment, Draft, Experiment
from collection.schema import TaskSchema
from collection.states import AssignmentState

# The answers to the optional questions, beside the task's own fields.
WHY_LABEL, WHY_FOOLED = "why_label", "why_fooled"
LONGEST = 10_000


def draft_fields(schema: TaskSchema) -> tuple[str, ...]:
    """The names of what can be drafted for a task."""
    return (*(item.name for item in schema.writer_fields), WHY_LABEL, WHY_FOOLED)


def save_draft(key: uuid.UUID, annotator: Annotator, typed: Mapping[str, object]) -> Draft:
    """Keep what is typed for an assignment; fields that are not named stay as they are.

    It may be as unfinished or wrong as it likes: it is checked when it is sent. It is kept also when the lease is
    over, for it may be used again. Raises NotYours, and Invalid for an unknown field or one beyond all limits.
    """
    assignment = own_assignment(key, annotator)
    known = draft_fields(assignment.experiment.task.schema)
    texts: dict[str, str] = {}
    for name, text in typed.items():
        if name not in known:
            raise Invalid(name, _("This task has no such field to write."), "unknown_field")
        if not isinstance(text, str) or len(text) > LONGEST:
            raise Invalid(name, _("This is too long to be kept."), "too_long")
        # A database cannot hold a NUL or half a character; sending it will be refused, keeping the rest is right.
        texts[name] = text.replace("\x00", "").encode("utf-8", "ignore").decode("utf-8")
    draft = Draft.objects.filter(assignment=assignment).first()
    kept = draft.texts if draft else {}
    draft, _created = Draft.objects.update_or_create(
        assignment=assignment, defaults={"texts": {**kept, **texts}, "saved_at": timezone.now()}
    )
    return draft


def left_over(experiment: Experiment, annotator: Annotator, but: Assignment | None = None) -> dict[str, str]:
    """What was typed for the annotator's last assignment, if it was lost before it was submitted."""
    mine = Assignment.objects.filter(experiment=experiment, annotator=annotator).select_related("draft")
    if but is not None:
        mine = mine.exclude(pk=but.pk)
    last = mine.order_by("-pk").first()
    if last is None or last.state == AssignmentState.SUBMITTED or not hasattr(last, "draft"):
        return {}
    return {name: text for name, text in last.draft.texts.items() if text.strip()}
