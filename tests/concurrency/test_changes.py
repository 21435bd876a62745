"""A researcher changes a round at the very moment at which people finish it."""

from __future__ import annotations

from pathlib import Path

import pytest

from annotators.models import LedgerEntry
from collection import assignment, submission, validation
from collection.changes import change, end_round_early, extend_round
from collection.errors import Conflict
from collection.models import Assignment, Example, Experiment, Round
from collection.reconcile import reconcile
from collection.states import ExampleState
from collection.training_data import training_data
from modelserver.datafiles import DataStore
from tests import factories
from tests.concurrency.test_races import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def nearly_full(seed: int) -> tuple[Experiment, Example, validation.Validation]:
    """An experiment whose dynamic arm lacks one vote to have its quota of two."""
    experiment = factories.running(
        quota=2, quorum=1, max_validations=1, seed=seed, base_pay_minor=10, validation_pay_minor=1
    )
    factories.accepted(experiment, "dynamic", 1)
    example = factories.written(experiment, "dynamic")
    lease = validation.claim_validation(experiment, factories.member_of(experiment, "static"))
    return experiment, example, lease


@pytest.mark.parametrize("attempt", range(4))
def test_a_round_is_extended_or_closes_at_its_last_acceptance_and_never_closes_short(
    attempt: int, tmp_path: Path
) -> None:
    _experiment, example, lease = nearly_full(attempt)
    client = factories.client_that_says("entailment")
    store = DataStore(f"file://{tmp_path}/data", tmp_path / "cache")
    round_ = Round.objects.get(arm__slug="dynamic")

    def last_acceptance() -> None:
        validation.vote(lease.key, lease.annotator, validation.Vote(example.label))
        reconcile(client, store)

    extended, _ = at_once(lambda: extend_round(round_, 3), last_acceptance)
    assert isinstance(extended, Round | Conflict), extended
    reconcile(client, store)
    round_.refresh_from_db()
    assert Example.objects.filter(round=round_, state=ExampleState.ACCEPTED).count() == 2
    quotas = set(Round.objects.values_list("quota", flat=True))
    if isinstance(extended, Round):
        assert (round_.state, quotas) == ("open", {5})
    else:
        assert (round_.state, quotas) == ("training", {2})


def test_two_extensions_at_once_both_count_in_every_arm() -> None:
    factories.running(quota=2)
    rounds = [Round.objects.get(arm__slug=slug) for slug in ("static", "dynamic")]
    at_once(*[lambda round_=round_: extend_round(round_, 3) for round_ in rounds])
    assert set(Round.objects.values_list("quota", flat=True)) == {8}


def test_an_extension_among_many_claims_hands_out_exactly_its_slots() -> None:
    experiment = factories.running(quota=2)
    crowd = [factories.member_of(experiment, "static") for _ in range(6)]
    round_ = Round.objects.get(arm__slug="static")
    at_once(*[lambda who=who: assignment.claim(experiment, who) for who in crowd], lambda: extend_round(round_, 2))
    for who in crowd:
        at_once(lambda who=who: assignment.claim(experiment, who))
    assert Assignment.objects.filter(state="leased").count() == Round.objects.get(arm__slug="static").quota == 4


@pytest.mark.parametrize("attempt", range(4))
def test_a_vote_in_flight_counts_before_the_round_ends_or_decides_nothing(attempt: int, tmp_path: Path) -> None:
    _experiment, example, lease = nearly_full(attempt)
    store = DataStore(f"file://{tmp_path}/data", tmp_path / "cache")
    round_ = Round.objects.get(arm__slug="dynamic")
    ended, voted = at_once(
        lambda: end_round_early(round_, sure=True),
        lambda: validation.vote(lease.key, lease.annotator, validation.Vote(example.label)),
    )
    assert isinstance(ended, Round), ended
    assert isinstance(voted, validation.Validation), voted
    example.refresh_from_db()
    collected = Example.objects.filter(round=round_, state=ExampleState.ACCEPTED).count()
    assert example.state in ("accepted", "retracted")
    assert ended.quota == collected == (2 if example.state == "accepted" else 1)
    assert training_data(ended, store).file.rows == collected
    paid = LedgerEntry.objects.filter(kind="base", annotator=example.annotator, key__contains=str(example.key))
    assert paid.count() == 1


@pytest.mark.parametrize("attempt", range(3))
def test_a_text_submitted_as_the_round_ends_is_in_it_and_paid_or_not_submitted(attempt: int) -> None:
    experiment = factories.running(quota=5, quorum=1, max_validations=1, seed=attempt, base_pay_minor=10)
    factories.accepted(experiment, "dynamic", 1)
    held = assignment.claim(experiment, factories.member_of(experiment, "dynamic"))
    stored = factories.attempted(held, factories.fooled(held))
    ended, submitted = at_once(
        lambda: end_round_early(held.round, sure=True),
        lambda: submission.submit(held.key, held.annotator, stored.key),
    )
    assert isinstance(ended, Round), ended
    assert isinstance(submitted, Example | Conflict), submitted
    held.refresh_from_db()
    if isinstance(submitted, Example):
        assert Example.objects.get(pk=submitted.pk).state == "retracted"
        assert LedgerEntry.objects.filter(annotator=held.annotator).count() == 1
    else:
        assert held.state == "released"
    assert not Example.objects.filter(state=ExampleState.PENDING).exists()


def test_two_changes_at_once_are_both_made() -> None:
    experiment = factories.draft(quota=7)
    at_once(lambda: change(experiment, {"quota": 8}), lambda: change(experiment, {"rounds": 3}))
    stored = Experiment.objects.get()
    assert (stored.quota, stored.rounds) == (8, 3)
