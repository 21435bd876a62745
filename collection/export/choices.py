"""What a release is to hold: the choices of whoever asks for it, checked and with their defaults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from collection.errors import Conflict, Invalid
from collection.export.layout import TABULAR
from collection.export.splits import SplitPlan
from collection.states import ExampleState

# What an example may be in a release: what its writer took back never is.
STATES = (ExampleState.ACCEPTED, ExampleState.REJECTED, ExampleState.FLAGGED, ExampleState.PENDING)
FORMATS = ("jsonl", "csv", "parquet", "huggingface", "anli", "source-study")
_LISTS = ("arms", "states", "formats")


@dataclass(frozen=True)
class Choices:
    """What a release holds. ``rounds`` are the numbers of each arm's rounds, by the arm's slug."""

    arms: tuple[str, ...]
    rounds: Mapping[str, tuple[int, ...]]
    states: tuple[str, ...]
    attempts: bool
    formats: tuple[str, ...]
    splits: SplitPlan
    test_items: bool

    def to_plain(self) -> dict[str, Any]:
        """The choices as JSON has them; ``parse`` and ``of`` take them back."""
        lists = {name: list(getattr(self, name)) for name in _LISTS}
        return asdict(self) | lists | {"rounds": {arm: list(numbers) for arm, numbers in self.rounds.items()}}

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Choices:
        """The choices that were stored."""
        rounds = {arm: tuple(numbers) for arm, numbers in plain["rounds"].items()}
        lists = {name: tuple(plain[name]) for name in _LISTS}
        return cls(**{**plain, **lists, "rounds": rounds, "splits": SplitPlan(**plain["splits"])})


@dataclass(frozen=True)
class Offer:
    """What can be chosen from: each arm's rounds by number, and whether it is over; in the order of the arms."""

    rounds: Mapping[str, Mapping[int, bool]]
    has_contexts: bool


def parse(wanted: object, offer: Offer) -> Choices:
    """Choices from plain values; what is missing or None has its default.

    ``rounds`` is a list of numbers, or one for each arm. Unless it is named, an arm without a round is left out. Raises
    Invalid naming the field that is wrong, and Conflict for rounds that are still running, naming them, or if no round
    of an arm is over yet.
    """
    if not isinstance(wanted, Mapping):
        raise Invalid("choices", "Must be an object.")
    known = ("arms", "rounds", "states", "attempts", "formats", "splits", "test_items")
    for name in wanted:
        if name not in known:
            raise Invalid(str(name), f"There is no such choice; there are: {', '.join(known)}.", "unknown")
    arms = _some("arms", wanted.get("arms"), tuple(offer.rounds), tuple(offer.rounds))
    formats = _some("formats", wanted.get("formats"), FORMATS, ("jsonl", "huggingface"))
    attempts = _flag("attempts", wanted.get("attempts"))
    if attempts and not set(formats) & set(TABULAR):
        raise Invalid("attempts", f"Only these formats hold attempts: {', '.join(TABULAR)}; please choose one too.")
    rounds = _rounds(wanted.get("rounds"), arms, offer)
    empty = [arm for arm in arms if not rounds[arm]]
    if empty and (wanted.get("arms") is not None or len(empty) == len(arms)):
        raise Conflict("no_rounds", f"No round of {', '.join(empty)} is done yet: there is nothing to release.")
    return Choices(
        arms=tuple(arm for arm in arms if rounds[arm]),
        rounds={arm: numbers for arm, numbers in rounds.items() if numbers},
        states=_some("states", wanted.get("states"), tuple(map(str, STATES)), (str(ExampleState.ACCEPTED),)),
        attempts=attempts,
        formats=formats,
        splits=_splits(wanted.get("splits"), offer.has_contexts),
        test_items=_flag("test_items", wanted.get("test_items")),
    )


def _some(field: str, value: object, offered: Sequence[str], default: tuple[str, ...]) -> tuple[str, ...]:
    """One or more of what is offered, in that order."""
    if value is None:
        return default
    if not isinstance(value, list | tuple) or not value:
        raise Invalid(field, "Must be a list with at least one of: " + ", ".join(offered) + ".")
    for item in value:
        if item not in offered:
            raise Invalid(field, f"There is no {item!r}; there are: {', '.join(offered)}.", "unknown")
    if len(set(value)) != len(value):
        raise Invalid(field, "Each may be named once.")
    return tuple(item for item in offered if item in value)


def _flag(field: str, value: object) -> bool:
    if value is None:
        return False
    if not isinstance(value, bool):
        raise Invalid(field, "Must be true or false.")
    return value


def _rounds(value: object, arms: tuple[str, ...], offer: Offer) -> dict[str, tuple[int, ...]]:
    if value is None:
        found = {arm: tuple(number for number, over in offer.rounds[arm].items() if over) for arm in arms}
    elif isinstance(value, Mapping):
        if set(value) != set(arms):
            raise Invalid("rounds", f"Must have the rounds of each arm that is chosen: {', '.join(arms)}.")
        found = {arm: _numbers(value[arm], offer.rounds[arm]) for arm in arms}
    else:
        anywhere = {number for arm in arms for number in offer.rounds[arm]}
        wanted = _numbers(value, anywhere)
        # An arm that was ended before others has fewer.
        found = {arm: tuple(number for number in wanted if number in offer.rounds[arm]) for arm in arms}
    running = [f"{arm} {number}" for arm in arms for number in found[arm] if not offer.rounds[arm][number]]
    if running:
        raise Conflict("running", f"These rounds are still running: {', '.join(running)}. Their data are not fixed.")
    return found


def _numbers(value: object, known: Mapping[int, bool] | set[int]) -> tuple[int, ...]:
    if not isinstance(value, list | tuple):
        raise Invalid("rounds", "Must be a list of the numbers of rounds.")
    for item in value:
        if isinstance(item, bool) or not isinstance(item, int) or item not in known:
            raise Invalid("rounds", f"There is no round {item!r}.", "unknown")
    if len(set(value)) != len(value):
        raise Invalid("rounds", "Each may be named once.")
    return tuple(sorted(value))


def _splits(value: object, has_contexts: bool) -> SplitPlan:
    if value is None:
        return SplitPlan()
    if not isinstance(value, Mapping):
        raise Invalid("splits", "Must be an object.")
    plan = SplitPlan.parse(value)
    if plan.contexts and not has_contexts:
        raise Invalid("splits.contexts", "The task has no contexts.")
    return plan
