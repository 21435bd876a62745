"""What collecting takes: active time and money of writing and of validation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from collection.analytics.parts import shared
from collection.analytics.study import Study


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


@dataclass(frozen=True)
class Effort:
    """What an arm had taken up to the end of a round: ``accepted`` examples, ``hours`` of writing and voting, and
    ``cost`` in minor units of the currency; None where a part of it is not known."""

    accepted: int
    hours: float | None
    cost: float | None


@shared
def efforts(study: Study) -> Mapping[tuple[str, int], Effort]:
    """For each arm and round, from the start (0) on, what writing and voting had taken up to its end."""
    spent = effort(study).set_index(["arm", "round"])
    spent["seconds"] = spent["writing_seconds"] + spent["voting_seconds"]
    found = {}
    for arm in study.arms:
        found[arm, 0] = Effort(0, 0.0, 0.0)
        places = pd.MultiIndex.from_product([[arm], range(1, study.rounds + 1)])
        # A round without texts took nothing; one part that is not known makes all totals from there on unknown.
        so_far = spent[["accepted", "seconds", "cost"]].reindex(places, fill_value=0).cumsum(skipna=False)
        for (_, number), accepted, seconds, cost in so_far.itertuples():
            hours = None if math.isnan(seconds) else float(seconds) / 3600
            found[arm, number] = Effort(int(accepted), hours, None if math.isnan(cost) else float(cost))
    return found
