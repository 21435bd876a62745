"""How many features each pair of texts shares: products of sparse matrices, block by block."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

# Rows a block: 256 x 10,000 numbers of 8 bytes are 20 MB, and a handful of such arrays are held at once.
BLOCK = 256
# A feature of a larger share of the texts than this is counted by a dense product, which is then the faster.
_COMMON = 1 / 8


class Matches:
    """Features of texts, [text, feature] being 1 or 0 in single precision, which holds such counts exactly."""

    def __init__(self, features: csr_array) -> None:
        common = np.bincount(features.indices, minlength=features.shape[1]) > _COMMON * features.shape[0]
        self._dense = features[:, common].toarray()
        self._rows = features[:, ~common]
        self._columns = self._rows.T.tocsr()
        self.all_rare = not common.any()

    def sparse(self, rows: NDArray[np.intp]) -> csr_array:
        """Shared features [row, text], where there are any; only for features that are ``all_rare``."""
        return (self._rows[rows] @ self._columns).tocsr()

    def dense(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """Shared features [row, text]."""
        shared: NDArray[np.float32] = self._dense[rows] @ self._dense.T
        rare = self.sparse(rows)
        shared[np.repeat(np.arange(len(rows)), np.diff(rare.indptr)), rare.indices] += rare.data
        return shared


def blocks(start: int, end: int) -> Iterator[NDArray[np.intp]]:
    """The numbers from ``start`` up to ``end``, a block at a time."""
    for first in range(start, end, BLOCK):
        yield np.arange(first, min(first + BLOCK, end))
