"""Texts as tokens and words: what every figure about texts counts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

# Penn Treebank's way (Marcus et al. 1993): punctuation apart, "n't" and "'s" are tokens of their own.
_TOKEN = re.compile(
    r"""
    \w+?(?=n['’]t\b)                       # do|n't
    | n['’]t\b
    | ['’](?:s|m|d|re|ve|ll)\b
    | \d+(?:[.,:]\d+)+                     # 3.14, 12:30
    | \w+(?:[-.]\w+)*                      # well-known, e.g
    | [^\w\s]
    """,
    re.VERBOSE | re.IGNORECASE,
)
_WORD = re.compile(r"\w+(?:['’.,:-]\w+)*")
_SENTENCE_END = re.compile(r"[.!?]+(?=\s|$)")


def tokens(text: str) -> list[str]:
    """Words and punctuation marks, as written."""
    return _TOKEN.findall(text)


def words(text: str) -> list[str]:
    """Words without case and punctuation; "don’t" and "don't" are one word."""
    return [word.casefold().replace("’", "'") for word in _WORD.findall(text)]


def bigrams(sequence: Sequence[str]) -> list[tuple[str, str]]:
    """Each word with the one after it."""
    return list(pairwise(sequence))


def sentences(text: str) -> int:
    """How many sentences a text has, by the marks that end them; at least one."""
    parts = _SENTENCE_END.split(text)
    return max(1, sum(bool(_WORD.search(part)) for part in parts))
