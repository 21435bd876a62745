"""Labels told from the text alone."""

from __future__ import annotations

import numpy as np
import pytest

from collection.analytics.quality.hypothesis_only import refusal, told


def test_a_word_that_gives_the_label_away_is_learnt() -> None:
    texts = [["a", "not", f"n{index}"] if index % 2 else ["a", f"n{index}"] for index in range(100)]
    assert told(texts, ["c" if index % 2 else "e" for index in range(100)], [f"g{i % 7}" for i in range(100)]).all()


def test_what_is_known_of_a_context_does_not_help_with_others() -> None:
    # Each context has one label and a word of its own: known contexts would be told perfectly.
    groups = [f"g{index % 20}" for index in range(400)]
    labels = ["c" if index % 20 < 10 else "e" for index in range(400)]
    found = told([[group, f"n{index}"] for index, group in enumerate(groups)], labels, groups)
    assert found.mean() < 0.7


def test_chance_is_no_better_than_the_commonest_label() -> None:
    random = np.random.default_rng(0)
    texts = [[f"w{word}" for word in random.integers(0, 50, 8)] for _ in range(1500)]
    labels = random.choice(["c", "e"], 1500).tolist()
    found = told(texts, labels, [f"g{i % 30}" for i in range(1500)])
    assert abs(found.mean() - 0.5) < 0.05
    assert (found == told(texts, labels, [f"g{i % 30}" for i in range(1500)])).all()


def test_two_contexts_of_a_label_each_still_give_a_figure() -> None:
    assert not told([["a"]] * 60, ["c", "e"] * 30, ["g", "h"] * 30).any()


def test_texts_without_words_give_a_figure() -> None:
    assert len(told([[]] * 60, ["c", "e"] * 30, [f"g{i % 4}" for i in range(60)])) == 60


@pytest.mark.parametrize(
    ("labels", "groups", "why"),
    [(["c", "e"], ["g", "h"], "50"), (["c"] * 60, ["g", "h"] * 30, "same label"), (["c", "e"] * 30, ["g"] * 60, "one")],
)
def test_what_cannot_be_tested_is_refused_with_its_reason(labels: list[str], groups: list[str], why: str) -> None:
    assert why in refusal(labels, groups)
    with pytest.raises(ValueError, match=why):
        told([["a"]] * len(labels), labels, groups)
