"""What a study that exists says of the next one: the figures that planning must otherwise assume."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from collection.analytics.contrasts import fewer
from collection.analytics.fits import Floats
from collection.analytics.numerals import decimals, digits
from collection.analytics.power import LARGEST, Design
from collection.analytics.resampling import seed_variances
from collection.analytics.scores import BASE, Tested, Trained, tested_sets
from collection.analytics.study import Study


def assumptions_of(study: Study) -> Design:
    """A design like the study, with what it tells of errors, seeds, contexts and pay. ``estimated`` names those fields;
    all others have the defaults of ``Design``. So has the share of errors saved: planning for what a study happened to
    see takes its luck for an effect ("observed power", Hoenig & Heisey 2001, Am. Stat. 55).

    Errors are those of the last round that both arms have on the largest test set: of the first arm that shows no model
    (else the first) and the last dynamic arm (else the last).
    """
    found: dict[str, Any] = {
        "rounds": max(1, study.rounds),
        "quota": min(max(1, study.quota), LARGEST),
        "arms": max(2, len(study.arms)),
    }
    found["adversarial_arms"] = sum(study.shows_model(arm) for arm in study.arms)
    found |= _work(study)
    largest = _largest(study)
    if largest is not None and len(largest.clusters) > 1:
        found |= _errors(study, largest)
    return Design(**found, estimated=tuple(sorted(found)))


def saved_so_far(study: Study) -> str:
    """A sentence on which share of errors the one arm of those that a plan holds together may have saved in the study
    itself: its interval alone, as the figure would be read as an effect. "" where there is none."""
    largest = _largest(study)
    pair = _compared(study, largest) if largest is not None else []
    if largest is None or len(pair) < 2:
        return ""
    found = fewer(largest.errors, pair[1], pair[0])
    if found.low is None or found.high is None:
        return ""
    own, other = (largest.trained[at] for at in reversed(pair))
    places = decimals([100 * found.low, 100 * found.high], 0)
    low, high = (
        f"{digits(abs(100 * end), places)}% {'more' if end < 0 else 'fewer'}" for end in (found.low, found.high)
    )
    return (
        f"In this study itself anything from {low} to {high} errors agrees with the data (95% interval; {own.arm} "
        f"against {other.arm} on {largest.name}, after round {own.round})."
    )


def _largest(study: Study) -> Tested | None:
    return max(tested_sets(study)[0], key=lambda tested: len(tested.clusters), default=None)


def intra_cluster_correlation(values: Floats, clusters: NDArray[np.int64]) -> float:
    """The correlation of two values of one cluster, from 0 to 1: the analysis-of-variance estimator (Donner 1986, Int.
    Stat. Rev. 54). 0 where no cluster has two values or nothing varies."""
    sizes = np.bincount(clusters).astype(float)
    groups, count = len(sizes), len(values)
    if groups < 2 or count <= groups:
        return 0.0
    means = np.bincount(clusters, weights=values) / sizes
    within = float(np.sum((values - means[clusters]) ** 2)) / (count - groups)
    between = float(sizes @ (means - values.mean()) ** 2) / (groups - 1)
    typical = (count - float(sizes @ sizes) / count) / (groups - 1)
    spread = between + (typical - 1) * within
    return min(1.0, max(0.0, (between - within) / spread)) if spread > 0 else 0.0


def _errors(study: Study, tested: Tested) -> dict[str, Any]:
    found: dict[str, Any] = {"test_rows": len(tested.gold)}
    if not tested.about_clusters:
        found["contexts"] = max(2, int(tested.clusters.max()) + 1)
    elif len(tested.gold) < Design.contexts:
        found["contexts"] = len(tested.gold)
    pair = _compared(study, tested)
    if not pair:
        return found
    wrong = [tested.wrong(at) for at in pair]
    rate = float(wrong[0].mean())
    found["seeds"] = min(map(len, wrong))
    if not 0 < rate < 1:
        return found
    found["base_error"] = rate
    if found["seeds"] > 1:
        variance = float(np.mean([np.subtract(*seed_variances(item)) for item in wrong]))
        found["seed_sd"] = float(np.sqrt(max(0.0, variance)))
        found["seed_correlation"] = float(np.clip(np.mean([_agreement(item, item) for item in wrong]), 0, 1))
    if len(pair) == 2:
        difference = wrong[0].mean(axis=0) - wrong[1].mean(axis=0)
        found["icc"] = intra_cluster_correlation(difference, tested.clusters)
        found["row_correlation"] = float(np.clip(_agreement(*wrong), 0, 1))
        # With one seed nothing is known of it: versions of one arm agree at least as much as those of two.
        found.setdefault("seed_correlation", found["row_correlation"])
        found["row_correlation"] = min(found["row_correlation"], found["seed_correlation"])
        found["full_after"] = max(1, min(_collected(study, tested.trained[at]) for at in pair))
    elif found.get("seed_correlation", 1.0) < Design.row_correlation:
        # Nothing is known of two arms, but they agree no more than versions of one.
        found["row_correlation"] = found["seed_correlation"]
    return found


def _collected(study: Study, trained: Trained) -> int:
    """How many of the examples that versions were trained on their arm had collected: what it started with, its
    round 0, is in their rows too."""
    examples = study.accepted
    return min(
        round(trained.examples), int(((examples["arm"] == trained.arm) & (examples["round"] <= trained.round)).sum())
    )


def _compared(study: Study, tested: Tested) -> list[int]:
    """What is compared: places in ``tested.trained``, two where two arms have a round in common."""
    places: dict[str, dict[int, int]] = {}
    for at, item in enumerate(tested.trained):
        if item.role != BASE:
            places.setdefault(item.arm, {})[item.round] = at
    if not places:
        return []
    first = next((arm for arm in places if not study.shows_model(arm)), next(iter(places)))
    others = [arm for arm in places if arm != first]
    second = next((arm for arm in reversed(others) if study.arms[arm] == "dynamic"), others[-1] if others else None)
    rounds = [places[arm] for arm in (first, second) if arm]
    shared = set.intersection(*map(set, rounds))
    return [items[max(shared)] for items in rounds] if shared else [rounds[0][max(rounds[0])]]


def _agreement(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """The mean correlation (phi) of the errors of two versions on the same row, over pairs of different seeds."""
    scaled = []
    for wrong in (first, second):
        about = wrong - wrong.mean(axis=1, keepdims=True)
        spread = np.sqrt((about**2).mean(axis=1, keepdims=True))
        scaled.append(np.divide(about, spread, out=np.zeros_like(about), where=spread > 0))
    products = scaled[0] @ scaled[1].T / first.shape[1]
    if first is second:
        products = products[~np.eye(len(first), dtype=bool)]
    return float(products.mean())


def _work(study: Study) -> dict[str, float | int | str]:
    examples = study.examples[study.examples["state"] == "accepted"]
    found: dict[str, float | int | str] = {"currency": study.currency}
    if len(examples):
        found["writers"] = max(1, round(float(examples.groupby("arm")["writer"].nunique().mean())))
        found["votes"] = len(study.votes) / len(examples)
    fooled = examples["fooled"].fillna(False).astype(bool)
    if len(shown := examples["fooled"].dropna()):
        found["vmer"] = float(shown.astype(bool).mean())
    base, paid, vote = (
        _mean(examples.loc[~fooled, "cost"]),
        _mean(examples.loc[fooled, "cost"]),
        _mean(study.votes["cost"]),
    )
    if base is not None and paid is not None:
        found["fooling_bonus"] = max(0.0, paid - base)
    # Where every text fooled the model, its bonus is in what they earned.
    if (pay := paid if base is None else base) is not None:
        found["base_pay"] = pay
    if vote is not None:
        found["validation_pay"] = vote
    return found


def _mean(values: pd.Series) -> float | None:
    """The mean of what is known, as far as a design can hold it."""
    known = values.dropna()
    return min(float(known.mean()), LARGEST) if len(known) else None
