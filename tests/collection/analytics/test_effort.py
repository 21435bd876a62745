"""Time and money of a round, counted by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from collection.analytics.effort import effort
from tests.collection.analytics.studies_collecting import awkward_studies, collected_study


def test_writing_and_voting_add_up_by_arm_and_round() -> None:
    study = collected_study(rounds=2, texts=10)
    found = effort(study).set_index(["arm", "round"])
    assert list(found.index) == [(arm, number) for arm in ("plain", "static", "dynamic") for number in (1, 2)]
    mine = study.examples[(study.examples["arm"] == "static") & (study.examples["round"] == 2)]
    votes = study.votes[study.votes["example"].isin(mine["key"])]
    row = found.loc[("static", 2)]
    assert (row["collected"], row["accepted"]) == (10, (mine["state"] == "accepted").sum())
    assert row["writing_seconds"] == pytest.approx(mine["seconds"].sum())
    assert row["voting_seconds"] == pytest.approx(votes["seconds"].sum())
    assert row["cost"] == pytest.approx(mine["cost"].sum() + votes["cost"].sum())


def test_a_round_with_an_unknown_time_has_no_total_and_the_others_do() -> None:
    study = collected_study(rounds=2, texts=10)
    seconds = study.examples["seconds"].copy()
    seconds.iloc[3] = np.nan
    found = effort(dataclasses.replace(study, examples=study.examples.assign(seconds=seconds)))
    assert found["writing_seconds"].isna().tolist() == [True, False, False, False, False, False]
    assert found["voting_seconds"].notna().all()


def test_texts_without_votes_took_no_voting() -> None:
    found = effort(collected_study(votes=0, texts=5))
    assert (found["voting_seconds"] == 0).all()
    assert (found["cost"] == 250).all()


def test_nothing_collected_gives_no_rows() -> None:
    assert effort(awkward_studies()["no examples"]).empty
