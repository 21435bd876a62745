"""When validators' votes decide an example. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from collection.states import ExampleState


@dataclass(frozen=True)
class Tally:
    """The votes on one example: how many agree with the writer, name another label (each), or flag the text."""

    agree: int
    others: tuple[int, ...]
    flags: int

    @classmethod
    def of(cls, writer_label: str, votes: Iterable[str | None]) -> Tally:
        """Count votes; None is a flag."""
        counts = Counter(votes)
        flags = counts.pop(None, 0)
        agree = counts.pop(writer_label, 0)
        return cls(agree, tuple(sorted(counts.values(), reverse=True)), flags)

    @property
    def votes(self) -> int:
        """All votes and flags."""
        return self.agree + sum(self.others) + self.flags


def decide(tally: Tally, quorum: int, max_validations: int) -> ExampleState:
    """The state that the votes give an example.

    It is accepted as soon as ``quorum`` votes agree with the writer, flagged as soon as ``quorum`` flags are in,
    rejected as soon as ``quorum`` votes name the same other label or no quorum for the writer can be reached within
    ``max_validations``, and pending until then.
    """
    if tally.agree >= quorum:
        return ExampleState.ACCEPTED
    if tally.flags >= quorum:
        return ExampleState.FLAGGED
    left = max_validations - tally.votes
    if max(tally.others, default=0) >= quorum or tally.agree + left < quorum:
        # Out of votes with as many flags as anything else: a person should look at the text.
        return ExampleState.FLAGGED if tally.flags > sum(tally.others) else ExampleState.REJECTED
    return ExampleState.PENDING


def votes_wanted(tally: Tally, quorum: int, max_validations: int) -> int:
    """How many more validators an undecided example can use at once: as many as it takes to accept it, if allowed."""
    if decide(tally, quorum, max_validations) is not ExampleState.PENDING:
        return 0
    return min(quorum - tally.agree, max_validations - tally.votes)
