"""Near-duplicates, against a count by hand."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from collection.overlap import near_duplicates
from collection.texts import NEARLY, same_form

WORDS = st.lists(st.sampled_from(["a", "man", "dog", "runs", "in", "the", "park", "fast"]), min_size=1, max_size=8)
TEXTS = st.lists(WORDS.map(" ".join), min_size=1, max_size=8)


def similarity(one: str, other: str) -> float:
    """Jaccard similarity of the sets of 5-grams of two padded texts."""
    sets = []
    for text in (one, other):
        padded = "    " + same_form(text) + "    "
        sets.append({padded[start : start + 5] for start in range(len(padded) - 4)})
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


@given(TEXTS, TEXTS)
def test_it_finds_what_a_double_loop_finds(texts: list[str], others: list[str]) -> None:
    found = near_duplicates(texts, others)
    for index, text in enumerate(texts):
        best = max(similarity(text, other) for other in others)
        assert (index in found) == (best >= NEARLY - 1e-6)
        if index in found:
            assert abs(similarity(text, others[found[index]]) - best) < 1e-6


def test_texts_that_differ_in_case_and_punctuation_alone_are_found() -> None:
    assert near_duplicates(["A dog!", "x", "Seven nurses."], ["a dog", "X."]) == {0: 0, 1: 1}


def test_nothing_is_near_nothing() -> None:
    assert near_duplicates([], ["a"]) == near_duplicates(["a"], []) == {}
