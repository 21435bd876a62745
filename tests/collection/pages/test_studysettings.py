"""The settings page: a draft as a whole, a launched experiment with its locks, and who changed what."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from annotators.models import Annotator
from collection.changes import LOCKED, change
from collection.models import Experiment
from collection.pages.planform import filled_in
from collection.planning import copy_of
from lifecycle.models import StateChange
from tests import factories
from tests.collection.pages import logged_in, shown

pytestmark = pytest.mark.django_db
SETTINGS = "/studies/study/settings/"


@pytest.fixture
def ada() -> Annotator:
    """A researcher."""
    return factories.person()


@pytest.fixture
def draft(ada: Annotator) -> Experiment:
    """A draft of hers."""
    return factories.draft("study", owner=ada.user, quota=7, max_skips=None)


@pytest.fixture
def client(ada: Annotator) -> Client:
    """Her browser."""
    return logged_in(ada)


def form(experiment: Experiment, **changes: Any) -> dict[str, Any]:
    """The form as the page shows it, with changes."""
    values = filled_in(copy_of(experiment, experiment.slug, experiment.name)) | {"action": "save", "seen": "0"}
    values = {name: "on" if value is True else value for name, value in values.items() if value is not False}
    values = {name: "" if value is None else value for name, value in values.items()} | changes
    return {name: value for name, value in values.items() if value is not False}


def changes() -> list[dict[str, Any]]:
    """What was changed, oldest first."""
    return [event.detail["changed"] for event in StateChange.objects.order_by("pk") if "changed" in event.detail]


class TestDraft:
    def test_a_form_sent_as_it_came_changes_nothing(self, draft: Experiment, client: Client) -> None:
        page = shown(client.get(SETTINGS))
        assert 'value="7"' in page
        assert "A man has 3 dogs." in page
        assert client.post(SETTINGS, form(draft)).status_code == 302
        assert changes() == []

    def test_can_be_changed_as_a_whole_and_who_did_it_is_shown(self, draft: Experiment, client: Client) -> None:
        wanted = {"name": "Better", "quota": "9", "sandbox": "on", "arms": ["static"], "contexts": "A dog.\nA cat.",
                  "recipe": '{"epochs": 2}', "open_enrolment": False}  # fmt: skip
        page = client.post(SETTINGS, form(draft, **wanted), follow=True)
        stored = Experiment.objects.get()
        assert (stored.name, stored.quota, stored.sandbox, stored.open_enrolment) == ("Better", 9, True, False)
        assert (stored.recipe, stored.contexts.count()) == ({"epochs": 2}, 2)
        assert [arm.slug for arm in stored.arms.all()] == ["static"]
        assert "Saved." in shown(page)
        assert "quota from 7 to 9" in shown(page)

    def test_all_that_is_wrong_is_said_at_once_and_nothing_typed_is_lost(
        self, draft: Experiment, client: Client
    ) -> None:
        wanted = {"quota": "many", "rounds": "x", "quorum": "9", "recipe": "{", "name": "Better", "contexts": ""}
        answer = client.post(SETTINGS, form(draft, **wanted))
        page = shown(answer)
        assert answer.status_code == 422
        for field in ("quota", "rounds", "max_validations", "recipe", "contexts"):
            assert f"<strong>{field}</strong>" in page
        for typed in ('value="many"', 'value="Better"', 'value="9"'):
            assert typed in page
        assert changes() == []

    def test_a_value_that_no_plan_may_have_comes_with_all_the_others(self, draft: Experiment, client: Client) -> None:
        answer = client.post(SETTINGS, form(draft, quota="0", currency="euro", arms=[]))
        for field in ("quota", "currency", "arms"):
            assert shown(answer).count(f"<strong>{field}</strong>") == 1
        assert changes() == []

    def test_a_check_estimates_and_saves_nothing(self, draft: Experiment, client: Client) -> None:
        page = shown(client.post(SETTINGS, form(draft, action="check", rounds="2", quota="10")))
        assert "<dt>Accepted examples</dt><dd>60</dd>" in page
        assert changes() == []

    def test_what_another_has_changed_meanwhile_is_not_undone(self, draft: Experiment, client: Client) -> None:
        change(draft, {"rounds": 3})
        answer = client.post(SETTINGS, form(draft, quota="9"))
        assert answer.status_code == 422
        assert "Somebody has changed the settings" in shown(answer)
        assert 'name="quota" inputmode="numeric" value="9"' in shown(answer)
        assert "rounds from 20 to 3" in shown(answer)
        assert changes() == [{"rounds": [20, 3]}]

    def test_a_save_sent_twice_is_one_change(self, draft: Experiment, client: Client) -> None:
        for _ in range(2):
            assert client.post(SETTINGS, form(draft, quota="9")).status_code == 302
        assert changes() == [{"quota": [7, 9]}]

    def test_contexts_that_no_form_can_take_stay_as_they_are(self, ada: Annotator, client: Client) -> None:
        made = factories.draft("study", ["A dog.\nIt barks.", "A cat."], owner=ada.user)
        page = shown(client.get(SETTINGS))
        assert "2 contexts: too long, or of several lines" in page
        assert 'name="contexts"' not in page
        assert client.post(SETTINGS, form(made, quota="9", contexts="")).status_code == 302
        assert changes() == [{"quota": [150, 9]}]


class TestLaunched:
    @pytest.fixture
    def running(self, ada: Annotator) -> Experiment:
        """A running experiment of hers."""
        return factories.running(owner=ada.user, quota=7)

    def test_shows_every_locked_setting_with_its_reason(self, running: Experiment, client: Client) -> None:
        page = shown(client.get(SETTINGS))
        for reason in LOCKED.values():
            assert reason.replace("'", "&#x27;") in page
        assert 'name="quota"' not in page

    def test_can_be_changed_in_what_is_free(self, running: Experiment, client: Client) -> None:
        sent = {"name": "Better", "lease_seconds": "60", "curve_seeds": "3", "leaderboard": "on", "seen": "0"}
        page = shown(client.post(SETTINGS, sent, follow=True))
        stored = Experiment.objects.get()
        assert (stored.name, stored.lease_seconds, stored.curve_seeds, stored.leaderboard, stored.open_enrolment) == (
            "Better", 60, 3, True, False
        )  # fmt: skip
        assert "lease_seconds from" in page

    def test_what_is_locked_is_not_changed_by_a_forged_field(self, running: Experiment, client: Client) -> None:
        client.post(SETTINGS, form(running, quota="9", base_pay_minor="100", lease_seconds="60"))
        stored = Experiment.objects.get()
        assert (stored.quota, stored.base_pay_minor, stored.lease_seconds) == (7, 0, 60)

    def test_what_is_wrong_is_told_with_what_was_typed(self, running: Experiment, client: Client) -> None:
        for lease in ("soon", "0"):
            sent = {"name": "Better", "lease_seconds": lease, "curve_seeds": "1", "seen": "0"}
            answer = client.post(SETTINGS, sent)
            assert answer.status_code == 422
            assert "<strong>lease_seconds</strong>" in shown(answer)
            assert f'value="{lease}"' in shown(answer)
        assert changes() == []
