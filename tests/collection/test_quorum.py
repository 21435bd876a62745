"""When votes decide."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collection.quorum import Tally, decide, votes_wanted
from collection.states import ExampleState

VOTES = st.lists(st.sampled_from(["yes", "no", "maybe", None]), max_size=9)


@pytest.mark.parametrize(
    ("votes", "quorum", "most", "state"),
    [
        ([], 2, 3, "pending"),
        (["yes"], 1, 1, "accepted"),
        (["yes", "yes"], 2, 3, "accepted"),
        (["yes", "no"], 2, 3, "pending"),
        (["no", "no"], 2, 3, "rejected"),
        (["no", "maybe"], 2, 3, "rejected"),
        (["yes", "no", "no"], 2, 3, "rejected"),
        ([None, None], 2, 3, "flagged"),
        ([None, "yes"], 2, 3, "pending"),
        ([None, "no"], 2, 3, "rejected"),
        (["yes", None, "yes"], 2, 3, "accepted"),
    ],
)
def test_cases(votes: list[str | None], quorum: int, most: int, state: str) -> None:
    assert decide(Tally.of("yes", votes), quorum, most) == state


@given(VOTES, st.integers(1, 4), st.integers(0, 4))
def test_a_decision_stands_whatever_comes_after(votes: list[str | None], quorum: int, more: int) -> None:
    most = quorum + more
    decided = ExampleState.PENDING
    for count in range(min(len(votes), most) + 1):
        now = decide(Tally.of("yes", votes[:count]), quorum, most)
        if decided is not ExampleState.PENDING:
            # Votes that come late are kept, but the first decision is the one that counts.
            break
        decided = now
    if len(votes) >= most:
        assert decided is not ExampleState.PENDING


@given(VOTES, st.integers(1, 4), st.integers(0, 4))
def test_no_more_validators_are_wanted_than_can_still_vote(votes: list[str | None], quorum: int, more: int) -> None:
    most = quorum + more
    tally = Tally.of("yes", votes[:most])
    wanted = votes_wanted(tally, quorum, most)
    assert 0 <= wanted <= most - tally.votes
    assert (wanted == 0) == (decide(tally, quorum, most) is not ExampleState.PENDING)
