"""Words copied from the context, and the quirks of counting them as released."""

from __future__ import annotations

import pytest

from collection.analytics.quality.overlap import HIGH, entailment, word_overlap


def test_overlap_is_the_share_of_words_that_the_context_has() -> None:
    assert word_overlap("The dog saw the cat.", "the DOG, and a cat!") == pytest.approx(4 / 5)


def test_case_decides_only_as_released() -> None:
    text, context = "Dogs run to Rome.", "the fast dogs run to Rome"
    assert word_overlap(text, context) == 1
    assert word_overlap(text, context, as_released=True) == pytest.approx(3 / 4)
    assert word_overlap(text, context, as_released=True) < HIGH < 1


def test_punctuation_counts_only_as_released_and_there_without_full_stops() -> None:
    assert word_overlap("dogs, run!", "dogs run") == 1
    assert word_overlap("dogs, run!", "dogs run", as_released=True) == pytest.approx(2 / 4)
    assert word_overlap("dogs run.", "dogs run", as_released=True) == 1


@pytest.mark.parametrize("as_released", [False, True])
def test_a_text_without_words_has_no_overlap(as_released: bool) -> None:
    assert word_overlap(".", "a context", as_released=as_released) is None


def test_the_label_of_entailment_is_found_by_its_name() -> None:
    assert entailment(("Contradiction", "Entailed")) == "Entailed"
    assert entailment(("positive", "negative")) is None
