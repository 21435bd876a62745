"""A new researcher launches a study from an empty database, through the pages of real processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.site import PASSWORD, Site, running_site
from tests.tiny_model import make_tiny_model

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A running site with nothing in it but one researcher."""
    with running_site(tmp_path_factory.mktemp("site")) as running:
        make = f"User.objects.create_user('rita', password={PASSWORD!r}, is_staff=True)"
        running.manage("shell", "-v", "0", "-c", f"from django.contrib.auth.models import User; {make}")
        yield running


@pytest.fixture
def page(site: Site, browser: Browser) -> Iterator[Page]:
    """Her browser."""
    context = browser.new_context(base_url=site.url)
    page = context.new_page()
    page.set_default_timeout(20_000)
    yield page
    context.close()


def test_a_new_researcher_launches_a_three_arm_study(site: Site, page: Page, tmp_path: Path) -> None:
    model = make_tiny_model(tmp_path / "tiny", ["entailment", "not_entailment"])
    page.goto("/")
    page.get_by_label("User name").fill("rita")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name="New experiment").click()
    page.get_by_label("Name", exact=True).fill("My first study")
    page.get_by_label("Short name").fill("first")
    page.get_by_label("Base model").fill("no such model!")
    page.get_by_label("Examples in a round").fill("0")
    page.get_by_role("button", name="Make the draft").click()
    problems = page.get_by_role("alert")
    for field in ("contexts", "quota", "base_model"):
        expect(problems.get_by_text(field, exact=True)).to_be_visible()
    page.get_by_label("Contexts, one a line").fill("A man has a dog.\nA woman reads a book.\nTwo boys run.")
    page.get_by_label("Base model").fill(str(model))
    page.get_by_label("Rounds (how often").fill("2")
    page.get_by_label("Examples in a round").fill("3")
    page.get_by_role("button", name="Check and estimate").click()
    expect(page.get_by_text("Nothing is wrong with it")).to_be_visible()
    page.get_by_role("button", name="Make the draft").click()
    page.get_by_role("link", name="Launch, and what it does").click()
    page.get_by_label("I am sure").check()
    page.get_by_role("button", name="Launch").click()
    # The page goes on by itself: no reload is asked for.
    expect(page.locator(".state.running")).to_be_visible(timeout=120_000)
    for arm in ("non-adversarial", "static", "dynamic"):
        expect(page.get_by_role("rowheader", name=arm)).to_be_visible()
    expect(page.get_by_text("0/3")).to_have_count(3)
    page.get_by_role("link", name="Members").click()
    page.get_by_role("button", name="Make a link").click()
    link = page.get_by_label("Link").input_value()
    assert link.startswith(f"{site.url}/join/")
    assert site.state("first") == "running"
