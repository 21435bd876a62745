"""Browsing an experiment's examples, for researchers: filtered pages, newest first, and one example with all its story.

People appear under pseudonyms only. A page costs the same however many examples there are (docs/decisions/0011).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
import unicodedata
import uuid
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core import signing
from django.db.models import Count, Exists, F, Max, Min, OuterRef, Q, QuerySet

from collection.errors import Invalid, NotYours
from collection.models import Arm, Attempt, Example, Experiment, Validation
from collection.pseudonyms import PSEUDONYM, people_called, pseudonym, pseudonym_of
from collection.schema import NAME
from collection.states import ExampleState, ValidationState
from lifecycle.models import StateChange

# How many examples a page looks at, at most, for those that no index finds.
LOOKED_AT = 1000
LARGEST_PAGE = 200
LONGEST_SEARCH = 200
_LARGEST_ROUND = 1_000_000
_SLUG = re.compile(r"[-a-zA-Z0-9_]{1,30}")


@dataclass(frozen=True)
class ExampleFilter:
    """Which examples are wanted: those that are like all that is not None.

    ``arm`` is an arm's slug, ``round`` a round's number, ``writer`` a pseudonym. ``fooled`` is about the model's
    verdict: where no model is shown an example is neither. ``disagreement``: the votes that count name more than one
    label, or a flag. ``text`` is found in any one of an example's texts, the context too, in whatever case it is
    written: both are compared in Unicode's composed form (NFC) and case-folded.
    """

    arm: str | None = None
    round: int | None = None
    state: ExampleState | None = None
    fooled: bool | None = None
    disagreement: bool | None = None
    writer: str | None = None
    label: str | None = None
    text: str | None = None


FILTERS = tuple(field.name for field in dataclasses.fields(ExampleFilter))


@dataclass(frozen=True)
class ExampleRow:
    """An example as a list shows it. ``votes`` counts the votes that count, by label; ``flags`` those without one.

    Since ``erased_at`` there is no text of its writer's: the texts that the writer wrote are empty.
    """

    key: uuid.UUID
    texts: tuple[str, ...]
    label: str
    state: str
    fooled: bool | None
    arm: str
    round: int
    votes: Mapping[str, int]
    flags: int
    writer: str
    submitted_at: dt.datetime
    erased_at: dt.datetime | None


@dataclass(frozen=True)
class Page:
    """A part of a list, newest first. ``next`` leads to older examples and ``previous`` to newer ones, None at the end.

    ``searched`` is None for a page that is full or the last. Otherwise it is how many examples were looked at before
    the search stopped: the page may even be empty, and following the cursor goes on.
    """

    rows: tuple[ExampleRow, ...]
    next: str | None
    previous: str | None
    searched: int | None


@dataclass(frozen=True)
class AttemptLine:
    """One of the tries of an example's assignment; ``index`` counts from 1, ``latency_ms`` is the verdict's time."""

    key: uuid.UUID
    index: int
    texts: tuple[str, ...]
    context: str | None
    label: str
    state: str
    prediction: str
    probabilities: Mapping[str, float] | None
    model_version: str | None
    fooled: bool | None
    latency_ms: float | None
    created_at: dt.datetime
    judged_at: dt.datetime | None
    submitted: bool
    erased_at: dt.datetime | None


@dataclass(frozen=True)
class VoteLine:
    """A vote: a label, or None for a flag. ``counts`` says that it is settled and cannot be taken back any more."""

    validator: str
    label: str | None
    reason: str
    voted_at: dt.datetime
    counts: bool


@dataclass(frozen=True)
class EventLine:
    """A move of the example. ``actor`` is its writer's pseudonym, an expert's user name, or empty for the system."""

    at: dt.datetime
    from_state: str
    to_state: str
    actor: str


@dataclass(frozen=True)
class Detail:
    """An example with its context, the tries it came from, its votes and its events, each oldest first."""

    row: ExampleRow
    context: str | None
    why_label: str
    why_fooled: str
    ruling: str
    claimed_at: dt.datetime
    decided_at: dt.datetime | None
    attempts: tuple[AttemptLine, ...]
    votes: tuple[VoteLine, ...]
    events: tuple[EventLine, ...]


def parse_filter(params: Mapping[str, str]) -> ExampleFilter:
    """The filter that a query string asks for. An empty value is none: forms send those.

    Raises Invalid naming the parameter, with code "unknown_filter" for one that is no filter.
    """
    for name in params:
        if name not in FILTERS:
            known = ", ".join(FILTERS)
            raise Invalid(name, f"There is no such filter. There are: {known}.", "unknown_filter")
    given = {name: value for name, value in params.items() if value != ""}
    return ExampleFilter(
        arm=_matching("arm", given.get("arm"), _SLUG, "the name of an arm"),
        round=_round(given.get("round")),
        state=_state(given.get("state")),
        fooled=_truth("fooled", given.get("fooled")),
        disagreement=_truth("disagreement", given.get("disagreement")),
        writer=_matching("writer", given.get("writer"), PSEUDONYM, "a pseudonym: ten digits 0-9, a-f"),
        label=_matching("label", given.get("label"), NAME, "the name of a label"),
        text=_search(given.get("text")),
    )


def page_of_examples(
    experiment: Experiment,
    wanted: ExampleFilter,
    cursor: str | None = None,
    size: int = 50,
    looked_at: int = LOOKED_AT,
) -> Page:
    """A page of the examples that are like ``wanted``, in at most five queries.

    Arm, round, state and writer are found by an index; the other filters are checked on up to ``looked_at`` examples a
    page (see Page.searched). Raises Invalid for a cursor that is not of this experiment, a size that is not from 1 to
    200, and an arm or a label that the experiment does not have.
    """
    if not 1 <= size <= LARGEST_PAGE:
        raise Invalid("size", f"Must be a number from 1 to {LARGEST_PAGE}.")
    if wanted.label is not None:
        experiment.task.schema.check_label("label", wanted.label)
    start = _Place.read(experiment, cursor)
    places, rest = _places(experiment, wanted)
    checked = bool(rest) or wanted.text is not None
    limit = max(looked_at, size + 1) if checked else size + 1
    window = _window(places, start, limit)
    found = _matching_rows(window, rest, start, None if wanted.text is not None else size + 1)
    if wanted.text is not None:
        needle = _folded(wanted.text)
        found = [item for item in found if any(needle in _folded(text) for text in item["attempt__texts"])]
    page, full = found[:size], len(window) == limit
    # Where the walk goes on: behind the last row shown, or behind all that were looked at; None at the end.
    end = page[-1]["pk"] if len(found) > size else window[-1] if full else None
    older, newer = _ends(start, end, [item["pk"] for item in page])
    return Page(
        rows=_rows(experiment, page if start.older else page[::-1]),
        next=None if older is None else older.sign(experiment),
        previous=None if newer is None else newer.sign(experiment),
        searched=len(window) if checked and full and len(page) < size else None,
    )


def example_detail(experiment: Experiment, key: uuid.UUID) -> Detail:
    """All there is about one example, in five queries. Raises NotYours for a key that is not of this experiment."""
    related = ("attempt", "assignment", "round", "arm", "annotator")
    example = Example.objects.filter(arm__experiment=experiment, key=key).select_related(*related).first()
    if example is None:
        raise NotYours("example")
    attempts = Attempt.objects.filter(assignment=example.assignment_id).select_related("model_version", "context")
    found = list(attempts.order_by("index"))
    chosen = next(item for item in found if item.pk == example.attempt_id)
    votes = example.validations.filter(state=ValidationState.VOTED).select_related("annotator")
    events = StateChange.objects.filter(subject_type=Example._meta.label_lower, subject_id=example.pk)
    values = {name: _value(example, name) for name in _COLUMNS}
    return Detail(
        row=_rows(experiment, [values])[0],
        context=chosen.context.text if chosen.context else None,
        why_label=example.why_label,
        why_fooled=example.why_fooled,
        ruling=example.ruling,
        claimed_at=example.assignment.created_at,
        decided_at=example.decided_at,
        attempts=tuple(_attempt_line(item, example) for item in found),
        votes=tuple(
            VoteLine(
                validator=pseudonym(experiment, vote.annotator),
                label=vote.label or None,
                reason=vote.reason,
                voted_at=vote.voted_at,
                counts=vote.settled_at is not None,
            )
            for vote in votes.order_by("voted_at", "pk")
            if vote.voted_at is not None
        ),
        events=tuple(
            EventLine(event.at, event.from_state, event.to_state, _actor(experiment, example, event))
            for event in events.select_related("actor").order_by("pk")
        ),
    )


@dataclass(frozen=True)
class _Place:
    """Where a page starts: behind the example with this number, towards older or newer ones."""

    pk: int | None = None
    older: bool = True

    @classmethod
    def read(cls, experiment: Experiment, cursor: str | None) -> _Place:
        """The place that a cursor of the experiment names. Raises Invalid for one that is not ours."""
        if cursor is None:
            return cls()
        try:
            older, pk = signing.loads(cursor, salt=_salt(experiment))
        except (signing.BadSignature, ValueError, TypeError):
            raise Invalid("cursor", "This is no place in this list; please start at its beginning.") from None
        return cls(pk, older)

    def sign(self, experiment: Experiment) -> str:
        """Its cursor."""
        return signing.dumps((self.older, self.pk), salt=_salt(experiment))


def _salt(experiment: Experiment) -> str:
    return f"collection.browsing:{experiment.key}"


def _ends(start: _Place, end: int | None, shown: list[int]) -> tuple[_Place | None, _Place | None]:
    """The places of the next (older) and of the previous (newer) page, for a walk that goes on behind ``end``."""
    onward = None if end is None else _Place(end, start.older)
    back = None
    if start.pk is not None:
        # An empty page leads back to where it came from, the example itself included.
        before = shown[0] if shown else start.pk - 1 if start.older else start.pk + 1
        back = _Place(before, not start.older)
    return (onward, back) if start.older else (back, onward)


def _places(experiment: Experiment, wanted: ExampleFilter) -> tuple[list[dict[str, Any]], Q]:
    """Conditions that an index answers in the order of a list, one for each part of it, and what else is to hold."""
    columns = ("pk", "slug") if wanted.round is None else ("pk", "slug", "rounds__pk", "rounds__number")
    found = list(Arm.objects.filter(experiment=experiment).order_by("position").values(*columns))
    if wanted.arm is not None:
        found = [row for row in found if row["slug"] == wanted.arm]
        if not found:
            raise Invalid("arm", "This experiment has no such arm.")
    rounds = [row["rounds__pk"] for row in found if wanted.round is not None and row["rounds__number"] == wanted.round]
    arms = list(dict.fromkeys(row["pk"] for row in found))
    rest = _rest(wanted)
    state = {} if wanted.state is None else {"state": wanted.state}
    if wanted.writer is not None:
        people = people_called(experiment, wanted.writer)
        rest &= Q(**state) if wanted.round is None else Q(round__in=rounds, **state)
        return [{"annotator": person, "arm": arm} for person in people for arm in arms], rest
    if wanted.round is not None:
        return [{"round": pk, **state} for pk in rounds], rest
    return [{"arm": arm, **state} for arm in arms], rest


def _rest(wanted: ExampleFilter) -> Q:
    """What no index answers."""
    rest = Q()
    if wanted.fooled is not None:
        rest &= Q(attempt__fooled=wanted.fooled)
    if wanted.label is not None:
        rest &= Q(label=wanted.label)
    if wanted.disagreement is not None:
        votes = Validation.objects.filter(example=OuterRef("pk")).exclude(settled_at=None)
        spread = votes.order_by().values("example").annotate(low=Min("label"), high=Max("label"))
        # A flag has the empty label.
        differ = Exists(spread.filter(Q(low="") | ~Q(low=F("high"))))
        rest &= Q(differ) if wanted.disagreement else ~Q(differ)
    return rest


def _window(places: list[dict[str, Any]], start: _Place, limit: int) -> list[int]:
    """The numbers of the next ``limit`` examples of all places together, in the direction of the walk.

    An index has each place in order, but not all of them: so the next few of each are taken, and of these the next.
    """
    order = "-pk" if start.older else "pk"
    parts: list[QuerySet[Example]] = []
    for place in places:
        part = Example.objects.filter(**place)
        if start.pk is not None:
            part = part.filter(pk__lt=start.pk) if start.older else part.filter(pk__gt=start.pk)
        parts.append(part.order_by(order)[:limit])
    if not parts:
        return []
    if len(parts) == 1:
        return list(parts[0].values_list("pk", flat=True))
    # SQLite takes no limit inside a union, but it takes one inside a subquery.
    first, *others = [Example.objects.filter(pk__in=part.values("pk")).order_by().values_list("pk") for part in parts]
    return [pk for (pk,) in first.union(*others, all=True).order_by(order.replace("pk", "id"))[:limit]]


_COLUMNS = (
    "pk", "key", "label", "state", "submitted_at", "erased_at", "attempt__fooled", "attempt__texts", "arm__slug",
    "round__number", "annotator__key",
)  # fmt: skip


def _matching_rows(window: list[int], rest: Q, start: _Place, limit: int | None) -> list[dict[str, Any]]:
    order = "-pk" if start.older else "pk"
    matching = Example.objects.filter(rest, pk__in=window)
    if limit is not None and len(window) > limit:
        # First the few that are wanted, then what is shown of them: not the other way round for the whole window.
        matching = Example.objects.filter(pk__in=matching.order_by(order).values("pk")[:limit])
    rows: list[Any] = list(matching.order_by(order).values(*_COLUMNS))
    return rows


def _rows(experiment: Experiment, values: list[dict[str, Any]]) -> tuple[ExampleRow, ...]:
    """The rows with their votes, in one query."""
    counts: dict[int, dict[str, int]] = defaultdict(dict)
    votes = Validation.objects.filter(example__in=[row["pk"] for row in values]).exclude(settled_at=None)
    for example, label, count in votes.order_by("label").values_list("example", "label").annotate(Count("pk")):
        counts[example][label] = count
    return tuple(
        ExampleRow(
            key=row["key"],
            texts=tuple(row["attempt__texts"]),
            label=row["label"],
            state=row["state"],
            fooled=row["attempt__fooled"],
            arm=row["arm__slug"],
            round=row["round__number"],
            votes={label: count for label, count in counts[row["pk"]].items() if label},
            flags=counts[row["pk"]].get("", 0),
            writer=pseudonym_of(experiment.key, row["annotator__key"]),
            submitted_at=row["submitted_at"],
            erased_at=row["erased_at"],
        )
        for row in values
    )


def _value(example: Example, path: str) -> Any:
    value: Any = example
    for name in path.split("__"):
        value = getattr(value, name)
    return value


def _attempt_line(attempt: Attempt, example: Example) -> AttemptLine:
    return AttemptLine(
        key=attempt.key,
        index=attempt.index,
        texts=tuple(attempt.texts),
        context=attempt.context.text if attempt.context else None,
        label=attempt.label,
        state=attempt.state,
        prediction=attempt.prediction,
        probabilities=attempt.probabilities,
        model_version=str(attempt.model_version) if attempt.model_version else None,
        fooled=attempt.fooled,
        latency_ms=attempt.latency_ms,
        created_at=attempt.created_at,
        judged_at=attempt.judged_at,
        submitted=attempt.pk == example.attempt_id,
        erased_at=attempt.erased_at,
    )


def _actor(experiment: Experiment, example: Example, event: StateChange) -> str:
    """Only its writer and experts move an example by their own hand; the name of the writer is not told."""
    if event.actor is None:
        return ""
    if event.actor_id == example.annotator.user_id:
        return pseudonym(experiment, example.annotator)
    return event.actor.get_username()


def _matching(name: str, value: str | None, pattern: re.Pattern[str], what: str) -> str | None:
    if value is not None and not pattern.fullmatch(value):
        raise Invalid(name, f"Must be {what}.")
    return value


def _round(value: str | None) -> int | None:
    if value is None:
        return None
    if not re.fullmatch(r"[0-9]{1,7}", value) or not 1 <= int(value) <= _LARGEST_ROUND:
        raise Invalid("round", "Must be the number of a round, from 1.")
    return int(value)


def _state(value: str | None) -> ExampleState | None:
    if value is None:
        return None
    try:
        return ExampleState(value)
    except ValueError:
        raise Invalid("state", f"Must be one of: {', '.join(ExampleState)}.") from None


def _truth(name: str, value: str | None) -> bool | None:
    if value is None:
        return None
    if value not in ("true", "false"):
        raise Invalid(name, "Must be true or false.")
    return value == "true"


def _search(value: str | None) -> str | None:
    if value is None or not value.strip():
        return None
    if len(value) > LONGEST_SEARCH:
        raise Invalid("text", f"At most {LONGEST_SEARCH} characters, please; this has {len(value)}.")
    return value.strip()


def _folded(text: str) -> str:
    if text.isascii():
        return text.lower()
    # Folding can take a letter apart again.
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
