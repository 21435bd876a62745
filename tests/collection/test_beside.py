"""What is trained and scored beside the loop; training runs are ended by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from pytest_django import DjangoAssertNumQueries

from collection import experiments
from collection.beside import work_beside
from collection.models import CurveVersion, Evaluation, Experiment, Round, RoundScore
from collection.reconcile import reconcile
from collection.training_data import equally_many
from modelserver import runs
from modelserver.datafiles import DataStore, Row
from modelserver.models import TrainingRun
from modelserver.states import RunState
from tests import factories

pytestmark = pytest.mark.django_db

CLIENT = factories.client_that_says("entailment")
QUICK: dict[str, Any] = {"quota": 2, "quorum": 1, "max_validations": 1, "rounds": 2}
ARMS = ("non-adversarial", "static", "dynamic")


@pytest.fixture
def store(tmp_path: Path) -> DataStore:
    """Data files of a test."""
    return DataStore(f"file://{tmp_path}/data", tmp_path / "cache")


def until_quiet(store: DataStore) -> list[str]:
    """Reconcile and train until nothing is left to do; gives the keys of the runs, in their order."""
    done: list[str] = []
    while True:
        reconcile(CLIENT, store)
        waiting = runs.due()
        if not waiting:
            return done
        for run in waiting:
            factories.train(run)
            done.append(run.key.partition(":")[0])


def a_round(experiment: Experiment, store: DataStore, quota: int = 2) -> list[str]:
    """Every arm collects a round; then whatever is due is trained."""
    for arm in ARMS:
        factories.accepted(experiment, arm, quota)
    return until_quiet(store)


def test_with_one_seed_and_equal_data_the_loops_own_versions_are_the_curve(store: DataStore) -> None:
    experiment = factories.running(**QUICK)
    done = a_round(experiment, store)
    assert "curve" not in done
    for item in CurveVersion.objects.all():
        assert item.version == item.round.trained_version
        assert item.rows == 2


def test_without_seeds_nothing_is_trained_or_scored_beside_the_loop(store: DataStore) -> None:
    experiment = factories.running(**QUICK, curve_seeds=0)
    assert a_round(experiment, store) == ["train"] * 3
    assert not CurveVersion.objects.exists()


def test_more_seeds_are_trained_beside_the_loop_each_on_the_same_rows(store: DataStore) -> None:
    experiment = factories.running(**QUICK, curve_seeds=3)
    done = a_round(experiment, store)
    assert done.count("curve") == 3 * 2
    dynamic = CurveVersion.objects.filter(round__arm__slug="dynamic").order_by("index")
    assert [item.seed for item in dynamic] == [experiment.seed, experiment.seed + 1, experiment.seed + 2]
    assert len({item.data_sha256 for item in dynamic}) == 1
    assert len({item.version_id for item in dynamic}) == 3
    assert {item.version.data_sha256 for item in dynamic} == {dynamic[0].data_sha256}  # type: ignore[union-attr]


def test_an_arm_with_more_examples_is_drawn_down_to_the_arm_with_the_fewest() -> None:
    many = [(number, Row(f"a{number}{index}", ("x",), "l")) for number in (1, 2) for index in range(5)]
    few = [
        (1, Row("b0", ("x",), "l")),
        (1, Row("b1", ("x",), "l")),
        *((2, Row(f"c{i}", ("x",), "l")) for i in range(9)),
    ]
    drawn, kept = equally_many([many, few], seed=7)
    assert [row.id[:2] for row in drawn] == ["a1"] * 2 + ["a2"] * 5
    assert len(kept) == 7
    assert equally_many([many[:5], few[:2]], seed=7)[0] == drawn[:2], "what is drawn of round 1 stays as it was"
    assert equally_many([many, few], seed=8)[0] != drawn


def test_a_curve_is_trained_where_an_arm_has_left_rows_out(store: DataStore) -> None:
    experiment = factories.running(**QUICK)
    for arm in ARMS:
        factories.accepted(experiment, arm, 2)
    # As if a row of this arm had been too close to a test set.
    reconcile(CLIENT, store)
    for run in runs.due():
        factories.train(run)
    example = Round.objects.get(arm__slug="static", number=1).examples.first()
    assert example is not None
    type(example).objects.filter(pk=example.pk).update(state="rejected")
    done = until_quiet(store)
    assert done.count("curve") == 3
    assert set(CurveVersion.objects.values_list("rows", flat=True)) == {1}


def test_nothing_is_requested_while_the_loop_has_a_run(store: DataStore) -> None:
    experiment = factories.running(**QUICK, curve_seeds=2)
    a_round(experiment, store)
    before = TrainingRun.objects.count()
    factories.accepted(experiment, "dynamic", 2)
    reconcile(CLIENT, store)
    reconcile(CLIENT, store)
    assert [run.key.partition(":")[0] for run in runs.due()] == ["train"]
    assert TrainingRun.objects.count() == before + 1


def test_the_whole_site_has_one_run_beside_the_loops_at_a_time(store: DataStore, settings: LazySettings) -> None:
    for slug in ("one", "two"):
        experiment = factories.running(slug, **QUICK, curve_seeds=2)
        for arm in ARMS:
            factories.accepted(experiment, arm, 2)
    settings.BESIDE_AT_ONCE = 0
    until_quiet(store)
    assert not TrainingRun.objects.filter(key__startswith="curve:").exists()
    settings.BESIDE_AT_ONCE = 1
    for _ in range(3):
        reconcile(CLIENT, store)
    assert [run.key.partition(":")[0] for run in runs.due()] == ["curve"]
    until_quiet(store)
    assert CurveVersion.objects.exclude(version=None).count() == 2 * 3 * 2


def test_a_later_seed_of_a_chain_starts_from_its_own_version_of_the_round_before(store: DataStore) -> None:
    experiment = factories.running(**QUICK, curve_seeds=2, start_from="previous")
    a_round(experiment, store)
    a_round(experiment, store)
    second = CurveVersion.objects.get(round__arm__slug="dynamic", round__number=2, index=1)
    first = CurveVersion.objects.get(round__arm__slug="dynamic", round__number=1, index=1)
    assert second.version is not None
    assert second.version.parent == first.version


def test_the_panel_is_scored_on_every_round_and_all_versions_once_the_study_is_over(store: DataStore) -> None:
    experiment = factories.running(**(QUICK | {"rounds": 3}))
    a_round(experiment, store)
    a_round(experiment, store)
    numbers = {
        str(version): set(RoundScore.objects.filter(model_version=version).values_list("round__number", flat=True))
        for version in {score.model_version for score in RoundScore.objects.select_related("model_version")}
    }
    assert numbers["base/0"] == numbers["study-dynamic/1"] == numbers["study-static/2"] == {1, 2}
    a_round(experiment, store)
    experiment.refresh_from_db()
    assert experiment.state == "finished"
    versions = 1 + 3 * 3
    assert RoundScore.objects.count() == versions * 9
    score = RoundScore.objects.select_related("round")[0]
    accepted = score.round.examples.order_by("pk").values_list("key", flat=True)
    assert score.examples == [str(key) for key in accepted]


def test_a_run_that_fails_holds_up_nothing_else(store: DataStore) -> None:
    experiment = factories.running(**QUICK, curve_seeds=2)
    for arm in ARMS:
        factories.accepted(experiment, arm, 2)
    failed = 0
    for _ in range(40):
        reconcile(CLIENT, store)
        for run in runs.due():
            if run.key.startswith("curve:") and not failed:
                claimed = runs.claim(run.pk)
                assert claimed is not None
                runs.fail(claimed, "broken", final=True)
                failed += 1
            else:
                factories.train(run)
    assert failed == 1
    assert CurveVersion.objects.filter(version=None).count() == 1
    assert RoundScore.objects.exists()


def test_work_beside_goes_on_after_an_experiment_was_ended(store: DataStore) -> None:
    experiment = factories.running(**QUICK, curve_seeds=2)
    for arm in ARMS:
        factories.accepted(experiment, arm, 2)
    while not TrainingRun.objects.filter(key__startswith="curve:").exists():
        reconcile(CLIENT, store)
        for run in runs.due():
            if not run.key.startswith("curve:"):
                factories.train(run)
    experiment.refresh_from_db()
    experiments.end(experiment)
    assert TrainingRun.objects.get(key__startswith="curve:").state == RunState.QUEUED
    until_quiet(store)
    assert not CurveVersion.objects.filter(version=None).exists()


def test_a_test_set_that_came_later_is_scored_for_the_curve_too(store: DataStore) -> None:
    experiment = factories.running(**QUICK, curve_seeds=2)
    a_round(experiment, store)
    experiment.test_sets.add(factories.plain_set(store))
    until_quiet(store)
    curve = CurveVersion.objects.values("version")
    assert Evaluation.objects.filter(model_version__in=curve).count() == 6


def test_looking_for_work_costs_no_more_with_more_versions(
    store: DataStore, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    experiment = factories.running(**(QUICK | {"rounds": 4}), curve_seeds=3)
    for _ in range(3):
        a_round(experiment, store)
    with django_assert_max_num_queries(25):
        work_beside(experiment, store)
