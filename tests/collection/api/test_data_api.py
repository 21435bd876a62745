"""The data of an experiment through the API: examples, decisions, uploads."""

from __future__ import annotations

import io
from typing import Any
from unittest import mock

import pytest
from django.contrib.auth.models import User
from django.test import Client

from collection import submission
from collection.models import Context, Experiment, TestSet
from tests import factories

pytestmark = pytest.mark.django_db
CONSOLE = "/api/v1/console/"
STUDY = f"{CONSOLE}experiments/study/"


@pytest.fixture
def ada() -> User:
    """A researcher of the site."""
    return User.objects.create(username="ada", is_staff=True)


@pytest.fixture
def client(ada: User) -> Client:
    """Her session."""
    client = Client()
    client.force_login(ada)
    return client


@pytest.fixture
def experiment(ada: User) -> Experiment:
    """Her experiment, in which one vote decides."""
    return factories.running(quorum=1, max_validations=1, owner=ada)


def upload(client: Client, path: str, content: bytes, **fields: Any) -> Any:
    """Send a file with its form."""
    return client.post(path, {"file": io.BytesIO(content), **fields})


def test_examples_are_listed_filtered_and_told_in_full(client: Client, experiment: Experiment) -> None:
    example = factories.written(experiment)
    other = factories.written(experiment, "static")
    factories.voted(experiment, factories.member_of(experiment, "static"), None, "no sense")
    listed = client.get(f"{STUDY}examples/").json()
    assert [item["key"] for item in listed["results"]] == [str(other.key), str(example.key)]
    found = client.get(f"{STUDY}examples/?state=flagged&arm=dynamic").json()["results"]
    assert [item["key"] for item in found] == [str(example.key)]
    assert found[0]["flags"] == 1
    told = client.get(f"{STUDY}examples/{example.key}/").json()
    assert told["ballots"][0]["reason"] == "no sense"
    assert told["attempts"][0]["fooled"] is True
    assert example.annotator.user.username not in str(told)
    mine = client.get(f"{STUDY}examples/?writer={told['writer']}").json()["results"]
    assert [item["key"] for item in mine] == [str(example.key)]


@pytest.mark.parametrize(
    "query", ["state=none", "arm__experiment=1", "annotator=1", "cursor=forged", "size=0", "size=x", "round=-1"]
)
def test_unknown_and_bad_filters_are_named(client: Client, experiment: Experiment, query: str) -> None:
    answer = client.get(f"{STUDY}examples/?{query}")
    assert answer.status_code == 400
    assert answer.json()["field"] == query.partition("=")[0]


def test_an_expert_decides_by_api(client: Client, experiment: Experiment) -> None:
    example = factories.written(experiment)
    path = f"{STUDY}examples/{example.key}/decision/"
    bad = client.post(path, {"outcome": "maybe", "reason": "x"}, content_type="application/json")
    assert (bad.status_code, bad.json()["field"]) == (400, "outcome")
    good = client.post(path, {"outcome": "rejected", "reason": "unclear"}, content_type="application/json")
    assert (good.status_code, good.json()["state"], good.json()["ruling"]) == (200, "rejected", "unclear")
    assert client.get(f"{CONSOLE}experiments/study/examples/{experiment.key}/").status_code == 404


def test_what_was_retracted_is_told_as_such(client: Client, experiment: Experiment) -> None:
    example = factories.written(experiment)
    submission.retract(example.key, example.annotator)
    assert client.get(f"{STUDY}examples/?state=retracted").json()["results"][0]["key"] == str(example.key)


def test_contexts_are_looked_at_first_and_stored_whole_or_not_at_all(client: Client, ada: User) -> None:
    experiment = factories.draft(contexts=["A man has a dog."], owner=ada)
    good = b"context\nA woman reads.\nTwo boys run.\n"
    looked = upload(client, f"{STUDY}contexts/", good, format="csv").json()
    assert (looked["rows"], looked["fault_count"], looked["shown"][0]) == (2, 0, {"context": "A woman reads."})
    assert Context.objects.count() == 1
    bad = good + "bad \u202e text\n".encode()
    looked = upload(client, f"{STUDY}contexts/", bad, format="csv").json()
    assert (looked["fault_count"], looked["faults"][0]["line"]) == (1, 4)
    refused = upload(client, f"{STUDY}contexts/", bad, format="csv", store="true")
    assert refused.status_code == 400
    assert Context.objects.count() == 1
    stored = upload(client, f"{STUDY}contexts/", good, format="csv", store="true")
    assert (stored.status_code, stored.json()) == (201, {"added": 2, "already": 0})
    again = upload(client, f"{STUDY}contexts/", good, format="csv", store="true")
    assert again.json() == {"added": 0, "already": 2}
    Experiment.objects.filter(pk=experiment.pk).update(state="preparing")
    locked = upload(client, f"{STUDY}contexts/", b"context\nNew one.\n", format="csv", store="true")
    assert (locked.status_code, locked.json()["code"]) == (409, "locked")


def test_a_test_set_comes_from_a_file(client: Client, experiment: Experiment) -> None:
    content = b"sentence1,sentence2,gold_label\nIt rains.,It is wet.,entailment\n"
    fields = {"format": "csv", "slug": "held", "name": "Held", "task": "nli"}
    looked = upload(client, f"{CONSOLE}test-sets/upload/", content, **fields)
    assert looked.json()["fault_count"] == 0
    assert TestSet.objects.count() == 0
    stored = upload(client, f"{CONSOLE}test-sets/upload/", content, **fields, store="true")
    assert (stored.status_code, stored.json()["rows"]) == (201, 1)


@pytest.mark.parametrize(
    ("content", "fields", "field"),
    [
        (b"\xff\xfea\x00", {"format": "csv"}, "file"),
        (b"\x1f\x8b\x08 a bomb", {"format": "csv"}, "file"),
        (b"context\nx\n", {"format": "xls"}, "format"),
        (b"context\nx\n", {"format": "csv", "column": "none"}, "column"),
        (b"context\nx\n", {"format": "csv", "unknown": "1"}, "unknown"),
    ],
)
def test_files_that_are_none_are_refused_by_field(
    client: Client, ada: User, content: bytes, fields: dict[str, str], field: str
) -> None:
    factories.draft(owner=ada)
    answer = upload(client, f"{STUDY}contexts/", content, **fields)
    assert (answer.status_code, answer.json()["field"]) == (400, field)


def test_an_upload_that_says_it_is_too_large_is_not_even_read(client: Client, ada: User) -> None:
    factories.draft(owner=ada)

    class Endless(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise AssertionError("nothing of it is to be read")

    answer = client.generic(
        "POST", f"{STUDY}contexts/", CONTENT_TYPE="multipart/form-data; boundary=x", CONTENT_LENGTH="200000000",
        **{"wsgi.input": Endless()},
    )  # fmt: skip
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_contexts_are_listed_in_the_order_in_which_writers_are_given_them(
    client: Client, experiment: Experiment
) -> None:
    with mock.patch("collection.contexts.PAGE", 4):
        first = client.get(f"{STUDY}contexts/").json()
        second = client.get(f"{STUDY}contexts/", {"cursor": first["next"]}).json()
    assert [item["position"] for item in first["results"] + second["results"]] == list(range(8))
    assert first["results"][0]["text"] == experiment.contexts.get(position=0).text
    assert client.get(f"{STUDY}contexts/").json()["next"] is None
    for cursor in ("x", "-1", "9" * 19):
        answer = client.get(f"{STUDY}contexts/", {"cursor": cursor})
        assert (answer.status_code, answer.json()["field"]) == (400, "cursor")
    assert client.get(f"{STUDY}contexts/", {"cursor": "9" * 18}).json()["results"] == []
