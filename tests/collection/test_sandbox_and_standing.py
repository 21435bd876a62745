"""Practice that leaves no data, and what annotators are told of themselves."""

from __future__ import annotations

import pytest

from annotators.models import LedgerEntry
from annotators.money import Money
from collection import assignment, sandbox, standing, submission
from collection.errors import Conflict, Invalid, NothingToDo
from collection.models import Attempt, Round, SandboxUse
from collection.paging import page_by_key
from collection.rounds import open_round
from tests import factories

pytestmark = pytest.mark.django_db
TEXTS = {"premise": "A dog sleeps.", "hypothesis": "An animal rests."}


def test_the_sandbox_gives_the_verdict_and_keeps_no_text() -> None:
    experiment = factories.running(sandbox=True)
    ada = factories.member_of(experiment, "dynamic")
    tried = sandbox.try_out(experiment, ada, TEXTS, factories.client_that_says("entailment"))
    assert (tried.prediction.label, tried.left) == ("entailment", sandbox.USES_AN_HOUR - 1)
    assert Attempt.objects.count() == 0
    assert str(SandboxUse.objects.get().model_version) == "base/0"


@pytest.mark.parametrize(("arm", "on"), [("dynamic", False), ("non-adversarial", True)])
def test_there_is_no_sandbox_unless_the_study_has_one_and_the_arm_a_model(arm: str, on: bool) -> None:
    experiment = factories.running(sandbox=on)
    client = factories.client_that_says("entailment")
    with pytest.raises(Conflict) as refused:
        sandbox.try_out(experiment, factories.member_of(experiment, arm), TEXTS, client)
    assert refused.value.code == "no_sandbox"
    assert client.calls == []


def test_the_sandbox_checks_texts_counts_uses_and_says_when_the_model_is_away() -> None:
    experiment = factories.running(sandbox=True)
    ada = factories.member_of(experiment, "static")
    client = factories.client_that_says("entailment")
    for texts, field in (({"hypothesis": "Some text."}, "premise"), ({**TEXTS, "label": "x"}, "label")):
        with pytest.raises(Invalid) as invalid:
            sandbox.try_out(experiment, ada, texts, client)
        assert invalid.value.field == field
    client.down = True
    with pytest.raises(NothingToDo):
        sandbox.try_out(experiment, ada, TEXTS, client)
    client.down = False
    for _ in range(sandbox.USES_AN_HOUR - 1):
        sandbox.try_out(experiment, ada, TEXTS, client)
    with pytest.raises(Conflict) as refused:
        sandbox.try_out(experiment, ada, TEXTS, client)
    assert refused.value.code == "too_many"


def test_progress_counts_the_round_and_ones_own() -> None:
    experiment = factories.running(quota=9, quorum=1, max_validations=1, base_pay_minor=10, fooling_bonus_minor=5)
    ada = factories.member_of(experiment, "dynamic")
    factories.voted(
        experiment, factories.member_of(experiment, "static"), factories.written(experiment, writer=ada).label
    )
    factories.accepted(experiment, "dynamic", 1)
    factories.written(experiment, writer=ada)
    taken_back = factories.written(experiment, writer=ada)
    submission.retract(taken_back.key, ada)
    arm = experiment.arms.get(slug="dynamic")
    found = standing.progress(arm, ada, Round.objects.get(arm=arm))
    assert (found.round_accepted, found.quota) == (2, 9)
    assert (found.written, found.accepted, found.pending, found.pending_fooled) == (2, 1, 1, 1)
    assert found.waiting_pay(experiment) == Money(15, "USD")
    money = standing.statement(experiment, ada, found)
    assert (money.waiting.minor, money.due.minor, money.paid.minor) == (15, 15, 0)
    LedgerEntry(annotator=ada, study=experiment.key, kind="payment", key="run 1", minor=-15, currency="USD").save()
    money = standing.statement(experiment, ada, found)
    assert (money.due.minor, money.paid.minor) == (0, 15)


def test_a_vote_that_does_not_count_yet_is_pay_that_waits() -> None:
    experiment = factories.running(undo_seconds=60, validation_pay_minor=4)
    factories.written(experiment)
    ben = factories.member_of(experiment, "static")
    factories.voted(experiment, ben, "entailment")
    arm = experiment.arms.get(slug="static")
    assert standing.statement(experiment, ben, standing.progress(arm, ben, None)).waiting == Money(4, "USD")


def test_the_leaderboard_names_only_who_asked_for_it_and_only_ones_own_group() -> None:
    experiment = factories.running(quota=9, quorum=1, max_validations=1)
    ada, ben, me = (factories.member_of(experiment, "dynamic") for _ in range(3))
    ada.public_name = "Ada"
    ada.save()
    stranger = factories.member_of(experiment, "static")
    stranger.public_name = "Stranger"
    stranger.save()
    for writer in (me, ada, ada, ben):
        example = factories.written(experiment, writer=writer)
        factories.voted(experiment, factories.member_of(experiment, "static"), example.label)
    factories.written(experiment, "static", stranger)
    rows = standing.leaderboard(experiment, experiment.arms.get(slug="dynamic"), me)
    assert [(row.name, row.is_me, row.validated, row.vmer) for row in rows] == [
        ("Ada", False, 2, 1.0),
        ("", True, 1, 1.0),
    ]


def test_a_leaderboard_without_a_model_has_no_measure_of_one() -> None:
    experiment = factories.running(quota=9)
    ada = factories.member_of(experiment, "non-adversarial")
    factories.written(experiment, "non-adversarial", ada)
    rows = standing.leaderboard(experiment, experiment.arms.get(slug="non-adversarial"), ada)
    assert [(row.collected, row.vmer) for row in rows] == [(1, None)]


@pytest.mark.parametrize("arm_slug", ["dynamic", "non-adversarial"])
def test_inspiration_shows_every_arm_as_many_examples_of_earlier_rounds(arm_slug: str) -> None:
    experiment = factories.running(quota=4, quorum=1, max_validations=1, inspiration=True)
    arm = experiment.arms.get(slug=arm_slug)
    first = Round.objects.get(arm=arm)
    assert standing.inspirations(experiment, arm, first) == []
    factories.accepted(experiment, arm, 4)
    Round.objects.filter(pk=first.pk).update(state="done", trained_version=experiment.base_version)
    second = open_round(arm, 2)
    shown = standing.inspirations(experiment, arm, second)
    assert len(shown) == standing.INSPIRATIONS
    assert shown == standing.inspirations(experiment, arm, second)
    experiment.inspiration = False
    assert standing.inspirations(experiment, arm, second) == []


def test_own_examples_come_with_the_reasons_of_those_who_decided() -> None:
    experiment = factories.running(quorum=1, max_validations=1)
    example = factories.written(experiment)
    waits = factories.written(experiment, writer=example.annotator)
    factories.voted(experiment, factories.member_of(experiment, "static"), None, "makes no sense")
    mine = list(standing.own_examples(experiment, example.annotator))
    assert mine == [waits, example]
    assert page_by_key(standing.own_examples(experiment, example.annotator), str(waits.pk), 1) == ([example], None)
    found = standing.reasons(mine)
    assert [(pk, [vote.reason for vote in votes]) for pk, votes in found.items()] == [(example.pk, ["makes no sense"])]


def test_a_text_may_be_asked_for_again_while_no_round_is_open() -> None:
    experiment = factories.running(quota=1, quorum=1, max_validations=1)
    factories.accepted(experiment, "dynamic", 1)
    Round.objects.filter(arm__slug="dynamic").update(state="training")
    with pytest.raises(NothingToDo) as nothing:
        assignment.claim(experiment, factories.member_of(experiment, "dynamic"))
    assert "Please come back in a few minutes" in nothing.value.message
