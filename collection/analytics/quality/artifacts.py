"""Words that give a label away: "not" for contradiction, say (Gururangan et al. 2018, "Annotation artifacts")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import false_discovery_control, norm
from sklearn.feature_extraction.text import CountVectorizer

from collection.analytics.quality.words import tokens

_NEGATIONS = frozenset(
    ("no", "not", "never", "none", "nobody", "nothing", "nowhere", "neither", "nor", "cannot", "without", "n't")
)
# Added to each count of a word in a label, so that rare words do not lead the list (Gururangan et al. 2018).
_SMOOTHING = 100
# A word in fewer texts than this cannot lean clearly; testing it would only cost the others power.
_FEWEST = 5


@dataclass(frozen=True)
class Leaning:
    """A word and the label it leans to most: ``texts`` of that label have it, ``elsewhere`` of the others.

    ``pmi``: pointwise mutual information in bits, counts smoothed by 100. ``z``: log odds with an informative
    Dirichlet prior over their standard error. ``q``: the false discovery rate at which this word is found.
    """

    word: str
    label: str
    texts: int
    elsewhere: int
    pmi: float
    z: float
    q: float


def negated(text: str) -> bool:
    """Whether an English text has a word of negation in it."""
    return any(token.casefold().replace("’", "'") in _NEGATIONS for token in tokens(text))


def leanings(texts: Sequence[Sequence[str]], labels: Sequence[str]) -> list[Leaning]:
    """Words (of texts given as words) by how they lean, the clearest first: those that five texts have or more.

    PMI: Gururangan et al. 2018. Log odds: Monroe, Colaresi & Quinn 2008, "Fightin' words", equations 16, 19 and 22,
    a label against the rest, the prior being all the texts' words. Two-sided p-values, over all words and labels
    together, are corrected as in Benjamini & Hochberg 1995. A word counts once a text. Of two labels, where one's
    leaning is the other's turned round, and of more, the label to which a word leans most is given.
    """
    names = sorted(set(labels))
    if len(names) < 2:
        return []
    vectorizer = CountVectorizer(analyzer=_itself, binary=True, min_df=1)
    try:
        counts = vectorizer.fit_transform(texts)
    except ValueError:
        # What scikit-learn says of texts without any word.
        return []
    label = np.asarray(labels, dtype=object)
    by_label = np.vstack([np.asarray(counts[np.flatnonzero(label == name)].sum(axis=0)).ravel() for name in names])
    total = by_label.sum(axis=0)
    kept = np.flatnonzero(total >= _FEWEST)
    if len(kept) == 0 or len(total) < 2:
        # A word leans only in comparison with other words.
        return []
    smooth = by_label + _SMOOTHING
    joint = smooth / smooth.sum()
    pmi = np.log2(joint / (joint.sum(axis=0) * joint.sum(axis=1)[:, None]))[:, kept]
    own, prior = by_label.astype(float), total.astype(float)
    rest = total - own
    one = _log_odds(own, prior)
    other = _log_odds(rest, prior)
    z = ((one - other) / np.sqrt(1 / (own + prior) + 1 / (rest + prior)))[:, kept]
    # With two labels each word would be tested twice.
    tests = z[:1] if len(names) == 2 else z
    q = false_discovery_control(2 * norm.sf(np.abs(tests)), axis=None).reshape(tests.shape)
    q = np.broadcast_to(q, z.shape)
    words = vectorizer.get_feature_names_out()[kept]
    found = []
    for index, word in enumerate(words):
        most = int(z[:, index].argmax())
        count = int(by_label[most, kept[index]])
        elsewhere = int(total[kept[index]]) - count
        figures = (float(item[most, index]) for item in (pmi, z, q))
        found.append(Leaning(str(word), names[most], count, elsewhere, *figures))
    return sorted(found, key=lambda item: (-item.z, item.word))


def _log_odds(counts: np.ndarray, prior: np.ndarray) -> np.ndarray:
    raised = counts + prior
    everything = raised.sum(axis=1, keepdims=True)
    return np.asarray(np.log(raised / (everything - raised)))


def _itself(words: Sequence[str]) -> Sequence[str]:
    return words
