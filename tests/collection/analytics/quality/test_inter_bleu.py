"""Inter-BLEU against sacrebleu, pair by pair, and against the source study's script worked by hand."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

from collection.analytics.quality.inter_bleu import bleu_blocks, likeness, nearest_as_released, tokens_13a
from collection.analytics.quality.matches import BLOCK

_WORDS = ["the", "a", "man", "dog", "never", "runs", "3.5", "don't", ",", ".", "it's", "&amp;", "Über", "日本"]
_TEXTS = st.lists(st.lists(st.sampled_from(_WORDS), max_size=9).map(" ".join), min_size=2, max_size=12)


@pytest.fixture(autouse=True)
def _quiet_sacrebleu() -> None:
    # It warns of texts that look tokenised already, which random ones do.
    logging.getLogger("sacrebleu").setLevel(logging.ERROR)


def matrix(texts: list[str], effective_order: bool = True) -> np.ndarray:
    return np.vstack([scores for _, scores in bleu_blocks(texts, effective_order=effective_order)])


def theirs(texts: list[str], effective_order: bool = True) -> np.ndarray:
    bleu = BLEU(effective_order=effective_order)
    return np.array([[bleu.corpus_score([one], [[other]]).score for other in texts] for one in texts])


@settings(max_examples=60, deadline=None)
@given(_TEXTS, st.booleans())
def test_scores_are_those_of_sacrebleu(texts: list[str], effective_order: bool) -> None:
    assert matrix(texts, effective_order) == pytest.approx(theirs(texts, effective_order), abs=1e-9)


@settings(max_examples=500, deadline=None)
@given(st.text("aé1.,-&;'<\"( \t\n\r\u00a0", max_size=14))
def test_tokens_are_those_of_sacrebleu_also_where_words_are_looked_at_alone(text: str) -> None:
    assert tokens_13a(text) == Tokenizer13a()(text.rstrip()).split()


def test_scores_of_several_blocks_are_those_of_sacrebleu() -> None:
    random = np.random.default_rng(0)
    vocabulary = [f"w{number}" for number in range(400)]
    texts = [" ".join(random.choice(vocabulary[: 20 + index], 1 + index % 11)) for index in range(BLOCK + 40)]
    found = matrix(texts)
    bleu = BLEU(effective_order=True)
    for one, other in random.integers(0, len(texts), (800, 2)):
        assert found[one, other] == pytest.approx(bleu.sentence_score(texts[one], [texts[other]]).score, abs=1e-9)


def test_empty_and_very_short_texts_have_scores() -> None:
    texts = ["", "   ", "?", "Hi", "Hi there", "Hi there.", "a a a a a", "a a"]
    assert matrix(texts) == pytest.approx(theirs(texts), abs=1e-9)


def test_the_nearest_is_sought_among_others_of_the_label_only() -> None:
    texts = ["the dog runs home now", "the dog runs home now", "the dog runs home later", "a cat sleeps", "a cat eats"]
    found = likeness(texts, ["yes", "no", "yes", "no", "maybe"])
    scores = theirs(texts)
    assert found.nearest[:4] == pytest.approx([scores[0, 2], scores[1, 3], scores[2, 0], scores[3, 1]])
    assert np.isnan(found.nearest[4])
    assert np.isnan(found.of_others).all()


def test_the_nearest_of_twenty_others_is_what_drawing_twenty_gives_on_average() -> None:
    random = np.random.default_rng(1)
    texts = [" ".join(random.choice(_WORDS[:8], 6)) for _ in range(60)]
    found = likeness(texts, ["a"] * 60)
    others = np.delete(theirs(texts)[0], 0)
    drawn = [random.choice(others, 20, replace=False).max() for _ in range(4000)]
    assert found.of_others[0] == pytest.approx(np.mean(drawn), abs=4 * np.std(drawn) / 4000**0.5)
    assert found.mean[0] == pytest.approx(others.mean())


def test_as_released_compares_texts_of_any_label_and_gives_short_ones_nothing() -> None:
    texts = ["the dog runs home now", "the dog runs home now", "one two three four five", "six seven eight nine ten"]
    labels = ["yes", "no", "yes", "no"]
    shuffled = {tuple(np.nan_to_num(nearest_as_released(texts, labels, seed)).round(6)) for seed in range(20)}
    # With their own labels the two equal texts never meet; shuffled without them, they sometimes do.
    assert likeness(texts, labels).nearest.max() < 100
    assert any(max(found) == pytest.approx(100) for found in shuffled)
    assert likeness(["Hi there", "Hi there"], ["a", "a"]).nearest[0] == pytest.approx(100)
    assert nearest_as_released(["Hi there", "Hi there"], ["a", "a"], 0)[0] == 0


def test_as_released_stops_after_the_first_1001_texts() -> None:
    found = nearest_as_released([f"text number {index} is here" for index in range(1500)], ["a"] * 1500, 0)
    assert np.isfinite(found).sum() == 1001
