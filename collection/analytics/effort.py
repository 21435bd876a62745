"""What collecting takes: active time and money of writing and of validation."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from collection.analytics.study import Study


def by_arm_and_round(study: Study, rows: pd.DataFrame, *columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums [columns, arms, rounds] of ``columns`` [rows] over the rows of each ``arm`` and ``round``, from round 0 to
    the last of the study; other rows are left out."""
    arms = pd.Categorical(rows["arm"], categories=list(study.arms)).codes.astype(np.intp)
    rounds, shape = rows["round"].to_numpy(), (len(study.arms), study.rounds + 1)
    ours = (arms >= 0) & (rounds >= 0) & (rounds <= study.rounds)
    place = np.ravel_multi_index((arms[ours], rounds[ours]), shape)
    sums = [np.bincount(place, weights=column[ours], minlength=shape[0] * shape[1]) for column in columns]
    return np.stack(sums).reshape(-1, *shape).astype(float)


def effort_of_texts(study: Study) -> pd.DataFrame:
    """Every collected text with ``accepted`` (bool), ``writing_seconds``, ``voting_seconds`` and ``cost``.

    The other columns are ``key``, ``arm``, ``round``, ``writer`` and ``fooled``; rows are those of the study's
    examples, in their order, and the index counts from 0.
    ``cost`` is what its writer and its validators earned, in minor units; a text that nobody voted on took no voting.
    NaN where a part of a figure is not known: a total never passes for less than it is. Votes on texts that were taken
    back are left out, as those texts are.
    """
    texts = study.examples[["key", "arm", "round", "writer", "fooled"]].reset_index(drop=True)
    texts["accepted"] = (study.examples["state"] == "accepted").to_numpy(dtype=bool)
    votes = study.votes[["example", "seconds", "cost"]].groupby("example", sort=False).sum(min_count=0, skipna=False)
    of_votes = votes.reindex(study.examples["key"])
    unvoted = ~study.examples["key"].isin(votes.index).to_numpy()
    texts["writing_seconds"] = study.examples["seconds"].to_numpy(dtype=float)
    texts["voting_seconds"] = of_votes["seconds"].mask(unvoted, 0.0).to_numpy(dtype=float)
    texts["cost"] = study.examples["cost"].to_numpy(dtype=float) + of_votes["cost"].mask(unvoted, 0.0).to_numpy(float)
    return texts


def effort(study: Study) -> pd.DataFrame:
    """What each round of each arm took: ``arm``, ``round``, ``accepted``, ``collected``, ``writing_seconds``,
    ``voting_seconds``, ``cost``. A round a row, not cumulative, ordered by arm as in the study and round.

    NaN where one text of the round has an unknown part. Rounds without texts have no row.
    """
    texts = effort_of_texts(study).assign(collected=1)
    sums = texts.groupby(["arm", "round"], sort=False)[
        ["accepted", "collected", "writing_seconds", "voting_seconds", "cost"]
    ].sum(skipna=False)
    found = sums.reset_index()
    order = {arm: index for index, arm in enumerate(study.arms)}
    found = found.sort_values(
        ["arm", "round"], key=lambda column: column.map(order) if column.name == "arm" else column
    )
    return found.reset_index(drop=True)
