"""Near-duplicates, against comparing each text with each."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from collection.analytics.quality.duplicates import THRESHOLD, NearTexts
from collection.analytics.quality.words import words

_TEXTS = st.lists(st.text("ab .", max_size=12), max_size=10)


def _grams(text: str) -> set[str]:
    padded = f"    {' '.join(words(text)) or text}    "
    return {padded[start : start + 5] for start in range(len(padded) - 4)}


@settings(deadline=None)
@given(_TEXTS)
@example(["a.aa", "a aa"])
def test_pairs_are_those_of_comparing_each_with_each(texts: list[str]) -> None:
    sets = [_grams(text) for text in texts]
    expected = {
        (i, j)
        for i, j in combinations(range(len(texts)), 2)
        if len(sets[i] & sets[j]) >= THRESHOLD * len(sets[i] | sets[j]) - 1e-9
    }
    one, other = NearTexts(texts).pairs(0, len(texts))
    assert set(zip(one.tolist(), other.tolist(), strict=True)) == expected


def test_copies_that_differ_in_case_and_punctuation_are_found() -> None:
    texts = [
        "The man sees the old dog.",
        "Nothing like it at all",
        "the man sees the old dog!!",
        "The man sees the dogs",
    ]
    one, other = NearTexts(texts).pairs(0, 4)
    assert (one.tolist(), other.tolist()) == ([0], [2])


def test_pairs_of_a_part_and_of_the_rest_are_the_pairs_of_all() -> None:
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(["red", "dog", "sees", "man"], 4)) for _ in range(600)]
    near = NearTexts(texts)
    parts = [np.array(near.pairs(*span)) for span in ((0, 250), (250, 600))]
    assert np.array_equal(np.hstack(parts), np.array(near.pairs(0, 600)))
