"""Tokens, words, bigrams and sentences of written texts."""

from __future__ import annotations

import pytest

from collection.analytics.quality.words import bigrams, sentences, tokens, words


def test_tokens_are_those_of_the_penn_treebank() -> None:
    assert tokens("Don't say it's 3.14. He didn’t, at 12:30?") == [
        *("Do", "n't", "say", "it", "'s", "3.14", ".", "He", "did", "n’t", ",", "at", "12:30", "?"),
    ]


def test_words_are_without_case_and_punctuation() -> None:
    assert words("The well-known MAN can’t; THE man.") == ["the", "well-known", "man", "can't", "the", "man"]


@pytest.mark.parametrize("text", ["", " ", "...", "?!"])
def test_a_text_of_punctuation_has_no_words_and_one_sentence(text: str) -> None:
    assert words(text) == []
    assert sentences(text) == 1


def test_sentences_are_told_by_the_marks_that_end_them() -> None:
    assert sentences("It is 3.5 m long... Is it? Yes") == 3


def test_bigrams_are_words_and_the_ones_after_them() -> None:
    assert bigrams(["a", "b", "c"]) == [("a", "b"), ("b", "c")]
    assert bigrams(["a"]) == []
