"""The model server as a process, asked through the product's client: what every server of the protocol must do.

Answers are compared with those of the plain pipeline: one input at a time, in this process.
"""

from __future__ import annotations

import itertools
import json
import signal
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from modelserver.artifacts import manifest_sha256
from modelserver.client import ModelClient, Rejected, Unavailable
from modelserver.engine.loading import LoadedModel, load
from modelserver.wire import ModelRef, TextInput
from tests.contracts.conftest import PATIENCE_S, Models, Server
from tests.modelserver.tiny_artifacts import LABELS

pytestmark = pytest.mark.slow

Serve = Callable[..., Server]
WORDS = ("the", "man", "woman", "dog", "cat", "runs", "sleeps", "plays", "in", "a", "red", "big", "park", "not")


def some_input(number: int) -> TextInput:
    """A text or a pair, of a length that varies; the same for the same number."""
    words = [WORDS[(number * step + step) % len(WORDS)] for step in range(1, 4 + number * 7 % 40)]
    half = 1 + len(words) // 2
    return TextInput((" ".join(words),) if number % 3 == 0 else (" ".join(words[:half]), " ".join(words[half:])))


def plainly(model: LoadedModel, item: TextInput) -> list[float]:
    """The probabilities of one input, by itself."""
    return model.probabilities(model.encode([item]))[0]


def expected(models: Models) -> list[LoadedModel]:
    """The artifacts in this process."""
    return [load(folder) for folder in models.artifacts]


def assert_same(client: ModelClient, ref: ModelRef, model: LoadedModel, item: TextInput) -> None:
    """The server says of an input what the model says."""
    prediction = client.predict(ref, LABELS, [item])[0]
    assert prediction.model == ref
    assert list(prediction.probabilities.values()) == pytest.approx(plainly(model, item), abs=1e-5)


def test_health_metadata_and_inference(serve: Serve, models: Models) -> None:
    refs = [models.publish(version) for version in (0, 1)]
    server = serve()
    client = server.client()
    assert httpx.get(f"{server.url}/v2/health/live").json() == {"live": True}
    assert client.is_ready()
    for ref, model, artifact in zip(refs, expected(models), models.artifacts, strict=True):
        metadata = client.metadata(ref)
        assert (metadata["name"], metadata["versions"]) == ("tiny", [str(ref.version)])
        assert json.loads(metadata["parameters"]["labels"]) == list(LABELS)
        assert metadata["parameters"]["manifest_sha256"] == manifest_sha256(artifact)
        for number in range(6):
            assert_same(client, ref, model, some_input(number))
    with pytest.raises(Rejected, match="tiny/9") as caught:
        client.predict(ModelRef("tiny", 9), LABELS, [some_input(0)])
    assert not caught.value.is_input


def test_many_threads_and_mixed_versions_get_what_the_plain_pipeline_says(serve: Serve, models: Models) -> None:
    refs = [models.publish(version) for version in range(4)]
    plain = expected(models)
    client = serve().client()

    def ask(thread: int) -> None:
        for turn in range(6):
            ref = refs[(thread + turn) % len(refs)]
            model = plain[ref.version % 2]
            count = 1 + (thread + turn) % 3
            items = [some_input(100 * thread + 10 * turn + index) for index in range(count)]
            predictions = client.predict(ref, LABELS, items)
            assert [item.model for item in predictions] == [ref] * count
            for prediction, item in zip(predictions, items, strict=True):
                assert list(prediction.probabilities.values()) == pytest.approx(plainly(model, item), abs=1e-5)

    with ThreadPoolExecutor(32) as threads:
        list(threads.map(ask, range(32)))


def test_a_bulk_request_gets_its_rows_in_order(serve: Serve, models: Models) -> None:
    ref = models.publish(0)
    model = expected(models)[0]
    items = [some_input(number) for number in range(0, 900, 3)]
    predictions = serve(MODELSERVER_MAX_BATCH="8").client().predict(ref, LABELS, items)
    for prediction, item in zip(predictions, items, strict=True):
        assert list(prediction.probabilities.values()) == pytest.approx(plainly(model, item), abs=1e-5)


def test_a_killed_server_answers_again_when_it_is_back(serve: Serve, models: Models) -> None:
    ref = models.publish(0)
    model = expected(models)[0]
    server = serve()
    client = server.client()
    assert_same(client, ref, model, some_input(1))
    server.kill()
    with pytest.raises(Unavailable):
        client.predict(ref, LABELS, [some_input(1)])
    assert not client.is_ready()
    server.start()
    assert_same(client, ref, model, some_input(1))


def test_a_server_killed_in_the_middle_of_requests_leaves_each_answered_or_unavailable(
    serve: Serve, models: Models
) -> None:
    ref = models.publish(0)
    server = serve()
    answered = threading.Semaphore(0)
    stop = threading.Event()

    def ask(thread: int) -> str:
        client = server.client()
        while not stop.is_set():
            try:
                client.predict(ref, LABELS, [some_input(thread)])
            except Unavailable:
                return "unavailable"
            answered.release()
        return "never refused"

    with ThreadPoolExecutor(4) as threads:
        outcomes = [threads.submit(ask, number) for number in range(4)]
        try:
            for _ in range(20):
                assert answered.acquire(timeout=PATIENCE_S)
            server.kill()
            assert [outcome.result(PATIENCE_S) for outcome in outcomes] == ["unavailable"] * 4
        finally:
            stop.set()


def test_more_versions_than_memory_holds_are_all_answered(serve: Serve, models: Models) -> None:
    refs = [models.publish(version) for version in range(60)]
    plain = expected(models)
    room = 1_000_000 // plain[0].size_bytes
    assert 2 < room < 30
    server = serve(MODELSERVER_MEMORY_MB="1")
    client = server.client()
    for ref in (*refs, *refs[:3]):
        assert_same(client, ref, plain[ref.version % 2], some_input(ref.version))
    in_memory = [client.metadata(ref)["parameters"]["in_memory"] for ref in refs]
    assert in_memory == [ref.version < 3 or ref.version >= 60 - room + 3 for ref in refs]


def test_a_full_server_says_so_and_when_to_come_again(serve: Serve, models: Models) -> None:
    ref = models.publish(0)
    server = serve(MODELSERVER_QUEUE="1", MODELSERVER_MAX_BATCH="1")
    refused: list[Unavailable] = []
    seen = threading.Event()

    def ask(thread: int) -> int:
        client = server.client()
        for turn in itertools.count(1):
            try:
                client.predict(ref, LABELS, [some_input(3 * number) for number in range(40)])
            except Unavailable as error:
                refused.append(error)
                seen.set()
            if seen.is_set():
                return turn
        raise AssertionError

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(ask, range(4)))
    assert {error.retry_after for error in refused} == {1.0}
    assert "waiting" in str(refused[0])
    assert server.client().predict(ref, LABELS, [some_input(0)])[0].model == ref


def test_a_version_published_meanwhile_is_answered_and_no_request_fails(serve: Serve, models: Models) -> None:
    plain = expected(models)
    old = models.publish(0)
    server = serve()
    published = threading.Event()
    answered = threading.Semaphore(0)

    def keep_asking(thread: int) -> int:
        client = server.client()
        for turn in itertools.count():
            assert_same(client, old, plain[0], some_input(thread + turn % 5))
            answered.release()
            if published.is_set():
                return turn
        raise AssertionError

    with ThreadPoolExecutor(4) as threads:
        asking = [threads.submit(keep_asking, number) for number in range(4)]
        try:
            assert answered.acquire(timeout=PATIENCE_S)
            for version in range(1, 6):
                ref = models.publish(version)
                assert_same(server.client(), ref, plain[version % 2], some_input(version))
        finally:
            published.set()
        assert all(turns.result(PATIENCE_S) >= 0 for turns in asking)


def test_asked_to_stop_it_finishes_what_it_holds(serve: Serve, models: Models) -> None:
    ref = models.publish(0)
    model = expected(models)[0]
    server = serve(MODELSERVER_MAX_BATCH="1")
    server.client().predict(ref, LABELS, [some_input(0)])
    items = [some_input(3 * number) for number in range(250)]
    body = {
        "inputs": [
            {"name": "text", "datatype": "BYTES", "shape": [250], "data": [item.texts[0] for item in items]},
        ]
    }
    content = json.dumps(body).encode()
    head = f"POST /v2/models/tiny/versions/0/infer HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as connection:
        # The request has begun when the signal comes, and ends after it.
        connection.sendall(head.encode() + content[:-1])
        assert httpx.get(f"{server.url}/v2/health/live").status_code == 200
        server.process.send_signal(signal.SIGTERM)
        while _listens(server.port):
            continue
        connection.sendall(content[-1:])
        with connection.makefile("rb") as answer:
            raw = answer.read()
    server.process.wait(PATIENCE_S)
    status, _, rest = raw.partition(b"\r\n")
    assert b"200" in status
    outputs = json.loads(rest.partition(b"\r\n\r\n")[2])["outputs"]
    assert outputs[0]["data"] == pytest.approx([value for item in items for value in plainly(model, item)], abs=1e-5)
    assert "Traceback" not in server.log.read_text()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
