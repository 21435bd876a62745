"""Giving the arms of a draft data to start with, on their page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.test import Client

from annotators.models import Annotator
from collection.models import Experiment, PendingUpload, RoundZero
from tests import factories
from tests.collection.pages import logged_in, shown

pytestmark = pytest.mark.django_db
PAGE = "/studies/study/round-zero/"
GOOD = "premise,hypothesis,label\nIt rains.,Water falls.,e\nIt rains.,It is dry.,c\n"
CALLED = {"called.entailment": "e", "called.not_entailment": "n, c"}


@pytest.fixture(autouse=True)
def _own_folder(settings: LazySettings, tmp_path: Path) -> None:
    settings.TRAINING_DATA_URL = f"file://{tmp_path}/data"


@pytest.fixture
def draft() -> Experiment:
    """A draft."""
    return factories.draft()


@pytest.fixture
def ada(draft: Experiment) -> Annotator:
    """Its owner."""
    return factories.researcher(draft)


@pytest.fixture
def client(ada: Annotator) -> Client:
    """Her browser."""
    return logged_in(ada)


def sent(client: Client, text: str = GOOD) -> Any:
    """A pasted text as its page shows it."""
    return client.post(PAGE, {"text": text}, follow=True)


def said(client: Client, page: Any, **fields: str) -> Any:
    """The same, read otherwise."""
    return client.get(page.request["PATH_INFO"], {"format": "csv", **fields})


def press(client: Client, page: Any, **others: Any) -> Any:
    """Press the button that stores, with what its form holds."""
    form = re.search(r'<form method="post" class="card">.*?</form>', shown(page), re.DOTALL)
    assert form
    fields: dict[str, Any] = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', form.group()))
    fields["arms"] = re.findall(r'name="arms" value="([^"]*)"', form.group())
    return client.post(page.request["PATH_INFO"], {**fields, **others}, follow=True)


def test_labels_are_explained_without_sending_the_file_again_and_the_rows_stored(client: Client) -> None:
    page = sent(client)
    assert "<td>2</td><td>label</td><td><p>Must be one of entailment, not_entailment, not &#x27;e&#x27;." in shown(page)
    assert "Store them" not in shown(page)
    page = said(client, page, **CALLED)
    assert "Store them (2 rows)" in shown(page)
    assert not RoundZero.objects.exists()
    done = press(client, page)
    assert done.redirect_chain == [(PAGE, 302)]
    assert "2 rows to start with." in shown(done)
    assert RoundZero.objects.count() == 3
    assert list(RoundZero.objects.values_list("rows", flat=True).distinct()) == [2]


def test_some_arms_can_be_chosen_and_lose_their_data_again(client: Client) -> None:
    press(client, said(client, sent(client), **CALLED), arms=["dynamic"])
    assert list(RoundZero.objects.values_list("arm__slug", flat=True)) == ["dynamic"]
    done = client.post(PAGE, {"remove": "dynamic"}, follow=True)
    assert "dynamic starts with nothing again." in shown(done)
    assert not RoundZero.objects.exists()
    assert client.post(PAGE, {"remove": "unheard"}).status_code == 422
    none = press(client, said(client, sent(client), **CALLED), arms=[])
    assert none.status_code == 422
    assert "at least one arm" in shown(none)


def test_pressing_twice_stores_once_and_says_the_same(client: Client) -> None:
    page = said(client, sent(client), **CALLED)
    first, second = press(client, page), press(client, page, arms=["dynamic"])
    assert first.redirect_chain == second.redirect_chain
    assert RoundZero.objects.count() == 3


def test_one_text_with_two_labels_is_a_fault(client: Client) -> None:
    page = said(client, sent(client, GOOD + "It rains.,Water falls.,n\n"), **CALLED)
    assert "<td>4</td><td>label</td><td><p>Says the same as line 2, which has the label entailment." in shown(page)
    forged = client.post(page.request["PATH_INFO"], {"format": "csv", **CALLED, "arms": "dynamic"})
    assert forged.status_code == 422
    assert not RoundZero.objects.exists()


def test_a_word_cannot_mean_two_labels(client: Client) -> None:
    refused = said(client, sent(client), **{"called.entailment": "e", "called.not_entailment": "n,e"})
    assert refused.status_code == 422
    assert "cannot mean two labels" in shown(refused)


def test_after_the_launch_it_is_locked_and_says_why(client: Client, draft: Experiment) -> None:
    page = said(client, sent(client), **CALLED)
    press(client, page, arms=["dynamic"])
    other = said(client, sent(client, GOOD.replace("dry", "hot")), **CALLED)
    Experiment.objects.filter(pk=draft.pk).update(state="preparing")
    locked = shown(client.get(PAGE))
    assert "What arms start with cannot be changed: versions trained on other data" in locked
    assert 'type="file"' not in locked
    assert client.post(PAGE, {"text": GOOD}).status_code == 409
    assert client.post(PAGE, {"remove": "dynamic"}).status_code == 409
    assert press(client, other).status_code == 409
    assert RoundZero.objects.count() == 1


def test_an_upload_is_its_senders_and_for_its_experiment(client: Client, draft: Experiment, ada: Annotator) -> None:
    where = sent(client).request["PATH_INFO"]
    factories.draft("elsewhere", owner=ada.user)
    for who, path in (
        (logged_in(factories.researcher(draft)), where),
        (client, where.replace("study", "elsewhere")),
        (logged_in(factories.person()), PAGE),
    ):
        assert who.get(path).status_code == 404
        assert who.post(path, {"format": "csv", **CALLED, "arms": "dynamic"}).status_code == 404
    assert not RoundZero.objects.exists()
    assert PendingUpload.objects.count() == 1
