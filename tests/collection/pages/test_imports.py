"""Sending long files to be imported on their pages, and seeing what becomes of them."""

from __future__ import annotations

import datetime as dt
import io
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from annotators.models import Annotator
from collection import imports, intake
from collection.models import Context, DataImport, Experiment, RoundZero, TestSet
from collection.states import ImportState
from tests import factories
from tests.collection import released
from tests.collection.pages import logged_in, shown

pytestmark = pytest.mark.django_db
ROWS = b'{"text": "It rains.", "said": "Water falls.", "label": "e"}\n'


@pytest.fixture(autouse=True)
def _own_folders(settings: LazySettings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path
    settings.TRAINING_DATA_URL = f"file://{tmp_path}/data"
    settings.RELEASES_URL = f"file://{tmp_path}/releases"


@pytest.fixture
def draft() -> Experiment:
    """A draft with two contexts."""
    return factories.draft(contexts=["A man has a dog.", "It rains."])


@pytest.fixture
def ada(draft: Experiment) -> Annotator:
    """Its owner."""
    return factories.researcher(draft)


@pytest.fixture
def client(ada: Annotator) -> Client:
    """Her browser; she may make experiments too."""
    return logged_in(ada, staff=True)


def send(client: Client, kind: str, content: bytes, file: str = "rows.jsonl", **fields: Any) -> Any:
    """Fill in the form and send it; gives what comes of it."""
    return client.post("/imports/", {"kind": kind, "file": SimpleUploadedFile(file, content), **fields}, follow=True)


def worked() -> DataImport:
    """A worker takes what was asked for last."""
    last = DataImport.objects.latest("pk")
    intake.carry_out(last.pk)
    last.refresh_from_db()
    return last


def test_contexts_are_sent_and_come_by_a_worker(client: Client) -> None:
    form = shown(client.get("/imports/?kind=contexts&experiment=study"))
    assert "may be left out if it is called premise" in form
    page = send(client, "contexts", b"A new context.\n", "new.txt", experiment="study")
    assert "A worker takes it as soon as one is free." in shown(page)
    assert 'hx-trigger="every 2s"' in shown(page)
    assert worked().state == ImportState.DONE
    done = shown(client.get(page.redirect_chain[-1][0]))
    assert "1 contexts were added; 0 were there already." in done
    assert "hx-trigger" not in done
    assert Context.objects.filter(text="A new context.").exists()
    assert "new.txt" in shown(client.get("/imports/"))


def test_columns_and_what_labels_are_called_are_said_in_the_form(client: Client) -> None:
    form = shown(client.get("/imports/?kind=round-zero&experiment=study"))
    assert 'name="columns.premise"' in form
    assert 'name="called.not_entailment"' in form
    said = {"columns.premise": "text", "columns.hypothesis": "said", "called.entailment": "e, E"}
    send(client, "round-zero", ROWS, experiment="study", arms=["dynamic"], **said)
    assert worked().state == ImportState.DONE
    assert list(RoundZero.objects.values_list("arm__slug", "rows")) == [("dynamic", 1)]


def test_a_test_set_is_named_and_sent(client: Client) -> None:
    assert 'name="kind_of_set"' in shown(client.get("/imports/?kind=test-set&task=nli"))
    rows = b"premise,hypothesis,label\nIt rains.,Water falls.,entailment\n"
    send(client, "test-set", rows, "hard.csv", task="nli", slug="hard", name="Hard", kind_of_set="expert")
    assert worked().state == ImportState.DONE
    assert TestSet.objects.get().slug == "hard"


def test_a_release_is_sent_and_what_it_became_is_linked(client: Client, draft: Experiment) -> None:
    made = released.built(released.study("old"), formats=["jsonl"])
    page = send(client, "release", b"".join(released.archive(made)), "release.zip", slug="new")
    item = worked()
    assert (item.state, item.options) == (ImportState.REFUSED, {"slug": "new"})
    assert "is on this site already" in shown(client.get(page.redirect_chain[-1][0]))
    # As it is on another site.
    DataImport.objects.update(state=ImportState.DONE, made=draft, outcome="4 examples were imported.", faults=[])
    assert '<dt>Became</dt><dd><a href="/studies/study/">' in shown(client.get(page.redirect_chain[-1][0]))


def test_faults_stand_there_with_file_line_and_column(client: Client) -> None:
    page = send(
        client,
        "round-zero",
        ROWS * 120,
        experiment="study",
        **{"columns.premise": "text", "columns.hypothesis": "said"},
    )
    worked()
    refused = shown(client.get(page.redirect_chain[-1][0]))
    assert "Something is wrong with the file. Nothing was stored." in refused
    assert "<td>rows.jsonl</td><td>1</td><td>label</td><td><p>Must be one of" in refused
    assert "These are the first 100 of 120." in refused


def test_how_far_it_is_is_shown_while_a_worker_is_at_it(client: Client) -> None:
    page = send(client, "contexts", b"One.", "new.txt", experiment="study")
    taken = imports.claim(DataImport.objects.get().pk)
    assert taken is not None
    imports.heartbeat(taken, phase="storing", done=3, of=9)
    working = shown(client.get(page.redirect_chain[-1][0]))
    assert "A worker is at it: storing." in working
    assert '<progress max="9" value="3"' in working
    imports.fail(taken, "no space left")
    failed = shown(client.get(page.redirect_chain[-1][0]))
    assert "The import itself failed." in failed
    assert "no space left" in failed


def test_a_failed_import_is_tried_again_at_the_press_of_a_button(client: Client) -> None:
    page = send(client, "contexts", b"One.", "new.txt", experiment="study").redirect_chain[-1][0]
    assert "Try again" not in shown(client.get(page))
    early = client.post(page)
    assert (early.status_code, "Only a failed import can be tried again" in shown(early)) == (409, True)
    taken = imports.claim(DataImport.objects.get().pk)
    assert taken is not None
    imports.fail(taken, "no space left")
    assert "<button>Try again</button>" in shown(client.get(page))
    again = client.post(page, follow=True)
    assert "A worker takes it as soon as one is free." in shown(again)
    assert worked().outcome == "1 contexts were added; 0 were there already."
    DataImport.objects.update(state="failed", ended_at=timezone.now() - dt.timedelta(days=2))
    late = shown(client.get(page))
    assert "the file is not kept any more, and can be sent again" in late
    assert "Try again" not in late


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"kind": "gossip"}, "kind"),
        ({"kind": "contexts", "experiment": "study", "file": "rows.doc"}, "format"),
        ({"kind": "round-zero", "experiment": "study", "format": "text"}, "format"),
        ({"kind": "round-zero", "experiment": "study", "arms": "unheard"}, "arms"),
        (
            {"kind": "round-zero", "experiment": "study", "called.entailment": "e", "called.not_entailment": "e"},
            "called",
        ),
        ({"kind": "round-zero", "experiment": "study", "called.maybe": "e"}, "labels.e"),
        ({"kind": "test-set", "task": "nli", "slug": "Not One", "name": "x"}, "slug"),
        ({"kind": "release", "slug": "Not One"}, "slug"),
        ({"kind": "release", "experiment": "study"}, "experiment"),
    ],
)
def test_what_is_wrong_with_a_form_is_named_and_no_file_is_kept(
    client: Client, fields: dict[str, str], field: str
) -> None:
    client.get("/imports/?kind=test-set&task=nli")
    kind, name = fields.pop("kind"), fields.pop("file", "rows.jsonl")
    refused = send(client, kind, ROWS, name, **fields)
    assert refused.status_code == 422
    assert f"<strong>{field}" in shown(refused)
    assert not DataImport.objects.exists()


def test_a_form_without_a_file_asks_for_one(client: Client) -> None:
    refused = client.post("/imports/", {"kind": "contexts", "experiment": "study"})
    assert refused.status_code == 422
    assert "Please choose a file." in shown(refused)


def test_after_the_launch_there_is_nothing_to_choose_and_a_forged_form_is_refused(
    client: Client, draft: Experiment
) -> None:
    Experiment.objects.filter(pk=draft.pk).update(state="preparing")
    assert "You have no draft to which it could be added." in shown(client.get("/imports/?kind=contexts"))
    refused = send(client, "contexts", b"One.", "a.txt", experiment="study")
    assert refused.status_code == 409
    assert "Data can be added to a draft only" in shown(refused)


def test_another_ones_imports_and_experiments_are_not_there(client: Client, draft: Experiment) -> None:
    page = send(client, "contexts", b"One.", "secret.txt", experiment="study")
    other = logged_in(factories.researcher(factories.draft("elsewhere")))
    assert other.get(page.redirect_chain[-1][0]).status_code == 404
    assert other.get(f"/imports/{uuid.uuid4()}/").status_code == 404
    assert "secret.txt" not in shown(other.get("/imports/"))
    assert other.get("/imports/?kind=contexts&experiment=study").status_code == 404
    assert send(other, "contexts", b"One.", "a.txt", experiment="study").status_code == 404
    assert "A release of a study" not in shown(other.get("/imports/")), "who may make no experiments"
    assert send(other, "release", b"PK", "a.zip").status_code == 404
    annotator = logged_in(factories.person())
    assert annotator.get("/imports/").status_code == 404


def test_only_who_may_send_long_files_sends_more_than_usual(client: Client, settings: LazySettings) -> None:
    settings.LARGEST_IMPORT_BYTES = 100_000_000

    class Broken(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise AssertionError("it is read")

    def post(who: Client, length: int, path: str = "/imports/") -> Any:
        return who.generic(
            "POST", path, CONTENT_TYPE="multipart/form-data; boundary=x", CONTENT_LENGTH=str(length),
            **{"wsgi.input": Broken()},
        )  # fmt: skip

    for path in ("/imports/", "/api/v1/console/imports/"):
        with pytest.raises(AssertionError, match="it is read"):
            post(client, 90_000_000, path)
        assert post(client, 200_000_000, path).status_code == 413
        assert post(logged_in(factories.person()), 90_000_000, path).status_code in (404, 413)
    assert "files of at most" in shown(post(client, 200_000_000))
    assert post(client, 90_000_000, "/test-sets/").status_code == 413
