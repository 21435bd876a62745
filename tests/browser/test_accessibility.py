"""WCAG 2.2 AA by axe-core, in light and dark and in empty and full states; the keyboard; 320 px; the reader's zoom."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone
from playwright.sync_api import Page, expect

from annotators.models import Annotator
from collection import assignment, validation
from collection.erasure import Texts, erase
from collection.models import Assignment, DataImport, Experiment, Round
from modelserver.client import FakeModelClient
from modelserver.models import TrainingRun
from tests import factories
from tests.browser.conftest import Opens

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
STUDY = "/studies/study/"
RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}


def violations(page: Page) -> list[str]:
    """What axe-core finds, a line each."""
    # An animation in mid-way has colours of its own.
    page.evaluate("Promise.all(document.getAnimations().map(item => item.finished))")
    found = Axe().run(page, options=RULES).response["violations"]
    return [f"{page.url} {item['id']}: {node['html'][:150]}" for item in found for node in item["nodes"]]


def imports_of(staff: Annotator) -> Iterator[str]:
    """The pages of imports: the form of each kind, and one in each state."""
    for query in ("", "release", "contexts", "contexts&experiment=plan", "round-zero&experiment=plan"):
        yield f"/imports/{query and '?kind='}{query}"
    yield "/imports/?kind=test-set&task=nli"
    fault = {"file": "rows.csv", "line": 2, "column": "label", "message": "Must be one of entailment, not 'e'."}
    for values in (
        {"state": "due"},
        {"state": "working", "progress": {"phase": "checking", "done": 3, "of": 9}},
        {"state": "done", "outcome": "9 examples were imported."},
        {"state": "refused", "problem": "Nothing was stored.", "faults": [fault], "fault_count": 120},
        {"state": "failed", "problem": "The disk is full.", "ended_at": timezone.now()},
    ):
        made = DataImport.objects.create(user=staff.user, kind="release", name="release.zip", size=9, **values)
        yield f"/imports/{made.key}/"


def releases_of(experiment: Experiment) -> Iterator[tuple[str, bool]]:
    """The pages of releases, and whether one has to be logged in: one in each state, two compared, the public one."""
    yield f"{STUDY}releases/", True
    kept = [
        {"table": "examples", "id": str(experiment.key), "column": "text", "kind": "e-mail", "excerpt": "I am ••••"}
    ]
    for number, values in enumerate(
        (
            {"note": "made before somebody was erased on 2026-01-01"},
            {"state": "building", "progress": {"phase": "writing", "done": 3, "of": 9}},
            {"state": "held", "findings": {"counts": {"e-mail": 1}, "kept": kept}},
            {"state": "failed", "problem": "The disk is full."},
            {"state": "withdrawn", "sha256": "4" * 64},
            {},
        ),
        start=1,
    ):
        made = factories.release(experiment, number, **values)
        yield f"{STUDY}releases/{number}/", True
    yield f"{STUDY}releases/6/difference/?former=1", True
    yield f"/r/{made.link}/", False
    Round.objects.filter(arm__slug="static", number=1).update(state="done")
    yield f"{STUDY}releases/", True
    Round.objects.filter(arm__slug="static", number=1).update(state="open")


def states(
    experiment: Experiment, model: FakeModelClient
) -> Iterator[tuple[str, Annotator | None, Callable[[Page], None]]]:
    """Every state of every page: its path, who looks at it, and what is done there first."""

    def nothing(page: Page) -> None:
        pass

    def tries(text: str) -> Callable[[Page], None]:
        def act(page: Page) -> None:
            page.locator("textarea[name=hypothesis]").fill(text)
            page.locator("#desk form button").first.click()
            expect(page.locator("#desk .outcome, #desk .problem, #desk .warning").first).to_be_visible()
            page.evaluate("document.querySelectorAll('details').forEach(item => { item.open = true; })")

        return act

    def press(name: str) -> Callable[[Page], None]:
        def act(page: Page) -> None:
            page.get_by_role("button", name=name).click()
            page.wait_for_load_state("networkidle")

        return act

    def looks_at(text: str, format: str) -> Callable[[Page], None]:
        def act(page: Page) -> None:
            page.get_by_label("Or a pasted text").fill(text)
            page.locator("#format").select_option(format)
            page.get_by_role("button", name="Look at").click()
            expect(page.get_by_role("heading", name="not stored yet")).to_be_visible()
            page.evaluate("document.querySelectorAll('details').forEach(item => { item.open = true; })")

        return act

    def practise(page: Page) -> None:
        page.locator("#field-premise").fill("A dog sleeps.")
        page.locator("#field-hypothesis").fill("It rests.")
        press("Ask the model")(page)

    fresh = factories.member_of(experiment, "dynamic")
    for path in ("", f"{STUDY}write/", f"{STUDY}validate/", f"{STUDY}mine/", f"{STUDY}leaders/", f"{STUDY}practice/"):
        yield path or "/", fresh, nothing
    yield "/login/", None, nothing
    for label, text in (
        ("entailment", "There are dogs."),
        ("not_entailment", "There are cats."),
        ("entailment", "x" * 300),
    ):
        writer = factories.member_of(experiment, "dynamic")
        assignment.claim(experiment, writer)
        Assignment.objects.filter(annotator=writer).update(target_label=label)
        yield f"{STUDY}write/", writer, tries(text)
    used_up = factories.member_of(experiment, "static")
    held = assignment.claim(experiment, used_up)
    for number in range(3):
        factories.attempted(held, factories.client_that_says(held.target_label), f"Try {number}.")
    yield f"{STUDY}write/", used_up, nothing
    waits = factories.member_of(experiment, "static")
    held = assignment.claim(experiment, waits)
    model.down = True
    factories.attempted(held, model, "Waiting for it.")
    model.down = False
    yield f"{STUDY}write/", waits, nothing
    plain = factories.member_of(experiment, "non-adversarial")
    assignment.claim(experiment, plain)
    yield f"{STUDY}write/", plain, tries("There are dogs.")

    first = factories.written(experiment)
    writer = first.annotator
    writer.public_name = "Ada"
    writer.save()
    validator = factories.member_of(experiment, "static")
    validation.claim_validation(experiment, validator)
    factories.written(experiment, writer=writer)
    yield f"{STUDY}validate/", validator, press("1 Definitely true")
    yield f"{STUDY}validate/", validator, press("Take it back")
    factories.voted(experiment, factories.member_of(experiment, "static"), None, "makes no sense")
    for path in ("/", f"{STUDY}mine/", f"{STUDY}leaders/", f"{STUDY}validate/"):
        yield path, writer, press("Start validating") if "validate" in path else nothing
    yield f"{STUDY}practice/", writer, practise
    staff = factories.researcher(experiment)
    staff.user.is_staff = True
    staff.user.save()
    yield "/new/", staff, press("Check and estimate")

    def works_out(page: Page) -> None:
        press("Work it out")(page)
        page.evaluate("document.querySelectorAll('details').forEach(item => { item.open = true; })")

    for query in ("", "?like=study", "?rounds=none&icc=2"):
        yield f"/power/{query}", staff, works_out
    versions = f"{STUDY}versions/"
    yield versions, staff, nothing
    trained = factories.trained(experiment)
    factories.scored(experiment, trained)

    def asks(page: Page) -> None:
        page.get_by_label("Version B").select_option(str(trained))
        page.locator("#field-premise").fill("A dog sleeps.")
        page.locator("#field-hypothesis").fill("It rests.")
        press("Ask")(page)

    def opened(page: Page) -> None:
        page.locator("summary").click()

    yield versions, staff, nothing
    yield f"{versions}{trained}/", staff, opened
    yield f"{versions}base/0/", staff, nothing
    for choice in (f"?A={trained}", "?A=base/0"):
        yield f"{versions}compare/{choice}", staff, asks
    factories.draft("plan", owner=staff.user)
    for path, text in (
        ("/studies/plan/contexts/", "premise\nA man has 1 dogs.\nOne.\none\n,\n"),
        ("/test-sets/", "text,label\nx,y\n"),
    ):
        yield path, staff, looks_at(text, "csv")
    yield "/test-sets/", staff, looks_at("no Parquet", "parquet")
    yield "/studies/plan/contexts/", staff, looks_at("A man has 1 dogs.\nA new one.", "")
    yield "/studies/plan/round-zero/", staff, nothing
    yield "/studies/plan/round-zero/", staff, looks_at("premise,hypothesis,label\nIt rains.,Water falls.,e\n", "csv")
    rows = "premise,hypothesis,label\nIt rains.,Water falls.,entailment\n"
    yield "/studies/plan/round-zero/", staff, looks_at(rows, "csv")
    yield f"{STUDY}round-zero/", staff, nothing
    yield from ((path, staff, nothing) for path in imports_of(staff))
    yield from ((path, staff if inside else None, nothing) for path, inside in releases_of(experiment))
    yield "/tasks/", staff, nothing
    factories.report(experiment)
    yield from ((f"{STUDY}report/{page}", staff, nothing) for page in ("", "collection/"))
    factories.draft("draft", owner=staff.user)
    yield "/studies/draft/", staff, nothing
    yield "/studies/draft/steer/", staff, nothing
    yield "/studies/draft/settings/", staff, press("Check and estimate")
    run = TrainingRun.objects.create(
        key="train", study=experiment.key, spec={"kind": "train"}, state="running",
        progress={"phase": "training", "step": 3, "steps": 9, "eta_s": 61, "curve": [[1, 0.7], [3, 0.4]]},
    )  # fmt: skip
    Round.objects.filter(arm__slug="non-adversarial").update(state="training", training_run=run)
    yield f"{STUDY}settings/", staff, press("Save")
    console = (
        "contexts/",
        "steer/",
        "copy/",
        "settings/",
        "examples/",
        "examples/?text=nothing",
        f"examples/{first.key}/",
        "experts/",
        "members/",
    )
    for path in ("/", STUDY, *(f"{STUDY}{page}" for page in console), "/account/tokens/"):
        yield path, staff, nothing
    gone = factories.written(experiment, "static")
    erase(gone.annotator, Texts.DROP)
    yield f"{STUDY}examples/{gone.key}/", staff, nothing


# Each goes through all states once: opening them takes longest.
@pytest.mark.timeout(600)
def test_axe_finds_nothing_and_every_control_is_reached_by_tab_and_shows_its_focus(
    experiment: Experiment, opens: Opens, model: FakeModelClient
) -> None:
    found: list[str] = []
    missed = []
    for path, who, act in states(experiment, model):
        page = opens(who, path)
        act(page)
        found += violations(page)
        wanted = page.evaluate(
            """() => { const all = [...document.querySelectorAll("a[href], button, textarea, select, summary, input")]
                .filter(item => item.checkVisibility() && !item.disabled && item.type !== "hidden");
                all.forEach((item, index) => item.dataset.n = index); document.activeElement.blur();
                document.body.tabIndex = -1; document.body.focus();
                window.reached = new Set();
                addEventListener("focusin", ({ target }) => { const css = getComputedStyle(target);
                    if (css.outlineStyle !== "none" && parseFloat(css.outlineWidth) >= 2)
                        window.reached.add(Number(target.dataset.n ?? -1)); });
                return all.length; }"""
        )
        for _ in range(wanted + 10):
            page.keyboard.press("Tab")
        reached = set(page.evaluate("[...window.reached]"))
        missed += [f"{page.url} control {number}" for number in set(range(wanted)) - reached]
        page.context.close()
    assert found == []
    assert missed == []


@pytest.mark.timeout(600)
def test_in_the_dark_on_a_phone_axe_finds_nothing_and_nothing_is_too_wide_or_too_small(
    experiment: Experiment, opens: Opens, model: FakeModelClient
) -> None:
    found: list[str] = []
    wide, small = [], []
    for path, who, act in states(experiment, model):
        page = opens(who, path, color_scheme="dark", viewport={"width": 320, "height": 640})
        act(page)
        found += violations(page)
        if page.evaluate("document.documentElement.scrollWidth") > 320:
            wide.append(path)
        small += page.evaluate(
            """() => [...document.querySelectorAll("button, summary, a.button, nav a, textarea, input")]
                .filter(item => item.checkVisibility() && item.type !== "hidden")
                .filter(item => item.getBoundingClientRect().height < 24 && item.type !== "checkbox")
                .map(item => location.pathname + " " + item.outerHTML.slice(0, 80))"""
        )
        page.context.close()
    assert found == []
    assert wide == []
    assert small == []
