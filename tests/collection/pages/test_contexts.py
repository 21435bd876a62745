"""Adding contexts on their pages: sent, looked at, stored whole or not at all, and nothing lost on the way."""

from __future__ import annotations

import datetime as dt
import io
import re
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from annotators.models import Annotator
from collection.importing.pending import KEPT, MOST_WAITING, forget_old_uploads
from collection.models import Context, Experiment, PendingUpload
from tests import factories
from tests.collection.importing.uploads import parquet
from tests.collection.pages import logged_in, shown

pytestmark = pytest.mark.django_db
CONTEXTS = "/studies/study/contexts/"
GOOD = "A woman reads.\nTwo boys run.\n"


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
    """Her browser."""
    return logged_in(ada)


def send(client: Client, text: str = "", file: tuple[str, bytes] | None = None, **fields: str) -> tuple[str, Any]:
    """Send a form and look at what comes of it; gives where that is, and the page."""
    body: dict[str, Any] = {"text": text, **fields}
    if file is not None:
        body["file"] = SimpleUploadedFile(*file)
    answer = client.post(CONTEXTS, body, follow=True)
    return (answer.redirect_chain[-1][0] if answer.redirect_chain else ""), answer


def press(client: Client, page: Any) -> Any:
    """Press the button that stores, with what its form holds."""
    form = re.search(r'<form method="post" class="buttons">.*?</form>', shown(page), re.DOTALL)
    assert form
    fields = dict(re.findall(r'name="(format|column)" value="([^"]*)"', form.group()))
    return client.post(page.request["PATH_INFO"], fields, follow=True)


def kept_files() -> list[Path]:
    folder = Path(settings.TRAINING_DATA_URL.removeprefix("file://")) / "uploads"
    keys = {str(key) for key in PendingUpload.objects.values_list("key", flat=True)}
    return [path for path in folder.glob("*") if path.name in keys] if folder.exists() else []


def test_a_pasted_text_is_looked_at_first_and_then_stored(client: Client) -> None:
    _, page = send(client, GOOD + "it rains!\n")
    assert "A woman reads." in shown(page)
    assert "Store them (2 new)" in shown(page)
    assert "line 3: <span" in shown(page)
    assert Context.objects.count() == 2
    done = press(client, page)
    assert done.redirect_chain == [(CONTEXTS, 302)]
    assert "Contexts added: 2. 1 of the upload were there already." in shown(done)
    assert "Contexts: 4" in shown(done)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("some.csv", b"id,Premise\n1,A woman reads.\n2,Two boys run.\n"),
        ("some.jsonl", b'{"premise": "A woman reads."}\n{"premise": "Two boys run."}\n'),
        ("some.txt", GOOD.encode()),
        ("some.parquet", parquet({"premise": ["A woman reads.", "Two boys run."]}).getvalue()),
    ],
)
def test_a_file_of_each_format_is_known_by_its_name(client: Client, name: str, content: bytes) -> None:
    _, page = send(client, file=(name, content))
    assert name in shown(page)
    press(client, page)
    assert set(Context.objects.values_list("text", flat=True)) >= {"A woman reads.", "Two boys run."}


def test_every_fault_is_named_by_line_and_column_and_nothing_is_stored(client: Client) -> None:
    where, page = send(client, file=("some.csv", "premise\nGood one.\nbad \u202e text\n\nx,y\n".encode()))
    said = shown(page)
    assert "<td>3</td><td>premise</td><td><p>The text has an invisible character (U+202E) in it." in said
    assert "<td>5</td><td></td><td><p>Has 2 cells, but the header names 1." in said
    assert "Store them" not in said
    forged = client.post(where, {"format": "csv"})
    assert forged.status_code == 422
    assert "Nothing was stored" in shown(forged)
    assert Context.objects.count() == 2


def test_a_column_that_cannot_be_guessed_is_asked_for_without_a_second_upload(client: Client) -> None:
    where, page = send(client, file=("some.csv", b"said,by\nA woman reads.,ada\n"))
    assert "Please say which holds the contexts" in shown(page)
    assert "<option >said</option>" in shown(page)
    page = client.get(where.partition("?")[0], {"format": "csv", "column": "said"})
    assert "Store them (1 new)" in shown(page)
    press(client, page)
    assert Context.objects.filter(text="A woman reads.").exists()


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (("a.csv", "premise\nein schöner Tag\n".encode("latin-1")), "Line 2 is not UTF-8"),
        (("a.csv", "premise\nTwo.\n".encode("utf-16")), "looks like UTF-16"),
        (("a.csv", b"\x1f\x8b\x08 a bomb"), "packed (gzip)"),
        (("a.parquet", b"PK\x03\x04 a bomb"), "zip archive"),
        (("a.parquet", parquet({"premise": ["x" * 999] * 190_000}).getvalue()), "larger than 50 MB"),
        (("a.parquet", b"PAR1 no more"), "cut off"),
        (("a.csv", b""), "The file is empty"),
        (("a.jsonl", b"[" * 100_000), "nested too deeply"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_words(client: Client, file: tuple[str, bytes], words: str) -> None:
    _, page = send(client, file=file)
    assert page.status_code in (200, 422)
    assert words in shown(page)
    assert "Store them" not in shown(page)
    assert Context.objects.count() == 2


def test_a_pasted_text_with_a_fault_is_there_to_be_mended(client: Client) -> None:
    _, page = send(client, "Good one.\nbad \u202e text")
    assert "Good one.\nbad \u202e text</textarea>" in shown(page).replace("\r", "")
    _, page = send(client, "Good one.\nbetter text", format="text")
    press(client, page)
    assert Context.objects.count() == 4


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "Please choose a file or paste a text"),
        ({"text": "x", "file": ("a.txt", b"y")}, "one of the two"),
        ({"file": ("a.doc", b"y")}, "does not tell its format"),
        ({"text": "kept as typed", "format": "xls"}, "does not tell its format"),
    ],
)
def test_a_form_that_cannot_be_taken_comes_back_as_it_was(client: Client, fields: dict[str, Any], words: str) -> None:
    _, page = send(client, **fields)
    assert page.status_code == 422
    assert words in shown(page)
    assert fields.get("text", "") in shown(page)
    assert PendingUpload.objects.count() == 0


def test_pressing_twice_stores_once_and_says_the_same(client: Client) -> None:
    _, page = send(client, GOOD)
    first, second = press(client, page), press(client, page)
    assert first.redirect_chain == second.redirect_chain
    assert "Contexts added: 2." in shown(second)
    assert Context.objects.count() == 4


def test_two_tabs_are_two_uploads(client: Client) -> None:
    _, one = send(client, "In one tab.")
    _, two = send(client, "In the other.")
    press(client, one)
    press(client, two)
    assert Context.objects.count() == 4


def test_an_upload_is_its_senders_and_for_its_experiment(client: Client, draft: Experiment, ada: Annotator) -> None:
    where, _ = send(client, GOOD)
    other = logged_in(factories.researcher(draft))
    elsewhere = factories.draft("elsewhere", owner=ada.user)
    for who, path in (
        (other, where),
        (client, where.replace("study", elsewhere.slug)),
        (client, f"{CONTEXTS}{uuid.uuid4()}/"),
    ):
        for answer in (who.get(path), who.post(path, {"format": "text"})):
            assert answer.status_code == 404
            assert "There is no such upload" in shown(answer)
            assert "A woman reads." not in shown(answer)
    staff = logged_in(ada, staff=True)
    assert staff.post(f"/test-sets/{PendingUpload.objects.get().key}/", {"task": "nli"}).status_code == 404
    assert Context.objects.filter(experiment=draft).count() == 2


def test_uploads_are_forgotten_after_a_day_and_the_oldest_make_room(client: Client) -> None:
    for number in range(MOST_WAITING + 2):
        where, _ = send(client, f"Text {number}.")
    assert PendingUpload.objects.count() == len(kept_files()) == MOST_WAITING
    PendingUpload.objects.update(created_at=timezone.now() - KEPT - dt.timedelta(seconds=1))
    assert client.get(where).status_code == 404
    files = kept_files()
    files[0].unlink()
    assert forget_old_uploads() == MOST_WAITING
    assert not any(file.exists() for file in files)
    assert PendingUpload.objects.count() == 0


def test_an_upload_that_died_half_way_is_none(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    where, _ = send(client, GOOD)
    PendingUpload.objects.update(size=None)
    assert client.get(where).status_code == 404

    def full_disk(*_: Any) -> Any:
        raise OSError("no space")

    monkeypatch.setattr("collection.importing.pending.pieces", full_disk)
    with pytest.raises(OSError, match="no space"):
        send(client, GOOD)
    assert PendingUpload.objects.count() == len(kept_files()) == 1


def test_after_the_launch_the_page_says_why_contexts_are_locked(client: Client, draft: Experiment) -> None:
    _, page = send(client, GOOD)
    Experiment.objects.filter(pk=draft.pk).update(state="preparing")
    assert "Contexts cannot be changed: rounds with more" in shown(client.get(CONTEXTS))
    assert 'type="file"' not in shown(client.get(CONTEXTS))
    assert client.post(CONTEXTS, {"text": "More."}).status_code == 409
    refused = press(client, page)
    assert refused.status_code == 409
    assert "Contexts can be added to a draft only" in shown(refused)
    assert Context.objects.count() == 2


def test_contexts_are_paged_in_the_order_in_which_they_are_dealt(ada: Annotator) -> None:
    many = factories.draft("many", contexts=[f"Text number {number}." for number in range(120)], owner=ada.user)
    client, seen, path = logged_in(ada), [], "/studies/many/contexts/"
    while path:
        page = shown(client.get(path))
        assert "Contexts: 120" in page
        seen += re.findall(r'<p dir="auto">(Text number \d+\.)</p>', page)
        more = re.search(r'href="(\?after=\d+)"', page)
        path = f"/studies/many/contexts/{more.group(1)}" if more else ""
    assert seen == list(many.contexts.order_by("position").values_list("text", flat=True))
    assert client.get("/studies/many/contexts/?after=x").status_code == 404


class Endless(io.RawIOBase):
    """A body of which nothing is to be read."""

    def read(self, size: int = -1) -> bytes:
        raise AssertionError("nothing of it is to be read")


@pytest.mark.parametrize("path", [CONTEXTS, "/test-sets/", "/login/", "/api/v1/console/experiments/study/contexts/"])
def test_what_says_that_it_is_too_large_is_refused_before_any_of_it_is_read(ada: Annotator, path: str) -> None:
    client = logged_in(ada, staff=True, enforce_csrf_checks=True)
    client.cookies["csrftoken"] = "a" * 32
    answer = client.generic(
        "POST", path, CONTENT_TYPE="multipart/form-data; boundary=x", CONTENT_LENGTH="200000000",
        **{"wsgi.input": Endless()},
    )  # fmt: skip
    assert answer.status_code == 413
    assert "too large" in shown(answer)


def multipart(content: bytes) -> bytes:
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
    return head + content + b"\r\n--x--\r\n"


def test_no_more_is_read_than_a_body_says_that_it_has(client: Client) -> None:
    body = multipart(GOOD.encode())

    class Liar(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            assert size is not None
            assert self.tell() + size <= len(body)
            return super().read(size)

    answer = client.generic(
        "POST", CONTEXTS, CONTENT_TYPE="multipart/form-data; boundary=x", CONTENT_LENGTH=str(len(body)),
        **{"wsgi.input": Liar(body + b"x" * 1_000_000)},
    )  # fmt: skip
    assert answer.status_code == 302


def test_a_strangers_file_is_not_kept_even_for_a_moment(draft: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("a file is made")

    monkeypatch.setattr("django.core.files.uploadhandler.TemporaryUploadedFile", never)
    monkeypatch.setattr("django.core.files.uploadhandler.InMemoryUploadedFile", never)
    body = {"file": SimpleUploadedFile("a.txt", b"x" * 3_000_000)}
    answer = Client().post(CONTEXTS, body)
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/login/?next={CONTEXTS}")


def test_a_pasted_text_beyond_the_limit_is_told_on_a_page_of_its_own(client: Client) -> None:
    answer = client.post(CONTEXTS, {"text": "x" * 1_100_000})
    assert answer.status_code == 413
    assert "pasted into a form 1 MB" in shown(answer)


def test_a_large_file_is_never_whole_in_memory(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []

    def noted(file: Any, limits: Any) -> Any:
        sizes.append((type(file).__name__, file.size))
        return iter([b"A text."])

    monkeypatch.setattr("collection.importing.pending.pieces", noted)
    send(client, file=("a.txt", b"x" * 4_000_000))
    assert sizes == [("TemporaryUploadedFile", 4_000_000)]
