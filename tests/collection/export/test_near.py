"""Looking near-duplicates up, against comparing each text with each."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collection.export import near
from collection.export.near import NearTexts
from collection.overlap import near_duplicates
from collection.texts import NEARLY, grams, padded

WORDS = st.lists(
    st.sampled_from(["a", "man", "men", "dog", "runs", "in", "the", "park", "fast", "Fast!", "é", "狗"]), max_size=12
)
TEXTS = st.lists(WORDS.map(" ".join) | st.text(max_size=12), max_size=10)


def similarity(one: str, other: str) -> float:
    own, others = grams(padded(one)), grams(padded(other))
    return len(own & others) / len(own | others)


@given(TEXTS, TEXTS)
def test_it_finds_the_first_that_comparing_each_with_each_finds(known: list[str], texts: list[str]) -> None:
    ids = {f"{index:03}": text for index, text in enumerate(known)}
    for text, found in zip(texts, NearTexts(ids.items()).find(texts), strict=True):
        same = [id for id, other in ids.items() if padded(other) == padded(text)]
        nearly = [id for id, other in ids.items() if similarity(text, other) >= NEARLY]
        assert found == next(iter(same or nearly), None)


@given(TEXTS, st.randoms())
def test_the_order_in_which_texts_come_changes_nothing(known: list[str], random: Random) -> None:
    ids = [(f"{index:03}", text) for index, text in enumerate(known)]
    expected = list(NearTexts(ids).find(known))
    random.shuffle(ids)
    assert list(NearTexts(iter(ids)).find(iter(known))) == expected


def test_many_texts_are_looked_through_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"The {animal} number {number} sleeps" for animal in ("dog", "cat", "old horse") for number in range(60)]
    known = [f"the {animal} number {number} sleeps!" for animal in ("cow", "dog") for number in range(70)]
    monkeypatch.setattr(near, "_PAIRS", 50)
    monkeypatch.setattr(near, "_CHUNK", 7)
    found = list(NearTexts((f"{index:03}", text) for index, text in enumerate(known)).find(texts))
    assert [index for index, id in enumerate(found) if id] == sorted(near_duplicates(texts, known))
    assert found[5] == "075"


def test_nothing_is_near_nothing() -> None:
    assert list(NearTexts([]).find(["a", ""])) == [None, None]
    assert list(NearTexts([("1", "a")]).find([])) == []
