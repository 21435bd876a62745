"""Making a task on its page, as data."""

from __future__ import annotations

import html

import pytest
from django.test import Client

from collection.models import Task
from tests import factories
from tests.collection.pages import logged_in, shown

pytestmark = pytest.mark.django_db
FORM = {
    "name": "Is it a question?",
    "slug": "questions",
    "name-0": "passage", "title-0": "Passage", "source-0": "context", "min_length-0": "1", "max_length-0": "300",
    "name-1": "text", "title-1": "", "source-1": "writer", "min_length-1": "3", "max_length-1": "200",
    "labels": "yes | Yes | clearly a question\n\nno\n",
    "instructions": "Write one.",
    "guidelines": "",
}  # fmt: skip


@pytest.fixture
def client(db: None) -> Client:
    """A researcher of the site."""
    return logged_in(factories.person(), staff=True)


def test_a_task_is_made_from_a_form(client: Client) -> None:
    page = client.post("/tasks/", FORM, follow=True)
    assert page.redirect_chain == [("/tasks/", 302)]
    schema = Task.objects.get().schema
    assert [(item.name, item.title, item.source, item.max_length) for item in schema.fields] == [
        ("passage", "Passage", "context", 300),
        ("text", "text", "writer", 200),
    ]
    assert [(label.name, label.title, label.means) for label in schema.labels] == [
        ("yes", "Yes", "clearly a question"),
        ("no", "no", ""),
    ]
    assert "Is it a question?" in shown(page)
    assert 'value="questions"' in shown(client.get("/new/"))


def test_a_second_field_may_be_left_empty(client: Client) -> None:
    client.post("/tasks/", {**FORM, "source-0": "writer", "name-1": ""})
    assert [item.name for item in Task.objects.get().schema.fields] == ["passage"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"slug": "Not a slug"}, "slug: Must be"),
        ({"name": " "}, "name: Please write something."),
        ({"name": "n" * 101}, "name: At most 100"),
        ({"instructions": "x" * 10_001}, "instructions: At most 10000"),
        ({"guidelines": "a\u202eb"}, "guidelines: The text has an invisible"),
        ({"name-1": "Two Words"}, "Field 2, name: Must be"),
        ({"source-1": "both"}, "Field 2, source: Must be"),
        ({"max_length-0": "many"}, "Field 1, max length: Must be"),
        ({"max_length-0": "99999999999999999999"}, "Field 1, max length: Must be"),
        ({"min_length-0": "301"}, "Field 1, min length: Must not"),
        ({"title-0": "t" * 101}, "Field 1, title: At most 100"),
        ({"name-0": "", "title-0": "", "name-1": ""}, "fields: A task has one or two"),
        ({"source-1": "context"}, "fields: At least one field"),
        ({"labels": "yes"}, "labels: A task has two"),
        ({"labels": "yes\nYes!"}, "Label 2, name: Must be"),
        ({"labels": "yes\nno | No | " + "m" * 301}, "Label 2, means: At most 300"),
        ({"labels": "yes\nyes"}, "labels: Names must differ."),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_made_or_lost(
    client: Client, changes: dict[str, str], words: str
) -> None:
    answer = client.post("/tasks/", {**FORM, **changes})
    assert answer.status_code == 422
    page = html.unescape(shown(answer))
    assert words in page
    assert {**FORM, **changes}["labels"].strip() in page
    assert 'value="200"' in page
    assert Task.objects.count() == 0


def test_a_name_that_is_taken_is_told(client: Client) -> None:
    client.post("/tasks/", FORM)
    answer = client.post("/tasks/", FORM)
    assert (answer.status_code, Task.objects.count()) == (422, 1)
    assert "There is a task of this name already." in shown(answer)


def test_only_researchers_of_the_site_find_tasks_and_test_sets(db: None) -> None:
    somebody = logged_in(factories.person())
    for path in ("/tasks/", "/test-sets/"):
        assert somebody.get(path).status_code == somebody.post(path, FORM).status_code == 404
        assert path not in shown(somebody.get("/"))
        assert path in shown(logged_in(factories.person(), staff=True).get("/"))
