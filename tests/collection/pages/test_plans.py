"""Making an experiment on its page: every problem at once, an estimate, and only then a draft."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from collection.models import Experiment, Task
from collection.pages.planform import defaults
from tests import factories
from tests.collection.pages import logged_in, shown

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    """A researcher of the site, where any base model will do."""
    monkeypatch.setattr("collection.planning.registry.check_base_model", lambda name: None)
    return logged_in(factories.person(), staff=True)


def form(**changes: Any) -> dict[str, Any]:
    """The form as it comes, filled in."""
    first = {"slug": "first", "name": "First", "contexts": "A man has a dog.\nA woman reads.", "action": "create"}
    return {**defaults(), "max_skips": "3", **first, **changes}


def test_from_an_empty_database_to_a_draft_of_ones_own(client: Client) -> None:
    assert "Does the sentence follow" in shown(client.get("/new/"))
    assert Task.objects.count() == 0
    page = client.post("/new/", form(), follow=True)
    assert page.redirect_chain == [("/studies/first/", 302)]
    assert "Launch" in shown(page)
    made = Experiment.objects.get()
    assert (made.rounds, made.quota, made.arms.count(), made.contexts.count()) == (20, 150, 3, 2)
    assert "First" in shown(client.get("/"))


def test_all_problems_are_told_at_once_and_nothing_is_made(client: Client) -> None:
    answer = client.post("/new/", form(slug="Bad Slug", contexts="", quota="0", quorum="9", arms=[]))
    page = shown(answer)
    assert answer.status_code == 422
    for field in ("slug", "contexts", "quota", "max_validations", "arms"):
        assert f"<strong>{field}</strong>" in page
    assert 'value="Bad Slug"' in page
    assert Experiment.objects.count() == 0


@pytest.mark.parametrize(("field", "value"), [("rounds", "x"), ("quota", "1" * 30), ("recipe", "{"), ("task", "none")])
def test_what_cannot_be_read_is_told_by_its_name(client: Client, field: str, value: str) -> None:
    answer = client.post("/new/", form(**{field: value}))
    assert answer.status_code == 422
    assert f"<strong>{field}</strong>" in shown(answer)
    assert Experiment.objects.count() == 0


def test_a_check_estimates_and_makes_nothing(client: Client) -> None:
    page = shown(client.post("/new/", form(action="check", rounds="2", quota="10", base_pay_minor="10")))
    assert "<dt>Accepted examples</dt><dd>60</dd>" in page
    assert "6.00 USD" in page
    assert Experiment.objects.count() == 0


def test_a_copy_is_a_draft_with_all_that_the_experiment_has() -> None:
    owner = factories.person()
    contexts = ["A text\nof two lines.", "Another one."]
    own = factories.running("own", contexts, quota=7, owner=owner.user)
    own.arms.filter(slug="dynamic").update(slug="moving")
    client = logged_in(owner)
    assert "A copy of own" in shown(client.get("/studies/own/copy/"))
    answer = client.post("/studies/own/copy/", {"name": "Again", "slug": "again"})
    assert (answer.status_code, answer.headers["Location"]) == (302, "/studies/again/settings/")
    made = Experiment.objects.get(slug="again")
    assert (made.name, made.state, made.quota, made.owner) == ("Again", "draft", 7, owner.user)
    assert sorted(made.contexts.values_list("text", flat=True)) == sorted(contexts)
    assert [arm.slug for arm in made.arms.all()] == ["non-adversarial", "static", "moving"]


def test_a_copy_needs_a_name_of_its_own_and_a_right_in_the_experiment() -> None:
    owner = factories.person()
    factories.running("own", owner=owner.user)
    answer = logged_in(owner).post("/studies/own/copy/", {"name": "Again", "slug": "own"})
    assert answer.status_code == 422
    assert "<strong>slug</strong>" in shown(answer)
    assert 'value="Again"' in shown(answer)
    assert logged_in(factories.person()).get("/studies/own/copy/").status_code == 404
    assert Experiment.objects.count() == 1


def test_only_researchers_of_the_site_make_experiments() -> None:
    somebody = logged_in(factories.person())
    assert somebody.get("/new/").status_code == somebody.post("/new/", form()).status_code == 404
    assert "New experiment" not in shown(somebody.get("/"))


def test_the_estimate_leads_to_the_power_of_what_was_typed(client: Client) -> None:
    page = shown(client.post("/new/", form(action="check", quota="77", curve_seeds="4", base_pay_minor="12")))
    address = page.partition('<a href="/power/?')[2].partition('"')[0].replace("&amp;", "&")
    filled = client.get(f"/power/?{address}")
    values = {item["name"]: item["value"] for item in [*filled.context["first"], *filled.context["more"]]}
    assert (values["quota"], values["seeds"], values["base_pay"], values["arms"]) == ("77", "4", "12", "3")
