"""Test sets on their pages: sent, looked at, named, and stored whole or not at all."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from collection.models import Task, TestSet
from tests import factories
from tests.collection.pages import logged_in, shown

pytestmark = pytest.mark.django_db
TEST_SETS = "/test-sets/"
ROWS = b"sentence1,sentence2,gold_label\nIt rains.,It is wet.,entailment\nIt rains.,It is dry.,not_entailment\n"


@pytest.fixture
def client(db: None) -> Client:
    """A researcher of the site."""
    return logged_in(factories.person(), staff=True)


def send(client: Client, content: bytes = ROWS, name: str = "Dev set.csv", **fields: str) -> tuple[str, Any]:
    """Upload a file and look at what comes of it; gives where that is, and the page."""
    body = {"task": "nli", "file": SimpleUploadedFile(name, content), **fields}
    answer = client.post(TEST_SETS, body, follow=True)
    return (answer.redirect_chain[-1][0] if answer.redirect_chain else ""), answer


def press(client: Client, page: Any, **changes: str) -> Any:
    """Fill in the form that stores, and press its button."""
    form = re.search(r'<form method="post" class="card">.*?</form>', shown(page), re.DOTALL)
    assert form
    fields = {name: html.unescape(value) for name, value in re.findall(r'name="(\S+?)"[^>]* value="([^"]*)"', form[0])}
    fields.pop("csrfmiddlewaretoken", None)
    return client.post(page.request["PATH_INFO"], {**fields, "kind": "expert", **changes}, follow=True)


def test_a_file_is_looked_at_named_and_stored(client: Client) -> None:
    _, page = send(client)
    assert "Store it (2 rows)" in shown(page)
    assert 'value="dev-set"' in shown(page)
    assert TestSet.objects.count() == 0
    done = press(client, page, name="Development")
    assert done.redirect_chain == [(TEST_SETS, 302)]
    assert "The test set dev-set has 2 rows." in shown(done)
    made = TestSet.objects.get()
    assert (made.slug, made.name, made.kind, made.rows) == ("dev-set", "Development", "expert", 2)
    assert made.sha256[:12] in shown(done)
    again = press(client, page, slug="other-name")
    assert "The test set dev-set has 2 rows." in shown(again)
    assert TestSet.objects.count() == 1


def test_a_pasted_text_may_be_json_lines_or_csv(client: Client) -> None:
    for text in ('{"premise": "It rains.", "hypothesis": "It is wet.", "label": "entailment"}', ROWS.decode()):
        page = client.post(TEST_SETS, {"task": "nli", "text": text}, follow=True)
        assert "Store it" in shown(page)
        assert "Pasted text" in shown(page)


def test_columns_that_cannot_be_guessed_are_chosen_without_a_second_upload(client: Client) -> None:
    where, page = send(client, ROWS.replace(b"gold_label", b"verdict").replace(b"sentence2", b"claim"))
    assert "No column is called &#x27;label&#x27;" in shown(page)
    assert "Store it" not in shown(page)
    query = {"task": "nli", "format": "csv", "columns.label": "verdict", "columns.hypothesis": "claim"}
    page = client.get(where.partition("?")[0], query)
    assert "<option selected>verdict</option>" in shown(page)
    assert "has 2 rows" in shown(press(client, page))
    assert TestSet.objects.get().items.get(index=1).label == "not_entailment"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"slug": "Not A Slug"}, "slug: Must be"),
        ({"name": " "}, "name: Please write something."),
        ({"name": "n" * 101}, "name: At most 100"),
        ({"kind": "best"}, "kind: Must be one of"),
        ({"slug": "taken"}, "with other rows already"),
        ({"task": "none"}, "task: There is no such task."),
        ({"columns.premise": "none"}, "The file has no column"),
        ({"columns.other": "sentence1"}, "This task has no such field."),
        ({"format": "xls"}, "format: Must be one of"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_stored_or_lost(
    client: Client, changes: dict[str, str], words: str
) -> None:
    _, first = send(client, ROWS.replace(b"wet", b"moist"))
    press(client, first, slug="taken")
    _, page = send(client)
    refused = press(client, page, **changes)
    assert refused.status_code == 422
    assert words in html.unescape(shown(refused))
    assert TestSet.objects.count() == 1
    assert "has 2 rows" in shown(press(client, page))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (ROWS + b"It rains.,It snows.,maybe\n", "<td>4</td><td>gold_label</td><td><p>Must be one of"),
        (ROWS + b"only one\n", "<td>4</td><td></td><td><p>Has 1 cell"),
        (ROWS + b"\xff,x,entailment\n", "Line 4 is not UTF-8"),
        (b"PK\x03\x04", "zip archive"),
    ],
)
def test_bad_files_are_told_by_line_and_column_or_in_one_clear_error(
    client: Client, content: bytes, words: str
) -> None:
    where, page = send(client, content)
    assert words in shown(page)
    forged = client.post(where, {"task": "nli", "format": "csv", "slug": "x", "name": "X", "kind": "imported"})
    assert forged.status_code == 422
    assert TestSet.objects.count() == 0


def test_the_list_names_only_those_experiments_that_one_may_look_at(client: Client) -> None:
    _, page = send(client)
    press(client, page)
    me = factories.person("me")
    for slug, owner in (("mine", me), ("theirs", factories.person())):
        factories.draft(slug, owner=owner.user, test_sets=[TestSet.objects.get()])
    listed = shown(logged_in(me, staff=True).get(TEST_SETS))
    assert "/studies/mine/" in listed
    assert "theirs" not in listed


def test_a_task_that_comes_with_the_product_can_be_chosen_before_it_was_used(client: Client) -> None:
    assert Task.objects.count() == 0
    _, page = send(client, b"text,label\nGood.,positive\n", task="sentiment")
    assert "Store it (1 row)" in shown(page)
    _, page = send(client, task="none")
    assert page.status_code == 422
    assert "There is no such task." in shown(page)
