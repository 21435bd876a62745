"""The section "panel": a change of texts told from a change of models."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest

from collection.analytics.study import Study
from tests.collection.analytics.sections_compare import made, rows
from tests.collection.analytics.studies_compare import study, with_one_writer, with_table


def test_the_panel_tells_better_models_from_other_writers() -> None:
    given = study(rounds=6, quota=300, contexts=30)
    examples = given.examples.copy()
    random = np.random.default_rng(1)
    falling = 0.6 - 0.08 * examples["round"].to_numpy()
    examples["fooled"] = examples["fooled"].where(examples["fooled"].isna(), random.random(len(examples)) < falling)
    found = made("panel", with_table(given, "examples", examples))
    trend = next(row for row in rows(found, "panel-trend") if row["arm"] == "dynamic")
    assert trend["loop"].high < 0 < trend["panel"].high
    assert trend["difference"].high < 0
    assert any("harder to fool" in sentence for sentence in found.findings)
    assert any("No model was shown" in sentence for sentence in found.findings)
    panel_models = {row["model"] for row in rows(found, "frozen-panel")}
    assert "base version" in panel_models
    beside = [row for row in rows(found, "panel-and-loop") if row["arm"] == "dynamic" and row["round"] == 1]
    own = examples[(examples["arm"] == "dynamic") & (examples["round"] == 1)]
    confirmed = int((own["fooled"].astype(bool) & (own["state"] == "accepted")).sum())
    assert beside[1]["vmer"].value == pytest.approx(confirmed / 300)
    accepted = own[own["state"] == "accepted"]
    assert beside[1]["share"].value == pytest.approx(confirmed / len(accepted))
    assert beside[0]["share"].n == beside[1]["share"].n == len(accepted)
    assert "vmer" not in beside[0]


def _with_states(given: Study, accepted: Callable[[int], float], other: str = "rejected") -> Study:
    """The study with so many of the texts of each round accepted, whatever they did to the model."""
    chance = given.examples["round"].map(accepted).to_numpy(dtype=float)
    kept = np.random.default_rng(4).random(len(chance)) < chance
    before = set(given.examples.loc[given.examples["state"] == "accepted", "key"])
    state = np.where(kept & given.examples["key"].isin(before).to_numpy(), "accepted", other)
    return with_table(given, "examples", given.examples.assign(state=state))


def test_a_falling_share_of_accepted_texts_does_not_pass_for_models_that_are_harder_to_fool() -> None:
    found = made("panel", _with_states(study(rounds=6, quota=300, contexts=30), lambda number: 1 - 0.13 * number))
    trend = next(row for row in rows(found, "panel-trend") if row["arm"] == "dynamic")
    assert trend["loop"].low < 0 < trend["loop"].high
    assert trend["difference"].low < 0 < trend["difference"].high
    own = [sentence for sentence in found.findings if "In dynamic" in sentence]
    assert "We cannot tell a change of the models" in own[0]
    vmer = [row["vmer"].value for row in rows(found, "panel-and-loop") if row["arm"] == "dynamic" and "vmer" in row]
    assert vmer[-1] < vmer[0] / 2


def test_where_the_loop_holds_the_base_version_nothing_lies_between_the_two() -> None:
    given = _with_states(study(rounds=4, quota=160), lambda number: 1 - 0.2 * number)
    scores = given.round_scores[given.round_scores["version"] == "base"]
    said = {
        key: given.labels[label]
        for keys, predicted in zip(scores["examples"], scores["predicted"], strict=True)
        for key, label in zip(keys, predicted.tolist(), strict=True)
    }
    static = given.examples["arm"] == "static"
    fooled = given.examples["key"].map(said) != given.examples["label"]
    shown = with_table(given, "examples", given.examples.assign(fooled=given.examples["fooled"].where(~static, fooled)))
    trend = next(row for row in rows(made("panel", shown), "panel-trend") if row["arm"] == "static")
    assert trend["difference"].value is None
    assert "said the same of every text" in trend["difference"].limit
    assert trend["loop"].value == pytest.approx(trend["panel"].value)


def _with_first_round(given: Study, kept: Callable[[int], bool], writer: str = "") -> Study:
    """The study with some of the accepted texts of the first round of "dynamic", all by one writer if one is given."""
    examples = given.examples.copy()
    first = (examples["arm"] == "dynamic") & (examples["round"] == 1)
    place = first.cumsum() - 1
    examples.loc[first & ~place.map(kept), "state"] = "rejected"
    examples.loc[first, "writer"] = writer or examples["writer"]
    return with_table(given, "examples", examples)


@pytest.mark.parametrize(("texts", "writer"), [(1, ""), (2, ""), (19, ""), (60, "the only one")])
def test_a_round_of_few_texts_or_writers_is_left_out_of_the_trend_and_named(texts: int, writer: str) -> None:
    given = study(rounds=5, quota=60, writers=12, contexts=12)
    found = made("panel", _with_first_round(given, lambda place: place < texts, writer))
    trend = {row["arm"]: row for row in rows(found, "panel-trend")}
    assert (trend["dynamic"]["rounds"], trend["static"]["rounds"]) == (4, 5)
    assert any(limit.startswith("The trend of dynamic leaves out round 1: ") for limit in found.limits)
    assert not any("The trend of static" in limit for limit in found.limits)
    # Nor do other rounds suffer: they have writers and contexts enough, and say so.
    first, *others = (
        row["share"]
        for row in rows(found, "panel-and-loop")
        if row["arm"] == "dynamic" and row["model"].startswith("base")
    )
    assert all("alone" not in share.limit and share.high - share.low < 0.6 for share in others)
    if texts == 1:
        assert first.high - first.low > 0.95
    if writer:
        assert "not about other writers" in first.limit
        assert "over contexts" in first.method


def test_a_trend_counts_the_texts_of_all_its_rounds() -> None:
    found = made("panel", study(rounds=4))
    for row in rows(found, "panel-trend"):
        assert row["panel"].n == 4 * 36
        assert row["loop"] is None or row["loop"].n == row["difference"].n == 4 * 36


def test_an_arm_whose_only_writer_stays_has_a_trend_that_is_not_about_others() -> None:
    found = made("panel", with_one_writer(study(rounds=4)))
    assert len(rows(found, "panel-trend")) == 3
    assert all("not about other writers" in row["panel"].limit for row in rows(found, "panel-trend"))


def test_where_too_few_rounds_have_enough_texts_there_is_no_trend() -> None:
    found = made("panel", study(rounds=4, quota=10))
    assert rows(found, "panel-trend") == []
    assert any("dynamic leaves out rounds 1, 2, 3 and 4" in limit for limit in found.limits)
    assert any(limit.startswith("dynamic has fewer than 3 rounds") for limit in found.limits)


def test_the_vmer_beside_the_panel_leaves_out_texts_that_are_not_decided() -> None:
    given = study(rounds=3)
    waiting = _with_states(given, lambda number: 0.6, "pending")
    decided = with_table(given, "examples", waiting.examples[waiting.examples["state"] == "accepted"])
    first, second = (
        [row.get("vmer") for row in rows(made("panel", item), "panel-and-loop")] for item in (waiting, decided)
    )
    assert first == second
    assert any("texts are not decided yet; vMER" in limit for limit in made("panel", waiting).limits)


def test_no_cause_of_a_change_of_texts_is_named() -> None:
    found = made("panel", study(rounds=3))
    told = (found.title, *found.findings, *(chart.description for chart in found.charts))
    assert not any("writers chang" in text or "of writers" in text for text in told)
    assert "does not tell these apart" in found.limits[0]


def test_examples_with_a_label_that_the_task_lacks_are_no_errors_of_the_base_version() -> None:
    given = study(rounds=3)
    examples = given.examples.copy()
    examples.loc[examples.index[::2], "label"] = "maybe"
    of_known = with_table(given, "examples", examples[examples["label"] != "maybe"])
    with_others = with_table(given, "examples", examples)
    first, second = (
        [row["share"] for row in rows(made("panel", item), "panel-and-loop")] for item in (with_others, of_known)
    )
    assert first == second


def test_figures_of_texts_have_no_caution_about_training_seeds() -> None:
    found = made("panel", study(rounds=3, seeds=1))
    assert all("training seed" not in found.table(name).caution for name in ("panel-and-loop", "panel-trend"))


@pytest.mark.parametrize(
    ("wrong_by_round", "said"),
    [
        ((0.4, 0.4, 0.4), "we cannot tell whether.* so any change is one of texts."),
        ((0.1, 0.4, 0.7), "was wrong more and more often.* so any change is one of texts."),
    ],
)
def test_where_no_model_was_shown_a_change_is_claimed_only_if_there_is_one(
    wrong_by_round: tuple[float, ...], said: str
) -> None:
    given = study(rounds=3, quota=120, contexts=30)
    random = np.random.default_rng(0)
    label_of = dict(zip(given.examples["key"], given.examples["label"].map(given.labels.index), strict=True))
    predicted = [
        np.array([label_of[key] ^ int(random.random() < wrong_by_round[number - 1]) for key in keys])
        for number, keys in zip(given.round_scores["round"], given.round_scores["examples"], strict=True)
    ]
    found = made("panel", with_table(given, "round_scores", given.round_scores.assign(predicted=predicted)))
    about = next(sentence for sentence in found.findings if sentence.startswith("In non-adversarial"))
    assert re.search(said, about)
