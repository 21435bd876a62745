"""Who is dealt into which group, and what is paid for once."""

from __future__ import annotations

import uuid
from collections import Counter

import pytest
from django.db import DatabaseError, transaction
from hypothesis import given
from hypothesis import strategies as st

from annotators.blocks import permuted_block_group
from annotators.enrolment import enrol, plan_study
from annotators.ledger import Account, DifferentCredit, accounts, credit
from annotators.models import LedgerEntry
from annotators.money import Money, minor_per_unit
from lifecycle.append_only import AppendOnlyError
from tests import factories

GROUPS = st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=6, unique=True)


@given(GROUPS, st.integers(), st.integers(0, 50))
def test_each_block_has_every_group_once(groups: list[str], seed: int, block: int) -> None:
    places = range(block * len(groups), (block + 1) * len(groups))
    assert sorted(permuted_block_group(groups, seed, place) for place in places) == sorted(groups)


def test_the_order_depends_on_the_seed_and_differs_between_blocks() -> None:
    def order(seed: int) -> list[str]:
        return [permuted_block_group(["a", "b", "c"], seed, place) for place in range(30)]

    assert order(1) == order(1)
    assert order(1) != order(2)
    assert len({tuple(order(1)[start : start + 3]) for start in range(0, 30, 3)}) > 1


def test_there_is_no_group_of_none_and_nobody_before_the_first() -> None:
    for groups, position in (([], 0), (["a"], -1)):
        with pytest.raises(ValueError, match="group"):
            permuted_block_group(groups, 0, position)


@pytest.mark.django_db
def test_a_person_stays_in_one_group_and_a_plan_stands() -> None:
    study = uuid.uuid4()
    plan_study(study, ["a", "b", "c"], 5)
    plan_study(study, ["x"], 6)
    people = [factories.person() for _ in range(9)]
    first = [enrol(study, who).group for who in people]
    assert [enrol(study, who).group for who in reversed(people)] == list(reversed(first))
    assert Counter(first) == {"a": 3, "b": 3, "c": 3}


@pytest.mark.parametrize(
    ("money", "shown"),
    [
        (Money(1234, "EUR"), "12.34 EUR"),
        (Money(5, "USD"), "0.05 USD"),
        (Money(-150, "USD"), "-1.50 USD"),
        (Money(500, "JPY"), "500 JPY"),
        (Money(1500, "KWD"), "1.500 KWD"),
    ],
)
def test_amounts_are_shown_in_their_currencys_units(money: Money, shown: str) -> None:
    assert str(money) == shown


@pytest.mark.parametrize(
    ("minor", "currency"),
    [(1.5, "EUR"), (True, "EUR"), (1, "euro"), (1, "EU"), ("1", "EUR"), (1, None), (1, 978)],
)
def test_what_is_no_amount_is_refused(minor: object, currency: object) -> None:
    with pytest.raises(ValueError, match=r"amount|currency"):
        Money(minor, currency)  # type: ignore[arg-type]


def test_a_unit_has_as_many_minor_ones_as_its_currency() -> None:
    assert [minor_per_unit(currency) for currency in ("USD", "JPY", "KWD")] == [100, 1, 1000]


def test_currencies_are_never_added_up() -> None:
    assert Money(1, "EUR") + Money(2, "EUR") == Money(3, "EUR")
    with pytest.raises(ValueError, match="currency"):
        Money(1, "EUR") + Money(2, "USD")


@pytest.mark.django_db
def test_a_key_is_credited_once() -> None:
    ada, study = factories.person(), uuid.uuid4()
    for _ in range(3):
        credit(ada, study, LedgerEntry.Kind.BASE, "example:1", Money(10, "EUR"))
    credit(ada, study, LedgerEntry.Kind.BONUS, "example:1:bonus", Money(5, "EUR"))
    assert credit(ada, study, LedgerEntry.Kind.BASE, "nothing", Money(0, "EUR")) is None
    assert accounts(ada, [study]) == {study: [Account(Money(15, "EUR"), Money(0, "EUR"))]}
    with pytest.raises(DifferentCredit):
        credit(ada, study, LedgerEntry.Kind.BASE, "example:1", Money(11, "EUR"))
    with pytest.raises(DifferentCredit):
        credit(factories.person(), study, LedgerEntry.Kind.BASE, "example:1", Money(10, "EUR"))


@pytest.mark.django_db
def test_the_ledger_is_never_rewritten() -> None:
    ada = factories.person()
    entry = credit(ada, uuid.uuid4(), LedgerEntry.Kind.BASE, "key", Money(10, "EUR"))
    assert entry is not None
    entry.minor = 1000
    with pytest.raises(AppendOnlyError):
        entry.save()
    with pytest.raises(AppendOnlyError):
        entry.delete()
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        LedgerEntry.objects.update(minor=1000)
    assert LedgerEntry.objects.get().minor == 10
