"""Do the intervals about collecting hold the truth? Few writers who differ, few contexts that differ in difficulty."""

from __future__ import annotations

from functools import partial

import numpy as np

from benchmarks.coverage_cases import Case, Covered, holds
from collection.analytics.agreement import agreement
from collection.analytics.clustered import amount_per_event, share
from collection.analytics.writer_effects import intraclass_correlation

FOOLING, BETWEEN = 0.3, 0.1
"""The mean of the writers' shares of fooling texts, and the part of the variance that lies between writers."""
MISTAKES, UNEVEN = 0.15, 10.0
"""The mean share of wrong votes, and how even it is over contexts (the sum of a beta distribution's parameters)."""


def _texts(random: np.random.Generator, writers: int) -> tuple[np.ndarray, np.ndarray]:
    """The writer of each text and whether it fooled: unequally busy writers, who fool with chances from a beta."""
    evenness = (1 - BETWEEN) / BETWEEN
    chances = random.beta(FOOLING * evenness, (1 - FOOLING) * evenness, writers)
    sizes = np.maximum(2, np.round(20 * random.lognormal(0, 0.8, writers))).astype(int)
    who = np.repeat(np.arange(writers), sizes)
    return who, (random.random(len(who)) < chances[who]).astype(float)


def _model_error_rate(random: np.random.Generator, writers: int) -> Covered:
    who, fooled = _texts(random, writers)
    return Covered({"MER": holds(share(fooled, who, "writer"), FOOLING)})


def _seconds_per_fooling_text(random: np.random.Generator, writers: int) -> Covered:
    """Writers differ in speed too: a minute in the middle, spread by 0.4 on the log scale."""
    who, fooled = _texts(random, writers)
    pace = 60 * random.lognormal(0, 0.4, writers)
    seconds = pace[who] * random.gamma(2, 0.5, len(who))
    found = amount_per_event(seconds, fooled, who, "writer")
    return Covered({"seconds per fooling text": holds(found, 60 * float(np.exp(0.4**2 / 2)) / FOOLING)})


def _between_writers(random: np.random.Generator, writers: int) -> Covered:
    who, fooled = _texts(random, writers)
    return Covered({"ICC": holds(intraclass_correlation(fooled, who, np.zeros_like(who)), BETWEEN)})


def _alpha(random: np.random.Generator, contexts: int, texts: int) -> Covered:
    """Three votes a text on two equally frequent labels, so that expected disagreement is a half."""
    a, b = MISTAKES * UNEVEN, (1 - MISTAKES) * UNEVEN
    wrong = random.beta(a, b, contexts)
    context = np.repeat(np.arange(contexts), texts)
    gold = random.integers(0, 2, len(context))
    mistaken = random.random((len(context), 3)) < wrong[context][:, None]
    second = (gold[:, None] ^ mistaken).sum(axis=1)
    # Two votes differ if just one is wrong: the mean of 2e(1 - e) over contexts, where the mean of e² is a beta's.
    disagreement = 2 * (MISTAKES - MISTAKES * (a + 1) / (UNEVEN + 1))
    found = agreement(np.column_stack([3 - second, second]).astype(float), context)
    return Covered({"alpha": holds(found.alpha, 1 - disagreement / 0.5)})


CASES: dict[str, Case] = {
    "MER, 5 writers": partial(_model_error_rate, writers=5),
    "MER, 8 writers": partial(_model_error_rate, writers=8),
    "MER, 30 writers": partial(_model_error_rate, writers=30),
    "seconds per fooling text, 6 writers": partial(_seconds_per_fooling_text, writers=6),
    "seconds per fooling text, 20 writers": partial(_seconds_per_fooling_text, writers=20),
    "differences between writers, 20 writers": partial(_between_writers, writers=20),
    "alpha, 10 contexts of 30 texts": partial(_alpha, contexts=10, texts=30),
    "alpha, 200 contexts of 2 texts": partial(_alpha, contexts=200, texts=2),
}
