"""Simulated annotators: what they submit, and that they go on where they were."""

from __future__ import annotations

import pytest

from collection.demo.tasks import task
from collection.importing.jsonl import LabelledRow
from collection.models import Attempt, Example, Experiment
from collection.simulation.crowd import Crowd, NoVerdict, PoolExhausted
from collection.simulation.pool import Pool, without_test_contexts
from modelserver.client import FakeModelClient
from modelserver.wire import ModelRef
from tests import factories

pytestmark = pytest.mark.django_db

LABELS = factories.LABELS
ROWS = [
    LabelledRow(line, (f"Context number {line // 2} is here.", f"Sentence {line} says something."), LABELS[line % 2])
    for line in range(200)
]


def running(slug: str, rows: list[LabelledRow] = ROWS, quota: int = 6) -> Experiment:
    """A running experiment over the contexts of some rows."""
    contexts = Pool.of(task("nli").schema, rows).contexts
    return factories.running(slug, contexts, quota=quota, max_tries=3, max_skips=None, seed=7)


def crowd_of(experiment: Experiment, client: FakeModelClient, agreement: float = 1.0) -> Crowd:
    """People for it."""
    crowd = Crowd(experiment, Pool.of(experiment.task.schema, ROWS), client, agreement)
    crowd.gather(2)
    return crowd


def even_sentences_fool(ref: ModelRef, texts: tuple[str, ...]) -> dict[str, float]:
    """A model that is wrong about every fourth sentence."""
    number = int(texts[1].split()[1])
    right = LABELS[number % 2]
    says = right if number % 4 else next(label for label in LABELS if label != right)
    return {label: 0.9 if label == says else 0.1 for label in LABELS}


def test_adversarial_arms_submit_the_first_that_fools_or_the_last() -> None:
    experiment = running("study")
    crowd = crowd_of(experiment, FakeModelClient(even_sentences_fool))
    for arm in experiment.arms.all():
        while crowd.fill(arm):
            pass
    for example in Example.objects.select_related("attempt", "arm", "assignment"):
        tried = list(example.assignment.attempts.order_by("index"))
        assert example.attempt == tried[-1]
        if example.arm.shows_model:
            assert all(not attempt.fooled for attempt in tried[:-1])
            assert tried[-1].fooled or len(tried) == 3
        else:
            assert len(tried) == 1
    assert Example.objects.filter(state="accepted").count() == 18
    assert Example.objects.filter(attempt__fooled=True).exists()


def test_where_nothing_fools_the_model_the_last_try_is_submitted_also_after_a_skip() -> None:
    rows = [
        LabelledRow(line, ("A context with many rows.", f"Sentence {line} says something."), LABELS[line % 2])
        for line in range(20)
    ]
    # Whoever draws one of the others has to skip it.
    contexts = ["A context with many rows.", *(f"Context {number} has no row at all." for number in range(9))]
    experiment = factories.running("study", contexts, quota=1, max_tries=3, max_skips=None, seed=7)
    knows = FakeModelClient(
        lambda ref, texts: {label: float(LABELS[int(texts[1].split()[1]) % 2] == label) for label in LABELS}
    )
    crowd = Crowd(experiment, Pool.of(experiment.task.schema, rows), knows, 1.0)
    crowd.gather(2)
    assert crowd.fill(experiment.arms.get(slug="static"))
    example = Example.objects.get()
    assert (example.attempt.fooled, example.attempt.index, example.assignment.attempts.count()) == (False, 3, 3)
    assert example.assignment.skips > 0


def test_no_arm_is_given_a_text_twice() -> None:
    experiment = running("study")
    crowd = crowd_of(experiment, FakeModelClient(even_sentences_fool))
    for arm in experiment.arms.all():
        while crowd.fill(arm):
            pass
        texts = [tuple(attempt.texts) for attempt in Attempt.objects.filter(assignment__round__arm=arm)]
        assert len(texts) == len(set(texts))


def test_resumed_it_does_what_it_would_have_done_undisturbed() -> None:
    def outcome(experiment: Experiment) -> list[object]:
        found = Example.objects.filter(arm__experiment=experiment).order_by("arm__position", "pk")
        return list(found.values_list("arm__slug", "attempt__texts", "label", "state", "attempt__fooled"))

    undisturbed = running("one")
    crowd = crowd_of(undisturbed, FakeModelClient(even_sentences_fool), agreement=0.8)
    for arm in undisturbed.arms.all():
        while crowd.fill(arm):
            pass
    interrupted = running("two")
    for arm in interrupted.arms.all():
        # Everybody is gathered anew after each example, as after a restart.
        while crowd_of(interrupted, FakeModelClient(even_sentences_fool), agreement=0.8).fill(arm):
            pass
    assert outcome(interrupted) == outcome(undisturbed)


def test_a_model_server_that_is_away_stops_it_and_nothing_is_lost() -> None:
    experiment = running("study")
    client = FakeModelClient(even_sentences_fool)
    crowd = crowd_of(experiment, client)
    client.down = True
    dynamic = experiment.arms.get(slug="dynamic")
    with pytest.raises(NoVerdict):
        crowd.fill(dynamic)
    assert Attempt.objects.get().state == "waiting"


def test_a_pool_that_is_used_up_is_said_so() -> None:
    experiment = running("study", rows=ROWS[:4], quota=50)
    crowd = crowd_of(experiment, FakeModelClient(even_sentences_fool))
    static = experiment.arms.get(slug="static")
    with pytest.raises(PoolExhausted, match="no unused text"):
        list(iter(lambda: crowd.fill(static), False))


def test_rows_near_a_test_set_are_left_out() -> None:
    schema = task("nli").schema
    rows = [
        LabelledRow(1, ("A man is walking his dog in the park.", "There is a dog."), "entailment"),
        LabelledRow(2, ("Seven nurses drink coffee at night.", "They sleep."), "not_entailment"),
    ]
    kept = without_test_contexts(rows, schema, [("a man is walking his dog in the park", "A cat.")])
    assert [row.line for row in kept] == [2]
