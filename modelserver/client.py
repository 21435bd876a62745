"""Asking a model server for predictions. It may be any server of the Open Inference Protocol v2."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import httpx

from modelserver.wire import ModelRef, Prediction, TextInput, WireError, infer_request, parse_infer_response

CONNECT_SECONDS = 2.0
MAX_CONNECTIONS = 64


class ModelServerError(Exception):
    """No prediction came. ``retry_after`` is the number of seconds that the server asked to wait, if it did."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(ModelServerError):
    """The server is away, full, or answers nonsense: the same question may be answered later."""


class Rejected(ModelServerError):
    """The server refused the question: because of the texts (``is_input``), or it lacks the model or the right."""

    def __init__(self, message: str, *, is_input: bool) -> None:
        super().__init__(message)
        self.is_input = is_input


class PredictsText(Protocol):
    """What a client can be asked."""

    def predict(self, model: ModelRef, labels: Sequence[str], inputs: Sequence[TextInput]) -> list[Prediction]:
        """A prediction for each input, in order. Raises ModelServerError."""
        ...

    def predict_one(self, model: ModelRef, labels: Sequence[str], texts: Sequence[str]) -> Prediction:
        """The prediction for one input. Raises ModelServerError."""
        ...

    def is_ready(self) -> bool:
        """Whether the server would answer now."""
        ...


class ModelClient:
    """An HTTP client with a pool of kept-alive connections; share one between the threads of a process.

    ``timeout_s`` bounds the wait for an answer, the loading of a version that is not in memory included.
    """

    def __init__(self, url: str, token: str = "", timeout_s: float = 10.0) -> None:
        self._http = httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=httpx.Timeout(timeout_s, connect=min(CONNECT_SECONDS, timeout_s)),
            limits=httpx.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=MAX_CONNECTIONS),
            follow_redirects=False,
            trust_env=False,
        )

    def predict(self, model: ModelRef, labels: Sequence[str], inputs: Sequence[TextInput]) -> list[Prediction]:
        """A prediction for each input, in order. Raises ModelServerError."""
        body = self._ask("POST", f"{_path(model)}/infer", infer_request(inputs))
        try:
            return parse_infer_response(body, model, labels, len(inputs))
        except WireError as error:
            raise Unavailable(f"the model server's answer makes no sense: {error}") from None

    def predict_one(self, model: ModelRef, labels: Sequence[str], texts: Sequence[str]) -> Prediction:
        """The prediction for one input. Raises ModelServerError."""
        return self.predict(model, labels, [TextInput(tuple(texts))])[0]

    def metadata(self, model: ModelRef) -> dict[str, Any]:
        """What the server says of a version. Raises ModelServerError."""
        body: dict[str, Any] = self._ask("GET", _path(model))
        return body

    def is_ready(self) -> bool:
        """Whether the server would answer now."""
        try:
            return self._http.get("/v2/health/ready", timeout=CONNECT_SECONDS).status_code == 200
        except httpx.HTTPError:
            return False

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        try:
            response = self._send(method, path, body)
        except httpx.HTTPError as error:
            raise Unavailable(f"the model server does not answer: {type(error).__name__}") from None
        if response.status_code == 200:
            try:
                return response.json()
            except ValueError:
                raise Unavailable("the model server's answer is not JSON") from None
        message = _message(response)
        if response.status_code in (400, 413, 422):
            raise Rejected(message, is_input=True)
        if response.status_code in (401, 403, 404):
            raise Rejected(message, is_input=False)
        raise Unavailable(message, _retry_after(response))

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None) -> httpx.Response:
        try:
            return self._http.request(method, path, json=body)
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            # A kept-alive connection whose server was restarted: once more, on a new one. Inference changes nothing.
            return self._http.request(method, path, json=body)


class FakeModelClient:
    """A client without a server, for tests: ``verdicts`` gives the probabilities of an input, or a hash of it does.

    ``calls`` lists what was asked; while ``down`` is set nothing is answered.
    """

    def __init__(self, verdicts: Callable[[ModelRef, tuple[str, ...]], Mapping[str, float]] | None = None) -> None:
        self._verdicts = verdicts
        self.calls: list[tuple[ModelRef, tuple[str, ...]]] = []
        self.down = False

    def predict(self, model: ModelRef, labels: Sequence[str], inputs: Sequence[TextInput]) -> list[Prediction]:
        """A prediction for each input, in order. Raises Unavailable while ``down``."""
        return [self.predict_one(model, labels, item.texts) for item in inputs]

    def predict_one(self, model: ModelRef, labels: Sequence[str], texts: Sequence[str]) -> Prediction:
        """The prediction for one input. Raises Unavailable while ``down``."""
        if self.down:
            raise Unavailable("the fake model server is down")
        self.calls.append((model, tuple(texts)))
        chosen = self._verdicts(model, tuple(texts)) if self._verdicts else _by_hash(model, labels, texts)
        best = max(labels, key=lambda label: chosen[label])
        return Prediction(model, best, {label: chosen[label] for label in labels})

    def is_ready(self) -> bool:
        """Whether it is not ``down``."""
        return not self.down


def _path(model: ModelRef) -> str:
    return f"/v2/models/{model.name}/versions/{model.version}"


def _message(response: httpx.Response) -> str:
    try:
        body = response.json()
    except ValueError:
        body = None
    if isinstance(body, dict) and "error" in body:
        return str(body["error"])[:500]
    return f"the model server answered with status {response.status_code}"


def _retry_after(response: httpx.Response) -> float | None:
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isdigit() else None


def _by_hash(model: ModelRef, labels: Sequence[str], texts: Sequence[str]) -> dict[str, float]:
    weights = [1 + hashlib.sha256("\x1f".join((str(model), label, *texts)).encode()).digest()[0] for label in labels]
    total = math.fsum(weights)
    return {label: weight / total for label, weight in zip(labels, weights, strict=True)}
