"""The client: what it makes of every kind of answer, and of none."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import httpx
import pytest

from modelserver.client import FakeModelClient, ModelClient, ModelServerError, Rejected, Unavailable
from modelserver.wire import ModelRef, TextInput, WireError, infer_response, parse_infer_request
from tests.ports import free_port

PATIENCE_S = 30
REF = ModelRef("nli", 3)
LABELS = ("entailment", "not_entailment")
ADDRESS = "http://modelserver:8001"


def good_answer(request: httpx.Request) -> httpx.Response:
    """What a server answers: the longer the first text, the more probable the first label."""
    body = json.loads(request.content)
    inputs = parse_infer_request(body)
    rows = [[share, 1 - share] for share in (len(item.texts[0]) / 1000 for item in inputs)]
    return httpx.Response(200, json=infer_response(REF, LABELS, rows, body.get("id", "")))


def client(answer: Callable[[httpx.Request], httpx.Response], **arguments: Any) -> ModelClient:
    """A client whose requests are answered by a function."""
    return ModelClient(ADDRESS, transport=httpx.MockTransport(answer), **arguments)


def says(status: int, body: Any = None, headers: dict[str, str] | None = None) -> ModelClient:
    """A client whose requests all get the same answer."""
    return client(lambda request: httpx.Response(status, json=body, headers=headers))


def test_it_asks_the_exact_version_and_gives_its_verdict() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return good_answer(request)

    prediction = client(answer, token="secret").predict_one(REF, LABELS, ["x" * 800, "y"])
    assert prediction.label == "entailment"
    assert prediction.probabilities == pytest.approx({"entailment": 0.8, "not_entailment": 0.2})
    assert prediction.model == REF
    assert str(asked[0].url) == f"{ADDRESS}/v2/models/nli/versions/3/infer"
    assert asked[0].headers["Authorization"] == "Bearer secret"


def test_many_inputs_of_both_shapes_are_asked_in_several_requests_and_kept_in_order() -> None:
    sizes: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sizes.append(len(parse_infer_request(json.loads(request.content))))
        return good_answer(request)

    inputs = [TextInput(("x" * (number % 500),)) for number in range(600)]
    inputs += [TextInput(("x" * 7, "pair")), TextInput(("x" * 8, "pair")), TextInput(("x" * 9,))]
    predictions = client(answer).predict(REF, LABELS, inputs)
    assert [round(item.probabilities["entailment"] * 1000) for item in predictions] == [
        len(item.texts[0]) for item in inputs
    ]
    assert sum(sizes) == len(inputs)
    assert max(sizes) <= 256
    assert sizes[-2:] == [2, 1]


def test_long_texts_are_spread_over_requests_that_a_server_takes() -> None:
    sizes: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sizes.append(len(request.content))
        return httpx.Response(500)

    with pytest.raises(Unavailable):
        client(answer).predict(REF, LABELS, [TextInput(("字" * 20_000, "字" * 20_000))] * 40)
    assert sizes[0] < 1_000_000


def test_nothing_asked_is_nothing_answered() -> None:
    assert says(500).predict(REF, LABELS, []) == []


@pytest.mark.parametrize("status", [400, 413, 422])
def test_refused_texts_are_rejected_with_the_servers_words(status: int) -> None:
    with pytest.raises(Rejected, match="text_pair: is too long") as caught:
        says(status, {"error": "text_pair: is too long", "field": "text_pair"}).predict_one(REF, LABELS, ["a"])
    assert caught.value.is_input
    assert caught.value.field == "text_pair"


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_that_is_not_the_texts_fault_says_so(status: int) -> None:
    with pytest.raises(Rejected, match="no such model") as caught:
        says(status, {"error": "no such model"}).predict_one(REF, LABELS, ["a"])
    assert not caught.value.is_input


@pytest.mark.parametrize("status", [204, 301, 307, 408, 429, 500, 502, 503, 504])
def test_anything_else_means_that_it_can_be_asked_later(status: int) -> None:
    with pytest.raises(Unavailable):
        says(status, headers={"Location": "http://elsewhere/"}).predict_one(REF, LABELS, ["a"])


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("", None), ("soon", None), ("²", None), ("-1", None)])
def test_the_wait_that_the_server_asks_for_is_told(header: str, seconds: float | None) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(429, headers=[(b"Retry-After", header.encode("latin-1"))])

    with pytest.raises(Unavailable) as caught:
        client(answer).predict_one(REF, LABELS, ["a"])
    assert caught.value.retry_after == seconds


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b"[" * 100_000,
        b"[]",
        b"null",
        b"{}",
        json.dumps(infer_response(ModelRef("nli", 4), LABELS, [[0.5, 0.5]])).encode(),
        json.dumps(infer_response(REF, LABELS[::-1], [[0.5, 0.5]])).encode(),
        json.dumps(infer_response(REF, LABELS, [[0.5, 0.5]] * 2)).encode(),
        json.dumps(infer_response(REF, LABELS, [[0.5, 0.5]], "another request")).encode(),
        json.dumps(infer_response(REF, LABELS, [[0.5, 0.5]])).encode(),
    ],
    ids=lambda content: content[:30].decode(),
)
def test_an_answer_that_makes_no_sense_is_no_verdict(content: bytes) -> None:
    with pytest.raises(Unavailable):
        client(lambda request: httpx.Response(200, content=content)).predict_one(REF, LABELS, ["a"])


@pytest.mark.parametrize("texts", [(), ("a", "b", "c"), ("x" * 20_001,), ("\ud800",)])
def test_texts_that_no_server_takes_are_rejected_without_asking(texts: tuple[str, ...]) -> None:
    for asked in (says(500), FakeModelClient()):
        with pytest.raises(Rejected) as caught:
            asked.predict_one(REF, LABELS, texts)
        assert caught.value.is_input


def test_metadata() -> None:
    assert says(200, {"name": "nli"}).metadata(REF) == {"name": "nli"}
    with pytest.raises(Rejected):
        says(404, {"error": "no such model"}).metadata(REF)
    with pytest.raises(Unavailable):
        says(200, []).metadata(REF)


@pytest.mark.parametrize(("status", "ready"), [(200, True), (503, False), (404, False)])
def test_readiness(status: int, ready: bool) -> None:
    assert says(status).is_ready() is ready


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with closing(ModelClient(f"http://127.0.0.1:{free_port()}")) as away:
        with pytest.raises(Unavailable):
            away.predict_one(REF, LABELS, ["a"])
        assert away.is_ready() is False


@pytest.mark.parametrize("url", ["", "modelserver:8001", "ftp://modelserver", "http://", "/v2", "http://a:b"])
def test_an_address_that_is_none_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="address"):
        ModelClient(url)


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    with scripted_server([ANSWER]) as (address, asked), closing(ModelClient(address)) as asking:
        assert asking.metadata(REF) == {}
    assert len(asked) == 1


ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
HANG_UP = b""


@contextmanager
def scripted_server(script: list[bytes]) -> Iterator[tuple[str, list[bytes]]]:
    """A server that gives the scripted answers one after the other; HANG_UP closes the connection instead.

    It gives its address and the list of requests it has read.
    """
    asked: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(PATIENCE_S)

    def serve() -> None:
        answers = iter(script)
        answer = next(answers, None)
        while answer is not None:
            connection, _ = listener.accept()
            connection.settimeout(PATIENCE_S)
            with connection:
                while answer is not None:
                    request = connection.recv(65536)
                    if not request:
                        break
                    asked.append(request)
                    connection.sendall(answer)
                    hung_up = answer == HANG_UP
                    answer = next(answers, None)
                    if hung_up:
                        break

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
    finally:
        thread.join(PATIENCE_S)
        listener.close()


def test_a_kept_connection_that_breaks_is_tried_once_more() -> None:
    with scripted_server([ANSWER, HANG_UP, ANSWER]) as (address, asked), closing(ModelClient(address)) as asking:
        assert asking.metadata(REF) == {}
        assert asking.metadata(REF) == {}
    assert len(asked) == 3


def test_a_new_connection_that_breaks_is_not_tried_again() -> None:
    with scripted_server([HANG_UP, ANSWER]) as (address, asked), closing(ModelClient(address)) as asking:
        with pytest.raises(Unavailable):
            asking.metadata(REF)
        assert len(asked) == 1
        assert asking.metadata(REF) == {}


def test_a_server_that_breaks_twice_is_unavailable() -> None:
    with scripted_server([ANSWER, HANG_UP, HANG_UP]) as (address, asked), closing(ModelClient(address)) as asking:
        assert asking.metadata(REF) == {}
        with pytest.raises(Unavailable):
            asking.metadata(REF)
    assert len(asked) == 3


def test_a_server_that_never_answers_is_unavailable_in_the_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with closing(ModelClient(address, timeout_s=0.2)) as asking, pytest.raises(Unavailable, match="Timeout"):
            asking.metadata(REF)


def test_the_web_process_gets_no_torch_with_the_client() -> None:
    code = "import sys, modelserver.client, modelserver.repository; print({'torch', 'transformers'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_the_fake_answers_the_same_every_time_and_differently_for_other_models_and_texts() -> None:
    fake = FakeModelClient()
    first = fake.predict_one(REF, LABELS, ["a", "b"])
    assert first == FakeModelClient().predict(REF, LABELS, [TextInput(("a", "b"))])[0]
    assert sum(first.probabilities.values()) == pytest.approx(1)
    assert first.label == max(first.probabilities, key=first.probabilities.__getitem__)
    others = [fake.predict_one(ModelRef("nli", 4), LABELS, ["a", "b"]), fake.predict_one(REF, LABELS, ["a", "c"])]
    assert all(other.probabilities != first.probabilities for other in others)
    assert fake.calls == [(REF, ("a", "b")), (ModelRef("nli", 4), ("a", "b")), (REF, ("a", "c"))]


def test_the_fake_gives_the_verdicts_it_is_told_and_can_be_down() -> None:
    fake = FakeModelClient(lambda model, texts: {"entailment": 0.1, "not_entailment": 0.9})
    assert fake.predict_one(REF, LABELS, ["a"]).label == "not_entailment"
    assert fake.is_ready()
    fake.down = True
    assert not fake.is_ready()
    with pytest.raises(Unavailable):
        fake.predict_one(REF, LABELS, ["a"])
    assert len(fake.calls) == 1


def test_all_errors_can_be_caught_as_one() -> None:
    assert issubclass(Unavailable, ModelServerError)
    assert issubclass(Rejected, ModelServerError)
    assert not issubclass(WireError, ModelServerError)
