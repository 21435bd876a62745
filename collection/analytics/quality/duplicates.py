"""Pairs of texts that are nearly the same, among many: exactly, and without comparing each with each."""

from __future__ import annotations

from collections.abc import Sequence
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
    documents")."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts

    def pairs(self, start: int, end: int) -> tuple[Places, Places]:
        """The places (i, j) of such texts, i < j and ``start`` <= j < ``end``, by j."""
        found: list[tuple[Places, Places]] = [(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))]
        places = np.arange(len(self._texts))
        for rows in blocks(start, end):
            shared, sizes = self._matches.dense(rows), self._sizes
            # shared / (size + other size - shared) >= threshold, multiplied out; the slack is for rounding.
            near = shared * (1 + THRESHOLD) >= THRESHOLD * (sizes[rows][:, None] + sizes) - 1e-3
            later, earlier = np.nonzero(near & (places < rows[:, None]))
            found.append((earlier, rows[later]))
        earlier, later = (np.concatenate(side) for side in zip(*found, strict=True))
        return earlier, later

    @cached_property
    def _features(self) -> csr_array:
        # Only where pairs are asked for: parts of a report may all be known.
        return _grams(self._texts)

    @cached_property
    def _matches(self) -> Matches:
        return Matches(self._features)

    @cached_property
    def _sizes(self) -> NDArray[np.float32]:
        return np.asarray(np.diff(self._features.indptr), dtype=np.float32)


def _grams(texts: Sequence[str]) -> csr_array:
    """Which grams each text has."""
    # Padding gives even a text of one letter a gram.
    padding = " " * (_GRAM - 1)
    padded = [f"{padding}{' '.join(words(text)) or text}{padding}" for text in texts]
    letters = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    alphabet, letter = np.unique(letters, return_inverse=True)
    windows = len(letter) - _GRAM + 1
    gram = np.zeros(windows, dtype=np.int64)
    for offset in range(_GRAM):
        if len(alphabet) ** (offset + 1) > np.iinfo(np.int64).max:
            # Numbered anew, so that the number of any gram fits.
            _, gram = np.unique(gram, return_inverse=True)
        gram = gram * len(alphabet) + letter[offset : offset + windows]
    _, gram = np.unique(gram, return_inverse=True)
    lengths = np.array([len(text) for text in padded])
    row = np.repeat(np.arange(len(texts)), lengths)[:windows]
    within = np.arange(windows) + _GRAM <= np.cumsum(lengths)[row]
    columns = int(gram.max()) + 1
    row, gram = np.divmod(np.unique(row[within] * columns + gram[within]), columns)
    return csr_array((np.ones(len(row), dtype=np.float32), (row, gram)), shape=(len(texts), columns))
