"""Splits: disjoint where they say so, the same whatever comes later, in whatever order."""

from __future__ import annotations

from collections import Counter, defaultdict
from random import Random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collection.errors import Invalid
from collection.export.splits import Item, SplitPlan, Splits, divide, draw

ARMS, LABELS = ("dynamic", "static", "plain"), ("entailment", "not_entailment")
WORDS = ("seven", "nurses", "paint", "a", "boat", "quietly", "under", "the", "bridge", "while", "rain", "falls")


def item(
    number: int, writer: int, context: int | None, arm: str, round: int, text: str, seed: int = 0, **changed: Any
) -> Item:
    """An example of that writer; the arm ``plain`` shows no model."""
    shown = arm != "plain"
    return Item(
        id=str(UUID(int=number)),
        arm=arm,
        round=round,
        writer_draw=draw("writer", seed, UUID(int=writer).bytes),
        context_draw=None if context is None else draw("context", seed, str(context).encode()),
        label=LABELS[number % 2],
        prediction=LABELS[number % 3 % 2] if shown else None,
        fooled=(number % 2 != number % 3 % 2) if shown else None,
        accepted=number % 7 != 3,
        text=text,
    )._replace(**changed)


TEXTS = st.lists(st.sampled_from(WORDS), min_size=3, max_size=9).map(" ".join)
DRAWN = st.lists(st.tuples(st.integers(0, 25), st.integers(0, 9), st.sampled_from(ARMS), TEXTS), max_size=40)
PLANS = st.builds(
    SplitPlan,
    method=st.sampled_from(["none", "fooling", "stratified"]),
    dev=st.sampled_from([0, 0.2, 0.4]),
    test=st.sampled_from([0, 0.3, 0.5]),
    contexts=st.booleans(),
    seed=st.integers(0, 3),
)


def items_of(drawn: list[tuple[int, int, str, str]], round: int, start: int = 0) -> list[Item]:
    return [
        item(start + number, writer, context, arm, round, text)
        for number, (writer, context, arm, text) in enumerate(drawn)
    ]


def all_splits(items: list[Item], plan: SplitPlan) -> dict[str, str]:
    divided = divide(items, plan)
    return {one.id: divided.of(one) for one in items}


@given(DRAWN, DRAWN, PLANS)
def test_later_rounds_change_nothing_but_that_near_duplicates_leave(before: Any, later: Any, plan: SplitPlan) -> None:
    first = items_of(before, round=1)
    both = [*items_of(later, round=2, start=1000), *first]
    then, divided = all_splits(first, plan), divide(both, plan)
    moved = {pair["id"]: pair for pair in divided.summary()["near_duplicates"]["pairs"]}
    for one in first:
        now = divided.of(one)
        if now != then[one.id]:
            assert now == "rest"
            assert moved[one.id]["was"] == then[one.id] != "test"
            assert UUID(moved[one.id]["near"]).int >= 1000


@given(DRAWN, PLANS, st.randoms())
def test_the_order_of_examples_changes_nothing(drawn: Any, plan: SplitPlan, random: Random) -> None:
    items = items_of(drawn, round=1)
    shuffled = random.sample(items, len(items))
    assert all_splits(items, plan) == all_splits(shuffled, plan)
    assert divide(items, plan).summary() == divide(shuffled, plan).summary()


@given(DRAWN, PLANS)
def test_writers_contexts_and_texts_are_in_one_split_only(drawn: Any, plan: SplitPlan) -> None:
    items = items_of(drawn, round=1)
    splits = all_splits(items, plan)
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for one in items:
        if splits[one.id] != "rest":
            found["writer", one.writer_draw].add(splits[one.id])
            if plan.contexts and plan.method != "none":
                found["context", str(one.context_draw)].add(splits[one.id])
            found["text", one.text].add(splits[one.id])
    assert all(len(sides) == 1 for sides in found.values())


@given(DRAWN, PLANS)
def test_the_summary_counts_what_each_example_is_in(drawn: Any, plan: SplitPlan) -> None:
    items = items_of(drawn, round=1)
    divided = divide(items, plan)
    counted = Counter((one.arm, divided.of(one)) for one in items)
    counts = divided.summary()["counts"]
    assert counted == {(arm, split): n for arm, splits in counts.items() for split, n in splits.items() if n}


def apart(number: int, **changed: Any) -> Item:
    """An example by a writer of its own, near no other."""
    text = " ".join(Random(number).choices(WORDS, k=5)) + f" {number * 7919:x} {number * 104729:x}"
    return item(number, number, number, changed.pop("arm", "dynamic"), 1, text, **changed)


def chosen(divided: Splits, items: list[Item], *splits: str) -> list[Item]:
    return [one for one in items if divided.of(one) in splits]


def test_dev_and_test_hold_what_fooled_the_model() -> None:
    items = [apart(number, accepted=True) for number in range(400)]
    divided = divide(items, SplitPlan("fooling", dev=0.2, test=0.3))
    held = chosen(divided, items, "dev", "test")
    assert 50 < len(held) < 150
    assert all(one.fooled for one in held)
    assert any(not one.fooled for one in chosen(divided, items, "train"))
    assert divided.summary()["arms_without_model"] == []


def test_without_a_model_dev_and_test_hold_all_that_is_accepted_and_the_summary_says_so() -> None:
    items = [apart(number, arm="plain") for number in range(100)]
    divided = divide(items, SplitPlan("fooling", dev=0.2, test=0.3))
    assert {one.accepted for one in chosen(divided, items, "train", "dev", "test")} == {True}
    assert {one.accepted for one in chosen(divided, items, "rest")} == {False}
    assert divided.summary()["arms_without_model"] == ["plain"]


def test_strata_have_equally_many_of_each_label_and_prediction() -> None:
    items = [apart(number, accepted=True) for number in range(600)]
    divided = divide(items, SplitPlan("stratified", dev=0.2, test=0.3))
    for split in ("dev", "test"):
        cells = Counter((one.label, one.prediction) for one in chosen(divided, items, split))
        assert len(cells) == 4
        assert len(set(cells.values())) == 1
        [stratum] = [one for one in divided.summary()["strata"] if one["split"] == split]
        assert stratum["each"] == cells["entailment", "entailment"] > 5


def test_a_near_duplicate_leaves_train_for_dev_and_dev_for_test() -> None:
    text = "Seven nurses paint the old boat quietly under the bridge"
    plan = SplitPlan("fooling", dev=0.3, test=0.3)
    by_side: dict[str, Item] = {}
    for number in range(50):
        one = apart(number, arm="plain", accepted=True)
        by_side.setdefault(plan.side(one.writer_draw), one)
    test = by_side["test"]._replace(text=text)
    dev = by_side["dev"]._replace(text=f"{text.lower()}!")
    train = by_side["train"]._replace(text=f"{text} now")
    assert [divide([test, dev, train], plan).of(one) for one in (test, dev, train)] == ["test", "rest", "rest"]
    divided = divide([dev, train], plan)
    assert [divided.of(one) for one in (dev, train)] == ["dev", "rest"]
    assert divided.summary()["near_duplicates"] == {
        "similarity": 0.8,
        "moved": {"train": 1, "dev": 0},
        "pairs": [{"id": train.id, "was": "train", "near": dev.id, "in": "dev"}],
    }


def test_a_draw_is_that_of_the_documentation() -> None:
    assert draw("writer", 7, UUID(int=1).bytes) == "a09c7c84cfcc9f0e"


def test_an_iterator_is_refused_since_it_can_be_read_once() -> None:
    with pytest.raises(TypeError, match="twice"):
        divide(iter([]), SplitPlan())


def test_a_plan_is_read_from_plain_values() -> None:
    assert SplitPlan.parse({}) == SplitPlan("none", 0.1, 0.1, False, 0)
    given = {"method": "stratified", "dev": 0, "test": 0.5, "contexts": True, "seed": 2**63 - 1}
    assert SplitPlan.parse(given) == SplitPlan(**given)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"method": "random"}, "splits.method"),
        ({"method": ["none"]}, "splits.method"),
        ({"dev": -0.1}, "splits.dev"),
        ({"dev": 0.51}, "splits.dev"),
        ({"dev": float("nan")}, "splits.dev"),
        ({"test": "0.1"}, "splits.test"),
        ({"test": True}, "splits.test"),
        ({"dev": 0.5, "test": 0.5}, "splits.test"),
        ({"contexts": 1}, "splits.contexts"),
        ({"seed": -1}, "splits.seed"),
        ({"seed": 2**63}, "splits.seed"),
        ({"seed": 1.0}, "splits.seed"),
        ({"train": 0.8}, "splits.train"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_by_field(given: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        SplitPlan.parse(given)
    assert caught.value.field == field
