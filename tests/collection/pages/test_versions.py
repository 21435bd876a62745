"""Model versions on pages: lineage, one version with its curve and files, two versions on a text."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from django.test import Client

from annotators.membership import Role
from collection.models import Attempt, Experiment, ImportedVersion, SandboxUse
from modelserver.client import FakeModelClient
from modelserver.repository import ModelRepository
from modelserver.wire import ModelRef
from tests import factories
from tests.collection.pages import logged_in, shown
from tests.collection.pages.test_query_counts import statements
from tests.modelserver.plain_artifacts import plain_artifact

pytestmark = pytest.mark.django_db
VERSIONS = "/studies/study/versions/"
COMPARE = f"{VERSIONS}compare/"
TEXTS = {"premise": "A dog sleeps.", "hypothesis": "An animal rests."}


@pytest.fixture
def client(experiment: Experiment) -> Client:
    """A researcher's browser."""
    return logged_in(factories.researcher(experiment, Role.RESEARCHER))


def test_every_version_has_its_lineage_and_its_scores(experiment: Experiment, client: Client) -> None:
    version = factories.trained(experiment)
    factories.scored(experiment, version)
    page = shown(client.get(VERSIONS))
    assert "the base version, imported from models/nli-minilm" in page
    assert f'<a href="{VERSIONS}study-dynamic/1/">study-dynamic/1</a>' in page
    assert "0.80 [0.49, 0.94]" in page
    assert "not scored" in page
    assert "hard n = 10" in page


def test_a_draft_has_no_versions_yet() -> None:
    draft = factories.draft(owner=factories.person("ada").user)
    ada = logged_in(factories.person("ada"))
    assert "There is none yet" in shown(ada.get(VERSIONS))
    answer = ada.post(COMPARE, {"A": "", "B": "", **TEXTS})
    assert (answer.status_code, draft.state) == (422, "draft")


def test_a_versions_page_tells_how_it_was_made_and_draws_its_loss(experiment: Experiment, client: Client) -> None:
    first = factories.trained(experiment)
    second = factories.trained(experiment, "dynamic", 2, parent=first)
    page = shown(client.get(f"{VERSIONS}study-dynamic/1/"))
    for words in ("2" * 64, "1" * 64, "epochs", "train_loss", "1\xa0minute", "Accepted examples"):
        assert words in page
    assert f'<a href="{VERSIONS}study-dynamic/{second.version}/">' in page
    assert 'aria-label="Loss curve: from 0.750 at step 1 to 0.250 at step 20, lowest 0.250."' in page
    assert 'style="' not in page
    assert 'points="0.0,0.0 284.2,80.0 600.0,160.0"' in page
    page = shown(client.get(f"{VERSIONS}base/0/"))
    assert "<polyline" not in page
    assert "static round 1, dynamic round 1" in page
    for path in ("study-dynamic/3/", "other/0/", f"base/{10**30}/", f"base/{10**30}/download/"):
        assert client.get(VERSIONS + path).status_code == 404


def test_a_version_is_downloaded_or_its_page_says_why_not(
    experiment: Experiment, client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    repository = ModelRepository(str(tmp_path / "repository"))
    monkeypatch.setattr("modelserver.registry.repository", lambda: repository)
    version = factories.trained(experiment, manifest_sha256=plain_artifact(tmp_path / "new"))
    path = f"{VERSIONS}study-dynamic/1/"
    missing = client.get(f"{path}download/", follow=True)
    assert missing.redirect_chain == [(path, 302)]
    assert "The model repository has no files of study-dynamic/1." in shown(missing)
    repository.publish(tmp_path / "new", version.ref)
    answer = client.get(f"{path}download/")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="study-dynamic-1.zip"'
    assert answer.headers["X-Checksum-Sha256"] == version.manifest_sha256
    with zipfile.ZipFile(io.BytesIO(answer.getvalue())) as opened:
        assert "README.md" in opened.namelist()


def by_version(model: ModelRef, texts: tuple[str, ...]) -> dict[str, float]:
    """The base version says that it follows, any other that it does not."""
    follows = 0.8 if model.name == "base" else 0.3
    return {"entailment": follows, "not_entailment": 1 - follows}


def test_two_versions_answer_side_by_side_and_nothing_is_stored(
    experiment: Experiment, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modelserver.registry.model_client", lambda: FakeModelClient(by_version))
    factories.trained(experiment)
    page = shown(client.get(f"{COMPARE}?A=study-dynamic/1"))
    assert "<option selected>study-dynamic/1</option>" in page
    assert "Nothing of it is stored" in page
    page = shown(client.post(COMPARE, {"A": "base/0", "B": "study-dynamic/1", **TEXTS}))
    assert "They differ" in page
    assert "80 %" in page
    assert "70 %" in page
    page = shown(client.post(COMPARE, {"A": "base/0", "B": "", **TEXTS}))
    assert "The answer" in page
    assert TEXTS["hypothesis"] in page
    assert (Attempt.objects.count(), SandboxUse.objects.count()) == (0, 0)


def test_two_versions_may_agree(experiment: Experiment, client: Client, model: FakeModelClient) -> None:
    factories.trained(experiment)
    page = shown(client.post(COMPARE, {"A": "base/0", "B": "study-dynamic/1", **TEXTS}))
    assert "They give the same label" in page


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"A": "theirs-dynamic/1"}, "Please choose a version of this experiment."),
        ({"B": "theirs-dynamic/1"}, "Please choose a version of this experiment."),
        ({"A": ""}, "Please choose a version of this experiment."),
        ({"B": "base/0"}, "Please choose another version than the first one"),
        ({"premise": ""}, "field-premise"),
    ],
)
def test_what_is_wrong_is_told_at_its_field_and_the_text_stays(
    experiment: Experiment, client: Client, model: FakeModelClient, sent: dict[str, str], words: str
) -> None:
    factories.trained(factories.running("theirs"))
    answer = client.post(COMPARE, {"A": "base/0", "B": "", **TEXTS, **sent})
    assert answer.status_code == 422
    page = shown(answer)
    assert words in page
    assert 'aria-invalid="true"' in page
    assert TEXTS["hypothesis"] in page
    assert model.calls == []


def test_a_model_server_that_is_away_is_told_and_the_text_stays(
    experiment: Experiment, client: Client, model: FakeModelClient
) -> None:
    model.down = True
    answer = client.post(COMPARE, {"A": "base/0", "B": "", **TEXTS})
    assert answer.status_code == 409
    assert "The model does not answer right now" in shown(answer)
    assert TEXTS["hypothesis"] in shown(answer)


def test_script_in_a_text_is_inert(experiment: Experiment, client: Client, model: FakeModelClient) -> None:
    page = shown(
        client.post(COMPARE, {"A": "base/0", "B": "", **TEXTS, "premise": "</textarea><script>alert(1)</script>"})
    )
    assert "<script>alert" not in page


def test_sixty_versions_on_three_test_sets_take_few_statements(experiment: Experiment, client: Client) -> None:
    for arm in ("dynamic", "static", "non-adversarial"):
        for number in range(1, 21):
            version = factories.trained(experiment, arm, number)
            for slug in ("one", "two", "three"):
                factories.scored(experiment, version, slug)
    assert shown(client.get(VERSIONS)).count("[0.49, 0.94]") == 180
    assert statements(lambda: client.get(VERSIONS)) < 15
    assert statements(lambda: client.get(f"{VERSIONS}study-static/20/")) < 15


def test_a_version_that_came_without_weights_is_shown_and_neither_asked_nor_downloaded(
    experiment: Experiment, client: Client, model: FakeModelClient
) -> None:
    version = factories.trained(experiment)
    ImportedVersion.objects.create(version=version)
    assert client.get(f"{VERSIONS}study-dynamic/1/").status_code == 200
    asked = client.post(COMPARE, {"A": str(version), "B": "", **TEXTS})
    assert (asked.status_code, "its weights are not on this site" in shown(asked)) == (409, True)
    page = client.get(f"{VERSIONS}study-dynamic/1/download/", follow=True)
    assert "its weights are not on this site" in shown(page)
