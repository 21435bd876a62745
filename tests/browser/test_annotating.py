"""The annotators' pages in Chromium: in place, by keyboard, without JavaScript, and with nothing typed ever lost."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import Page, expect

from annotators.models import Annotator
from collection import assignment, submission
from collection.models import Assignment, Attempt, Draft, Example, Experiment, Validation
from modelserver.client import FakeModelClient
from tests import factories
from tests.browser.conftest import Opens

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
WRITE, VALIDATE = "/studies/study/write/", "/studies/study/validate/"


def holding(experiment: Experiment, label: str, arm: str = "dynamic") -> Annotator:
    """Somebody who holds an assignment with that target label; the model always says entailment."""
    who = factories.member_of(experiment, arm)
    assignment.claim(experiment, who)
    Assignment.objects.filter(annotator=who).update(target_label=label)
    return who


def box(page: Page) -> Any:
    """Where the text is typed."""
    return page.locator("textarea[name=hypothesis]")


def heading(page: Page, words: str) -> Any:
    """The verdict, as it stands on the page."""
    return page.get_by_role("heading", name=words)


def test_fail_fool_explain_and_submit_without_a_page_load(experiment: Experiment, opens: Opens) -> None:
    ada = holding(experiment, "entailment")
    page = opens(ada, WRITE)
    page.evaluate("window.same = true")
    box(page).fill("There are dogs.")
    page.get_by_role("button", name="Try it").click()
    expect(heading(page, "Not fooled")).to_be_visible()
    expect(page.locator("#said")).to_contain_text("Not fooled")
    expect(page.get_by_text("2 tries left")).to_be_visible()
    expect(box(page)).to_have_value("There are dogs.")
    expect(box(page)).to_be_focused()
    Assignment.objects.filter(annotator=ada).update(target_label="not_entailment")
    box(page).fill("There are cats.")
    box(page).press("Control+Enter")
    expect(heading(page, "You fooled the model")).to_be_focused()
    page.get_by_label("Why is your label right?").fill("Nobody said so.")
    page.get_by_role("button", name="Submit this text").click()
    expect(page.get_by_text("Here is your next text")).to_be_visible()
    expect(box(page)).to_have_value("")
    assert page.evaluate("window.same")
    example = Example.objects.get()
    assert (example.attempt.texts[1], example.why_label) == ("There are cats.", "Nobody said so.")


def test_characters_are_counted_as_the_server_counts_them(experiment: Experiment, opens: Opens) -> None:
    page = opens(holding(experiment, "entailment"), WRITE)
    count = page.locator("#count-hypothesis")
    box(page).fill("  👩‍🚀 e\u0301  ")
    expect(count).to_contain_text("5 / 240")
    box(page).fill("x" * 241)
    expect(count).to_have_class("count soft over")
    page.get_by_role("button", name="Try it").click()
    expect(page.get_by_text("At most 240 characters, please; this has 241.")).to_be_visible()
    expect(box(page)).to_have_value("x" * 241)
    assert Attempt.objects.count() == 0


def test_a_draft_is_saved_while_typing_and_there_after_a_reload(experiment: Experiment, opens: Opens) -> None:
    page = opens(holding(experiment, "entailment"), WRITE)
    box(page).press_sequentially("half a sen")
    expect(page.get_by_text("Draft saved")).to_be_visible()
    expect(box(page)).to_be_focused()
    page.reload()
    expect(box(page)).to_have_value("half a sen")


def test_a_double_click_is_one_try(experiment: Experiment, opens: Opens) -> None:
    page = opens(holding(experiment, "entailment"), WRITE)
    box(page).fill("There are dogs.")
    page.get_by_role("button", name="Try it").dblclick()
    expect(page.get_by_text("2 tries left")).to_be_visible()
    page.reload()
    expect(page.get_by_text("2 tries left")).to_be_visible()
    assert Attempt.objects.count() == 1


def test_back_and_sending_again_doubles_nothing(experiment: Experiment, opens: Opens) -> None:
    page = opens(holding(experiment, "not_entailment"), WRITE, java_script_enabled=False)
    box(page).fill("There are cats.")
    page.get_by_role("button", name="Try it").click()
    page.get_by_role("button", name="Submit this text").click()
    expect(page.get_by_text("Here is your next text")).to_be_visible()
    page.go_back()
    page.reload()
    assert Example.objects.count() == Attempt.objects.count() == 1


def test_a_model_that_is_away_keeps_the_text_and_shows_its_verdict_by_itself(
    experiment: Experiment, opens: Opens, model: FakeModelClient
) -> None:
    page = opens(holding(experiment, "entailment"), WRITE)
    model.down = True
    box(page).fill("There are dogs.")
    page.get_by_role("button", name="Try it").click()
    expect(page.get_by_text("Your text is kept")).to_be_visible()
    model.down = False
    submission.judge_waiting(model)
    expect(heading(page, "Not fooled")).to_be_visible()
    assert Attempt.objects.count() == 1


def test_a_session_that_ends_in_mid_text_loses_nothing(experiment: Experiment, opens: Opens) -> None:
    ada = holding(experiment, "entailment")
    ada.user.set_password("a good password")
    ada.user.save()
    page = opens(ada, WRITE)
    ada.user.refresh_from_db()
    Session.objects.all().delete()
    box(page).fill("Typed for an hour.")
    expect(page.get_by_text("You are logged out.")).to_be_visible()
    page.get_by_role("button", name="Try it").click()
    expect(page.get_by_text("Your session has ended. Your text is kept")).to_be_visible()
    page.get_by_label("User name").fill(ada.user.username)
    page.get_by_label("Password").fill("a good password")
    page.get_by_role("button", name="Log in").click()
    expect(box(page)).to_have_value("Typed for an hour.")


def test_two_tabs_share_one_assignment_and_lose_no_text(experiment: Experiment, opens: Opens) -> None:
    ada = holding(experiment, "not_entailment")
    first = opens(ada, WRITE)
    second = first.context.new_page()
    second.goto(WRITE)
    box(first).fill("There are cats.")
    first.get_by_role("button", name="Try it").click()
    first.get_by_role("button", name="Submit this text").click()
    expect(first.get_by_text("Here is your next text")).to_be_visible()
    box(second).fill("Typed in the other tab.")
    second.get_by_role("button", name="Try it").click()
    expect(second.get_by_text("You have submitted this one already")).to_be_visible()
    expect(box(second)).to_have_value("Typed in the other tab.")
    assert Example.objects.count() == Attempt.objects.count() == 1


def test_a_service_that_does_not_answer_leaves_the_text_where_it_is(experiment: Experiment, opens: Opens) -> None:
    page = opens(holding(experiment, "entailment"), WRITE)
    box(page).fill("There are dogs.")
    expect(page.get_by_text("Draft saved")).to_be_visible()
    page.route("**/write/", lambda route: route.fulfill(status=502, body="bad gateway"))
    page.get_by_role("button", name="Try it").click()
    expect(page.get_by_text("the service does not answer")).to_be_visible()
    expect(box(page)).to_have_value("There are dogs.")
    page.unroute("**/write/")
    page.get_by_role("button", name="Try it").click()
    expect(heading(page, "Not fooled")).to_be_visible()
    expect(page.get_by_text("the service does not answer")).to_be_hidden()
    page.context.clear_cookies()


def test_a_text_of_megabytes_stays_in_its_box_with_the_reason(experiment: Experiment, opens: Opens) -> None:
    page = opens(holding(experiment, "entailment"), WRITE)
    box(page).fill("x" * 1_500_000)
    page.get_by_role("button", name="Try it").click()
    expect(page.get_by_text("it is far too long")).to_be_visible()
    assert box(page).evaluate("item => item.value.length") == 1_500_000
    assert Attempt.objects.count() == 0


def test_script_in_texts_is_inert_for_writer_and_validator(experiment: Experiment, opens: Opens) -> None:
    ada = holding(experiment, "not_entailment")
    page = opens(ada, WRITE)
    evil = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    dialogs: list[object] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog))
    box(page).fill(evil)
    page.get_by_role("button", name="Try it").click()
    page.get_by_role("button", name="Submit this text").click()
    expect(page.get_by_text("Here is your next text")).to_be_visible()
    ballot = opens(factories.member_of(experiment, "static"), VALIDATE)
    ballot.on("dialog", lambda dialog: dialogs.append(dialog))
    ballot.get_by_role("button", name="Start validating").click()
    expect(ballot.locator("blockquote").last).to_have_text(evil)
    assert dialogs == []


def test_validating_by_keyboard_alone(experiment: Experiment, opens: Opens) -> None:
    texts = [factories.written(experiment).attempt.texts[1] for _ in range(3)]
    page = opens(factories.member_of(experiment, "static"), VALIDATE)
    page.get_by_role("button", name="Start validating").press("Enter")
    expect(page.get_by_text(texts[0])).to_be_visible()
    page.keyboard.press("1")
    expect(page.get_by_text(texts[1])).to_be_visible()
    expect(page.get_by_text("You chose “Definitely true”")).to_be_visible()
    page.keyboard.press("u")
    expect(page.get_by_text(texts[0])).to_be_visible()
    page.keyboard.press("2")
    expect(page.get_by_text(texts[1])).to_be_visible()
    page.keyboard.press("f")
    expect(page.locator("#flag-reason")).to_be_focused()
    page.keyboard.type("1 makes no sense")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text(texts[2])).to_be_visible()
    votes = Validation.objects.filter(state="voted").order_by("voted_at")
    assert [(vote.label, vote.flagged, vote.reason) for vote in votes] == [
        ("not_entailment", False, ""),
        ("", True, "1 makes no sense"),
    ]
    page.get_by_label("Keys: a number").uncheck()
    page.locator("body").press("1")
    page.reload()
    expect(page.get_by_label("Keys: a number")).not_to_be_checked()
    assert Validation.objects.filter(state="voted").count() == 2


def test_a_key_pressed_the_moment_the_next_text_stands_keeps_its_focus(experiment: Experiment, opens: Opens) -> None:
    texts = [factories.written(experiment).attempt.texts[1] for _ in range(2)]
    page = opens(factories.member_of(experiment, "static"), VALIDATE)
    page.get_by_role("button", name="Start validating").press("Enter")
    expect(page.get_by_text(texts[0])).to_be_visible()
    page.evaluate(
        """addEventListener("htmx:afterSwap", () => queueMicrotask(() =>
             document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "f", bubbles: true }))))"""
    )
    page.keyboard.press("1")
    expect(page.get_by_text(texts[1])).to_be_visible()
    page.wait_for_timeout(100)
    expect(page.locator("#flag-reason")).to_be_focused()


def test_writing_and_validating_without_javascript(experiment: Experiment, opens: Opens) -> None:
    page = opens(factories.member_of(experiment, "dynamic"), WRITE, java_script_enabled=False)
    page.get_by_role("button", name="Start writing").click()
    Assignment.objects.update(target_label="entailment")
    box(page).fill("There are dogs.")
    page.get_by_role("button", name="Try it").click()
    expect(heading(page, "Not fooled")).to_be_visible()
    Assignment.objects.update(target_label="not_entailment")
    box(page).fill("There are cats.")
    page.get_by_role("button", name="Try it").click()
    expect(heading(page, "You fooled the model")).to_be_visible()
    page.get_by_label("Why was the model fooled?").fill("It likes cats.")
    page.get_by_role("button", name="Submit this text").click()
    expect(page.get_by_text("Submitted. Others will now validate it.")).to_be_visible()
    ballot = opens(factories.member_of(experiment, "static"), VALIDATE, java_script_enabled=False)
    ballot.get_by_role("button", name="Start validating").click()
    expect(ballot.get_by_text("There are cats.")).to_be_visible()
    ballot.get_by_role("button", name="Not definitely true").click()
    expect(ballot.get_by_text("You chose “Not definitely true” for the last text")).to_be_visible()
    ballot.get_by_role("button", name="Take it back").click()
    expect(ballot.get_by_text("There are cats.")).to_be_visible()
    ballot.get_by_text("Flag: something is wrong").click()
    ballot.get_by_label("What is wrong with it?").fill("no sense")
    ballot.get_by_role("button", name="Flag it").click()
    assert Validation.objects.get().flagged
    assert Example.objects.get().why_fooled == "It likes cats."
    assert Draft.objects.count() == 0


def test_a_person_without_a_model_writes_the_same_way(
    experiment: Experiment, opens: Opens, model: FakeModelClient
) -> None:
    page = opens(holding(experiment, "entailment", "non-adversarial"), WRITE)
    box(page).fill("There are dogs.")
    page.get_by_role("button", name="Check it").click()
    expect(page.get_by_role("heading", name="Your text")).to_be_focused()
    page.get_by_role("button", name="Submit this text").click()
    expect(page.get_by_text("Here is your next text")).to_be_visible()
    assert model.calls == []


def test_practice_shows_a_verdict_in_place(experiment: Experiment, opens: Opens) -> None:
    page = opens(factories.member_of(experiment, "static"), "/studies/study/practice/")
    page.get_by_label("Text", exact=True).fill("A dog sleeps.")
    page.get_by_label("Sentence").fill("It rests.")
    page.get_by_role("button", name="Ask the model").click()
    expect(page.get_by_text("90 %")).to_be_visible()
    expect(page.get_by_label("Text", exact=True)).to_have_value("A dog sleeps.")
    assert Attempt.objects.count() == 0


def test_a_page_in_german_and_a_text_from_right_to_left(experiment: Experiment, opens: Opens) -> None:
    page = opens(holding(experiment, "entailment"), WRITE)
    page.get_by_role("button", name="Deutsch").click()
    expect(page.locator("html")).to_have_attribute("lang", "de")
    box(page).fill("الكلب ينام هنا")
    assert box(page).evaluate("item => getComputedStyle(item).direction") == "rtl"
