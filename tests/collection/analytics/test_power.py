"""Simulated power, against statsmodels and against studies simulated row by row."""

from __future__ import annotations

import dataclasses
import json
import re

import numpy as np
import pytest
from scipy.stats import norm, t
from statsmodels.stats.power import TTestPower

from collection.analytics.assumptions import assumptions_of, intra_cluster_correlation, saved_so_far
from collection.analytics.metrics import Estimate
from collection.analytics.power import ENOUGH, GRIDS, LARGEST, Design, DesignError, simulate, smallest, varied
from collection.analytics.power_section import plan_section
from collection.analytics.study import Study, table
from tests.collection.analytics.studies_compare import with_table
from tests.collection.analytics.studies_returns import curved_study


def test_with_no_luck_in_training_power_is_that_of_a_paired_t_test() -> None:
    design = Design(test_rows=60, contexts=60, icc=0, seeds=1, seed_sd=0, base_error=0.4, reduction=0.4)
    first, second = 0.4 * 0.6, 0.24 * 0.76
    deviation = np.sqrt(first + second - 2 * design.row_correlation * np.sqrt(first * second))
    expected = TTestPower().power(effect_size=0.16 / deviation, nobs=60, alpha=0.05)
    found = simulate(design, 20_000)
    assert found.power.value == pytest.approx(expected, abs=0.01)
    assert found.type_one.value == pytest.approx(0.05, abs=0.006)


def test_power_is_that_of_studies_simulated_row_by_row() -> None:
    random = np.random.default_rng(1)
    studies, rows, seeds, seed_sd = 400, 500, 4, 0.012
    rates = np.array([0.25, 0.21])
    moved = np.clip(rates[:, None] + random.normal(0, seed_sd, (studies, 2, seeds)), 0.01, 0.99)
    latent = np.sqrt(0.7) * random.normal(size=(studies, 1, 1, rows))
    latent = latent + np.sqrt(0.3) * random.normal(size=(studies, 2, seeds, rows))
    wrong = latent < norm.ppf(moved)[..., None]
    phi = np.mean([np.corrcoef(one[0, 0], one[1, 0])[0, 1] for one in wrong[:100]])
    mean = wrong.mean(axis=2)
    difference = mean[:, 0].mean(axis=1) - mean[:, 1].mean(axis=1)
    by_rows = np.var(mean[:, 0] - mean[:, 1], axis=1, ddof=1) / rows
    total = np.var(wrong.mean(axis=3), axis=2, ddof=1)
    chance = np.var(wrong, axis=2, ddof=1).mean(axis=2) / rows
    by_seeds = np.maximum(total - chance, 0) / seeds
    variance = by_rows + by_seeds.sum(axis=1)
    freedom = variance**2 / (by_rows**2 / (rows - 1) + (by_seeds**2).sum(axis=1) / (seeds - 1))
    seen = np.abs(difference) > t.ppf(0.975, freedom) * np.sqrt(variance)
    design = Design(
        test_rows=rows, contexts=rows, icc=0, seeds=seeds, seed_sd=seed_sd, base_error=0.25, reduction=0.16,
        row_correlation=float(phi), seed_correlation=float(phi),
    )  # fmt: skip
    assert simulate(design, 4000).power.value == pytest.approx(seen.mean(), abs=0.07)


def test_more_of_anything_gives_more_power_and_clusters_take_it() -> None:
    design = Design(reduction=0.08, seeds=4)
    power = simulate(design).power.value or 0
    for name in ("test_rows", "seeds"):
        assert (simulate(varied(design, name, 4 * getattr(design, name))).power.value or 0) > power
    assert (simulate(dataclasses.replace(design, quota=50)).power.value or 1) < power
    assert (simulate(dataclasses.replace(design, icc=0.5)).power.value or 1) < power


def test_what_contexts_and_seeds_do_not_show_makes_the_test_see_what_is_not_there() -> None:
    assert (simulate(Design(writer_sd=0.05)).type_one.low or 0) > 0.05
    assert (simulate(Design(seeds=1)).type_one.low or 0) > 0.05


def test_the_smallest_design_has_enough_and_the_one_before_has_not() -> None:
    design = Design(reduction=0.1)
    found = smallest(design, "seeds")
    assert found.design is not None
    assert (found.power.value or 0) >= ENOUGH
    before = GRIDS["seeds"][GRIDS["seeds"].index(found.design.seeds) - 1]
    assert (simulate(varied(design, "seeds", before)).power.value or 1) < ENOUGH
    assert smallest(Design(reduction=0.001), "test_rows").design is None


def test_a_test_set_grows_by_contexts() -> None:
    grown = varied(Design(test_rows=500, contexts=50), "test_rows", 1000)
    assert (grown.test_rows, grown.contexts) == (1000, 100)


def test_pay_adds_up() -> None:
    design = Design(rounds=2, quota=10, base_pay=50, fooling_bonus=30, validation_pay=10, votes=3, vmer=0.5)
    # Three arms of 20 texts at 50 and three votes at 10; half of those of two arms earn 30 more.
    assert design.cost == 3 * 20 * (50 + 30) + 2 * 20 * 0.5 * 30


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rounds", 0),
        ("arms", 1),
        ("contexts", 1000),
        ("icc", 1.5),
        ("vmer", float("nan")),
        ("seed_sd", float("inf")),
        ("base_error", 0),
        ("reduction", 1),
        ("reduction", float("nan")),
        ("row_correlation", 0.9),
        ("adversarial_arms", 4),
    ],
)
def test_a_design_that_cannot_be_is_refused_by_name(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"^{field}: "):
        dataclasses.replace(Design(), **{field: value})  # type: ignore[arg-type]


def test_all_that_is_wrong_with_a_design_is_said_at_once_and_each_thing_once() -> None:
    with pytest.raises(DesignError) as refused:
        Design(rounds=0, contexts=10, test_rows=5, icc=float("nan"), currency="euro")
    assert [fault.fields[0] for fault in refused.value.faults] == ["rounds", "icc", "contexts", "currency"]


@pytest.mark.parametrize(
    "design",
    [
        Design(),
        Design(reduction=0),
        Design(reduction=-0.2),
        Design(seeds=1, test_rows=2, contexts=2),
        Design(row_correlation=1, seed_correlation=1),
        Design(rounds=5, quota=10),
        Design(writer_sd=0.1, contexts=10),
        Design(rounds=LARGEST, quota=LARGEST, arms=LARGEST, test_rows=LARGEST, contexts=LARGEST, seeds=LARGEST),
        Design(seed_sd=LARGEST, writer_sd=LARGEST, base_pay=LARGEST, votes=LARGEST, validation_pay=LARGEST),
        Design(base_error=1e-300, reduction=-1e299),
    ],
)
def test_a_plan_has_an_answer_for_any_design(design: Design) -> None:
    made = plan_section(design, 200)
    json.dumps(made.to_plain(), allow_nan=False)
    assert made.findings
    assert [item.id for item in made.tables] == ["power-answer", "power-smallest", "power-effects", "power-assumptions"]


def test_the_correlation_within_clusters_is_found() -> None:
    random = np.random.default_rng(2)
    clusters = np.repeat(np.arange(3000), 4)
    values = np.sqrt(0.2) * random.normal(size=3000)[clusters] + np.sqrt(0.8) * random.normal(size=12_000)
    assert intra_cluster_correlation(values, clusters) == pytest.approx(0.2, abs=0.02)
    # By hand: clusters (1, 1) and (0, 0) leave nothing within.
    assert intra_cluster_correlation(np.array([1.0, 1, 0, 0]), np.array([0, 0, 1, 1])) == 1
    assert intra_cluster_correlation(np.array([1.0, 0]), np.array([0, 1])) == 0


def test_assumptions_are_those_of_the_study() -> None:
    found = assumptions_of(curved_study(rounds=4, quota=4, seeds=3, wrong=lambda arm, number: 0.35))
    assert (found.rounds, found.quota, found.arms, found.adversarial_arms) == (4, 4, 3, 2)
    assert (found.test_rows, found.contexts, found.seeds, found.writers) == (300, 60, 3, 2)
    assert (found.base_pay, found.fooling_bonus, found.validation_pay) == (50, 30, 10)
    assert (found.votes, found.vmer, found.full_after) == (2, 0.25, 16)
    assert 0.3 < found.base_error < 0.4
    assert 0.2 < found.row_correlation < 0.8
    assert {"base_error", "row_correlation", "icc"} <= set(found.estimated)
    assert "writer_sd" not in found.estimated


def test_what_arms_start_with_is_not_among_the_examples_that_a_reduction_took() -> None:
    study = curved_study(rounds=4, quota=4, wrong=lambda arm, number: 0.3)
    given = dataclasses.replace(study, versions=study.versions.assign(rows=study.versions["rows"] + 1000))
    assert assumptions_of(study).full_after == assumptions_of(given).full_after == 4 * 4
    assert assumptions_of(given).examples == 4 * 4
    # Rows too close to a test set are left out of training.
    fewer = dataclasses.replace(study, versions=study.versions.assign(rows=study.versions["rows"] - 1))
    assert assumptions_of(fewer).full_after == 15


def test_a_plan_is_for_a_stated_effect_and_not_for_the_one_that_was_seen() -> None:
    study = curved_study(rounds=4, quota=50, seeds=3, wrong=lambda arm, number: 0.1 if arm == "dynamic" else 0.4)
    found = assumptions_of(study)
    assert found.reduction == Design().reduction
    assert "reduction" not in found.estimated
    first, second, *_ = plan_section(found, 200, known=saved_so_far(study)).findings
    assert first.startswith("If one arm ends with 20% fewer errors")
    assert "as is assumed here" in first
    ends = re.search(
        r"anything from (\d+)% fewer to (\d+)% fewer errors agrees .*dynamic against .*after round 4", second
    )
    assert ends is not None
    assert 50 < int(ends[1]) < 75 < int(ends[2]) < 90


def test_nothing_is_said_of_an_effect_that_the_study_did_not_see() -> None:
    for study in (
        curved_study(rounds=2, arms={"dynamic": "dynamic"}),
        curved_study(rounds=2, wrong=lambda arm, number: 0.0),
        curved_study(rounds=2, skip=(("static", 2), ("non-adversarial", 2), ("dynamic", 1))),
        dataclasses.replace(curved_study(rounds=2), test_items=table("test_items", [])),
    ):
        assert saved_so_far(study) == ""


def test_a_study_that_says_nothing_gives_the_defaults() -> None:
    study = curved_study(rounds=2)
    for bare in (
        dataclasses.replace(study, **{name: table(name, []) for name in ("examples", "votes", "evaluations")}),
        dataclasses.replace(study, **{name: table(name, []) for name in ("test_sets", "test_items")}),
        curved_study(rounds=2, arms={"dynamic": "dynamic"}),
        curved_study(rounds=2, seeds=1, contexts=1),
        curved_study(rounds=2, wrong=lambda arm, number: 1.0),
        curved_study(rounds=2, seconds=float("nan"), wrong=lambda arm, number: 0.0),
    ):
        assert assumptions_of(bare).base_error > 0


def _seeds_agree(agreement: float, *, arms: tuple[str, ...], skip: tuple[tuple[str, int], ...] = ()) -> Study:
    """A study of one round or two whose seeds err on the same rows as often as by chance (0) or always (1)."""
    study = curved_study(rounds=2, arms={arm: arm for arm in arms}, seeds=2, skip=skip)
    random = np.random.default_rng(3)
    gold = study.test_items["label"].map(study.labels.index).to_numpy()
    wrong = random.random((len(study.evaluations), len(gold))) < 0.3
    wrong[1::2] = np.where(random.random(len(gold)) < agreement, wrong[0::2], wrong[1::2])
    predicted = [np.where(each, 1 - gold, gold) for each in wrong]
    return dataclasses.replace(study, evaluations=study.evaluations.assign(predicted=predicted))


@pytest.mark.parametrize(
    ("arms", "skip"),
    [
        (("dynamic",), ()),
        (("static", "dynamic"), (("static", 2), ("dynamic", 1))),
    ],
    ids=["one arm", "no common round"],
)
def test_seeds_that_agree_less_than_two_arms_are_assumed_to_lower_what_is_assumed_of_these(
    arms: tuple[str, ...], skip: tuple[tuple[str, int], ...]
) -> None:
    found = assumptions_of(_seeds_agree(0.0, arms=arms, skip=skip))
    assert found.seed_correlation < 0.2
    assert found.row_correlation == found.seed_correlation
    assert {"row_correlation", "seed_correlation"} <= set(found.estimated)
    alike = assumptions_of(_seeds_agree(1.0, arms=arms, skip=skip))
    assert alike.seed_correlation == pytest.approx(1)
    assert alike.row_correlation == Design().row_correlation
    assert "row_correlation" not in alike.estimated


@pytest.mark.parametrize("rows", [2, 3, 40, 99])
@pytest.mark.parametrize("contexts", [1, 2])
def test_a_small_test_set_has_no_more_contexts_than_rows(rows: int, contexts: int) -> None:
    found = assumptions_of(curved_study(rounds=2, rows=rows, contexts=contexts))
    assert found.test_rows == rows
    assert found.contexts == (2 if contexts == 2 else rows)
    assert "contexts" in found.estimated


def test_where_every_text_fooled_the_model_what_they_earned_is_the_base_pay() -> None:
    given = curved_study(rounds=2, quota=4)
    fooled = given.examples.assign(fooled=True, cost=80.0)
    found = assumptions_of(with_table(given, "examples", fooled))
    assert (found.base_pay, found.fooling_bonus) == (80, 0)
    assert "fooling_bonus" not in found.estimated


def test_pay_that_a_study_does_not_tell_is_no_pay_of_zero() -> None:
    given = curved_study(rounds=2, quota=4)
    unpaid = with_table(given, "examples", given.examples.assign(cost=np.nan))
    made = plan_section(assumptions_of(unpaid), simulations=50)
    cost = made.table("power-answer").rows[0]["cost"]
    assert isinstance(cost, Estimate)
    assert (
        cost.limit == "not enough data: pay of an accepted example and bonus of one that fooled the model are not known"
    )
    # A plan without a study states its pay.
    assert plan_section(Design(), simulations=50).table("power-answer").rows[0]["cost"] == 0


def test_pay_beyond_what_a_design_can_hold_is_cut() -> None:
    given = curved_study(rounds=2, quota=4)
    rich = with_table(given, "examples", given.examples.assign(cost=2e9))
    assert assumptions_of(rich).base_pay == LARGEST
