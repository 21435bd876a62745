"""Finding texts that are (nearly) the same in two lists. For workers: it loads scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer

from collection.texts import NEARLY, grams, padded

_CHUNK = 512


def near_duplicates(texts: Sequence[str], others: Sequence[str], threshold: float = NEARLY) -> dict[int, int]:
    """For each text that is nearly the same as one of ``others``: its index and the index of the nearest.

    Two texts are nearly the same if the Jaccard similarity of their sets of character 5-grams, without case and
    punctuation, is at least ``threshold``. Exact, not hashed: Broder (1997), "On the resemblance and containment
    of documents".
    """
    if not texts or not others:
        return {}
    left, right = [grams(padded(text)) for text in texts], [grams(padded(text)) for text in others]
    vectorizer = CountVectorizer(analyzer=_itself, binary=True, dtype=np.float32)
    known = vectorizer.fit_transform(right).T.tocsc()
    sizes_right = np.array([len(own) for own in right], dtype=np.float32)
    found: dict[int, int] = {}
    for start in range(0, len(left), _CHUNK):
        part = left[start : start + _CHUNK]
        shared = (vectorizer.transform(part) @ known).tocoo()
        sizes_left = np.array([len(own) for own in part], dtype=np.float32)
        similarity = shared.data / (sizes_left[shared.row] + sizes_right[shared.col] - shared.data)
        near = similarity >= threshold
        # Ascending, so that the nearest of several is the one that stays.
        order = np.argsort(similarity[near], kind="stable")
        rows, columns = shared.row[near][order], shared.col[near][order]
        found.update(zip((start + rows).tolist(), columns.tolist(), strict=True))
    return found


def _itself(own: set[str]) -> set[str]:
    return own
