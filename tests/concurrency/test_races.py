"""Two or more do the same at once: real threads, real transactions, on whichever database the tests run."""

from __future__ import annotations

import io
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from annotators.models import Enrolment, LedgerEntry
from collection import assignment, submission, validation
from collection.enrolment import enrol
from collection.erasure import Erased, Texts, erase
from collection.errors import Conflict, NothingToDo
from collection.importing.contexts import preview_contexts, store_contexts
from collection.models import Arm, Assignment, Attempt, Context, Example, Round, Validation
from collection.reconcile import reconcile
from collection.states import ExampleState
from lifecycle.models import StateChange
from lifecycle.moves import LostRace
from modelserver import runs
from modelserver.datafiles import DataStore
from modelserver.models import TrainingRun
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*tasks: Callable[[], Any]) -> list[Any]:
    """Run all tasks at the same moment, each in a thread of its own; what each gave, or the exception it raised."""
    barrier = threading.Barrier(len(tasks))
    results: list[Any] = [None] * len(tasks)

    def run(index: int, task: Callable[[], Any]) -> None:
        try:
            barrier.wait()
            results[index] = task()
        except Exception as error:
            results[index] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(index, task)) for index, task in enumerate(tasks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.parametrize("attempt", range(3))
def test_of_two_who_race_for_a_rounds_last_slot_one_gets_it(attempt: int) -> None:
    experiment = factories.running(quota=2, quorum=1, max_validations=1, seed=attempt)
    factories.accepted(experiment, "dynamic", 1)
    ada, ben = factories.member_of(experiment, "dynamic"), factories.member_of(experiment, "dynamic")
    got = at_once(lambda: assignment.claim(experiment, ada), lambda: assignment.claim(experiment, ben))
    assert sorted(type(item).__name__ for item in got) == ["Assignment", "NothingToDo"]
    held = next(item for item in got if isinstance(item, Assignment))
    stored = factories.attempted(held, factories.fooled(held))
    example = submission.submit(held.key, held.annotator, stored.key)
    factories.voted(experiment, factories.member_of(experiment, "dynamic"), example.label)
    round_ = Round.objects.get(arm__slug="dynamic")
    assert Example.objects.filter(round=round_, state=ExampleState.ACCEPTED).count() == round_.quota == 2
    with pytest.raises(NothingToDo):
        assignment.claim(experiment, ada)


def test_many_who_race_for_a_round_fill_it_exactly() -> None:
    experiment = factories.running(quota=4)
    crowd = [factories.member_of(experiment, "static") for _ in range(8)]
    got = at_once(*[lambda who=who: assignment.claim(experiment, who) for who in crowd])
    assert sum(isinstance(item, Assignment) for item in got) == 4
    assert sum(isinstance(item, NothingToDo) for item in got) == 4


def test_one_who_claims_twice_at_once_holds_one_slot() -> None:
    experiment = factories.running()
    ada = factories.member_of(experiment, "dynamic")
    got = at_once(*[lambda: assignment.claim(experiment, ada)] * 4)
    assert {item.pk for item in got} == {Assignment.objects.get().pk}


def test_one_who_joins_many_times_at_once_is_in_one_arm() -> None:
    experiment = factories.running()
    ada = factories.person()
    arms = at_once(*[lambda: enrol(experiment, ada)] * 8)
    assert len({arm.pk for arm in arms}) == 1
    assert Enrolment.objects.count() == 1


def test_many_who_join_at_once_are_dealt_out_evenly() -> None:
    experiment = factories.running()
    crowd = [factories.person() for _ in range(9)]
    arms = at_once(*[lambda who=who: enrol(experiment, who) for who in crowd])
    assert all(isinstance(arm, Arm) for arm in arms), arms
    assert sorted(Enrolment.objects.values_list("position", flat=True)) == list(range(9))
    counts = [Enrolment.objects.filter(group=arm.slug).count() for arm in experiment.arms.all()]
    assert counts == [3, 3, 3]


def test_the_same_attempt_sent_many_times_at_once_is_one_attempt() -> None:
    experiment = factories.running(max_tries=1)
    ada = factories.member_of(experiment, "dynamic")
    held = assignment.claim(experiment, ada)
    client = factories.fooled(held)
    key = uuid.uuid4().hex
    text: dict[str, object] = {"hypothesis": "There are some dogs."}
    got = at_once(*[lambda: submission.attempt(held.key, ada, text, None, key, client)] * 6)
    assert {item.pk for item in got} == {Attempt.objects.get().pk}


def test_different_attempts_at_once_never_exceed_the_tries() -> None:
    experiment = factories.running(max_tries=2)
    ada = factories.member_of(experiment, "dynamic")
    held = assignment.claim(experiment, ada)
    client = factories.client_that_says(held.target_label)
    got = at_once(*[lambda: factories.attempted(held, client)] * 6)
    assert sum(isinstance(item, Attempt) for item in got) == 2
    assert sorted(Attempt.objects.values_list("index", flat=True)) == [1, 2]


def test_the_same_submission_many_times_at_once_is_one_example() -> None:
    experiment = factories.running()
    ada = factories.member_of(experiment, "dynamic")
    held = assignment.claim(experiment, ada)
    stored = factories.attempted(held, factories.fooled(held))
    got = at_once(*[lambda: submission.submit(held.key, ada, stored.key)] * 6)
    assert {item.pk for item in got} == {Example.objects.get().pk}


def test_the_same_text_submitted_by_two_at_once_is_stored_once() -> None:
    experiment = factories.running(contexts=["A man has a dog."], label_policy="free")
    pair = [factories.member_of(experiment, "non-adversarial") for _ in range(2)]
    client = factories.client_that_says("entailment")
    attempts = []
    for who in pair:
        held = assignment.claim(experiment, who)
        text: dict[str, object] = {"hypothesis": "He has a pet."}
        attempts.append((who, submission.attempt(held.key, who, text, "entailment", "key", client)))
    got = at_once(
        *[lambda who=who, item=item: submission.submit(item.assignment.key, who, item.key) for who, item in attempts]
    )
    assert sorted(type(item).__name__ for item in got) == ["Conflict", "Example"]
    assert Example.objects.count() == 1


def test_two_last_votes_at_once_decide_once_and_pay_once() -> None:
    experiment = factories.running(
        quorum=2, max_validations=4, base_pay_minor=10, fooling_bonus_minor=5, validation_pay_minor=1
    )
    example = factories.written(experiment)
    leases = []
    for _ in range(2):
        who = factories.member_of(experiment, "static")
        leases.append((who, validation.claim_validation(experiment, who)))
    vote = validation.Vote(example.label)
    at_once(*[lambda who=who, lease=lease: validation.vote(lease.key, who, vote) for who, lease in leases * 2])
    example.refresh_from_db()
    assert example.state == ExampleState.ACCEPTED
    moves = StateChange.objects.filter(subject_type="collection.example", subject_id=example.pk, to_state="accepted")
    assert moves.count() == 1
    assert sorted(LedgerEntry.objects.values_list("kind", "minor")) == [
        ("base", 10),
        ("bonus", 5),
        ("validation", 1),
        ("validation", 1),
    ]


def test_validators_at_once_are_never_more_than_an_example_can_use() -> None:
    experiment = factories.running(quorum=2, max_validations=3)
    factories.written(experiment)
    crowd = [factories.member_of(experiment, "static") for _ in range(6)]
    got = at_once(*[lambda who=who: validation.claim_validation(experiment, who) for who in crowd])
    assert sum(isinstance(item, NothingToDo) for item in got) == 4


def test_many_reconciles_at_once_make_one_training_run_of_a_round(tmp_path: Path) -> None:
    experiment = factories.running(quota=1, quorum=1, max_validations=1)
    factories.accepted(experiment, "dynamic", 1)
    client = factories.client_that_says("entailment")
    store = DataStore(f"file://{tmp_path}/data", tmp_path / "cache")
    at_once(*[lambda: reconcile(client, store)] * 4)
    run = TrainingRun.objects.get()
    assert Round.objects.get(arm__slug="dynamic").training_run == run
    claims = at_once(*[lambda: runs.claim(run.pk)] * 4)
    assert sum(claim is not None for claim in claims) == 1


def test_contexts_uploaded_many_times_at_once_are_there_once() -> None:
    experiment = factories.draft()
    files = [f"A man has {number} cats.\nA bird.\n".encode() for number in range(3)]
    previews = [preview_contexts(experiment.task, io.BytesIO(file), "text") for file in files]
    got = at_once(*[lambda seen=seen: store_contexts(experiment, seen) for seen in previews * 2])
    assert sum(stored.added for stored in got) == 4, got
    positions = Context.objects.filter(experiment=experiment).values_list("position", flat=True)
    assert sorted(positions) == list(range(14))


@pytest.mark.parametrize("attempt", range(3))
def test_of_somebody_erased_at_the_moment_of_submitting_nothing_stays(attempt: int) -> None:
    experiment = factories.running(quota=9, quorum=1, max_validations=1, base_pay_minor=30, seed=attempt)
    zoe, ben = factories.member_of(experiment, "dynamic"), factories.member_of(experiment, "dynamic")
    ready = factories.written(experiment, "dynamic", zoe)
    held = assignment.claim(experiment, zoe)
    chosen = factories.attempted(held, factories.fooled(held), "He has a zeppelin.")
    lease = validation.claim_validation(experiment, ben)
    key = zoe.key
    got = at_once(
        lambda: erase(zoe, Texts.DROP),
        lambda: submission.submit(held.key, zoe, chosen.key),
        lambda: validation.vote(lease.key, ben, validation.Vote(ready.label)),
        lambda: factories.attempted(held, factories.fooled(held), "She has a zeppelin."),
        lambda: erase(zoe, Texts.DROP),
    )
    assert {type(item) for item in got} <= {Erased, Example, Validation, Attempt, Conflict, LostRace}
    assert any(isinstance(item, Erased) for item in got), got
    erase(zoe, Texts.DROP)
    zoe.refresh_from_db()
    assert zoe.key != key
    assert not Attempt.objects.filter(texts__icontains="zeppelin").exists()
    assert not Example.objects.filter(annotator=zoe, erased_at=None).exists()
    assert not Assignment.objects.filter(annotator=zoe, state="leased").exists()
    ready.refresh_from_db()
    paid = LedgerEntry.objects.filter(annotator=zoe).count()
    assert (ready.state, paid) in (("accepted", 1), ("retracted", 0))
