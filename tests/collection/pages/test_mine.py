"""Home, own texts, the leaderboard, practice, and what is for experts and researchers alone."""

from __future__ import annotations

import pytest
from django.test import Client

from collection import changes
from collection.models import Assignment, Attempt, Example, Experiment, Validation
from modelserver.client import FakeModelClient
from tests import factories
from tests.collection.pages import VALIDATE, WRITE, logged_in, shown

pytestmark = pytest.mark.django_db
STUDY = "/studies/study/"
ALL = ("/", STUDY, WRITE, VALIDATE, f"{STUDY}mine/", f"{STUDY}leaders/", f"{STUDY}practice/", f"{STUDY}experts/")


@pytest.fixture
def everything(experiment: Experiment) -> Experiment:
    """The experiment with all that a study may offer."""
    experiment.sandbox = experiment.leaderboard = experiment.inspiration = True
    experiment.save()
    return experiment


@pytest.mark.parametrize("path", ALL)
def test_strangers_are_sent_to_the_login(everything: Experiment, path: str) -> None:
    answer = Client().get(path)
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/login/")


@pytest.mark.parametrize("path", [STUDY, f"{STUDY}experts/"])
def test_whole_experiments_are_for_their_researchers(everything: Experiment, path: str) -> None:
    for somebody in (factories.member_of(everything, "static"), factories.person()):
        assert logged_in(somebody, staff=True).get(path).status_code == 404
    assert logged_in(factories.researcher(everything)).get(path).status_code == 200


def test_looking_changes_nothing(everything: Experiment) -> None:
    client = logged_in(factories.member_of(everything, "dynamic"))
    for path in ALL[2:-1]:
        assert client.get(path).status_code == 200
    assert Assignment.objects.count() == Validation.objects.count() == Attempt.objects.count() == 0


def test_home_shows_what_is_open_and_what_was_earned(experiment: Experiment) -> None:
    example = factories.written(experiment)
    client = logged_in(example.annotator)
    assert "0.10 USD" in shown(client.get("/"))
    factories.voted(experiment, factories.member_of(experiment, "static"), example.label)
    page = shown(client.get("/"))
    assert "<strong>0.10 USD</strong>" in page
    assert "Join" in shown(logged_in(factories.person()).get("/"))


def test_a_study_that_is_over_is_still_there_for_those_who_took_part(experiment: Experiment) -> None:
    ada = factories.member_of(experiment, "dynamic")
    experiment.state = "ended"
    experiment.save()
    assert "This study is over" in shown(logged_in(ada).get("/"))
    assert "No study is open" in shown(logged_in(factories.person()).get("/"))


def test_own_texts_show_their_fate_with_reasons_and_without_names(experiment: Experiment) -> None:
    example = factories.written(experiment)
    ben = factories.member_of(experiment, "static")
    factories.voted(experiment, ben, None, "makes no sense")
    page = shown(logged_in(example.annotator).get(f"{STUDY}mine/"))
    assert "flagged; an expert will look at it" in page
    assert "makes no sense" in page
    assert ben.user.username not in page
    assert "fooled the model" in page


def test_own_texts_are_shown_page_by_page(experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collection.pages.mine.PAGE", 2)
    ada = factories.member_of(experiment, "dynamic")
    examples = [factories.written(experiment, writer=ada) for _ in range(3)]
    client = logged_in(ada)
    page = shown(client.get(f"{STUDY}mine/"))
    assert examples[0].attempt.texts[1] not in page
    older = shown(client.get(f"{STUDY}mine/?before={examples[1].pk}"))
    assert examples[0].attempt.texts[1] in older
    assert client.get(f"{STUDY}mine/?before=x").status_code == 404


def test_a_text_that_waits_can_be_taken_back_once_and_by_its_writer_only(experiment: Experiment) -> None:
    example = factories.written(experiment)
    body = {"example": str(example.key)}
    thief = logged_in(factories.member_of(experiment, "dynamic"))
    assert "There is no such example" in shown(thief.post(f"{STUDY}mine/", body, follow=True))
    assert "Taken back" in shown(logged_in(example.annotator).post(f"{STUDY}mine/", body, follow=True))
    assert Example.objects.get().state == "retracted"


def test_the_leaderboard_is_there_where_the_study_has_one_and_names_by_choice(everything: Experiment) -> None:
    example = factories.written(everything)
    client = logged_in(example.annotator)
    other = logged_in(factories.member_of(everything, "dynamic"))
    assert "(you)" in shown(client.get(f"{STUDY}leaders/"))
    assert "Nobody who wants to be named" in shown(other.get(f"{STUDY}leaders/"))
    client.post(f"{STUDY}leaders/", {"public_name": "Ada"})
    assert "Ada" in shown(other.get(f"{STUDY}leaders/"))
    for name, words in (("ada", "Somebody else has this name"), ("x" * 31, "At most 30"), ("\u202eX", "invisible")):
        answer = other.post(f"{STUDY}leaders/", {"public_name": name})
        assert answer.status_code == 422
        assert words in shown(answer)
    everything.leaderboard = False
    everything.save()
    assert client.get(f"{STUDY}leaders/").status_code == 404


def test_practice_gives_a_verdict_and_stores_no_text(everything: Experiment, model: FakeModelClient) -> None:
    client = logged_in(factories.member_of(everything, "dynamic"))
    page = shown(client.post(f"{STUDY}practice/", {"premise": "A dog sleeps.", "hypothesis": "It rests."}))
    assert "90 %" in page
    assert Attempt.objects.count() == 0
    answer = client.post(f"{STUDY}practice/", {"premise": "A dog sleeps.", "hypothesis": ""})
    assert answer.status_code == 422
    assert "A dog sleeps." in shown(answer)
    model.down = True
    answer = client.post(f"{STUDY}practice/", {"premise": "A dog sleeps.", "hypothesis": "It rests."})
    assert "The model does not answer right now" in shown(answer)
    assert "It rests." in shown(answer)


def test_a_text_that_a_round_ended_without_is_told_as_paid_and_not_as_taken_back(experiment: Experiment) -> None:
    factories.accepted(experiment, "dynamic", 1)
    example = factories.written(experiment)
    changes.end_round_early(example.round, sure=True)
    page = shown(logged_in(example.annotator).get(f"{STUDY}mine/"))
    assert "not needed any more, and paid all the same" in page
    assert "taken back" not in page.lower()


def test_a_change_of_settings_is_told_by_the_live_view(experiment: Experiment) -> None:
    owner = factories.researcher(experiment)
    changes.change(experiment, {"name": "A better name"}, owner.user)
    assert "changed name from study to A better name" in shown(logged_in(owner).get(STUDY))


def test_an_expert_decides_on_the_page_and_the_writer_reads_why(experiment: Experiment) -> None:
    example = factories.written(experiment)
    factories.voted(experiment, factories.member_of(experiment, "static"), None, "typo")
    expert = logged_in(factories.researcher(experiment))
    page = shown(expert.get(f"{STUDY}experts/"))
    assert "typo" in page
    body = {"example": str(example.key), "outcome": "accepted", "reason": ""}
    answer = expert.post(f"{STUDY}experts/", body)
    assert answer.status_code == 422
    assert "Please write something" in shown(answer)
    expert.post(f"{STUDY}experts/", body | {"reason": "a slip of the pen"})
    assert Example.objects.get().state == "accepted"
    assert "a slip of the pen" in shown(logged_in(example.annotator).get(f"{STUDY}mine/"))
    logged_in(factories.person()).post(f"{STUDY}experts/", body | {"reason": "forged"})
    assert Example.objects.get().ruling == "a slip of the pen"
