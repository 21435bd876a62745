"""Inter-BLEU: how much texts of a label repeat one another. Sparse matrices, block by block, no loop over pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a
from scipy.sparse import csr_array

from collection.analytics.quality.diversity import log_choose
from collection.analytics.quality.matches import Matches, blocks

Floats = NDArray[np.float64]
_ORDERS = 4
_TOKENIZER: Callable[[str], str] = Tokenizer13a()  # type: ignore[no-untyped-call]
# Of as many others a text's nearest is sought where figures of unequal numbers of texts are compared.
OTHERS = 20
# The source study's script stops after the text of index 1,000.
_RELEASED = 1001


@dataclass(frozen=True)
class Likeness:
    """One value a text, in the order given; NaN where its label has no other text (``of_others``: fewer than 20).

    ``nearest``: BLEU against the most similar other text of its label. ``of_others``: what that is expected to be
    among 20 others drawn at random, which can be compared between any numbers of texts. ``mean``: over all others.
    """

    nearest: Floats
    of_others: Floats
    mean: Floats


def likeness(texts: Sequence[str], labels: Sequence[str], *, effective_order: bool = True) -> Likeness:
    """Sentence-BLEU (0 to 100) of each text against every other one of its label.

    The source study's inter-BLEU is the mean of ``nearest`` (Wallace et al. 2022, analysis/diversity.py). Scores equal
    sacrebleu's (Post 2018): tokenizer 13a, exponential smoothing, and with ``effective_order`` those of
    ``sentence_score`` with it (a text of fewer than four tokens is scored by the orders that it has).
    """
    found = Likeness(*(np.full(len(texts), np.nan) for _ in range(3)))
    names = np.asarray(labels, dtype=object)
    for label in sorted(set(labels)):
        members = np.flatnonzero(names == label)
        count = len(members)
        if count < 2:
            continue
        weights = _of_nearest(count - 1, OTHERS)
        for rows, scores in bleu_blocks([texts[index] for index in members.tolist()], effective_order=effective_order):
            # Below every score, so that a text's own place sorts to the end and is cut off there.
            scores[np.arange(len(rows)), rows] = -1
            scores.sort(axis=1)
            others = scores[:, :0:-1]
            found.nearest[members[rows]] = others[:, 0]
            found.mean[members[rows]] = others.mean(axis=1)
            if weights is not None:
                found.of_others[members[rows]] = others @ weights
    return found


def nearest_as_released(texts: Sequence[str], labels: Sequence[str], seed: int) -> Floats:
    """The nearest scores as the source study's script finds them, NaN for texts that it leaves out: it shuffles the
    texts but not their labels, so that texts of any labels are compared, scores the first 1,001, and gives a text of
    fewer than four tokens 0. The script sets no seed of its own."""
    order = np.random.default_rng(seed).permutation(len(texts))
    scores = likeness([texts[index] for index in order.tolist()], labels, effective_order=False).nearest
    found = np.full(len(texts), np.nan)
    found[order[:_RELEASED]] = scores[:_RELEASED]
    return found


def bleu_blocks(texts: Sequence[str], *, effective_order: bool = True) -> Iterator[tuple[NDArray[np.intp], Floats]]:
    """Blocks of rows of the matrix of BLEU scores (0 to 100): [row, column] is text ``row`` against ``column``.

    With m matches of order n, sacrebleu's precision is m / total, and the k-th order without a match has
    1 / (2^k total). As an order with no match has none above it, the product of the numerators is
    m1 2^-(1+…+k): all orders above the first are taken to have no match, and those that have one, which are few, are
    put right by a factor of m 2^(highest order + 1 - n).
    """
    split = [tokens_13a(text) for text in texts]
    lengths = np.array([len(item) for item in split], dtype=float)
    orders = np.clip(lengths, 1, _ORDERS)
    denominators = np.prod([np.maximum(lengths - n, 1) for n in range(_ORDERS)], axis=0)
    features = [Matches(item) for item in _occurrences(split)]
    distinct, place = np.unique(lengths, return_inverse=True)
    for rows in blocks(0, len(texts)):
        own, highest = np.maximum(lengths[rows], 1)[:, None], orders[rows][:, None]
        product = features[0].dense(rows).astype(float)
        product *= 2 ** (-highest * (highest - 1) / 2) / denominators[rows][:, None]
        for n in range(2, _ORDERS + 1):
            raising = 2 ** (highest + 1 - n)
            if features[n - 1].all_rare:
                matches = features[n - 1].sparse(rows)
                at = np.repeat(np.arange(len(rows)), np.diff(matches.indptr))
                product[at, matches.indices] *= matches.data * raising[at, 0]
            else:
                counts = features[n - 1].dense(rows)
                np.multiply(product, counts * raising, out=product, where=counts > 0)
        short = np.flatnonzero(orders[rows] < _ORDERS)
        few = product[short] ** (1 / highest[short]) if effective_order else np.zeros((len(short), len(texts)))
        np.sqrt(product, out=product)
        np.sqrt(product, out=product)
        product[short] = few
        product *= 100 * np.exp(np.minimum(0, 1 - distinct / own))[:, place]
        yield rows, product


def tokens_13a(text: str) -> list[str]:
    """What sacrebleu's tokenizer 13a makes of a text. It looks at what stands between two spaces by itself, but at line
    breaks, and remembers what it has seen: words come again, texts do not."""
    if "\n" in text:
        return _TOKENIZER(text.rstrip()).split()
    return [token for piece in text.split() for token in _TOKENIZER(piece).split()]


def _occurrences(split: Sequence[Sequence[str]]) -> Iterator[csr_array]:
    """For each order a column for the first, second, … occurrence of each n-gram in a text: the product of two rows is
    then the number of matches, each n-gram counted as often as both texts have it."""
    known: dict[str, int] = {}
    token = np.array([known.setdefault(item, len(known)) for text in split for item in text], dtype=np.int64)
    text = np.repeat(np.arange(len(split)), [len(item) for item in split])
    gram = token
    for order in range(1, _ORDERS + 1):
        if order > 1:
            longer = token[order - 1 :]
            # Numbered anew at each order, so that the number of any n-gram fits.
            gram = np.unique(gram[: len(longer)] * len(known) + longer, return_inverse=True)[1]
        within = text[: len(gram)] == text[order - 1 :]
        yield _numbered(text[: len(gram)][within], gram[within], len(split))


def _numbered(text: NDArray[np.int64], gram: NDArray[np.int64], texts: int) -> csr_array:
    """A column for each n-gram and how many times its text had it before; ``text`` and ``gram`` [occurrences]."""
    order = np.lexsort((gram, text))
    text, gram = text[order], gram[order]
    first = np.flatnonzero((np.diff(text, prepend=-1) != 0) | (np.diff(gram, prepend=-1) != 0))
    before = np.arange(len(order)) - np.repeat(first, np.diff(first, append=len(order)))
    found, column = np.unique(gram * (before.max(initial=0) + 1) + before, return_inverse=True)
    # Single precision holds these counts exactly, and its products are twice as fast.
    return csr_array((np.ones(len(order), dtype=np.float32), (text, column)), shape=(texts, len(found)))


def _of_nearest(count: int, drawn: int) -> Floats | None:
    """The chance of each of ``count`` values, the largest first, to be the largest of ``drawn`` of them."""
    if count < drawn:
        return None
    below = np.arange(count - 1, -1, -1)
    chances = np.zeros(count)
    enough = below >= drawn - 1
    chances[enough] = np.exp(log_choose(below[enough], drawn - 1) - log_choose(np.array([count]), drawn))
    return chances
