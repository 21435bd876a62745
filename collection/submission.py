"""Attempts against the model in the loop, and submitting one of them as an example.

The verdict is asked for outside of any transaction, then stored with the exact version that gave it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import logging
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from annotators.models import Annotator
from collection.assignment import check_live, own_assignment, whole
from collection.enrolment import check_blind
from collection.errors import Conflict, Invalid, NotYours, Refused
from collection.models import Assignment, Attempt, Example, Experiment, Round
from collection.nudges import nudge
from collection.states import AssignmentState, AttemptState, ExampleState
from collection.texts import MAX_REASON, check_text, fingerprint
from lifecycle.moves import LostRace, move, record
from modelserver.client import ModelServerError, PredictsText, Rejected
from modelserver.wire import Prediction

log = logging.getLogger(__name__)

# How long a slot is kept for a text that waits for the model server.
WAITING_LEASE = dt.timedelta(hours=24)


@dataclass(frozen=True)
class Verdict:
    """A prediction and the time it took to get, in milliseconds."""

    prediction: Prediction
    latency_ms: float


@dataclass(frozen=True)
class Explanation:
    """A writer's answers to the two optional questions: why the label is right, why the model was fooled."""

    why_label: str = ""
    why_fooled: str = ""


def attempt(
    key: uuid.UUID,
    annotator: Annotator,
    written: Mapping[str, object],
    label: object,
    idempotency_key: str,
    client: PredictsText,
) -> Attempt:
    """Put a text to the model of the round, or only record it where no model is shown.

    The same idempotency key with the same body gives the stored attempt again. If the model server is away the
    attempt is kept as ``waiting`` and judged later. Raises Invalid for bad input, NotYours, and Conflict for a
    reused key, an ended lease, a closed round, or no tries left.
    """
    assignment = own_assignment(key, annotator)
    body = _body_sha256(written, label)
    standing = _standing(assignment, idempotency_key, body)
    if standing is not None:
        return standing
    try:
        chosen = _label(assignment, label)
        texts = _checked_texts(assignment, written)
        verdict = _ask(assignment, texts, client) if assignment.round.arm.shows_model else None
    except Refused:
        # The same attempt, sent twice at once, may have used the last try since it was looked for.
        assignment = own_assignment(key, annotator)
        standing = _standing(assignment, idempotency_key, body)
        if standing is not None:
            return standing
        raise
    return _store(assignment, texts, chosen, verdict, idempotency_key, body)


def submit(
    key: uuid.UUID, annotator: Annotator, attempt_key: uuid.UUID, explanation: Explanation | None = None
) -> Example:
    """Turn an attempt into the assignment's example.

    Where a model is shown, that is an attempt which fooled it or, with no tries left, any. Submitting the same
    attempt again gives the same example. Raises NotYours, Conflict, and Invalid for an explanation that cannot be
    stored.
    """
    explanation = _checked_explanation(explanation or Explanation())
    assignment = own_assignment(key, annotator)
    try:
        chosen = assignment.attempts.get(key=attempt_key)
    except Attempt.DoesNotExist:
        raise NotYours("attempt") from None
    try:
        with transaction.atomic():
            assignment = _lock(assignment)
            standing = Example.objects.filter(assignment=assignment).first()
            if standing is not None:
                return _same(standing, chosen)
            check_blind(assignment.experiment, annotator)
            check_live(assignment)
            _check_submittable(assignment, chosen)
            move(assignment, AssignmentState.SUBMITTED, actor=annotator.user)
            example = Example.objects.create(
                assignment=assignment,
                attempt=chosen,
                arm=assignment.round.arm,
                round=assignment.round,
                annotator=annotator,
                label=chosen.label,
                fingerprint=fingerprint(chosen.texts),
                why_label=explanation.why_label,
                # Where no model is shown there is nothing that could have been fooled.
                why_fooled=explanation.why_fooled if assignment.round.arm.shows_model else "",
            )
            record(example, ExampleState.PENDING, actor=annotator.user)
    except IntegrityError:
        raise Conflict(
            "duplicate", _("Somebody has submitted this text already. Please write something else.")
        ) from None
    return example


def retract(key: uuid.UUID, annotator: Annotator) -> Example:
    """Take back an own example before it is decided; its slot becomes free. Retracting it again changes nothing.

    Validators who have looked at it are paid all the same. Raises NotYours, and Conflict if it was decided, or its
    writer sees the votes on it by now.
    """
    example = Example.objects.select_related("arm__experiment").filter(key=key, annotator=annotator).first()
    if example is None:
        raise NotYours("example")
    if example.state == ExampleState.RETRACTED:
        return example
    check_blind(example.arm.experiment, annotator)
    try:
        if example.state != ExampleState.PENDING:
            raise LostRace
        move(example, ExampleState.RETRACTED, actor=annotator.user, decided_at=timezone.now())
    except LostRace:
        raise Conflict("decided", _("This text was decided already and cannot be taken back.")) from None
    return example


def judge_waiting(client: PredictsText, limit: int = 200) -> int:
    """Get the verdict of attempts that wait for one, oldest first; returns how many got it. Stops when the model
    server is still away."""
    judged = 0
    waiting = (
        Attempt.objects.filter(state=AttemptState.WAITING)
        .select_related("assignment__round__arm", "assignment__round__model_version", "assignment__experiment__task")
        .order_by("pk")[:limit]
    )
    for item in waiting:
        try:
            verdict = _ask(item.assignment, tuple(item.texts), client)
        except Invalid as error:
            log.warning("attempt %s cannot be judged: %s", item.pk, error)
            _end_waiting(item, AttemptState.REFUSED, {})
            continue
        if verdict is None:
            break
        judged += _end_waiting(item, AttemptState.JUDGED, _verdict_columns(item.assignment, item.label, verdict))
    return judged


def tries_left(assignment: Assignment) -> int:
    """How many tries an assignment has left. One that the model could not judge does not count."""
    used = sum(item.state != AttemptState.REFUSED for item in assignment.attempts.all())
    return max(0, assignment.experiment.max_tries - used)


def submittable(assignment: Assignment, chosen: Attempt, left: int) -> bool:
    """Whether an attempt may be submitted while ``left`` tries are left."""
    if not assignment.round.arm.shows_model:
        return True
    return chosen.state == AttemptState.JUDGED and (bool(chosen.fooled) or left == 0)


def _checked_explanation(given: Explanation) -> Explanation:
    """The answers, each empty or fit to store. Raises Invalid naming the one that is not."""
    answers = {
        name: check_text(name, text, max_length=MAX_REASON) if isinstance(text, str) and text.strip() else ""
        for name, text in vars(given).items()
    }
    return Explanation(**answers)


def _checked_texts(assignment: Assignment, written: Mapping[str, object]) -> tuple[str, ...]:
    """All texts of an attempt, if it may be made at all. Raises Invalid or Conflict."""
    check_blind(assignment.experiment, assignment.annotator)
    check_live(assignment)
    schema = assignment.experiment.task.schema
    texts = schema.check_texts(written, assignment.context.text if assignment.context else None)
    taken = Example.objects.filter(arm=assignment.round.arm, fingerprint=fingerprint(texts))
    if taken.exclude(state=ExampleState.RETRACTED).exists():
        field = schema.writer_fields[-1].name
        raise Invalid(field, _("Somebody has written this already. Please write something else."), "duplicate")
    _check_tries(assignment)
    return texts


def _ask(assignment: Assignment, texts: tuple[str, ...], client: PredictsText) -> Verdict | None:
    """The verdict of the round's version; None if the model server is away. Raises Invalid for what it cannot read."""
    version = assignment.round.model_version
    assert version is not None, "a round that shows a model has a version"
    started = time.perf_counter()
    try:
        prediction = client.predict_one(version.ref, version.labels, texts)
    except Rejected as error:
        if error.is_input:
            field = assignment.experiment.task.schema.writer_fields[-1].name
            raise Invalid(
                field, _("The model cannot read this: %(reason)s") % {"reason": error}, "unreadable"
            ) from None
        log.error("the model server refused %s: %s", version.ref, error)
        return None
    except ModelServerError as error:
        log.warning("no verdict of %s now: %s", version.ref, error)
        return None
    return Verdict(prediction, (time.perf_counter() - started) * 1000)


def _store(
    assignment: Assignment,
    texts: tuple[str, ...],
    label: str,
    verdict: Verdict | None,
    idempotency_key: str,
    body: str,
) -> Attempt:
    seen = assignment.context_id
    with transaction.atomic():
        # Only a text that waits for its verdict changes the lease, and with it the slot.
        assignment = _lock(assignment, slot=verdict is None)
        standing = _standing(assignment, idempotency_key, body)
        if standing is not None:
            return standing
        check_live(assignment)
        if assignment.context_id != seen:
            raise Conflict("context_changed", _("You have skipped this text meanwhile."))
        _check_tries(assignment)
        stored = Attempt(
            assignment=assignment,
            index=len(assignment.attempts.all()) + 1,
            context=assignment.context,
            texts=list(texts),
            label=label,
            idempotency_key=idempotency_key,
            body_sha256=body,
        )
        if not assignment.round.arm.shows_model:
            stored.state = AttemptState.RECORDED
        elif verdict is None:
            stored.state = AttemptState.WAITING
            Assignment.objects.filter(pk=assignment.pk).update(expires_at=timezone.now() + WAITING_LEASE)
        else:
            stored.state = AttemptState.JUDGED
            for name, value in _verdict_columns(assignment, label, verdict).items():
                setattr(stored, name, value)
        stored.save(force_insert=True)
        record(stored, AttemptState(stored.state))
        # Its attempts were read before this one was stored.
        assignment.refresh_from_db(fields=["attempts"])
        if stored.state == AttemptState.WAITING:
            nudge()
    return stored


def _end_waiting(waiting: Attempt, state: AttemptState, columns: Mapping[str, Any]) -> int:
    assignment = waiting.assignment
    try:
        with transaction.atomic():
            assignment = _lock(assignment)
            move(waiting, state, **columns)
            # The writer gets the usual time from now on, not the long lease of the wait.
            now = timezone.now()
            Assignment.objects.filter(pk=assignment.pk, state=AssignmentState.LEASED, expires_at__gt=now).update(
                expires_at=now + dt.timedelta(seconds=assignment.experiment.lease_seconds)
            )
    except LostRace:
        return 0
    return 1


def _verdict_columns(assignment: Assignment, label: str, verdict: Verdict) -> dict[str, Any]:
    return {
        "model_version": assignment.round.model_version,
        "prediction": verdict.prediction.label,
        "probabilities": verdict.prediction.probabilities,
        "fooled": verdict.prediction.label != label,
        "latency_ms": round(verdict.latency_ms, 3),
        "judged_at": timezone.now(),
    }


def _lock(assignment: Assignment, *, slot: bool = True) -> Assignment:
    """The assignment as it is now, locked.

    ``slot`` locks its round first, as a claim does, so that no slot is handed out between the look at a lease's time
    and the use of it. Who changes nothing about the slot need not hold up everybody else of the round.
    """
    if slot:
        Round.objects.select_for_update().get(pk=assignment.round_id)
    return whole().select_for_update(of=("self",)).get(pk=assignment.pk)


def _standing(assignment: Assignment, idempotency_key: str, body: str) -> Attempt | None:
    if not 1 <= len(idempotency_key) <= 100 or not idempotency_key.isprintable():
        raise Invalid("idempotency_key", _("Must have 1 to 100 printable characters."))
    standing = next((item for item in assignment.attempts.all() if item.idempotency_key == idempotency_key), None)
    if standing is not None and standing.body_sha256 != body:
        raise Conflict("idempotency_key_reused", _("This idempotency key was used with another text."))
    return standing


def _body_sha256(written: Mapping[str, object], label: object) -> str:
    body = json.dumps([dict(written), label], sort_keys=True, ensure_ascii=True, default=repr)
    return hashlib.sha256(body.encode()).hexdigest()


def _label(assignment: Assignment, label: object) -> str:
    schema = assignment.experiment.task.schema
    if assignment.experiment.label_policy == Experiment.Labels.FREE:
        return schema.check_label("label", label)
    if label is not None and schema.check_label("label", label) != assignment.target_label:
        message = _("The target label of this assignment is %(label)s.") % {"label": assignment.target_label}
        raise Invalid("label", message, "wrong_label")
    return assignment.target_label


def _check_tries(assignment: Assignment) -> None:
    if any(item.state == AttemptState.WAITING for item in assignment.attempts.all()):
        raise Conflict("verdict_pending", _("Your last text waits for the model. Its answer will show here."))
    if tries_left(assignment) == 0:
        raise Conflict("no_tries_left", _("You have used all tries; please submit one of your texts."))


def _check_submittable(assignment: Assignment, chosen: Attempt) -> None:
    if not assignment.round.arm.shows_model:
        return
    if chosen.state == AttemptState.WAITING:
        raise Conflict(
            "verdict_pending", _("Your text waits for the model. You can submit it when its answer is there.")
        )
    if chosen.state == AttemptState.REFUSED:
        raise Conflict("unreadable", _("The model could not read this text. Please write another one."))
    if not submittable(assignment, chosen, tries_left(assignment)):
        raise Conflict("tries_left", _("This text did not fool the model, and you have tries left."))


def _same(standing: Example, chosen: Attempt) -> Example:
    if standing.attempt_id != chosen.pk:
        raise Conflict("already_submitted", _("You have submitted another text for this assignment."))
    return standing
