"""The section "cross": which models are scored on whose examples, and what is claimed of that."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from tests.collection.analytics.sections_compare import made, rows
from tests.collection.analytics.studies_compare import study, with_table


def test_models_are_not_scored_on_writers_that_they_were_trained_on() -> None:
    given = study(rounds=3, writers=4)
    matrix = {
        (row["arm"], row["round"], row["on_arm"], row["on_round"]): row
        for row in rows(made("cross", given), "cross-matrix")
    }
    assert matrix["dynamic", 2, "dynamic", 2]["accuracy"].value is None
    assert "also wrote" in matrix["dynamic", 2, "dynamic", 2]["accuracy"].limit
    assert matrix["dynamic", 2, "dynamic", 3]["accuracy"].n == 36
    assert matrix["dynamic", 2, "static", 1]["accuracy"].n == 36
    assert matrix["", 0, "dynamic", 1]["accuracy"].n == 36
    examples = given.examples.copy()
    examples.loc[examples["writer"] == "dynamic writer 3.0", "writer"] = "dynamic writer 1.0"
    some = rows(made("cross", with_table(given, "examples", examples)), "cross-matrix")
    row = next(
        item
        for item in some
        if (item["arm"], item["round"], item["on_arm"], item["on_round"]) == ("dynamic", 1, "dynamic", 3)
    )
    assert (row["accuracy"].n, row["left_out"]) == (26, 10)


def test_writers_of_other_arms_are_left_out_too_where_they_wrote_what_a_model_was_trained_on() -> None:
    given = study(rounds=2, writers=4)
    examples = given.examples.copy()
    examples.loc[examples["writer"] == "static writer 2.0", "writer"] = "dynamic writer 1.0"
    of = {
        (row["arm"], row["round"], row["on_arm"], row["on_round"]): row
        for row in rows(made("cross", with_table(given, "examples", examples)), "cross-matrix")
    }
    assert (of["dynamic", 1, "static", 2]["accuracy"].n, of["dynamic", 1, "static", 2]["left_out"]) == (26, 10)
    assert (of["static", 1, "static", 2]["accuracy"].n, of["static", 1, "static", 2]["left_out"]) == (36, 0)
    assert of["", 0, "static", 2]["left_out"] == 0


def test_empty_cells_of_the_matrix_are_counted_by_their_reason() -> None:
    given = study(rounds=3, writers=4)
    gone = (given.examples["arm"] == "dynamic") & (given.examples["round"] == 3)
    state = given.examples["state"].mask(gone, "rejected")
    found = made("cross", with_table(given, "examples", given.examples.assign(state=state)))
    empty_cells = [row["accuracy"].limit for row in rows(found, "cross-matrix") if row["accuracy"].value is None]
    for why in ("no example was left whose writer", "the round has no accepted examples"):
        (limit,) = [limit for limit in found.limits if why in limit]
        count = sum(("also wrote" in of_cell) == ("whose writer" in why) for of_cell in empty_cells)
        assert count > 0
        assert limit.startswith(f"{count} of ")


@pytest.mark.parametrize(("people", "claimed"), [(1, False), (30, True)])
def test_models_are_told_apart_on_texts_of_several_writers_or_contexts_only(people: int, claimed: bool) -> None:
    given = study(rounds=3, quota=300, writers=people, contexts=people)
    label_of = dict(zip(given.examples["key"], given.examples["label"].map(given.labels.index), strict=True))
    scores = given.round_scores
    wrong = [
        np.array([1 - label_of[key] for key in keys]) if version == "base" else said
        for version, keys, said in zip(scores["version"], scores["examples"], scores["predicted"], strict=True)
    ]
    found = made("cross", with_table(given, "round_scores", scores.assign(predicted=wrong)))
    assert any("the model of" in sentence for sentence in found.findings) == claimed
    assert any("one writer's examples of one context" in sentence for sentence in found.findings) != claimed


def test_beside_each_accuracy_of_the_matrix_stands_what_it_is_made_of() -> None:
    given = study(rounds=2)
    name, on_arm = "cross-matrix", "dynamic"
    row = next(row for row in rows(made("cross", given), name) if row["on_arm"] == on_arm and row["on_round"] == 2)
    scores = given.round_scores
    base = set(given.versions.loc[given.versions["role"] == "base", "version"])
    score = scores[scores["version"].isin(base) & (scores["arm"] == on_arm) & (scores["round"] == 2)].iloc[0]
    gold = given.accepted.set_index("key")["label"][list(score["examples"])].map(given.labels.index).to_numpy()
    said = np.asarray(score["predicted"])
    assert row["balanced"].value == pytest.approx(balanced_accuracy_score(gold, said))
    assert row["balanced"].low < row["balanced"].value < row["balanced"].high
    assert row["majority"] == pytest.approx(np.bincount(gold).max() / len(gold))
    for at in range(len(given.labels)):
        assert row[f"share_{at}"] == pytest.approx(np.mean(said == at))
