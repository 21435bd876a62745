"""An experiment's examples and attempts as rows of a release, from the database, in the order of its files.

Rows are read a batch at a time by their numbers, which are sorted first: a batch costs the same wherever it stands,
no transaction stays open, and nothing but the numbers is held of all of them.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter
from typing import Any

import orjson
from django.db.models import QuerySet

from collection.export.columns import text_column
from collection.export.people import People
from collection.export.stored import AsStored, TimeAsStored, among, iso, key_text, time_text
from collection.models import Attempt, Context, Example, Experiment, Round, Validation
from collection.states import AttemptState, ExampleState
from lifecycle.models import StateChange
from modelserver.models import ModelVersion

BATCH = 2_000
Row = dict[str, Any]


@dataclass
class Reading:
    """What rows are read by: as of when, and which states of examples. Keeps what many rows share."""

    experiment: Experiment
    as_of: datetime
    states: frozenset[str]
    people: People

    def __post_init__(self) -> None:
        schema = self.experiment.task.schema
        self.labels = schema.label_names
        self.columns = [text_column(field.name) for field in schema.fields]
        self.context_column = None if schema.context_field is None else text_column(schema.context_field.name)
        self.contexts = dict(Context.objects.filter(experiment=self.experiment).values_list("pk", "position"))
        self.now = iso(self.as_of)
        self._versions: dict[int, str] = {}

    def version(self, number: int | None) -> str | None:
        """A model version's name, by its number."""
        if number is None:
            return None
        if number not in self._versions:
            self._versions[number] = str(ModelVersion.objects.get(pk=number))
        return self._versions[number]

    def texts(self, stored: str) -> dict[str, str]:
        """The columns of the task's fields."""
        return dict(zip(self.columns, orjson.loads(stored), strict=True))

    def shares(self, stored: str | None) -> dict[str, float] | None:
        """Probabilities in the order of the labels: a database may have kept them in another one."""
        given = orjson.loads(stored) if stored else None
        return given and {name: given[name] for name in self.labels if name in given}


@dataclass
class Met:
    """The numbers of those who wrote and of those who validated what was read."""

    writers: set[int] = field(default_factory=set)
    validators: set[int] = field(default_factory=set)


def example_rows(reading: Reading, round_: Round, met: Met) -> Iterator[Row]:
    """The examples of a round by the time of submission, then id, with the votes that had counted by ``as_of``.

    A state is what it was then. What its writer has taken back since, or what was erased, is left out all the same.
    """
    found = _there(reading, round_).exclude(state=ExampleState.RETRACTED)
    changed = _changed_since(found, reading.as_of)
    arm, of_round = round_.arm.slug, round_.number
    ordered = found.order_by("submitted_at", "key").values_list("pk", "state")
    wanted = (number for number, state in _rows(ordered) if changed.get(number, state) in reading.states)
    for batch in _batches(wanted):
        by_number = {row[0]: row for row in Example.objects.filter(pk__in=among(batch)).values_list(*_EXAMPLE)}
        votes = _votes(reading, batch, met)
        met.writers.update(writers := {row[3] for row in by_number.values()})
        people = reading.people.meet(writers)
        for number in batch:
            (_, key, state, writer, label, why_label, why_fooled, ruling, submitted_at, decided_at,
             assignment, leased_at, attempt, index, context, texts, *verdict) = by_number[number]  # fmt: skip
            state = changed.get(number, state)
            decided = state in _DECIDED
            yield {
                "id": key_text(key),
                "arm": arm,
                "round": of_round,
                "split": first_split(state),
                "context": reading.contexts.get(context),
                **reading.texts(texts),
                "label": label,
                "state": state,
                "writer": people[writer].pseudonym,
                "assignment": key_text(assignment),
                "attempt": key_text(attempt),
                "try": index - 1,
                **_verdict(reading, leased_at, verdict)[1],
                "why_label": why_label,
                "why_fooled": why_fooled,
                "ruling": ruling if decided else "",
                "submitted_at": time_text(submitted_at),
                "decided_at": time_text(decided_at) if decided and decided_at else None,
                "votes": votes.get(number, []),
            }


def attempt_rows(reading: Reading, round_: Round, met: Met) -> Iterator[Row]:
    """Every attempt of a round by the time of its lease, assignment and try; but what became of one that its writer
    has taken back. ``example`` names examples of the same reading alone."""
    found = Attempt.objects.filter(assignment__round=round_, created_at__lte=reading.as_of, erased_at=None)
    found = found.exclude(example__state=ExampleState.RETRACTED)
    examples = Example.objects.filter(round=round_)
    changed = _changed_since(examples, reading.as_of)
    arm, of_round = round_.arm.slug, round_.number
    ordered = found.order_by("assignment__created_at", "assignment__key", "index").values_list("pk")
    for batch in _batches(number for (number,) in _rows(ordered)):
        by_number = {row[0]: row for row in Attempt.objects.filter(pk__in=among(batch)).values_list(*_ATTEMPT)}
        met.writers.update(writers := {row[3] for row in by_number.values()})
        people = reading.people.meet(writers)
        for number in batch:
            (_, key, state, writer, label, example, example_key, example_state, submitted_at,
             assignment, leased_at, index, context, texts, *verdict) = by_number[number]  # fmt: skip
            judged, columns = _verdict(reading, leased_at, verdict)
            kept = submitted_at is not None and time_text(submitted_at) <= reading.now
            kept = kept and changed.get(example, example_state) in reading.states
            yield {
                "id": key_text(key),
                "arm": arm,
                "round": of_round,
                "context": reading.contexts.get(context),
                **reading.texts(texts),
                "label": label,
                "state": state if judged else AttemptState.WAITING.value,
                "writer": people[writer].pseudonym,
                "assignment": key_text(assignment),
                "try": index - 1,
                "example": key_text(example_key) if kept else None,
                **columns,
            }


def first_split(state: str) -> str:
    """The split of an example that no method has divided: only accepted ones are for training."""
    return "train" if state == ExampleState.ACCEPTED else "rest"


def counted(reading: Reading, round_: Round) -> int:
    """How many examples of a round there are to read, in whichever state."""
    return _there(reading, round_).count()


def _there(reading: Reading, round_: Round) -> QuerySet[Example]:
    return Example.objects.filter(round=round_, submitted_at__lte=reading.as_of, erased_at=None)


_DECIDED = frozenset({ExampleState.ACCEPTED.value, ExampleState.REJECTED.value})


def _stored(*columns: str) -> tuple[AsStored, ...]:
    return tuple(TimeAsStored(name) if name.endswith("_at") else AsStored(name) for name in columns)


_VERDICT = ("model_version_id", "prediction", "probabilities", "fooled", "latency_ms", "created_at", "judged_at")
_EXAMPLE = _stored(
    "pk",
    "key",
    "state",
    "annotator_id",
    "label",
    "why_label",
    "why_fooled",
    "ruling",
    "submitted_at",
    "decided_at",
    "assignment__key",
    "assignment__created_at",
    "attempt__key",
    "attempt__index",
    "attempt__context_id",
    "attempt__texts",
    *(f"attempt__{name}" for name in _VERDICT),
)
_ATTEMPT = _stored(
    "pk",
    "key",
    "state",
    "assignment__annotator_id",
    "label",
    "example__pk",
    "example__key",
    "example__state",
    "example__submitted_at",
    "assignment__key",
    "assignment__created_at",
    "index",
    "context_id",
    "texts",
    *_VERDICT,
)
_VOTE = _stored(
    "example_id",
    "annotator_id",
    "key",
    "label",
    "flagged",
    "reason",
    "created_at",
    "voted_at",
    "settled_at",
)


def _verdict(reading: Reading, leased_at: Any, stored: Sequence[Any]) -> tuple[bool, Row]:
    """Whether there was no later verdict, and the columns of what had been said by then."""
    version, prediction, probabilities, fooled, latency, attempted_at, judged_at = stored
    judged = None if judged_at is None else time_text(judged_at)
    if judged is not None and judged > reading.now:
        version = prediction = probabilities = fooled = latency = judged = None
    return judged_at is None or judged is not None, {
        "model_version": reading.version(version),
        "prediction": prediction or None,
        "probabilities": reading.shares(probabilities),
        "fooled": None if fooled is None else bool(fooled),
        "latency_ms": latency,
        "leased_at": time_text(leased_at),
        "attempted_at": time_text(attempted_at),
        "judged_at": judged,
    }


def _votes(reading: Reading, batch: Sequence[int], met: Met) -> dict[int, list[Row]]:
    """The votes on each example that had counted by then, by the time of voting."""
    found = Validation.objects.filter(example__in=among(batch), settled_at__lte=reading.as_of)
    stored = list(found.values_list(*_VOTE))
    met.validators.update(validators := {row[1] for row in stored})
    people = reading.people.meet(validators)
    votes: defaultdict[int, list[Row]] = defaultdict(list)
    for example, validator, key, label, flagged, reason, asked_at, voted_at, settled_at in stored:
        votes[example].append(
            {
                "id": key_text(key),
                "validator": people[validator].pseudonym,
                "label": label,
                "flagged": bool(flagged),
                "reason": reason,
                "asked_at": time_text(asked_at),
                "voted_at": time_text(voted_at),
                "settled_at": time_text(settled_at),
            }
        )
    for given in votes.values():
        given.sort(key=_BY_TIME)
    return votes


_BY_TIME = itemgetter("voted_at", "id")


def _changed_since(found: QuerySet[Example], as_of: datetime) -> dict[int, str]:
    """What the examples that were decided later had been, by number."""
    changes = StateChange.objects.filter(
        subject_type=Example._meta.label_lower, subject_id__in=found.values("pk"), at__gt=as_of
    ).exclude(from_state="")
    # The earliest change comes last, and stays.
    return dict(changes.order_by("-pk").values_list("subject_id", "from_state"))


def _rows(query: QuerySet[Any, tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    return query.iterator(chunk_size=BATCH)


def _batches(numbers: Iterable[int]) -> Iterator[list[int]]:
    """All numbers first, eight bytes each: then no cursor is open while rows are made."""
    every = array("q", numbers)
    for start in range(0, len(every), BATCH):
        yield every[start : start + BATCH].tolist()
