"""Words that give labels away, by hand and against chance."""

from __future__ import annotations

import numpy as np
import pytest

from collection.analytics.quality.artifacts import leanings, negated


@pytest.mark.parametrize("text", ["He does not.", "She DOESN’T", "Nobody came", "I cannot", "without it"])
def test_negations_are_seen(text: str) -> None:
    assert negated(text)


@pytest.mark.parametrize("text", ["", "A notable knot", "Norway", "He knows"])
def test_words_that_only_look_like_negations_are_none(text: str) -> None:
    assert not negated(text)


def test_pmi_and_log_odds_of_a_case_by_hand() -> None:
    # "not" is in 8 of 10 texts of c and 1 of 10 of e; "a" is in all.
    texts = [["a", "not"]] * 8 + [["a"]] * 2 + [["a", "not"]] + [["a"]] * 9
    found = {item.word: item for item in leanings(texts, ["c"] * 10 + ["e"] * 10)}
    item = found["not"]
    assert (item.label, item.texts, item.elsewhere) == ("c", 8, 1)
    cells = np.array([[10 + 100, 8 + 100], [10 + 100, 1 + 100]]) / (29 + 400)
    assert item.pmi == pytest.approx(np.log2(cells[0, 1] / (cells[0].sum() * cells[:, 1].sum())))
    # Monroe et al. 2008, equation 16, prior: "not" 9 of 29.
    one, other = (8 + 9) / (18 + 29 - 8 - 9), (1 + 9) / (11 + 29 - 1 - 9)
    assert item.z == pytest.approx((np.log(one) - np.log(other)) / (1 / 17 + 1 / 10) ** 0.5)


def test_what_is_in_the_data_is_found_and_what_is_not_is_not() -> None:
    random = np.random.default_rng(0)
    texts = [[f"w{word}" for word in random.integers(0, 300, 10)] for _ in range(1000)]
    labels = random.choice(["c", "e"], 1000).tolist()
    assert not [item for item in leanings(texts, labels) if item.q < 0.05]
    for text, label in zip(texts, labels, strict=True):
        if label == "c" and random.random() < 0.3:
            text.append("not")
    assert [(item.word, item.label) for item in leanings(texts, labels) if item.q < 0.05] == [("not", "c")]


def test_a_tiny_sample_finds_nothing() -> None:
    found = leanings([["not"], ["not"], ["yes"], ["yes"]] * 2, ["c", "c", "e", "e"] * 2)
    assert found == []


def test_the_label_leant_to_most_is_given_of_three() -> None:
    texts = [["x", "a"]] * 20 + [["a"]] * 20 + [["a"]] * 20
    found = {item.word: item for item in leanings(texts, ["l"] * 20 + ["m"] * 20 + ["n"] * 20)}
    assert (found["x"].label, found["x"].texts, found["x"].elsewhere) == ("l", 20, 0)


@pytest.mark.parametrize(("texts", "labels"), [([], []), ([["a"]] * 9, ["c"] * 9), ([[], []], ["c", "e"])])
def test_nothing_to_compare_gives_no_words(texts: list[list[str]], labels: list[str]) -> None:
    assert leanings(texts, labels) == []
