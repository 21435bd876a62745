"""Browsing examples on pages: filters by name, page after page, one example with its story."""

from __future__ import annotations

import pytest

from annotators.membership import Role
from collection import assignment, submission
from collection.models import Example, Experiment
from tests import factories
from tests.collection.pages import logged_in, shown

pytestmark = pytest.mark.django_db
EXAMPLES = "/studies/study/examples/"


def test_examples_are_filtered_and_writers_have_pseudonyms(experiment: Experiment) -> None:
    first, second = factories.written(experiment), factories.written(experiment, "static")
    client = logged_in(factories.researcher(experiment, Role.RESEARCHER))
    page = shown(client.get(EXAMPLES))
    assert first.attempt.texts[1] in page
    assert first.annotator.user.username not in page
    page = shown(client.get(f"{EXAMPLES}?arm=static&state="))
    assert second.attempt.texts[1] in page
    assert first.attempt.texts[1] not in page
    assert "No example is like that" in shown(client.get(f"{EXAMPLES}?text=nothing+like+it"))


@pytest.mark.parametrize("query", ["attempt__label=x", "state=none", "cursor=forged", "round=x"])
def test_bad_filters_are_named(experiment: Experiment, query: str) -> None:
    answer = logged_in(factories.researcher(experiment)).get(f"{EXAMPLES}?{query}")
    assert answer.status_code == 400
    assert f"{query.partition('=')[0]}:" in shown(answer)


def test_an_example_is_decided_on_its_page(experiment: Experiment) -> None:
    example = factories.written(experiment)
    client = logged_in(factories.researcher(experiment))
    path = f"{EXAMPLES}{example.key}/"
    assert "Accept" in shown(client.get(path))
    assert client.post(path, {"outcome": "accepted", "reason": ""}).status_code == 422
    assert "Decided." in shown(client.post(path, {"outcome": "accepted", "reason": "clear"}, follow=True))
    assert Example.objects.get().state == "accepted"
    assert "Accept</button>" not in shown(client.get(path))
    assert client.get(f"{EXAMPLES}{experiment.key}/").status_code == 404


def test_script_in_a_text_is_inert_in_the_console(experiment: Experiment) -> None:
    ada = factories.member_of(experiment, "dynamic")
    held = assignment.claim(experiment, ada)
    stored = factories.attempted(held, factories.fooled(held), "<script>alert(1)</script> x")
    example = submission.submit(held.key, ada, stored.key)
    client = logged_in(factories.researcher(experiment))
    for path in (EXAMPLES, f"{EXAMPLES}{example.key}/", "/studies/study/experts/"):
        assert "<script>alert" not in shown(client.get(path))
        assert "&lt;script&gt;alert" in shown(client.get(path))


def test_the_live_view_asks_for_itself_again(experiment: Experiment) -> None:
    page = shown(logged_in(factories.researcher(experiment)).get("/studies/study/"))
    assert 'hx-get="/studies/study/" hx-select="#live" hx-trigger="every 5s"' in page
