"""Rows of a release: every column as it is stored, as of one moment, in one order."""

from __future__ import annotations

import datetime as dt
from typing import Any
from unittest import mock

import pytest
from django.utils import timezone

from annotators.models import Annotator
from collection import adjudication, submission
from collection.assignment import claim
from collection.demo.tasks import task
from collection.export import rows as reading
from collection.export.columns import attempt_columns, example_columns
from collection.export.people import People
from collection.export.rows import Met, Reading, attempt_rows, example_rows
from collection.models import Attempt, Example, Experiment, Round, Validation
from modelserver.client import FakeModelClient
from tests import factories
from tests.collection import released

pytestmark = pytest.mark.django_db
ALL = frozenset({"accepted", "rejected", "flagged", "pending"})


def read(experiment: Experiment, states: frozenset[str] = ALL, as_of: dt.datetime | None = None) -> Reading:
    """Everything as it is now, unless told otherwise."""
    return Reading(experiment, as_of or timezone.now(), states, People(experiment, "salt", 0))


def rows_of(experiment: Experiment, arm: str = "dynamic", table: str = "examples", **how: Any) -> list[dict[str, Any]]:
    """The rows of an arm's first round."""
    round_ = Round.objects.select_related("arm").get(arm__experiment=experiment, arm__slug=arm, number=1)
    source = example_rows if table == "examples" else attempt_rows
    return list(source(read(experiment, **how), round_, Met()))


def text_of(moment: dt.datetime | None) -> str | None:
    """A time as rows have it."""
    return moment and moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def test_an_example_is_released_with_all_that_is_known_of_it() -> None:
    experiment = factories.running(**released.QUICK | {"quorum": 2, "max_validations": 3})
    example = factories.written(experiment)
    Example.objects.update(why_label="It says so.", why_fooled="A negation.")
    for _ in range(2):
        factories.voted(experiment, factories.member_of(experiment, "static"), example.label)
    example.refresh_from_db()
    (row,) = rows_of(experiment)
    assert list(row) == list(example_columns(["premise", "hypothesis"]))
    attempt, held = example.attempt, example.assignment
    votes = row.pop("votes")
    pseudonyms = {row.pop("writer"), *(vote.pop("validator") for vote in votes)}
    assert len(pseudonyms) == 3
    assert all(len(name) == 13 and name.startswith("w") for name in pseudonyms)
    assert row == {
        "id": str(example.key),
        "arm": "dynamic",
        "round": 1,
        "split": "train",
        "context": held.context and held.context.position,
        "premise": attempt.texts[0],
        "hypothesis": attempt.texts[1],
        "label": example.label,
        "state": "accepted",
        "assignment": str(held.key),
        "attempt": str(attempt.key),
        "try": 0,
        "model_version": "base/0",
        "prediction": attempt.prediction,
        "probabilities": attempt.probabilities,
        "fooled": True,
        "latency_ms": attempt.latency_ms,
        "leased_at": text_of(held.created_at),
        "attempted_at": text_of(attempt.created_at),
        "judged_at": text_of(attempt.judged_at),
        "why_label": "It says so.",
        "why_fooled": "A negation.",
        "ruling": "",
        "submitted_at": text_of(example.submitted_at),
        "decided_at": text_of(example.decided_at),
    }
    stored = Validation.objects.order_by("voted_at")
    assert votes == [
        {
            "id": str(vote.key),
            "label": vote.label,
            "flagged": False,
            "reason": "",
            "asked_at": text_of(vote.created_at),
            "voted_at": text_of(vote.voted_at),
            "settled_at": text_of(vote.settled_at),
        }
        for vote in stored
    ]


def test_where_no_model_is_shown_there_is_no_verdict() -> None:
    experiment = factories.running(**released.QUICK)
    factories.written(experiment, "non-adversarial")
    (row,) = rows_of(experiment, "non-adversarial")
    verdict = ("model_version", "prediction", "probabilities", "fooled", "latency_ms", "judged_at")
    assert {name: row[name] for name in verdict} == dict.fromkeys(verdict)


def test_a_time_without_a_fraction_has_its_six_digits_all_the_same() -> None:
    experiment = factories.running(**released.QUICK)
    example = factories.written(experiment)
    Example.objects.filter(pk=example.pk).update(submitted_at=dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC))
    assert rows_of(experiment)[0]["submitted_at"] == "2026-01-02T03:04:05.000000Z"


def test_probabilities_are_in_the_order_of_the_labels() -> None:
    experiment = factories.running(**released.QUICK)
    example = factories.written(experiment)
    Attempt.objects.filter(pk=example.attempt_id).update(probabilities={"not_entailment": 0.25, "entailment": 0.75})
    assert list(rows_of(experiment)[0]["probabilities"].items()) == [("entailment", 0.75), ("not_entailment", 0.25)]


def test_a_vote_that_counted_later_and_what_it_decided_are_left_out() -> None:
    experiment = factories.running(**released.QUICK)
    example = factories.written(experiment)
    before = timezone.now()
    factories.voted(experiment, factories.member_of(experiment, "static"), example.label)
    (row,) = rows_of(experiment, as_of=before)
    assert (row["state"], row["split"], row["votes"], row["decided_at"]) == ("pending", "rest", [], None)
    assert rows_of(experiment, as_of=before, states=frozenset({"accepted"})) == []
    assert rows_of(experiment)[0]["state"] == "accepted"


def test_what_an_expert_decided_later_was_flagged_then() -> None:
    experiment = factories.running(**released.QUICK)
    example = factories.written(experiment)
    factories.voted(experiment, factories.member_of(experiment, "static"), None, "spam")
    before = timezone.now()
    expert = factories.researcher(experiment)
    adjudication.adjudicate(experiment, example.key, expert.user, "rejected", "It makes no sense.")
    (row,) = rows_of(experiment, as_of=before)
    assert (row["state"], row["ruling"], row["decided_at"]) == ("flagged", "", None)
    assert row["votes"][0]["flagged"] is True
    now = rows_of(experiment)[0]
    assert (now["state"], now["ruling"]) == ("rejected", "It makes no sense.")


def test_a_verdict_that_came_later_is_none_yet() -> None:
    experiment = factories.running(**released.QUICK)
    factories.written(experiment)
    Attempt.objects.update(judged_at=timezone.now() + dt.timedelta(hours=1))
    (row,) = rows_of(experiment, table="attempts")
    assert (row["state"], row["model_version"], row["fooled"], row["judged_at"]) == ("waiting", None, None, None)


def test_what_its_writer_took_back_is_never_released() -> None:
    experiment = factories.running(**released.QUICK)
    example = factories.written(experiment)
    before = timezone.now()
    submission.retract(example.key, example.annotator)
    for table in ("examples", "attempts"):
        assert rows_of(experiment, table=table) == rows_of(experiment, table=table, as_of=before) == []


def test_every_try_is_an_attempt_and_names_the_example_that_it_became() -> None:
    experiment = factories.running(**released.QUICK)
    writer = factories.member_of(experiment, "dynamic")
    held = claim(experiment, writer)
    right = factories.attempted(held, factories.client_that_says(held.target_label))
    wrong = factories.attempted(held, factories.fooled(held))
    example = submission.submit(held.key, writer, wrong.key)
    found = rows_of(experiment, table="attempts")
    assert [list(row) for row in found] == [list(attempt_columns(["premise", "hypothesis"]))] * 2
    assert [(row["id"], row["try"], row["fooled"], row["example"]) for row in found] == [
        (str(right.key), 0, False, None),
        (str(wrong.key), 1, True, str(example.key)),
    ]
    others = rows_of(experiment, table="attempts", states=frozenset({"accepted"}))
    assert [row["example"] for row in others] == [None, None], "it is not in such a release"


def test_rows_come_by_time_then_id_however_they_are_stored_and_read_in_batches() -> None:
    experiment = factories.running(**released.QUICK | {"quota": 6})
    made = [factories.written(experiment) for _ in range(6)]
    at = timezone.now() - dt.timedelta(hours=1)
    for index, example in enumerate(made):
        Example.objects.filter(pk=example.pk).update(submitted_at=at - dt.timedelta(seconds=index // 2))
    whole = rows_of(experiment)
    order = [(row["submitted_at"], row["id"]) for row in whole]
    assert order == sorted(order)
    with mock.patch.object(reading, "BATCH", 2):
        assert rows_of(experiment) == whole


def test_a_batch_takes_as_many_queries_however_many_rows_it_has(django_assert_max_num_queries: Any) -> None:
    experiment = factories.running(**released.QUICK | {"quota": 6})
    factories.accepted(experiment, "dynamic", 6)
    with django_assert_max_num_queries(12):
        assert len(rows_of(experiment)) == 6


def test_a_task_without_contexts_has_rows_without_one() -> None:
    experiment = factories.running(task=task("sentiment"), max_tries=1, **released.QUICK)
    labels = experiment.task.schema.label_names
    writer = factories.member_of(experiment, "dynamic")
    held = claim(experiment, writer)
    client = FakeModelClient(lambda ref, texts: {name: float(name == labels[0]) for name in labels})
    attempt = submission.attempt(held.key, writer, {"text": "I loved it."}, None, "one", client)
    submission.submit(held.key, writer, attempt.key)
    (row,) = rows_of(experiment)
    assert (row["context"], row["text"]) == (None, "I loved it.")
    assert list(row) == list(example_columns(["text"]))


def test_nothing_is_read_one_by_one_of_people_who_were_met_before(django_assert_num_queries: Any) -> None:
    people = People(factories.running(**released.QUICK), "salt", 0)
    numbers = [factories.person().pk for _ in range(3)]
    with django_assert_num_queries(2):
        met = people.meet(numbers)
        assert people.meet(numbers) == met
    assert {item.pseudonym for item in met.values()} == {
        item.pseudonym for item in People(people._experiment, "salt", 0).meet(numbers).values()
    }
    assert Annotator.objects.count() == 3
