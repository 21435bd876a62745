"""The whole way through the pages of real processes: write, fail, fool, explain, validate, new model, next round."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.site import PASSWORD, Site, running_site, wait_for
from tests.tiny_model import make_tiny_model

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]
SLUG = "pages"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A running site."""
    with running_site(tmp_path_factory.mktemp("site")) as running:
        yield running


@pytest.fixture
def people(site: Site, browser: Browser, tmp_path: Path) -> Iterator[list[Page]]:
    """Six people in six browsers, all of whom have joined by themselves, at the write page."""
    model = make_tiny_model(tmp_path / "tiny", ["entailment", "not_entailment"])
    settings = {
        "rounds": 2,
        "quota": 2,
        "max_tries": 2,
        "quorum": 1,
        "max_validations": 1,
        "undo_seconds": 1,
        "curve_seeds": 0,
    }
    logins = site.seed(SLUG, model, people=6, recipe={"epochs": 1, "method": "full"}, **settings)
    contexts = [browser.new_context(base_url=site.url) for _ in logins]
    pages = []
    for context, login in zip(contexts, logins, strict=True):
        page = context.new_page()
        page.goto("/")
        page.get_by_label("User name").fill(login.username)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.get_by_role("link", name="Write").click()
        pages.append(page)
    yield pages
    for context in contexts:
        context.close()


def write(page: Page, text: str) -> set[str]:
    """Write until something can be submitted, and submit it. What the page said of each try; empty if no slot."""
    page.goto(f"/studies/{SLUG}/write/")
    start = page.get_by_role("button", name="Start writing")
    if start.is_visible():
        start.click()
        expect(page.locator("#desk textarea[name=hypothesis], #desk [role=alert]").first).to_be_visible()
        if start.is_visible():
            return set()
    said = set()
    submit = page.get_by_role("button", name="Submit this text")
    for number in range(3):
        # The text says its label, so that validators of the test can read it.
        label = (
            "not_entailment"
            if "not definitely true" in page.locator("#task strong").first.inner_text()
            else "entailment"
        )
        page.locator("textarea[name=hypothesis]").fill(f"{label} {text} {number}")
        page.locator("textarea[name=hypothesis]").press("Control+Enter")
        expect(page.locator(".outcome .tried")).to_have_text(f"{label} {text} {number}")
        said.add(page.locator(".outcome h3").inner_text())
        if submit.is_visible():
            break
    page.get_by_label("Why is your label right?").fill("It says so.")
    submit.click()
    expect(page.get_by_text("Submitted. Others will now validate it.")).to_be_visible()
    return said


def validate(page: Page) -> int:
    """Validate all there is; how many."""
    page.goto(f"/studies/{SLUG}/validate/")
    votes = 0
    start = page.get_by_role("button", name="Start validating").or_(page.get_by_role("button", name="Look again"))
    if start.is_visible():
        start.click()
        expect(page.locator("#ballot p[role=status], #ballot .vote").first).to_be_visible()
    while page.locator("#ballot .vote").is_visible():
        key = "2" if page.locator("blockquote").last.inner_text().startswith("not_entailment") else "1"
        lease = page.locator("#ballot .vote input[name=validation]").input_value()
        page.keyboard.press(key)
        expect(page.locator(f"#ballot .vote input[value='{lease}']")).to_have_count(0)
        votes += 1
    return votes


def test_rounds_are_filled_by_hand_and_the_next_is_played_against_the_new_model(site: Site, people: list[Page]) -> None:
    said: dict[int, set[str]] = {number: set() for number in range(len(people))}
    turns = iter(range(10_000))

    def finished() -> bool:
        for number, page in enumerate(people):
            said[number] |= write(page, f"number {next(turns)}")
            validate(page)
        return site.state(SLUG) == "finished"

    wait_for(finished, "both rounds of every arm", 300)
    everything = set().union(*said.values())
    assert {"✗ Not fooled: the model got it right", "✓ You fooled the model", "Your text"} <= everything
    played = site.query(
        "SELECT a.kind, r.number, v.version FROM collection_attempt t "
        "JOIN collection_assignment s ON s.id = t.assignment_id JOIN collection_round r ON r.id = s.round_id "
        "JOIN collection_arm a ON a.id = r.arm_id LEFT JOIN modelserver_modelversion v ON v.id = t.model_version_id "
        "JOIN collection_example e ON e.attempt_id = t.id WHERE e.why_label = 'It says so.' AND e.state = 'accepted'"
    )
    assert set(played) == {
        ("non-adversarial", 1, None), ("non-adversarial", 2, None),
        ("static", 1, 0), ("static", 2, 0), ("dynamic", 1, 0), ("dynamic", 2, 1),
    }  # fmt: skip
    assert len(played) == 12
    without = [words for words in said.values() if "Your text" in words]
    assert without
    assert all(words == {"Your text"} for words in without)
    people[0].goto(f"/studies/{SLUG}/mine/")
    expect(people[0].get_by_text("✓ accepted").first).to_be_visible()
