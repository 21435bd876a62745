"""Simulated annotators: they do what people do, through the same operations."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from django.contrib.auth.models import User

from annotators.enrolment import annotator_of
from annotators.models import Annotator
from collection import assignment, submission, validation
from collection.enrolment import enrol
from collection.errors import Invalid, NothingToDo
from collection.importing.jsonl import LabelledRow
from collection.models import Arm, Assignment, Attempt, Experiment, Validation
from collection.simulation.pool import Pool
from collection.states import AttemptState
from modelserver.client import PredictsText

PLATFORM = "simulated"


class PoolExhausted(RuntimeError):
    """The file has no unused text left for an assignment."""


class NoVerdict(RuntimeError):
    """The model server did not answer."""


@dataclass
class Crowd:
    """The simulated people of one experiment. ``agreement`` is the rate at which validators vote for the truth.

    Every choice is drawn from the experiment's seed and from what the choice is about, never from a running
    stream, so a simulation that is interrupted and resumed goes on as if nothing had happened.
    """

    experiment: Experiment
    pool: Pool
    client: PredictsText
    agreement: float
    members: dict[str, list[Annotator]] = field(default_factory=dict)
    numbers: dict[int, int] = field(default_factory=dict)
    used: dict[str, set[str]] = field(default_factory=dict)

    def gather(self, a_group: int) -> None:
        """Enrol ``a_group`` people an arm, and read from the attempts which texts each arm has used."""
        arms = list(self.experiment.arms.all())
        for number in range(a_group * len(arms)):
            username = f"{self.experiment.slug}-{number}"
            user, _ = User.objects.get_or_create(username=username, defaults={"is_active": False})
            annotator = annotator_of(user, PLATFORM, username)
            self.numbers[annotator.pk] = number
            self.members.setdefault(enrol(self.experiment, annotator).slug, []).append(annotator)
        for arm in arms:
            keys = Attempt.objects.filter(assignment__round__arm=arm).values_list("idempotency_key", flat=True)
            self.used[arm.slug] = set(keys)

    def fill(self, arm: Arm) -> bool:
        """One person of the arm writes one example, and others validate it. False if the arm has no free slot."""
        members = self.members[arm.slug]
        writer = members[arm.examples.count() % len(members)]
        try:
            self._write(arm, writer)
        except NothingToDo:
            return False
        self.validate_all()
        return True

    def validate_all(self) -> None:
        """Everybody in turn validates whatever waits, until nobody finds anything."""
        everybody = [annotator for members in self.members.values() for annotator in members]
        busy = True
        while busy:
            busy = False
            for annotator in everybody:
                try:
                    lease = validation.claim_validation(self.experiment, annotator)
                except NothingToDo as nothing:
                    if nothing.code == "none_waiting":
                        return
                    continue
                validation.vote(lease.key, annotator, validation.Vote(self._vote(lease, annotator)))
                busy = True

    def _write(self, arm: Arm, writer: Annotator) -> None:
        held = assignment.claim(self.experiment, writer)
        while True:
            attempt = held.attempts.order_by("-index").first()
            if attempt is not None and self._is_final(held, attempt):
                submission.submit(held.key, writer, attempt.key)
                return
            row = self._next_row(arm, held)
            if row is None:
                held = self._skip(held, writer)
                continue
            self._try(arm, held, writer, row)
            # What was read with the assignment does not know of the new attempt.
            held = assignment.own_assignment(held.key, writer)

    def _is_final(self, held: Assignment, attempt: Attempt) -> bool:
        """Whether to submit: the first that fools the model, or the last; where no model is shown, the first."""
        if attempt.state == AttemptState.WAITING:
            raise NoVerdict("the model server does not answer")
        if attempt.state == AttemptState.RECORDED:
            return True
        return bool(attempt.fooled) or submission.tries_left(held) == 0

    def _try(self, arm: Arm, held: Assignment, writer: Annotator, row: LabelledRow) -> None:
        fields = self.experiment.task.schema.fields
        written: dict[str, object] = {
            item.name: text for item, text in zip(fields, row.texts, strict=True) if item.source == "writer"
        }
        self.used[arm.slug].add(_key(row))
        try:
            submission.attempt(held.key, writer, written, row.label, _key(row), self.client)
        except Invalid as invalid:
            # The file has the same text twice, or one that copies its context: the writer takes another.
            if invalid.code not in ("duplicate", "copied", "too_long", "unreadable"):
                raise

    def _next_row(self, arm: Arm, held: Assignment) -> LabelledRow | None:
        context = held.context.text if held.context else ""
        labels = [held.target_label] if held.target_label else self.experiment.task.schema.label_names
        free = [
            row
            for label in labels
            for row in self.pool.candidates(context, label)
            if _key(row) not in self.used[arm.slug]
        ]
        if not free:
            return None
        return self._chooser("row", arm.slug, held.round.number, held.draws.count(), len(self.used[arm.slug])).choice(
            free
        )

    def _skip(self, held: Assignment, writer: Annotator) -> Assignment:
        if held.context is None or held.skips > self.experiment.contexts.count():
            raise PoolExhausted(f"no unused text is left for label {held.target_label or 'any'} in {held.round}")
        return assignment.skip_context(held.key, writer)

    def _vote(self, lease: Validation, annotator: Annotator) -> str:
        truth = lease.example.label
        chooser = self._chooser("vote", lease.example.arm.slug, lease.example.fingerprint, self.numbers[annotator.pk])
        if chooser.random() < self.agreement:
            return truth
        return chooser.choice([label for label in self.experiment.task.schema.label_names if label != truth])

    def _chooser(self, *about: object) -> random.Random:
        return random.Random(":".join(map(str, ("simulation", self.experiment.seed, *about))))


def _key(row: LabelledRow) -> str:
    return f"line-{row.line}"
