"""The pictures of the documentation: ``make pictures`` takes them anew; as a test they are thrown away."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from annotators.models import Annotator
from collection import assignment, settlement, submission, validation
from collection.models import Assignment, Experiment
from modelserver.client import FakeModelClient
from modelserver.models import TrainingRun
from modelserver.wire import ModelRef
from tests import factories
from tests.browser.conftest import Opens

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
WIDE, PHONE = {"width": 1100, "height": 760}, {"width": 360, "height": 740}
BRIDGE = "The bridge is closed to lorries but open to cars and buses."
STUDY = "/studies/bridges/"


def opinion(model: ModelRef, texts: tuple[str, ...]) -> dict[str, float]:
    """What the model of the pictures thinks: it believes what repeats the words of the text; a later one, less so."""
    words = set(texts[0].lower().strip(".").split())
    said = texts[1].lower().strip(".").split()
    follows = 0.15 + (0.75 - 0.25 * model.version) * sum(word in words for word in said) / len(said)
    return {"entailment": follows, "not_entailment": 1 - follows}


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> FakeModelClient:
    """The model of the pictures."""
    fake = FakeModelClient(opinion)
    monkeypatch.setattr("modelserver.registry.model_client", lambda: fake)
    return fake


@pytest.fixture
def experiment(transactional_db: None) -> Experiment:
    """A study in which some work is done."""
    return factories.running(
        "bridges", contexts=[BRIDGE], quota=30, quorum=1, max_validations=1, undo_seconds=60, currency="EUR",
        base_pay_minor=20, fooling_bonus_minor=30, validation_pay_minor=5, sandbox=True, leaderboard=True,
    )  # fmt: skip


def named(experiment: Experiment, name: str, arm: str) -> Annotator:
    """Somebody of that arm with that name."""
    who = factories.member_of(experiment, arm)
    who.user.username = name.lower()
    who.user.save()
    who.public_name = name
    who.save()
    return who


def submitted(experiment: Experiment, who: Annotator, label: str, text: str, model: FakeModelClient) -> str:
    """A text of somebody, submitted after all tries or at once; its key."""
    held = assignment.claim(experiment, who)
    Assignment.objects.filter(pk=held.pk).update(target_label=label)
    for number in range(5):
        stored = submission.attempt(held.key, who, {"hypothesis": text}, None, f"{number}", model)
        if stored.fooled is not False:
            break
    return str(submission.submit(held.key, who, stored.key).key)


def decided(experiment: Experiment, who: Annotator, label: str | None, reason: str = "") -> None:
    """Somebody validates the next text, and the vote counts."""
    lease = validation.claim_validation(experiment, who)
    validation.vote(lease.key, who, validation.Vote(label, reason))
    settlement.settle(next(vote for vote in settlement.unsettled() if vote.pk == lease.pk))


@pytest.mark.timeout(240)
def test_pictures_of_every_page(experiment: Experiment, opens: Opens, model: FakeModelClient, tmp_path: Path) -> None:
    folder = Path(os.environ.get("PICTURES", tmp_path))
    taken = []

    def take(page: Page, name: str, whole: bool = True) -> None:
        page.wait_for_load_state("networkidle")
        page.evaluate("Promise.all(document.getAnimations().map(item => item.finished))")
        page.screenshot(path=folder / f"{name}.png", full_page=whole)
        taken.append(name)

    ada, ben = named(experiment, "Ada", "dynamic"), named(experiment, "Ben", "dynamic")
    chen, dina = named(experiment, "Chen", "non-adversarial"), named(experiment, "Dina", "static")
    submitted(experiment, ada, "entailment", "Heavy trucks must find another way.", model)
    decided(experiment, dina, "entailment", "Lorries are heavy trucks.")
    submitted(experiment, ada, "not_entailment", "The bridge is closed to cars.", model)
    decided(experiment, dina, "not_entailment")
    submitted(experiment, ben, "not_entailment", "The bridge is open to lorries and buses.", model)
    decided(experiment, dina, "not_entailment")
    submitted(experiment, ada, "entailment", "Nobody can walk there.", model)
    decided(experiment, dina, None, "One cannot tell; and where is there?")
    submitted(experiment, ada, "not_entailment", "The bridge is open to cars but closed to buses.", model)

    assignment.claim(experiment, ada)
    Assignment.objects.filter(annotator=ada, state="leased").update(target_label="entailment")
    page = opens(ada, f"{STUDY}write/", viewport=WIDE)
    for text, words in (
        ("The bridge is open to buses.", "Not fooled"),
        ("Public transport gets across.", "You fooled"),
    ):
        page.locator("textarea[name=hypothesis]").fill(text)
        page.locator("textarea[name=hypothesis]").press("Control+Enter")
        expect(page.get_by_role("heading", name=words)).to_be_visible()
        take(page, "write-fooled" if "You" in words else "write-not-fooled")
    take(opens(ada, f"{STUDY}write/", viewport=PHONE, color_scheme="dark"), "write-phone-dark")
    for name, path in (("home", "/"), ("my-texts", f"{STUDY}mine/"), ("leaderboard", f"{STUDY}leaders/")):
        take(opens(ada, path, viewport=WIDE), name)

    assignment.claim(experiment, chen)
    page = opens(chen, f"{STUDY}write/", viewport=WIDE)
    page.locator("textarea[name=hypothesis]").fill("A bus may cross.")
    take(page, "write-without-a-model")

    page = opens(dina, f"{STUDY}practice/", viewport=WIDE)
    page.get_by_label("Text", exact=True).fill("It rained all night.")
    page.get_by_label("Sentence").fill("The street is wet.")
    page.get_by_role("button", name="Ask the model").click()
    expect(page.get_by_text("more within this hour")).to_be_visible()
    take(page, "practice")

    submitted(experiment, ben, "not_entailment", "The bridge is closed to buses.", model)
    page = opens(chen, f"{STUDY}validate/", viewport=WIDE)
    page.get_by_role("button", name="Start validating").click()
    page.get_by_role("button", name="Not definitely true").click()
    expect(page.get_by_text("You chose")).to_be_visible()
    take(page, "validate")
    take(opens(chen, f"{STUDY}validate/", viewport=PHONE, color_scheme="dark"), "validate-phone-dark")

    expert = factories.researcher(experiment)
    expert.user.username = "expert"
    expert.user.save()
    take(opens(expert, f"{STUDY}experts/", viewport=WIDE), "experts")
    for name, path in (
        ("examples", f"{STUDY}examples/"), ("rounds", STUDY), ("steer", f"{STUDY}steer/"),
        ("settings", f"{STUDY}settings/"), ("members", f"{STUDY}members/"),
    ):  # fmt: skip
        take(opens(expert, path, viewport={"width": 1300, "height": 800}), name, whole=name == "examples")
    versions = [
        factories.trained(
            experiment, "dynamic", number, data_rows=3, data_sha256=sha256(b"data").hexdigest(),
            manifest_sha256=sha256(b"manifest").hexdigest(),
        )
        for number in (1, 2)
    ]  # fmt: skip
    falling = [[step, 0.2 + 0.5 * 0.93**step] for step in range(60)]
    TrainingRun.objects.update(progress={"curve": falling})
    for version, right in zip(versions, (6, 8), strict=True):
        factories.scored(experiment, version, "Expert-written", right)
    take(opens(expert, f"{STUDY}versions/", viewport=WIDE), "versions")
    take(opens(expert, f"{STUDY}versions/{versions[1]}/", viewport=WIDE), "version")
    page = opens(expert, f"{STUDY}versions/compare/?A={versions[0]}", viewport=WIDE)
    page.get_by_label("Version B").select_option(str(versions[1]))
    page.get_by_label("Text", exact=True).fill(BRIDGE)
    page.get_by_label("Sentence").fill("The bridge is open to cars and buses.")
    page.get_by_role("button", name="Ask").click()
    expect(page.get_by_role("heading", name="They differ")).to_be_visible()
    take(page, "compare")
    expert.user.is_staff = True
    expert.user.save()
    page = opens(expert, "/new/", viewport=WIDE)
    page.get_by_label("Name", exact=True).fill("Bridges again")
    page.get_by_label("Short name").fill("bridges-again")
    page.get_by_label("Contexts, one a line").fill(BRIDGE)
    page.get_by_label("Base model").fill("models/nli-minilm")
    page.get_by_role("button", name="Check and estimate").click()
    expect(page.get_by_text("Nothing is wrong with it")).to_be_visible()
    take(page, "new-experiment", whole=False)
    factories.draft("lorries", contexts=[BRIDGE], owner=expert.user)
    page = opens(expert, "/studies/lorries/contexts/", viewport=WIDE)
    rows = ("id,premise", "1,The ferry runs twice a day.", "2,", "3,the ferry runs TWICE a day", f"4,{BRIDGE}")
    file = {"name": "ferries.csv", "mimeType": "text/csv", "buffer": "\n".join(rows).encode()}
    page.get_by_label("A file").set_input_files([file])  # type: ignore[list-item]
    page.get_by_role("button", name="Look at them").click()
    expect(page.get_by_role("heading", name="What has to be mended first")).to_be_visible()
    take(page, "upload")
    take(opens(None, "/login/", viewport=WIDE), "login", whole=False)

    assert len(taken) == len(set(taken)) == 22
    assert all((folder / f"{name}.png").stat().st_size > 5_000 for name in taken)
