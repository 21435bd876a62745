"""Pairs of texts that are nearly the same, among many: exactly, and without comparing each with each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from collection.analytics.quality.matches import Matches, blocks
from collection.analytics.quality.words import words

THRESHOLD = 0.8
_GRAM = 5
Places = NDArray[np.int64]


class NearTexts:
    """Texts of which pairs are nearly the same: the Jaccard similarity of their sets of character 5-grams, without
    case and punctuation, is at least 0.8. Exact, not hashed (Broder 1997, "On the resemblance and containment of
    documents"). ``split`` gives the words of a text, in small letters."""

    def __init__(self, texts: Sequence[str], split: Callable[[str], Sequence[str]] = words) -> None:
        self._texts = texts
        self._split = split

    def pairs(self, start: int, end: int) -> tuple[Places, Places]:
        """The places (i, j) of such texts, i < j and ``start`` <= j < ``end``, by j."""
        if start == end:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        matches, sizes = self._shared_with(start, end)
        found, places = [], np.arange(end)
        for rows in blocks(start, end):
            shared = matches.dense(rows)
            # shared / (size + other size - shared) >= threshold, multiplied out; the slack is for rounding.
            near = shared * (1 + THRESHOLD) >= THRESHOLD * (sizes[rows][:, None] + sizes) - 1e-3
            later, earlier = np.nonzero(near & (places < rows[:, None]))
            found.append((earlier, rows[later]))
        earlier, later = (np.concatenate(side) for side in zip(*found, strict=True))
        return earlier, later

    def _shared_with(self, start: int, end: int) -> tuple[Matches, NDArray[np.float32]]:
        """The grams of texts from ``start`` in all texts up to ``end``, and how many grams each has of any kind."""
        row, gram = self._grams
        first, last = np.searchsorted(row, (start, end))
        row, gram = row[:last], gram[:last]
        # The grams of a round's texts are few beside those of all.
        wanted = np.unique(gram[first:])
        column = np.searchsorted(wanted, gram)
        has = wanted[np.minimum(column, len(wanted) - 1)] == gram
        ones = np.ones(np.count_nonzero(has), dtype=np.float32)
        features = csr_array((ones, (row[has], column[has])), shape=(end, len(wanted)))
        return Matches(features), np.bincount(row, minlength=end).astype(np.float32)

    @cached_property
    def _grams(self) -> tuple[Places, Places]:
        # Only where pairs are asked for: parts of a report may all be known.
        return _grams([" ".join(self._split(text)) or text for text in self._texts])


def _grams(texts: Sequence[str]) -> tuple[Places, Places]:
    """Texts and their grams, each pair once, by text: [pairs] each."""
    # Padding gives even a text of one letter a gram.
    padding = " " * (_GRAM - 1)
    padded = [f"{padding}{text}{padding}" for text in texts]
    letters = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    alphabet, letter = np.unique(letters, return_inverse=True)
    windows = len(letter) - _GRAM + 1
    gram = np.zeros(windows, dtype=np.int64)
    for offset in range(_GRAM):
        if len(alphabet) ** (offset + 1) > np.iinfo(np.int64).max // len(texts):
            # Numbered anew, so that the number of any gram of any text fits.
            _, gram = np.unique(gram, return_inverse=True)
        gram = gram * len(alphabet) + letter[offset : offset + windows]
    lengths = np.array([len(text) for text in padded])
    row = np.repeat(np.arange(len(texts)), lengths)[:windows]
    within = np.arange(windows) + _GRAM <= np.cumsum(lengths)[row]
    pair = np.sort(row[within] * (gram.max() + 1) + gram[within])
    row, gram = np.divmod(pair[np.diff(pair, prepend=-1) > 0], gram.max() + 1)
    return row, gram
