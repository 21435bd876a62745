"""Do the intervals about collecting hold the truth? Few writers who differ, few contexts that differ in difficulty."""

from __future__ import annotations

from functools import partial

import numpy as np
from scipy.special import expit, logit

from benchmarks.coverage_cases import Case, Covered, holds
from collection.analytics.agreement import Votes, agreement
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
    return Covered({"MER": holds(share(fooled, {"writer": who}), FOOLING)})


def _model_error_rate_by_both(random: np.random.Generator, writers: int, contexts: int, uneven: float) -> Covered:
    """Writers and contexts differ on the scale of log odds, contexts with the s.d. ``uneven``, writers with 0.5."""
    chance = random.normal(0, 0.5, writers)[:, None] + random.normal(0, uneven, contexts) + logit(FOOLING)
    who, on = random.integers(0, writers, 400), random.integers(0, contexts, 400)
    fooled = (random.random(400) < expit(chance[who, on])).astype(float)
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    truth = float((weights * expit(logit(FOOLING) + np.hypot(0.5, uneven) * nodes)).sum() / weights.sum())
    return Covered({"MER": holds(share(fooled, {"writer": who, "context": on}), truth)})


def _seconds_per_fooling_text(random: np.random.Generator, writers: int) -> Covered:
    """Writers differ in speed too: a minute in the middle, spread by 0.4 on the log scale."""
    who, fooled = _texts(random, writers)
    pace = 60 * random.lognormal(0, 0.4, writers)
    seconds = pace[who] * random.gamma(2, 0.5, len(who))
    found = amount_per_event(seconds, fooled, {"writer": who})
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


def _alpha_of_validators(random: np.random.Generator, validators: int, uneven: float) -> Covered:
    """Three of the validators vote on each of 150 texts, each with an own chance of mistakes, ``uneven`` being the s.d.
    of its log odds; labels are equally frequent."""
    wrong = expit(logit(MISTAKES) + uneven * random.normal(size=validators))
    gold = random.integers(0, 2, 150)
    who = np.argsort(random.random((150, validators)), axis=1)[:, :3]
    label = gold[:, None] ^ (random.random((150, 3)) < wrong[who])
    counts = np.column_stack([3 - label.sum(axis=1), label.sum(axis=1)]).astype(float)
    votes = Votes(np.repeat(np.arange(150), 3), label.ravel().astype(np.intp), who.ravel())
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    mean = float((weights * expit(logit(MISTAKES) + uneven * nodes)).sum() / weights.sum())
    # Two validators disagree if just one is wrong, and they are drawn independently.
    truth = 1 - 2 * mean * (1 - mean) / 0.5
    return Covered({"alpha": holds(agreement(counts, np.arange(150), votes).alpha, truth)})


CASES: dict[str, Case] = {
    "MER, 5 writers": partial(_model_error_rate, writers=5),
    "MER, 8 writers": partial(_model_error_rate, writers=8),
    "MER, 30 writers": partial(_model_error_rate, writers=30),
    "MER, 20 writers, 10 uneven contexts": partial(_model_error_rate_by_both, writers=20, contexts=10, uneven=0.5),
    "MER, 20 writers, 10 even contexts": partial(_model_error_rate_by_both, writers=20, contexts=10, uneven=0.0),
    "MER, 20 writers, 50 uneven contexts": partial(_model_error_rate_by_both, writers=20, contexts=50, uneven=0.8),
    "MER, 6 writers, 6 uneven contexts": partial(_model_error_rate_by_both, writers=6, contexts=6, uneven=0.5),
    "seconds per fooling text, 6 writers": partial(_seconds_per_fooling_text, writers=6),
    "seconds per fooling text, 20 writers": partial(_seconds_per_fooling_text, writers=20),
    "differences between writers, 20 writers": partial(_between_writers, writers=20),
    "alpha, 10 contexts of 30 texts": partial(_alpha, contexts=10, texts=30),
    "alpha, 200 contexts of 2 texts": partial(_alpha, contexts=200, texts=2),
    "alpha, 5 uneven validators": partial(_alpha_of_validators, validators=5, uneven=0.8),
    "alpha, 10 uneven validators": partial(_alpha_of_validators, validators=10, uneven=0.8),
    "alpha, 30 uneven validators": partial(_alpha_of_validators, validators=30, uneven=0.8),
    "alpha, 10 even validators": partial(_alpha_of_validators, validators=10, uneven=0.0),
}
