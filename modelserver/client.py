"""Asking a model server for predictions. It may be any server of the Open Inference Protocol v2."""

from __future__ import annotations

import hashlib
import json
import math
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import httpx

from modelserver.wire import (
    MAX_INPUTS_PER_REQUEST,
    ModelRef,
    Prediction,
    TextInput,
    WireError,
    infer_request,
    parse_infer_response,
)

CONNECT_SECONDS = 2.0
MAX_CONNECTIONS = 64
# Shorter than the server keeps them.
KEEP_ALIVE_SECONDS = 30.0
# Well below the body that a server takes, however many inputs are asked for at once.
MAX_REQUEST_CHARACTERS = 100_000


class ModelServerError(Exception):
    """No prediction came. ``retry_after`` is the number of seconds that the server asked to wait, if it did."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(ModelServerError):
    """The server is away, full, or answers nonsense: the same question may be answered later."""


class Rejected(ModelServerError):
    """The server refused the question: because of the texts (``is_input``), or it lacks the model or the right.

    ``field`` names what is wrong with them, if the server said so: ``text`` or ``text_pair``, the first or second.
    """

    def __init__(self, message: str, *, is_input: bool, field: str = "") -> None:
        super().__init__(message)
        self.is_input = is_input
        self.field = field


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

    def holds(self, model: ModelRef) -> bool:
        """Whether the server says that it has a version in memory. Raises ModelServerError."""
        ...


class ModelClient:
    """An HTTP client with a pool of kept-alive connections; share one between the threads of a process.

    ``timeout_s`` bounds the wait for an answer, the loading of a version that is not in memory included. Redirects
    are not followed and proxies of the environment not used. Raises ValueError if ``url`` is no address.
    """

    def __init__(
        self, url: str, token: str = "", timeout_s: float = 10.0, transport: httpx.BaseTransport | None = None
    ) -> None:
        try:
            address = httpx.URL(url)
        except httpx.InvalidURL:
            address = httpx.URL()
        if address.scheme not in ("http", "https") or not address.host:
            raise ValueError(f"the model server's address {url!r} is not of the form http://host:port")
        self._http = httpx.Client(
            base_url=address,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=httpx.Timeout(timeout_s, connect=min(CONNECT_SECONDS, timeout_s)),
            limits=httpx.Limits(
                max_connections=MAX_CONNECTIONS,
                max_keepalive_connections=MAX_CONNECTIONS,
                keepalive_expiry=KEEP_ALIVE_SECONDS,
            ),
            follow_redirects=False,
            trust_env=False,
            transport=transport,
        )

    def predict(self, model: ModelRef, labels: Sequence[str], inputs: Sequence[TextInput]) -> list[Prediction]:
        """A prediction for each input, in order, in as many requests as it takes. Raises ModelServerError."""
        return [prediction for part in _parts(inputs) for prediction in self._predict_part(model, labels, part)]

    def predict_one(self, model: ModelRef, labels: Sequence[str], texts: Sequence[str]) -> Prediction:
        """The prediction for one input. Raises ModelServerError."""
        return self._predict_part(model, labels, [_input(texts)])[0]

    def metadata(self, model: ModelRef, timeout_s: float | None = None) -> dict[str, Any]:
        """What the server says of a version, at the latest after ``timeout_s``. Raises ModelServerError."""
        body = self._ask("GET", _path(model), timeout_s=timeout_s)
        if not isinstance(body, dict):
            raise Unavailable("the model server's answer makes no sense: it is no object")
        return body

    def is_ready(self) -> bool:
        """Whether the server would answer now."""
        try:
            return self._http.get("/v2/health/ready", timeout=CONNECT_SECONDS).status_code == 200
        except httpx.HTTPError:
            return False

    def holds(self, model: ModelRef) -> bool:
        """Whether the server says that it has a version in memory; not every server does. Raises ModelServerError."""
        parameters = self.metadata(model, CONNECT_SECONDS).get("parameters")
        return isinstance(parameters, dict) and parameters.get("in_memory") is True

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _predict_part(self, model: ModelRef, labels: Sequence[str], inputs: Sequence[TextInput]) -> list[Prediction]:
        request_id = uuid.uuid4().hex
        body = self._ask("POST", f"{_path(model)}/infer", infer_request(inputs, request_id))
        try:
            predictions = parse_infer_response(body, model, labels, len(inputs))
        except WireError as error:
            raise Unavailable(f"the model server's answer makes no sense: {error}") from None
        # A connection mixed up between processes or by a proxy would bring another's verdict.
        if body.get("id") != request_id:
            raise Unavailable("the model server answered another request")
        return predictions

    def _ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, timeout_s: float | None = None
    ) -> Any:
        try:
            response = self._send(method, path, body, timeout_s)
        except httpx.HTTPError as error:
            raise Unavailable(f"the model server does not answer: {type(error).__name__}") from None
        if response.status_code == 200:
            answer = _json(response)
            if answer is None:
                raise Unavailable("the model server's answer is not JSON")
            return answer
        message, field = _refusal(response)
        if response.status_code in (400, 413, 422):
            raise Rejected(message, is_input=True, field=field)
        if response.status_code in (401, 403, 404):
            raise Rejected(message, is_input=False, field=field)
        raise Unavailable(message, _retry_after(response))

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None, timeout_s: float | None) -> httpx.Response:
        opened = False
        timeout = self._http.timeout if timeout_s is None else httpx.Timeout(timeout_s)

        def trace(event: str, _: Mapping[str, Any]) -> None:
            nonlocal opened
            opened = opened or event.startswith("connection.connect_")

        try:
            return self._http.request(method, path, json=body, timeout=timeout, extensions={"trace": trace})
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            if opened:
                raise
            # A kept-alive connection that the server has closed meanwhile: once more. Inference changes nothing.
            return self._http.request(method, path, json=body, timeout=timeout)


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
        _input(texts)
        chosen = self._verdicts(model, tuple(texts)) if self._verdicts else _by_hash(model, labels, texts)
        best = max(labels, key=lambda label: chosen[label])
        return Prediction(model, best, {label: chosen[label] for label in labels})

    def is_ready(self) -> bool:
        """Whether it is not ``down``."""
        return not self.down

    def holds(self, model: ModelRef) -> bool:
        """Whether it was asked for the version before. Raises Unavailable while ``down``."""
        if self.down:
            raise Unavailable("the fake model server is down")
        return any(model == asked for asked, _ in self.calls)


def _path(model: ModelRef) -> str:
    return f"/v2/models/{model.name}/versions/{model.version}"


def _input(texts: Sequence[str]) -> TextInput:
    try:
        return TextInput(tuple(texts))
    except WireError as error:
        raise Rejected(str(error), is_input=True, field=error.field) from None


def _parts(inputs: Sequence[TextInput]) -> Iterator[list[TextInput]]:
    """The inputs in order, cut into requests of one shape that a server takes."""
    part: list[TextInput] = []
    characters = 0
    for item in inputs:
        size = sum(len(text) for text in item.texts)
        full = len(part) == MAX_INPUTS_PER_REQUEST or characters + size > MAX_REQUEST_CHARACTERS
        if part and (full or len(item.texts) != len(part[0].texts)):
            yield part
            part, characters = [], 0
        part.append(item)
        characters += size
    if part:
        yield part


def _json(response: httpx.Response) -> Any:
    """The body, or None if it is not JSON."""
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        return None


def _refusal(response: httpx.Response) -> tuple[str, str]:
    """The server's message and the field it names, or words of our own."""
    body = _json(response)
    if isinstance(body, dict) and isinstance(body.get("error"), str):
        return body["error"][:500], str(body.get("field", ""))[:100]
    return f"the model server answered with status {response.status_code}", ""


def _retry_after(response: httpx.Response) -> float | None:
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isascii() and value.isdigit() and len(value) < 10 else None


def _by_hash(model: ModelRef, labels: Sequence[str], texts: Sequence[str]) -> dict[str, float]:
    weights = [1 + hashlib.sha256("\x1f".join((str(model), label, *texts)).encode()).digest()[0] for label in labels]
    total = math.fsum(weights)
    return {label: weight / total for label, weight in zip(labels, weights, strict=True)}
