"""Changing an experiment: settings in a draft and after the launch, extending a round, ending one early."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from annotators.models import LedgerEntry
from collection import adjudication, assignment, experiments, submission, validation
from collection.changes import LOCKED, WITHDRAWN, change, end_round_early, extend_round
from collection.demo.tasks import task
from collection.errors import Conflict, Invalid, NothingToDo
from collection.importing.jsonl import LabelledRow
from collection.importing.test_sets import import_test_set
from collection.models import Assignment, Example, Experiment, Round, TestSet, Validation
from collection.planning import LARGEST, SETTINGS
from collection.reconcile import reconcile
from collection.rounds import close_if_full, open_round
from collection.states import ArmKind, ExampleState, RoundState
from collection.training_data import training_data
from lifecycle.models import StateChange
from lifecycle.moves import LostRace, move
from modelserver import runs
from modelserver.datafiles import DataStore
from modelserver.models import TrainingRun
from tests import factories

pytestmark = pytest.mark.django_db

CLIENT = factories.client_that_says("entailment")


@pytest.fixture
def store(tmp_path: Path) -> DataStore:
    """Data files of a test."""
    return DataStore(f"file://{tmp_path}/data", tmp_path / "cache")


def winter_set(store: DataStore) -> TestSet:
    """A test set of one row."""
    rows = [LabelledRow(1, ("It is a cold winter night.", "Snow falls."), "entailment")]
    return import_test_set("winter", "winter", task("nli"), TestSet.Kind.IMPORTED, rows, store)


def round_of(arm: str, number: int = 1) -> Round:
    """A round."""
    return Round.objects.get(arm__slug=arm, number=number)


def events(subject: Experiment | Round) -> list[StateChange]:
    """What has changed about something while it stayed in its state."""
    found = StateChange.objects.filter(subject_type=subject._meta.label_lower, subject_id=subject.pk).order_by("pk")
    return [event for event in found if event.from_state == event.to_state]


def fill(experiment: Experiment, arm: str = "dynamic", accepted: int = 1, pending: int = 0) -> list[Example]:
    """Accepted and then pending examples of an arm; the pending ones are given."""
    factories.accepted(experiment, arm, accepted)
    return [factories.written(experiment, arm) for _ in range(pending)]


# --- settings -------------------------------------------------------------------------------------


def test_every_setting_of_a_draft_may_change_and_the_change_is_on_record() -> None:
    experiment = factories.draft(quota=7)
    owner = factories.person().user
    wanted = {
        "name": "  Better name ",
        "quota": 9,
        "quorum": 3,
        "max_validations": 4,
        "recipe": {"epochs": 2},
        "max_skips": None,
        "currency": "EUR",
        "sandbox": True,
    }
    changed = change(experiment, wanted, owner)
    stored = Experiment.objects.get()
    for name, value in {**wanted, "name": "Better name"}.items():
        assert getattr(stored, name) == getattr(changed, name) == value
    (event,) = events(stored)
    assert (event.to_state, event.actor) == ("draft", owner)
    assert event.detail["changed"]["quota"] == [7, 9]
    assert event.detail["changed"]["name"] == ["study", "Better name"]
    assert set(event.detail["changed"]) == set(wanted)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"quota": 0}, "quota"),
        ({"quorum": 9}, "max_validations"),
        ({"colour": "red"}, "colour"),
        ({"state": "running"}, "state"),
        ({"name": " "}, "name"),
        ({"name": 7}, "name"),
        ({"base_model": "no such/place/here"}, "base_model"),
        ({"contexts": []}, "contexts"),
        ({"arms": []}, "arms"),
        ({"quota": 3, "currency": "euro"}, "currency"),
    ],
)
def test_what_no_plan_may_have_no_draft_may_have(wrong: dict[str, Any], field: str) -> None:
    experiment = factories.draft()
    before = Experiment.objects.values().get()
    with pytest.raises(Invalid) as refused:
        change(experiment, wrong)
    assert refused.value.field == field
    assert Experiment.objects.values().get() == before
    assert events(experiment) == []


def test_a_draft_whose_base_model_is_gone_may_change_in_all_else() -> None:
    experiment = factories.draft()
    Experiment.objects.update(base_model="no such/place/here")
    assert change(experiment, {"quota": 9}).quota == 9
    with pytest.raises(Invalid):
        change(experiment, {"base_model": "nor such/place/there"})
    assert change(experiment, {"base_model": "models/nli-minilm"}).base_model == "models/nli-minilm"


def test_arms_contexts_and_test_sets_of_a_draft_are_replaced_whole(store: DataStore) -> None:
    experiment = factories.draft()
    arms = [("one", ArmKind.DYNAMIC), ("two", ArmKind.DYNAMIC)]
    texts = ["It rains.", "It snows.", "It hails."]
    change(experiment, {"arms": arms, "contexts": texts, "test_sets": [winter_set(store)]})
    assert list(experiment.arms.values_list("slug", "kind", "position")) == [
        ("one", "dynamic", 0),
        ("two", "dynamic", 1),
    ]
    assert set(experiment.contexts.values_list("text", flat=True)) == set(texts)
    assert [item.slug for item in experiment.test_sets.all()] == ["winter"]
    (event,) = events(experiment)
    assert event.detail["changed"]["test_sets"] == [[], ["winter"]]
    assert event.detail["changed"]["contexts"][1].startswith("3 texts, sha256 ")


def test_another_seed_deals_the_contexts_of_a_draft_in_another_order() -> None:
    experiment = factories.draft()
    before = list(experiment.contexts.order_by("position").values_list("text", flat=True))
    change(experiment, {"seed": 99})
    after = list(experiment.contexts.order_by("position").values_list("text", flat=True))
    assert sorted(before) == sorted(after)
    assert before != after
    change(experiment, {"seed": experiment.seed})
    assert list(experiment.contexts.order_by("position").values_list("text", flat=True)) == before


def test_after_the_launch_only_what_keeps_arms_comparable_may_change() -> None:
    experiment = factories.running()
    wanted = {"name": "New", "lease_seconds": 60, "leaderboard": True, "open_enrolment": False}
    change(experiment, wanted)
    stored = Experiment.objects.get()
    assert {name: getattr(stored, name) for name in wanted} == wanted
    assert events(stored)[0].to_state == "running"


OTHER_VALUES: dict[str, Any] = {
    "slug": "other",
    "arms": [("one", ArmKind.STATIC)],
    "contexts": ["It rains."],
    "test_sets": [],
    "base_model": "models/other",
    "recipe": {"epochs": 9},
    "label_policy": "free",
    "start_from": "previous",
    "currency": "EUR",
    "sandbox": True,
    "inspiration": True,
}


@pytest.mark.parametrize("name", sorted(set(LOCKED) - {"task", "test_sets"}))
def test_a_locked_setting_is_named_with_the_reason_and_nothing_changes(name: str) -> None:
    experiment = factories.running()
    value = OTHER_VALUES.get(name, 77)
    with pytest.raises(Conflict) as refused:
        change(experiment, {"lease_seconds": 99, name: value})
    assert refused.value.code == "locked"
    assert name in refused.value.message
    assert LOCKED[name] in refused.value.message
    assert Experiment.objects.get().lease_seconds != 99
    assert events(experiment) == []


def test_test_sets_and_the_task_are_locked_too(store: DataStore) -> None:
    experiment = factories.running()
    for wrong in ({"test_sets": [winter_set(store)]}, {"task": task("sentiment")}):
        with pytest.raises(Conflict) as refused:
            change(experiment, wrong)
        assert refused.value.code == "locked"


@pytest.mark.parametrize("name", ["task", "slug"])
def test_the_task_and_the_name_in_addresses_are_fixed_from_the_beginning(name: str) -> None:
    experiment = factories.draft()
    with pytest.raises(Conflict) as refused:
        change(experiment, {name: {"task": task("sentiment"), "slug": "other"}[name]})
    assert refused.value.code == "locked"


def test_every_setting_is_either_locked_by_a_launch_or_free_for_a_reason() -> None:
    assert SETTINGS - set(LOCKED) == {"lease_seconds", "leaderboard", "open_enrolment", "curve_seeds"}


def test_the_present_value_is_no_change_of_a_locked_setting() -> None:
    experiment = factories.running(quota=7)
    assert change(experiment, {"quota": 7, "seed": experiment.seed, "name": "study"}).quota == 7
    assert events(experiment) == []


def test_a_change_reads_what_is_stored_and_not_what_the_caller_holds() -> None:
    held = factories.draft(quota=7)
    change(Experiment.objects.get(), {"quota": 8})
    assert change(held, {"rounds": 3}).quota == 8
    move(Experiment.objects.get(), experiments.ExperimentState.PREPARING)
    with pytest.raises(Conflict):
        change(held, {"quota": 9})


def test_a_launch_after_a_failed_import_imports_what_the_draft_says_now(store: DataStore) -> None:
    experiment = factories.draft()
    with mock.patch("modelserver.registry.check_base_model"):
        experiments.launch(experiment)
        reconcile(CLIENT, store)
        claimed = runs.claim(runs.due()[0].pk)
        assert claimed is not None
        runs.fail(claimed, "there is no such model", final=True)
        reconcile(CLIENT, store)
        experiment = change(experiment, {"base_model": "hub/another", "seed": 3, "test_sets": [winter_set(store)]})
        experiments.launch(experiment)
        reconcile(CLIENT, store)
    (run,) = runs.due()
    assert (run.spec["pretrained"], run.spec["seed"], len(run.spec["evaluate"])) == ("hub/another", 3, 1)
    assert TrainingRun.objects.get(pk=claimed.pk).state == "failed"


# --- extending ------------------------------------------------------------------------------------


def test_extending_raises_the_quota_of_every_arms_round_and_is_on_record() -> None:
    experiment = factories.running(quota=2, quorum=1, max_validations=1)
    owner = factories.person().user
    fill(experiment, "static", accepted=2)
    with pytest.raises(NothingToDo):
        assignment.claim(experiment, factories.member_of(experiment, "static"))
    assert extend_round(round_of("dynamic"), 3, owner).quota == 5
    assert set(Round.objects.values_list("quota", flat=True)) == {5}
    for round_ in Round.objects.all():
        (event,) = events(round_)
        assert (event.to_state, event.actor, event.detail) == ("open", owner, {"changed": {"quota": [2, 5]}})
    assert assignment.claim(experiment, factories.member_of(experiment, "static")).round == round_of("static")


def test_a_round_that_is_closed_in_one_arm_is_extended_in_none() -> None:
    experiment = factories.running(quota=1, quorum=1, max_validations=1)
    fill(experiment, "static")
    close_if_full(round_of("static"))
    for arm in ("static", "dynamic"):
        with pytest.raises(Conflict) as refused:
            extend_round(round_of(arm), 1)
        assert refused.value.code == "round_closed"
    assert set(Round.objects.values_list("quota", flat=True)) == {1}


def test_an_arm_that_comes_to_a_round_later_opens_it_as_long_as_the_others() -> None:
    experiment = factories.running(quota=2)
    first = round_of("static")
    move(first, RoundState.CLOSED)
    second = open_round(first.arm, 2)
    extend_round(second, 3)
    assert set(Round.objects.filter(number=1).values_list("quota", flat=True)) == {2}
    experiment.arms.get(slug="non-adversarial").rounds.filter(number=1).update(state=RoundState.DONE)
    assert open_round(experiment.arms.get(slug="non-adversarial"), 2).quota == 5


@pytest.mark.parametrize("by", [0, -1, LARGEST, LARGEST + 1, True, 1.5, "2"])
def test_a_round_is_never_lowered_or_extended_beyond_bounds(by: Any) -> None:
    factories.running(quota=2)
    with pytest.raises(Invalid) as refused:
        extend_round(round_of("dynamic"), by)
    assert refused.value.field == "by"
    assert set(Round.objects.values_list("quota", flat=True)) == {2}
    assert events(round_of("dynamic")) == []


def test_a_round_extended_after_it_was_read_does_not_close_at_its_old_quota() -> None:
    experiment = factories.running(quota=1, quorum=1, max_validations=1)
    read_before = round_of("dynamic")
    fill(experiment)
    extend_round(round_of("dynamic"), 1)
    with pytest.raises(LostRace):
        close_if_full(read_before)
    assert round_of("dynamic").state == "open"


# --- ending early ---------------------------------------------------------------------------------


def test_a_round_ended_early_closes_with_what_is_accepted_and_gives_leases_back(store: DataStore) -> None:
    experiment = factories.running(quota=5, quorum=1, max_validations=1)
    owner = factories.person().user
    fill(experiment, accepted=2)
    held = assignment.claim(experiment, factories.member_of(experiment, "dynamic"))
    other = assignment.claim(experiment, factories.member_of(experiment, "static"))
    ended = end_round_early(round_of("dynamic"), owner)
    assert (ended.state, ended.quota, ended.closed_at is not None) == ("closed", 2, True)
    assert Assignment.objects.get(pk=held.pk).state == "released"
    assert Assignment.objects.get(pk=other.pk).state == "leased"
    assert round_of("static").quota == 5
    event = StateChange.objects.get(subject_type="collection.round", to_state="closed")
    assert event.actor == owner
    assert event.detail == {"ended_early": {"quota": [5, 2], "withdrawn": 0, "released": 1}}
    with pytest.raises(Conflict):
        factories.attempted(held, factories.fooled(held))
    reconcile(CLIENT, store)
    assert round_of("dynamic").state == "training"
    assert runs.due()[0].spec["data_rows"] == 2


def test_a_round_without_an_accepted_example_cannot_be_ended_early() -> None:
    experiment = factories.running(quorum=1, max_validations=1)
    factories.written(experiment)
    with pytest.raises(Conflict) as refused:
        end_round_early(round_of("dynamic"), sure=True)
    assert refused.value.code == "nothing_accepted"
    assert (round_of("dynamic").state, Example.objects.get().state) == ("open", "pending")


def test_a_closed_round_cannot_be_ended_early() -> None:
    experiment = factories.running(quota=1, quorum=1, max_validations=1)
    fill(experiment)
    end_round_early(round_of("dynamic"))
    with pytest.raises(Conflict) as refused:
        end_round_early(round_of("dynamic"))
    assert refused.value.code == "round_closed"


def test_texts_that_wait_keep_a_round_open_unless_the_researcher_is_sure() -> None:
    experiment = factories.running(quota=5, quorum=1, max_validations=1)
    (waiting,) = fill(experiment, pending=1)
    held = assignment.claim(experiment, factories.member_of(experiment, "dynamic"))
    with pytest.raises(Conflict) as refused:
        end_round_early(round_of("dynamic"))
    assert refused.value.code == "texts_pending"
    waiting.refresh_from_db()
    held.refresh_from_db()
    assert (round_of("dynamic").state, waiting.state, held.state) == ("open", "pending", "leased")


def test_texts_that_wait_are_withdrawn_and_paid_like_accepted_ones() -> None:
    experiment = factories.running(
        quota=5, quorum=1, max_validations=1, base_pay_minor=10, fooling_bonus_minor=4, validation_pay_minor=1
    )
    (waiting,) = fill(experiment, pending=1)
    assert end_round_early(round_of("dynamic"), sure=True).quota == 1
    waiting.refresh_from_db()
    assert (waiting.state, waiting.ruling) == ("retracted", WITHDRAWN)
    paid = LedgerEntry.objects.filter(annotator=waiting.annotator).values_list("kind", "minor")
    assert sorted(paid) == [("base", 10), ("bonus", 4)]


def test_the_data_of_a_round_ended_early_never_change_whatever_comes_in_later(store: DataStore) -> None:
    experiment = factories.running(quota=5, quorum=1, max_validations=1, validation_pay_minor=1)
    waiting, other = fill(experiment, pending=2)
    validator = factories.member_of(experiment, "static")
    lease = validation.claim_validation(experiment, validator)
    round_ = end_round_early(round_of("dynamic"), sure=True)
    before = training_data(round_, store)
    # A vote in flight comes in, and is paid; an expert and the writer come too late.
    validation.vote(lease.key, validator, validation.Vote(lease.example.label))
    assert LedgerEntry.objects.filter(annotator=validator, kind="validation").count() == 1
    for example in (waiting, other):
        with pytest.raises(Conflict):
            adjudication.adjudicate(experiment, example.key, factories.person().user, "accepted", "good")
        assert submission.retract(example.key, example.annotator).state == "retracted"
    with pytest.raises(NothingToDo):
        validation.claim_validation(experiment, factories.member_of(experiment, "static"))
    assert Example.objects.filter(state=ExampleState.PENDING).count() == 0
    assert training_data(round_of("dynamic"), store).file.sha256 == before.file.sha256
    assert before.file.rows == 1


def test_a_vote_that_can_still_be_taken_back_is_paid_and_decides_nothing(store: DataStore) -> None:
    experiment = factories.running(quota=5, quorum=1, max_validations=1)
    fill(experiment)
    Experiment.objects.update(undo_seconds=60, validation_pay_minor=1)
    experiment.refresh_from_db()
    waiting = factories.written(experiment)
    validator = factories.member_of(experiment, "static")
    factories.voted(experiment, validator, waiting.label)
    end_round_early(round_of("dynamic"), sure=True)
    vote = Validation.objects.get(example=waiting)
    with pytest.raises(Conflict):
        validation.undo(vote.key, validator)
    Experiment.objects.update(undo_seconds=0)
    reconcile(CLIENT, store)
    waiting.refresh_from_db()
    assert waiting.state == "retracted"
    assert LedgerEntry.objects.filter(annotator=validator, kind="validation").count() == 1
    assert runs.due()[0].spec["data_rows"] == 1
