"""Flesch-Kincaid grade, by hand, and syllables."""

from __future__ import annotations

import pytest

from collection.analytics.quality.readability import grade, syllables


def test_grade_of_a_known_sentence() -> None:
    # 6 words, 1 sentence, 6 syllables: the known case of a negative grade.
    assert grade("The cat sat on the mat.") == pytest.approx(0.39 * 6 + 11.8 - 15.59)
    # 8 words, 2 sentences, 12 syllables (an-i-mals 3, beau-ti-ful 3).
    assert grade("Animals are beautiful. We see them all day.") == pytest.approx(0.39 * 4 + 11.8 * 12 / 8 - 15.59)


@pytest.mark.parametrize("text", ["", "...", "¿?"])
def test_a_text_without_words_has_no_grade(text: str) -> None:
    assert grade(text) is None


def test_syllables_of_common_words() -> None:
    known = {
        "the": 1,
        "are": 1,
        "we": 1,
        "makes": 1,
        "walked": 1,
        "wanted": 2,
        "houses": 2,
        "people": 2,
        "idea": 3,
        "being": 2,
        "area": 3,
    }
    known |= {"table": 2, "beautiful": 3, "nation": 2, "reliable": 4, "yes": 1, "hmm": 1, "3": 1, "日本": 1, "don't": 1}
    assert {word: syllables(word) for word in known} == known
