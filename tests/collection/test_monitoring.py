"""The figures of rounds, and the words that say why one does not move."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from annotators.models import Enrolment
from collection import assignment, submission, validation
from collection.models import Assignment, Evaluation, Example, Experiment, Round, TestSet, Validation
from collection.monitoring import RoundFigures, forget, round_statistics, surroundings, why_not_moving
from collection.states import ExperimentState, RoundState
from lifecycle.models import Sign
from lifecycle.moves import move
from lifecycle.signs import leave_sign
from modelserver import runs
from modelserver.client import FakeModelClient, Unavailable
from modelserver.models import TrainingRun
from modelserver.runs import RunSpec
from tests import factories
from tests.collection.pages import logged_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def experiment() -> Experiment:
    """A running experiment with three open rounds of two examples."""
    return factories.running(quota=2, quorum=2, max_validations=3)


def figures_of(experiment: Experiment, arm: str = "dynamic", number: int = 1) -> RoundFigures:
    """The figures of a round."""
    found = {item.slug: rounds for item, rounds in round_statistics(experiment)}
    return next(figures for round_, figures in found[arm] if round_.number == number)


def words(experiment: Experiment, arm: str = "dynamic", number: int = 1) -> str:
    """Why a round does not move."""
    found = [item for _, rounds in round_statistics(experiment) for item in rounds]
    around = surroundings(experiment, [round_ for round_, _ in found])
    return next(
        why_not_moving(round_, figures, around)
        for round_, figures in found
        if (round_.arm.slug, round_.number) == (arm, number)
    )


def the_round(experiment: Experiment, state: RoundState, **values: Any) -> Round:
    """The dynamic arm's first round, brought into a state."""
    round_ = Round.objects.get(arm__experiment=experiment, arm__slug="dynamic")
    way = [RoundState.CLOSED, RoundState.TRAINING, RoundState.EVALUATING, RoundState.DONE]
    for step in way[: way.index(state) + 1] if state in way else [RoundState.CLOSED, state]:
        move(round_, step, **(values if step == state else {}))
    return round_


def queued(experiment: Experiment, key: str = "train", **values: Any) -> TrainingRun:
    """A queued run."""
    run = runs.request(key, experiment.key, RunSpec(kind="train", labels=factories.LABELS))
    TrainingRun.objects.filter(pk=run.pk).update(**values)
    run.refresh_from_db()
    return run


class TestFigures:
    def test_of_rounds_without_examples(self, experiment: Experiment) -> None:
        found = round_statistics(experiment)
        assert [(arm.slug, len(rounds)) for arm, rounds in found] == [
            (arm.slug, 1) for arm in experiment.arms.order_by("position")
        ]
        figures = figures_of(experiment)
        assert (figures.collected, figures.tries, figures.minutes) == (0, None, None)
        assert figures.mer is not None
        assert (figures.mer.n, figures.mer.value) == (0, None)
        assert figures_of(experiment, "non-adversarial").mer is None

    def test_count_what_was_collected_by_state_and_by_verdict(self) -> None:
        experiment = factories.running(quota=20, quorum=1, max_validations=1, max_tries=2)
        states = []
        for vote in ("own", "own", "other", None, "own"):
            example = factories.written(experiment)
            label = {"own": example.label, None: None}.get(
                vote, next(x for x in factories.LABELS if x != example.label)
            )
            states.append(factories.voted(experiment, factories.member_of(experiment, "static"), label).pk)
        # One that did not fool the model, after all tries, and one that its writer takes back.
        writer = factories.member_of(experiment, "dynamic")
        held = assignment.claim(experiment, writer)
        tries = [factories.attempted(held, factories.client_that_says(held.target_label)) for _ in range(2)]
        submission.submit(held.key, writer, tries[-1].key)
        gone = factories.written(experiment)
        submission.retract(gone.key, gone.annotator)

        start = timezone.now()
        for example, minutes in zip(Example.objects.filter(state="accepted"), (1, 2, 9), strict=True):
            Assignment.objects.filter(pk=example.assignment_id).update(created_at=start)
            Example.objects.filter(pk=example.pk).update(submitted_at=start + dt.timedelta(minutes=minutes))

        figures = figures_of(experiment)
        assert (figures.accepted, figures.rejected, figures.flagged, figures.pending) == (3, 1, 1, 1)
        assert figures.collected == 6
        assert figures.mer is not None
        assert figures.vmer is not None
        assert (figures.mer.n, figures.mer.value, figures.vmer.value) == (6, 5 / 6, 3 / 6)
        assert (figures.minutes, figures.tries) == (2.0, 1.0)

    def test_tries_are_those_up_to_the_one_that_fooled(self, experiment: Experiment) -> None:
        for misses in (0, 3):
            writer = factories.member_of(experiment, "dynamic")
            held = assignment.claim(experiment, writer)
            for _ in range(misses):
                factories.attempted(held, factories.client_that_says(held.target_label))
            hit = factories.attempted(held, factories.fooled(held))
            submission.submit(held.key, writer, hit.key)
        assert figures_of(experiment).tries == 2.5

    def test_where_no_model_is_shown_have_no_verdicts(self, experiment: Experiment) -> None:
        factories.accepted(experiment, "non-adversarial", 1)
        figures = figures_of(experiment, "non-adversarial")
        assert (figures.accepted, figures.mer, figures.vmer, figures.tries, figures.minutes) == (
            1,
            None,
            None,
            None,
            None,
        )

    def test_are_counted_anew_while_a_round_is_open_and_remembered_after(self, experiment: Experiment) -> None:
        factories.accepted(experiment, "dynamic", 1)
        assert figures_of(experiment).accepted == 1
        factories.accepted(experiment, "dynamic", 1)
        assert figures_of(experiment).accepted == 2
        the_round(experiment, RoundState.DONE)
        first = figures_of(experiment)
        with CaptureQueriesContext(connection) as captured:
            assert figures_of(experiment) is first
        assert len(captured) <= 4

    def test_of_a_closed_round_follow_what_experts_still_decide(self) -> None:
        experiment = factories.running(quota=1, quorum=1, max_validations=1)
        flagged = factories.written(experiment)
        factories.voted(experiment, factories.member_of(experiment, "static"), None)
        factories.accepted(experiment, "dynamic", 1)
        the_round(experiment, RoundState.CLOSED)
        assert (figures_of(experiment).flagged, figures_of(experiment).rejected) == (1, 0)
        flagged.refresh_from_db()
        move(flagged, type(flagged.state)("rejected"))  # type: ignore[arg-type]
        assert (figures_of(experiment).flagged, figures_of(experiment).rejected) == (0, 1)

    @pytest.mark.parametrize("count", [1, 6])
    def test_take_four_queries_however_many_rounds_there_are(self, count: int) -> None:
        experiment = factories.running(quota=1, rounds=10)
        for arm in experiment.arms.all():
            for number in range(2, count + 1):
                Round.objects.create(arm=arm, number=number, quota=1, state="done")
        factories.written(experiment)
        forget()
        with CaptureQueriesContext(connection) as cold:
            round_statistics(experiment)
        assert len(cold) <= 4


class TestWords:
    def test_an_open_round_with_nobody_enrolled(self, experiment: Experiment) -> None:
        expected = "needs 2 more accepted examples; waits for writers of 2 texts: nobody is enrolled in this arm"
        assert words(experiment) == expected

    def test_an_open_round_without_a_live_lease(self, experiment: Experiment) -> None:
        writer = factories.member_of(experiment, "dynamic")
        assert "no live lease, the 1 person enrolled in this arm may take one" in words(experiment)
        held = assignment.claim(experiment, writer)
        Assignment.objects.filter(pk=held.pk).update(expires_at=timezone.now())
        while Enrolment.objects.filter(group="dynamic").count() < 2:
            factories.member_of(experiment, "dynamic")
        assert "no live lease, any of the 2 people enrolled in this arm may take one" in words(experiment)

    def test_an_open_round_whose_writers_are_writing(self, experiment: Experiment) -> None:
        held = assignment.claim(experiment, factories.member_of(experiment, "dynamic"))
        said = words(experiment)
        assert "waits for writers of 1 text: 1 person holds an assignment (the first lease ends at " in said
        assert f"{held.expires_at.astimezone(dt.UTC):%H:%M:%S} UTC)" in said
        assignment.claim(experiment, factories.member_of(experiment, "dynamic"))
        assert re.search(r"examples; 2 people hold assignments \(the first lease ends at [^)]+\)$", words(experiment))

    def test_a_paused_experiment(self, experiment: Experiment) -> None:
        move(experiment, ExperimentState.PAUSED)
        assert words(experiment) == "the experiment is paused; needs 2 more accepted examples"

    def test_texts_that_wait_for_the_model_server(self, experiment: Experiment) -> None:
        held = assignment.claim(experiment, factories.member_of(experiment, "dynamic"))

        def away(*_: object) -> Any:
            raise Unavailable("it is away")

        factories.attempted(held, FakeModelClient(away))
        assert "1 text waits for the model server" in words(experiment)

    def test_texts_that_nobody_can_validate(self, experiment: Experiment) -> None:
        while Enrolment.objects.filter(group="dynamic").count() < 1:
            writer = factories.member_of(experiment, "dynamic")
        Enrolment.objects.exclude(annotator=writer).delete()
        factories.written(experiment, writer=writer)
        assert "1 text waits for validators: nobody but writers and those who have voted already is enrolled" in words(
            experiment
        )

    def test_texts_that_some_cannot_be_validated(self) -> None:
        experiment = factories.running(quota=5, undo_seconds=0)
        writer, validator = factories.member_of(experiment, "dynamic"), factories.member_of(experiment, "static")
        Enrolment.objects.exclude(annotator__in=[writer, validator]).delete()
        example = factories.written(experiment, writer=writer)
        factories.voted(experiment, validator, example.label)
        factories.written(experiment, writer=writer)
        assert "2 texts wait for validators for 1 of them: nobody but writers" in words(experiment)

    def test_texts_that_are_looked_at(self, experiment: Experiment) -> None:
        factories.written(experiment)
        reader = factories.member_of(experiment, "static")
        assert "1 text waits for validators, none of them being looked at" in words(experiment)
        validation.claim_validation(experiment, reader)
        assert "1 text waits for validators, 1 of them being looked at" in words(experiment)

    def test_votes_that_do_not_count_yet(self) -> None:
        experiment = factories.running(quota=2, quorum=1, max_validations=1, undo_seconds=600)
        example = factories.written(experiment)
        factories.voted(experiment, factories.member_of(experiment, "static"), example.label)
        voted_at = Validation.objects.get().voted_at
        assert voted_at is not None
        until = (voted_at + dt.timedelta(minutes=10)).astimezone(dt.UTC)
        said = words(experiment)
        assert "1 vote does not count yet (can be taken back until " in said
        assert f"{until:%H:%M:%S} UTC)" in said
        assert "validators" not in said

    def test_a_round_that_has_its_quota(self) -> None:
        experiment = factories.running(quota=1)
        factories.accepted(experiment, "dynamic", 1)
        assert words(experiment) == "has its quota; the worker's next reconcile closes it"
        the_round(experiment, RoundState.CLOSED)
        assert re.match(r"has its quota; .+ stores the data and asks for the training$", words(experiment))

    def test_a_training_that_no_trainer_takes(self, experiment: Experiment) -> None:
        the_round(experiment, RoundState.TRAINING, training_run=queued(experiment))
        assert words(experiment) == "training is queued; no sign of a trainer was seen ever: is one running?"
        Sign.objects.create(name=runs.TRAINER, at=dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC))
        assert "no sign of a trainer was seen since 2026-01-02 03:04:05 UTC" in words(experiment)

    def test_a_training_that_a_trainer_is_about_to_take(self, experiment: Experiment) -> None:
        the_round(experiment, RoundState.TRAINING, training_run=queued(experiment))
        leave_sign(runs.TRAINER)
        assert words(experiment) == "training is queued; a trainer is there and takes it within 30 s"

    def test_a_training_that_waits_for_others(self, experiment: Experiment) -> None:
        the_round(experiment, RoundState.TRAINING, training_run=queued(experiment, error="out of memory"))
        queued(experiment, "other", state="running", heartbeat_at=timezone.now())
        expected = "training is queued; trainers are busy with 1 other run; last error: out of memory"
        assert words(experiment) == expected

    def test_a_training_that_backs_off(self, experiment: Experiment) -> None:
        at = dt.datetime(2099, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
        run = queued(experiment, not_before=at, attempts=1, error="it broke")
        the_round(experiment, RoundState.TRAINING, training_run=run)
        expected = "training is tried again at 2099-01-02 03:04:05 UTC (attempt 2); last error: it broke"
        assert words(experiment) == expected

    def test_a_training_that_runs(self, experiment: Experiment) -> None:
        progress = {"phase": "training", "step": 3, "steps": 9, "loss": 0.5, "eta_s": 61.2}
        run = queued(experiment, state="running", heartbeat_at=timezone.now(), progress=progress)
        the_round(experiment, RoundState.TRAINING, training_run=run)
        assert words(experiment) == "training: training 3/9, loss 0.500, about 61 s left"

    def test_a_training_whose_trainer_is_gone(self, experiment: Experiment) -> None:
        run = queued(experiment, state="running", heartbeat_at=timezone.now() - dt.timedelta(hours=1))
        the_round(experiment, RoundState.TRAINING, training_run=run)
        assert re.match(
            r"training: starting, no heartbeat since .+ UTC; the next reconcile gives it up$", words(experiment)
        )

    @pytest.mark.parametrize(
        ("state", "said"),
        [
            ("succeeded", "trained; the worker's next reconcile goes on"),
            ("failed", "training failed: it broke; the worker's next reconcile says so"),
            ("cancelled", "training cancelled: it broke; the worker's next reconcile says so"),
        ],
    )
    def test_a_training_that_has_ended(self, experiment: Experiment, state: str, said: str) -> None:
        the_round(experiment, RoundState.TRAINING, training_run=queued(experiment, state=state, error="it broke"))
        assert words(experiment) == said

    def test_an_evaluation(self, experiment: Experiment) -> None:
        version = factories.base_version()
        sets = [
            TestSet.objects.create(slug=slug, name=slug, task=experiment.task, sha256="0" * 64, rows=1) for slug in "ab"
        ]
        experiment.test_sets.set(sets)
        the_round(experiment, RoundState.EVALUATING, trained_version=version)
        missing = "evaluating: 2 of 2 test sets have no score yet; "
        assert words(experiment) == f"{missing}the worker's next reconcile asks for them"
        run = queued(experiment, f"evaluate:{version}:1-2")
        assert words(experiment).startswith(f"{missing}scoring is queued; no sign of a trainer")
        TrainingRun.objects.filter(pk=run.pk).update(state="running", heartbeat_at=timezone.now())
        assert words(experiment) == f"{missing}scoring: starting"
        for test_set in sets:
            Evaluation.objects.create(
                model_version=version, test_set=test_set, run=run, rows=1, accuracy=1, balanced_accuracy=1,
                predicted=[], confidence=[],
            )  # fmt: skip
        assert words(experiment) == "trained and scored; the worker's next reconcile ends it"

    def test_a_failure_an_early_end_and_an_end(self, experiment: Experiment) -> None:
        the_round(experiment, RoundState.FAILED, problem="The data are gone.")
        assert words(experiment) == "failed: The data are gone."
        round_ = Round.objects.get(arm__slug="static")
        move(round_, RoundState.ENDED)
        assert words(experiment, "static") == "ended early, with its experiment"
        Round.objects.filter(arm__slug="non-adversarial").update(state="done")
        assert words(experiment, "non-adversarial") == ""

    def test_are_never_missing_while_a_round_has_not_ended(self, experiment: Experiment) -> None:
        for state in (RoundState.CLOSED, RoundState.TRAINING, RoundState.EVALUATING, RoundState.FAILED):
            Round.objects.filter(arm__slug="dynamic").update(state=state)
            assert words(experiment)


def test_the_live_page_shows_figures_and_words_in_as_many_queries_whatever_there_is(experiment: Experiment) -> None:
    staff: Client = logged_in(factories.researcher(experiment))
    staff.get("/studies/study/")
    with CaptureQueriesContext(connection) as few:
        assert b"nobody is enrolled in this arm" in staff.get("/studies/study/").content
    for _ in range(2):
        factories.written(experiment)
    queued(experiment, uuid.uuid4().hex)
    with CaptureQueriesContext(connection) as many:
        page = staff.get("/studies/study/").content.decode()
    assert "2 texts wait for validators" in page
    assert "0/2" in page
    assert len(many) <= len(few)
