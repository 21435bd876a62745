"""How well the label can be told from the written text alone, without its context."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from collection.analytics.quality.words import bigrams

Flags = NDArray[np.bool_]
# Below this a classifier learns nothing worth a figure.
FEWEST = 50
_FOLDS = 5


def refusal(labels: Sequence[str], groups: Sequence[str]) -> str:
    """Why no classifier can be cross-validated on these rows; "" if one can."""
    if len(labels) < FEWEST:
        return f"a classifier of the text alone needs {FEWEST} examples"
    if len(set(labels)) < 2:
        return "all examples have the same label"
    if len(set(groups)) < 2:
        return "all examples are of one context and one writer, so no others are left to test on"
    return ""


def told(texts: Sequence[Sequence[str]], labels: Sequence[str], groups: Sequence[str]) -> Flags:
    """Whether the label of each text (given as words) is told by a classifier that saw no text of its group.

    Logistic regression on which words and bigrams a text has (the hypothesis-only baseline of Poliak et al. 2018, as a
    bag of n-grams), in five folds of whole groups. Deterministic. Raises ValueError where ``refusal`` would give a
    reason.
    """
    if why := refusal(labels, groups):
        raise ValueError(why)
    # Which n-grams exist is learnt from all rows: those of a test fold alone have no weight, and one of a single text
    # tells nothing about others.
    has = CountVectorizer(analyzer=_grams, binary=True, min_df=2, dtype=np.float64).fit_transform(texts)
    _, label = np.unique(np.asarray(labels, dtype=object).astype(str), return_inverse=True)
    correct = np.zeros(len(labels), dtype=bool)
    for train, test in GroupKFold(min(_FOLDS, len(set(groups)))).split(has, label, groups):
        seen = np.unique(label[train])
        if len(seen) == 1:
            correct[test] = label[test] == seen[0]
            continue
        classifier = LogisticRegression(max_iter=1000, tol=1e-3).fit(has[train], label[train])
        correct[test] = classifier.predict(has[test]) == label[test]
    return correct


def _grams(words: Sequence[str]) -> list[str]:
    # The mark keeps a text without words from being a row without features.
    return ["", *words, *(" ".join(pair) for pair in bigrams(words))]
