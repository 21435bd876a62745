"""From an open round to the next one, by reconcile alone; training runs are ended by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from pytest_django import DjangoAssertNumQueries

from collection import assignment, experiments, submission
from collection.demo.tasks import task
from collection.errors import Conflict, Invalid, NothingToDo
from collection.importing.jsonl import LabelledRow
from collection.importing.test_sets import import_test_set
from collection.models import IMPORTED_RUN, Evaluation, Example, Experiment, ImportedVersion, Round, TestSet
from collection.reconcile import reconcile
from collection.rounds import record_scores, request_scores, unscored
from lifecycle.models import StateChange
from modelserver import runs
from modelserver.datafiles import DataStore
from modelserver.models import LONGEST_KEY, ModelVersion, TrainingRun
from tests import factories

pytestmark = pytest.mark.django_db

CLIENT = factories.client_that_says("entailment")
work, plain_set = factories.train, factories.plain_set
QUICK: dict[str, Any] = {"quota": 1, "quorum": 1, "max_validations": 1, "rounds": 2}


@pytest.fixture
def store(tmp_path: Path) -> DataStore:
    """Data files of a test."""
    return DataStore(f"file://{tmp_path}/data", tmp_path / "cache")


def fail(run: TrainingRun, message: str = "broken") -> None:
    """A worker whose training cannot succeed."""
    claimed = runs.claim(run.pk)
    assert claimed is not None
    runs.fail(claimed, message, field="data", final=True)


def round_of(arm: str, number: int) -> Round:
    """A round."""
    return Round.objects.get(arm__slug=arm, number=number)


def test_each_arm_goes_through_its_rounds_against_its_own_version(store: DataStore) -> None:
    experiment = factories.running(**QUICK, test_sets=[plain_set(store)])
    for number in (1, 2):
        for arm in ("non-adversarial", "static", "dynamic"):
            factories.accepted(experiment, arm, 1)
        reconcile(CLIENT, store)
        for run in runs.due():
            work(run)
        reconcile(CLIENT, store)
        assert round_of("dynamic", number).state == "done"
    assert [round_of("static", number).model_version for number in (1, 2)] == [factories.base_version()] * 2
    assert [str(round_of("dynamic", number).model_version) for number in (1, 2)] == ["base/0", "study-dynamic/1"]
    assert [round_of("non-adversarial", number).model_version for number in (1, 2)] == [None, None]
    assert round_of("dynamic", 2).trained_version.data_rows == 2  # type: ignore[union-attr]
    assert Evaluation.objects.count() == 6
    experiment.refresh_from_db()
    assert experiment.state == "finished"
    with pytest.raises(NothingToDo) as nothing:
        assignment.claim(experiment, Example.objects.all()[0].annotator)
    assert nothing.value.code == "study_over"


def test_a_round_closes_at_its_quota_and_not_before(store: DataStore) -> None:
    experiment = factories.running(**(QUICK | {"quota": 2}))
    factories.accepted(experiment, "dynamic", 1)
    reconcile(CLIENT, store)
    assert round_of("dynamic", 1).state == "open"
    factories.accepted(experiment, "dynamic", 1)
    reconcile(CLIENT, store)
    assert round_of("dynamic", 1).state == "training"


def test_reconciling_again_and_again_changes_nothing(store: DataStore) -> None:
    experiment = factories.running(**QUICK)
    factories.accepted(experiment, "dynamic", 1)
    reconcile(CLIENT, store)
    moves = StateChange.objects.count()
    for _ in range(3):
        reconcile(CLIENT, store)
    assert StateChange.objects.count() == moves
    assert TrainingRun.objects.count() == 1


def test_a_version_is_trained_on_the_accepted_examples_of_its_own_arm(store: DataStore) -> None:
    experiment = factories.running(**QUICK)
    factories.accepted(experiment, "static", 1)
    rejected = factories.written(experiment, "dynamic")
    factories.voted(experiment, factories.member_of(experiment, "static"), None, "nonsense")
    rejected.refresh_from_db()
    assert rejected.state == "flagged"
    mine = factories.accepted(experiment, "dynamic", 1)[0]
    reconcile(CLIENT, store)
    run = round_of("dynamic", 1).training_run
    assert run is not None
    content = store.fetch(run.spec["data_sha256"]).read_text()
    assert content.count("\n") == 1
    assert str(mine.key) in content


def test_what_is_nearly_a_test_row_is_left_out_of_training_and_told(store: DataStore) -> None:
    experiment = factories.running(**(QUICK | {"quota": 2}), contexts=["It is a cold dark winter night."])
    writer = factories.member_of(experiment, "dynamic")
    texts = ["Snow falls tonight.", "A completely different sentence about a warm summer evening in a garden."]
    keys = []
    for text in texts:
        held = assignment.claim(experiment, writer)
        stored = factories.attempted(held, factories.fooled(held), text)
        example = submission.submit(held.key, writer, stored.key)
        factories.voted(experiment, factories.member_of(experiment, "static"), example.label)
        keys.append(str(example.key))
    rows = [LabelledRow(1, ("It is a cold dark winter night.", "Snow falls tonight!"), "entailment")]
    experiment.test_sets.add(import_test_set("near", "near", task("nli"), TestSet.Kind.EXPERT, rows, store))
    reconcile(CLIENT, store)
    move = StateChange.objects.get(subject_type="collection.round", to_state="training")
    assert move.detail == {"rows": 1, "left_out_as_test_text": [keys[0]]}


def test_a_run_that_fails_for_good_stops_the_round_and_can_be_tried_again(store: DataStore) -> None:
    experiment = factories.running(**QUICK)
    factories.accepted(experiment, "dynamic", 1)
    reconcile(CLIENT, store)
    fail(runs.due()[0])
    reconcile(CLIENT, store)
    stopped = round_of("dynamic", 1)
    assert (stopped.state, stopped.problem) == ("failed", "broken")
    experiments.retry_round(stopped)
    with pytest.raises(Conflict):
        experiments.retry_round(stopped)
    reconcile(CLIENT, store)
    work(runs.due()[0])
    reconcile(CLIENT, store)
    assert round_of("dynamic", 1).state == "done"
    assert round_of("dynamic", 2).state == "open"


def test_a_test_set_that_comes_later_is_scored_too(store: DataStore) -> None:
    experiment = factories.running(**QUICK)
    factories.accepted(experiment, "dynamic", 1)
    reconcile(CLIENT, store)
    experiment.test_sets.add(plain_set(store))
    work(runs.due()[0])
    reconcile(CLIENT, store)
    assert round_of("dynamic", 1).state == "evaluating"
    assert [run.kind for run in runs.due()] == ["evaluate"]
    work(runs.due()[0])
    reconcile(CLIENT, store)
    assert round_of("dynamic", 1).state == "done"
    assert Evaluation.objects.get().predicted == [0, 0]


def test_what_an_imported_release_says_of_a_version_that_is_here_is_no_score(store: DataStore) -> None:
    experiment = factories.running(**QUICK, test_sets=[plain_set(store)])
    version, test_set = experiment.base_version, experiment.test_sets.get()
    assert version is not None
    run = TrainingRun.objects.create(key=f"{IMPORTED_RUN}x", study=experiment.key, spec={}, state="succeeded")
    said = Evaluation.objects.create(
        model_version=version, test_set=test_set, run=run, rows=2, accuracy=1, balanced_accuracy=1, predicted=[],
        confidence=[],
    )  # fmt: skip
    assert unscored(experiment, version) == [test_set]
    scored = TrainingRun.objects.create(key="evaluate:x", study=experiment.key, spec={}, state="succeeded")
    scored.scores = [
        {"key": str(test_set.pk), "rows": 2, "accuracy": 0.5, "balanced_accuracy": 0.5, "predicted": [0, 0],
         "confidence": [0.5, 0.5]},
    ]  # fmt: skip
    record_scores(version, scored)
    assert [(item.accuracy, item.run) for item in Evaluation.objects.all()] == [(0.5, scored)]
    # Of one whose weights are elsewhere there will be no other.
    Evaluation.objects.all().delete()
    said.save(force_insert=True)
    ImportedVersion.objects.create(version=version)
    assert unscored(experiment, version) == []


def test_a_run_that_scores_many_late_test_sets_has_a_key_that_fits_and_is_found_again(store: DataStore) -> None:
    experiment = factories.running(**QUICK)
    version = ModelVersion.objects.create(name="x" * 71, version=20, manifest_sha256="0" * 64, labels=["a", "b"])
    sets = [
        TestSet.objects.create(pk=10**9 + number, slug=f"late-{number}", task=experiment.task, rows=1)
        for number in range(20)
    ]
    run = request_scores(experiment, version, sets)
    assert len(run.key) <= LONGEST_KEY
    assert run.key.startswith(f"evaluate:{version}:")
    assert request_scores(experiment, version, sets) == run
    assert request_scores(experiment, version, sets[1:]) != run
    # Short ones are as they were: a run that was asked for before an upgrade is the one that is waited for after it.
    assert request_scores(experiment, version, sets[:2]).key == f"evaluate:{version}:1000000000-1000000001"


def test_an_evaluation_that_failed_is_done_again_when_the_round_is(store: DataStore) -> None:
    experiment = factories.running(**QUICK)
    factories.accepted(experiment, "dynamic", 1)
    reconcile(CLIENT, store)
    experiment.test_sets.add(plain_set(store))
    work(runs.due()[0])
    reconcile(CLIENT, store)
    fail(runs.due()[0])
    reconcile(CLIENT, store)
    assert round_of("dynamic", 1).state == "failed"
    experiments.retry_round(round_of("dynamic", 1))
    reconcile(CLIENT, store)
    work(runs.due()[0])
    reconcile(CLIENT, store)
    assert round_of("dynamic", 1).state == "done"
    assert TrainingRun.objects.filter(key__startswith="train:").count() == 1


def test_a_launch_imports_and_scores_the_base_model_and_opens_every_arm(store: DataStore) -> None:
    experiment = factories.draft(**QUICK, test_sets=[plain_set(store)])
    launch(experiment)
    reconcile(CLIENT, store)
    work(runs.due()[0])
    reconcile(CLIENT, store)
    experiment.refresh_from_db()
    assert experiment.state == "running"
    assert str(experiment.base_version) == "study-base/0"
    assert Round.objects.filter(state="open").count() == 3
    assert Evaluation.objects.get().model_version == experiment.base_version


def test_a_base_model_that_cannot_be_imported_sends_a_launch_back_with_the_reason(store: DataStore) -> None:
    experiment = factories.draft(**QUICK)
    launch(experiment)
    reconcile(CLIENT, store)
    fail(runs.due()[0], "there is no such model")
    reconcile(CLIENT, store)
    experiment.refresh_from_db()
    assert (experiment.state, experiment.problem) == ("draft", "data: there is no such model")
    launch(experiment)
    assert len(runs.due()) == 1


def test_contexts_that_are_in_a_test_set_send_a_launch_back(store: DataStore) -> None:
    contexts = ["It is a cold winter night!", "A man has a dog."]
    experiment = factories.draft(**QUICK, contexts=contexts, test_sets=[plain_set(store)])
    launch(experiment)
    reconcile(CLIENT, store)
    experiment.refresh_from_db()
    assert experiment.state == "draft"
    assert "contexts: 1 of them" in experiment.problem
    assert TrainingRun.objects.count() == 0


def test_a_single_sentence_task_with_three_labels_goes_round_too(store: DataStore) -> None:
    sentiment = task("sentiment")
    experiment = factories.running("mood", **QUICK, task=sentiment)
    writer = factories.member_of(experiment, "dynamic")
    held = assignment.claim(experiment, writer)
    assert held.context is None
    names = sentiment.schema.label_names
    other = next(name for name in names if name != held.target_label)
    client = factories.client_that_says(other, names)
    stored = submission.attempt(held.key, writer, {"text": "It was a fine day out."}, None, "key", client)
    assert client.calls[0][1] == ("It was a fine day out.",)
    example = submission.submit(held.key, writer, stored.key)
    factories.voted(experiment, factories.member_of(experiment, "static"), example.label)
    reconcile(CLIENT, store)
    assert runs.due()[0].spec["labels"] == list(names)


def test_pausing_hands_out_nothing_and_ending_gives_everything_back() -> None:
    experiment = factories.running(**QUICK)
    held = assignment.claim(experiment, factories.member_of(experiment, "dynamic"))
    experiments.pause(experiment)
    with pytest.raises(NothingToDo) as nothing:
        assignment.claim(experiment, held.annotator)
    assert nothing.value.code == "paused"
    with pytest.raises(Conflict):
        experiments.launch(experiment)
    experiments.end(experiment)
    held.refresh_from_db()
    assert held.state == "released"
    assert set(Round.objects.values_list("state", flat=True)) == {"ended"}


def test_ending_while_a_run_moves_ends_nothing_and_says_so(store: DataStore, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = factories.running(**QUICK)
    factories.accepted(experiment, "dynamic", 1)
    reconcile(CLIENT, store)
    cancel = runs.cancel

    def moved_meanwhile(run: TrainingRun) -> None:
        TrainingRun.objects.filter(pk=run.pk).update(state="running")
        cancel(run)

    monkeypatch.setattr("collection.experiments.runs.cancel", moved_meanwhile)
    with pytest.raises(Conflict) as refused:
        experiments.end(experiment)
    assert refused.value.code == "just_changed"
    monkeypatch.setattr("collection.experiments.runs.cancel", cancel)
    assert Experiment.objects.get().state == "running"
    experiments.end(Experiment.objects.get())
    assert TrainingRun.objects.get().state == "cancelled"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"quota": 0}, "quota"),
        ({"quota": True}, "quota"),
        ({"rounds": 1.5}, "rounds"),
        ({"quorum": 4}, "max_validations"),
        ({"currency": "euro"}, "currency"),
        ({"base_pay_minor": -1}, "base_pay_minor"),
        ({"recipe": {"epochs": 0}}, "recipe.epochs"),
        ({"recipe": {"speed": 9}}, "recipe.speed"),
        ({"colour": "red"}, "colour"),
        ({"state": "running"}, "state"),
        ({"base_version_id": 1}, "base_version_id"),
        ({"max_skips": -1}, "max_skips"),
        ({"max_skips": "3"}, "max_skips"),
        ({"seed": 2**63}, "seed"),
        ({"seed": "seed"}, "seed"),
        ({"label_policy": "chosen"}, "label_policy"),
        ({"start_from": ["base"]}, "start_from"),
        ({"currency": None}, "currency"),
        ({"contexts": []}, "contexts"),
        ({"contexts": ["A dog.", "a dog"]}, "contexts[1]"),
        ({"contexts": ["x" * 401]}, "contexts[0]"),
        ({"slug": "not-a-slug-"}, "slug"),
    ],
)
def test_impossible_settings_are_named_and_nothing_is_made(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        factories.draft(**wrong)
    assert refused.value.field == field
    assert Experiment.objects.count() == 0


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"arms": [("a" * 31, "static")]}, "arms"),
        ({"arms": [("one", "eager")]}, "arms"),
    ],
)
def test_a_name_or_an_arm_that_cannot_be_stored_is_named(wrong: dict[str, Any], field: str) -> None:
    plan = {"slug": "s", "name": "x", "task": task("nli"), "base_model": "models/nli-minilm", "contexts": ["A dog."]}
    with pytest.raises(Invalid) as refused:
        experiments.create(experiments.Plan(**{**plan, **wrong}))
    assert refused.value.field == field
    assert Experiment.objects.count() == 0


def test_a_name_is_kept_without_the_space_around_it_and_skips_may_be_unlimited() -> None:
    name = "n" * 100
    settings = {"max_skips": None}
    made = experiments.create(
        experiments.Plan("s", f" {name} ", task("nli"), "models/nli-minilm", ["A dog."], settings=settings)
    )
    assert (made.name, made.max_skips) == (name, None)


@pytest.mark.parametrize("name", ["", "no such/place/here", "/nowhere/at/all", "../etc"])
def test_an_unknown_base_model_is_named(name: str) -> None:
    with pytest.raises(Invalid) as refused:
        experiments.create(
            experiments.Plan(slug="study", name="x", task=task("nli"), base_model=name, contexts=["A dog."])
        )
    assert (refused.value.field, refused.value.code) == ("base_model", "unknown_base_model")


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(Invalid, match="pickled"):
        experiments.create(
            experiments.Plan(slug="s", name="x", task=task("nli"), base_model=str(tmp_path), contexts=["A dog."])
        )


def test_one_arm_twice_and_a_test_set_of_another_task_are_named(store: DataStore) -> None:
    twice = [("one", experiments.ArmKind.STATIC), ("one", experiments.ArmKind.DYNAMIC)]
    plan = {"slug": "s", "name": "x", "task": task("nli"), "base_model": "models/nli-minilm", "contexts": ["A dog."]}
    with pytest.raises(Invalid) as refused:
        experiments.create(experiments.Plan(**plan, arms=twice))  # type: ignore[arg-type]
    assert refused.value.field == "arms"
    with pytest.raises(Invalid) as refused:
        factories.draft(task=task("sentiment"), test_sets=[plain_set(store)])
    assert refused.value.field == "test_sets"


def test_claiming_and_submitting_cost_the_same_in_a_large_experiment(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    experiment = factories.running(quota=20, quorum=1, max_validations=1)
    factories.accepted(experiment, "dynamic", 10)
    writer = factories.member_of(experiment, "dynamic")
    with django_assert_max_num_queries(25):
        held = assignment.claim(experiment, writer)
    with django_assert_max_num_queries(20):
        factories.attempted(held, factories.fooled(held))


def launch(experiment: Experiment) -> None:
    """Launch without looking for the base model's folder."""
    with mock.patch("collection.experiments.registry.check_base_model"):
        experiments.launch(experiment)
