"""The model server over HTTP: what it answers, and how it refuses."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelserver.artifacts import manifest_sha256
from modelserver.engine.loading import LoadedModel, load
from modelserver.repository import ModelRepository
from modelserver.service.app import make_app
from modelserver.service.config import Config
from modelserver.wire import ModelRef, TextInput, infer_request, parse_infer_response
from tests.modelserver.plain_artifacts import plain_artifact
from tests.modelserver.service.conftest import INFER, PATIENCE_S, TINY, RunningApp, infer_body
from tests.modelserver.tiny_artifacts import LABELS

PAIR = TextInput(("A man runs in the park.", "A man sleeps."))
Serve = Callable[..., RunningApp]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=[]), max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)


def test_single_texts_and_pairs_get_the_models_probabilities(app: RunningApp, repository_root: Path) -> None:
    model = load(repository_root / "tiny" / "0")
    for inputs in ([PAIR], [PAIR, PAIR], [TextInput(("A dog.",)), TextInput(("A cat eats.",))]):
        response = app.request("POST", INFER, json=infer_request(inputs))
        assert response.status_code == 200
        predictions = parse_infer_response(response.json(), TINY, LABELS, len(inputs))
        for prediction, row in zip(predictions, model.probabilities(model.encode(inputs)), strict=True):
            assert list(prediction.probabilities.values()) == pytest.approx(row, abs=1e-5)


def test_the_exact_version_and_the_id_are_answered(app: RunningApp) -> None:
    body = app.infer("A dog.", id="request-7").json()
    assert (body["model_name"], body["model_version"], body["id"]) == ("tiny", "0", "request-7")


def test_only_the_outputs_that_are_asked_for_are_given(app: RunningApp) -> None:
    body = app.infer("A dog.", outputs=[{"name": "label"}]).json()
    assert [tensor["name"] for tensor in body["outputs"]] == ["label"]
    assert body["outputs"][0]["data"][0] in LABELS


def test_a_text_of_many_tokens_is_cut_and_answered(app: RunningApp) -> None:
    response = app.request("POST", INFER, json=infer_request([TextInput(("dog " * 4000, "A dog."))]))
    assert response.status_code == 200


def test_health_and_server_metadata(app: RunningApp) -> None:
    assert app.get("/v2/health/live").json() == {"live": True}
    assert app.get("/v2/health/ready").json() == {"ready": True}
    assert set(app.get("/v2").json()) == {"name", "version", "extensions"}


def test_model_metadata(app: RunningApp, repository_root: Path) -> None:
    assert app.get("/v2/models/tiny").json()["versions"] == ["0"]
    body = app.get("/v2/models/tiny/versions/0").json()
    assert (body["name"], body["versions"]) == ("tiny", ["0"])
    assert [tensor["name"] for tensor in body["inputs"]] == ["text", "text_pair"]
    assert body["outputs"][0] == {"name": "probabilities", "datatype": "FP32", "shape": [-1, 2]}
    assert json.loads(body["parameters"]["labels"]) == list(LABELS)
    assert body["parameters"]["manifest_sha256"] == manifest_sha256(repository_root / "tiny" / "0")
    assert app.get("/v2/models/tiny/ready").json() == {"name": "tiny", "ready": True}
    assert app.get("/v2/models/tiny/versions/0/ready").json() == {"name": "tiny", "ready": True}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/models/none", 404),
        ("GET", "/v2/models/none/ready", 404),
        ("GET", "/v2/models/tiny/versions/7", 404),
        ("GET", "/v2/models/tiny/versions/7/ready", 404),
        ("POST", "/v2/models/tiny/versions/7/infer", 404),
        ("POST", "/v2/models/none/versions/0/infer", 404),
        ("GET", "/v3", 404),
        ("GET", "/v2/", 404),
        ("GET", "/v2/models/..%2F..%2Fetc/versions/0", 404),
        ("POST", "/v2/models/tiny/infer", 400),
        ("POST", "/v2/models/TINY/versions/0/infer", 400),
        ("POST", "/v2/models/tiny/versions/x/infer", 400),
        ("POST", "/v2/models/tiny/versions/-1/infer", 400),
        ("POST", "/v2/models/tiny/versions/%C2%B2/infer", 400),
        ("POST", f"/v2/models/tiny/versions/{'9' * 5000}/infer", 400),
        ("POST", f"/v2/models/{'a' * 5000}/versions/0/infer", 400),
        ("GET", INFER, 405),
        ("POST", "/v2/health/live", 405),
    ],
)
def test_what_is_not_there_is_refused_in_the_words_of_the_protocol(
    app: RunningApp, method: str, path: str, status: int
) -> None:
    body = infer_body("A dog.") if method == "POST" else None
    response = app.request(method, path, json=body)
    assert response.status_code == status
    assert isinstance(response.json()["error"], str)


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (b"", "body"),
        (b"{", "body"),
        (b"[1]", "body"),
        (b"\xff\xfe", "body"),
        (b"[" * 200_000, "body"),
        (b'{"a":' * 100_000, "body"),
        (b'{"inputs": NaN}', "body"),
        (b'{"inputs": [{"name": "text", "datatype": "BYTES", "shape": [1], "data": [Infinity]}]}', "body"),
        (b"1" * 10_000, "body"),
        (b"{}", "inputs"),
        (json.dumps(infer_body("a") | {"id": 7}).encode(), "id"),
        (json.dumps(infer_body("a") | {"id": "x" * 201}).encode(), "id"),
        (json.dumps(infer_body("a") | {"id": "\ud800"}).encode(), "id"),
        (json.dumps(infer_body("a") | {"outputs": [{"name": "logits"}]}).encode(), "outputs"),
        (json.dumps(infer_body("a") | {"outputs": [{"name": ["label"]}]}).encode(), "outputs"),
        (json.dumps(infer_body("a") | {"outputs": []}).encode(), "outputs"),
        (json.dumps(infer_body("half a character: \udc00")).encode(), "text"),
        (json.dumps(infer_body("x" * 20_001)).encode(), "text"),
        (json.dumps({"inputs": infer_body("a")["inputs"] * 2}).encode(), "inputs"),
        (json.dumps(infer_request([TextInput(("A dog.", "dog " * 200))])).encode(), "text_pair"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_bad_input_is_refused_with_the_field_named(app: RunningApp, content: bytes, field: str) -> None:
    response = app.request("POST", INFER, content=content)
    assert response.status_code == 400
    assert response.json()["field"] == field
    assert len(response.content) < 1000


@settings(deadline=None, max_examples=200)
@given(json_values)
def test_no_json_breaks_it(app: RunningApp, body: Any) -> None:
    assert app.request("POST", INFER, content=json.dumps(body).encode()).status_code == 400


@settings(deadline=None, max_examples=200)
@given(json_values, json_values, json_values, json_values)
def test_no_tensor_breaks_it(app: RunningApp, shape: Any, data: Any, request_id: Any, outputs: Any) -> None:
    body = {
        "id": request_id,
        "outputs": outputs,
        "inputs": [{"name": "text", "datatype": "BYTES", "shape": shape, "data": data}],
    }
    assert app.request("POST", INFER, content=json.dumps(body).encode()).status_code in (200, 400)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), min_size=1, max_size=4))
def test_every_text_gets_a_verdict(app: RunningApp, texts: list[str]) -> None:
    response = app.infer(*texts)
    assert response.status_code == 200
    assert len(parse_infer_response(response.json(), TINY, LABELS, len(texts))) == len(texts)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_break_it(app: RunningApp, content: bytes) -> None:
    assert app.request("POST", INFER, content=content).status_code == 400


def test_a_body_that_is_too_large_is_refused_before_it_is_read(serve: Serve) -> None:
    app = serve(max_body_bytes=1000)
    assert app.request("POST", INFER, content=b" " * 1001).status_code == 413
    assert app.infer("A dog.").status_code == 200


def test_a_body_without_a_length_is_not_read_past_the_limit(serve: Serve) -> None:
    app = serve(max_body_bytes=1000)
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 100
            yield b" " * 100

    assert app.request("POST", INFER, content=endless()).status_code == 413
    assert sent <= 1200


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "br", "x"])
def test_a_compressed_body_is_refused(app: RunningApp, encoding: str) -> None:
    content = gzip.compress(json.dumps(infer_body("A dog.")).encode())
    response = app.request("POST", INFER, content=content, headers={"Content-Encoding": encoding})
    assert response.status_code == 415


def test_the_token_is_asked_for_everywhere_but_at_the_health_checks(serve: Serve) -> None:
    app = serve(token="secret")
    assert app.get("/v2/health/live").status_code == 200
    assert app.get("/v2/health/ready").status_code == 200
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "secret"}, {"Authorization": "Bearer ä"}):
        encoded = {name: value.encode("latin-1") for name, value in headers.items()}
        for path in ("/v2", "/v2/models/tiny", "/v2/models/tiny/versions/0", "/nowhere", "/v2/health/live/"):
            assert app.get(path, headers=encoded).status_code == 401
        assert app.request("POST", INFER, json=infer_body("A dog."), headers=encoded).status_code == 401
    right = {"Authorization": "Bearer secret"}
    assert app.request("POST", INFER, json=infer_body("A dog."), headers=right).status_code == 200


@dataclass
class HoldUp:
    """Forward passes wait until it is opened."""

    entered: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)


@contextmanager
def held_up_model(monkeypatch: pytest.MonkeyPatch) -> Iterator[HoldUp]:
    """Hold up every forward pass; opened at the end at the latest."""
    hold_up = HoldUp()
    real = LoadedModel.probabilities

    def wait(self: LoadedModel, encodings: Any) -> list[list[float]]:
        hold_up.entered.set()
        assert hold_up.opened.wait(PATIENCE_S)
        return real(self, encodings)

    monkeypatch.setattr(LoadedModel, "probabilities", wait)
    try:
        yield hold_up
    finally:
        hold_up.opened.set()


def test_a_full_queue_says_so_and_when_to_come_again(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    app = serve(queue=1, preload=(TINY,))
    with ThreadPoolExecutor(1) as threads, held_up_model(monkeypatch) as hold_up:
        first = threads.submit(app.infer, "A dog.")
        assert hold_up.entered.wait(PATIENCE_S)
        refused = app.infer("A cat.")
        hold_up.opened.set()
        assert first.result(PATIENCE_S).status_code == 200
    assert refused.status_code == 429
    assert refused.headers["Retry-After"] == "1"
    assert "waiting" in refused.json()["error"]
    assert app.infer("A cat.").status_code == 200


def test_a_request_that_takes_too_long_is_given_up_and_leaves_its_place(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = serve(queue=1, timeout_s=1.0, preload=(TINY,))
    with held_up_model(monkeypatch):
        late = app.infer("A dog.")
    assert late.status_code == 504
    assert late.headers["Retry-After"] == "1"
    assert app.infer("A dog.").status_code == 200


def test_a_failed_forward_pass_is_an_error_without_details(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    real = LoadedModel.probabilities

    def fail(self: LoadedModel, encodings: Any) -> list[list[float]]:
        raise RuntimeError("secret detail")

    app = serve()
    monkeypatch.setattr(LoadedModel, "probabilities", fail)
    response = app.infer("A dog.")
    assert response.status_code == 500
    assert response.json() == {"error": "the model failed on this request"}
    monkeypatch.setattr(LoadedModel, "probabilities", real)
    assert app.infer("A dog.").status_code == 200


def test_a_fault_of_the_server_is_an_error_without_details(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: LoadedModel, inputs: Any) -> Any:
        raise KeyError("secret detail")

    app = serve()
    monkeypatch.setattr(LoadedModel, "encode", fail)
    response = app.infer("A dog.")
    assert response.status_code == 500
    assert response.json() == {"error": "the model server failed on this request"}


def test_a_damaged_version_is_an_error_that_says_so_and_others_are_served(
    serve: Serve, repository_root: Path, tmp_path: Path
) -> None:
    repository = ModelRepository(str(tmp_path / "models"))
    repository.publish(repository_root / "tiny" / "0", TINY)
    repository.publish(repository_root / "tiny" / "0", ModelRef("tiny", 1))
    weights = tmp_path / "models" / "tiny" / "1" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    app = serve(repository_url=str(tmp_path / "models"))
    response = app.infer("A dog.", path="/v2/models/tiny/versions/1/infer")
    assert response.status_code == 500
    assert "tiny/1 is damaged: weights.safetensors" in response.json()["error"]
    assert app.infer("A dog.").status_code == 200


def test_an_artifact_that_is_no_network_is_an_error_that_says_so(serve: Serve, tmp_path: Path) -> None:
    plain_artifact(tmp_path / "plain")
    ModelRepository(str(tmp_path / "models")).publish(tmp_path / "plain", TINY)
    app = serve(repository_url=str(tmp_path / "models"))
    response = app.infer("A dog.")
    assert response.status_code == 500
    assert "tiny/0" in response.json()["error"]
    assert app.get("/v2/models/tiny/versions/0").status_code == 200


def test_a_preloaded_version_is_in_memory_before_it_is_ready(serve: Serve) -> None:
    assert serve(preload=(TINY,)).get("/v2/models/tiny/versions/0").json()["parameters"]["in_memory"] is True
    assert serve().get("/v2/models/tiny/versions/0").json()["parameters"]["in_memory"] is False


def test_a_version_that_cannot_be_preloaded_does_not_keep_it_from_serving(serve: Serve) -> None:
    assert serve(preload=(ModelRef("tiny", 9), TINY)).infer("A dog.").status_code == 200


def test_before_it_is_ready_it_says_when_to_come_again(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, repository_root: Path, tmp_path: Path
) -> None:
    opened = threading.Event()
    real = ModelRepository.fetch

    def held_up(self: ModelRepository, ref: ModelRef) -> Path:
        assert opened.wait(PATIENCE_S)
        return real(self, ref)

    monkeypatch.setattr(ModelRepository, "fetch", held_up)
    app = RunningApp(make_app(Config(str(repository_root), tmp_path / "cache", preload=(TINY,))))
    try:
        assert app.get("/v2/health/live").status_code == 200
        assert app.get("/v2/health/ready").status_code == 503
        response = app.infer("A dog.")
        assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
    finally:
        opened.set()
        app.stop()
