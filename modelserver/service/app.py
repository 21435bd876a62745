"""The HTTP side of the model server: Open Inference Protocol v2 over the engine."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from modelserver.artifacts import ArtifactError, manifest_sha256
from modelserver.engine.batching import Batcher, QueueFull, Stopped
from modelserver.engine.loading import LoadedModel
from modelserver.engine.pool import TooLarge, VersionPool
from modelserver.repository import ModelRepository, VersionMissing
from modelserver.service.config import Config
from modelserver.wire import ModelRef, TextInput, WireError, infer_response, parse_infer_request

log = logging.getLogger(__name__)

RETRY_AFTER = {"Retry-After": "1"}
# Above so many inputs, tokenizing would hold up other requests.
ENCODE_INLINE = 4


class ModelService:
    """The routes and what they share."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._repository = ModelRepository(config.repository_url, config.cache)
        self._pool = VersionPool(self._repository, config.memory_bytes)
        self._batcher = Batcher(config.queue, config.max_batch)
        self._ready = False

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """Load what is to be preloaded, then be ready; at the end answer what waits."""
        for ref in self._config.preload:
            await asyncio.wrap_future(self._pool.request(ref))
        self._ready = True
        yield
        self._ready = False
        await run_in_threadpool(self._batcher.stop)
        await run_in_threadpool(self._pool.close)

    async def server(self, request: Request) -> Response:
        """Metadata of the server."""
        return JSONResponse({"name": "whetstone", "version": "2", "extensions": []})

    async def live(self, request: Request) -> Response:
        """The process answers."""
        return JSONResponse({"live": True})

    async def ready(self, request: Request) -> Response:
        """Whether it takes inference requests."""
        return JSONResponse({"ready": self._ready}, status_code=200 if self._ready else 503)

    async def model(self, request: Request) -> Response:
        """Metadata of a model: its versions."""
        name = _ref(request, version=0).name
        versions = await run_in_threadpool(self._repository.versions, name)
        if not versions:
            raise VersionMissing(f"there is no model {name}")
        return JSONResponse(_metadata(name, versions))

    async def version(self, request: Request) -> Response:
        """Metadata of one version, which it loads."""
        ref = _ref(request)
        model = await self._model(ref)
        folder = await run_in_threadpool(self._repository.fetch, ref)
        body = _metadata(ref.name, [ref.version])
        body["outputs"][0]["shape"] = [-1, len(model.labels)]
        body["parameters"] = {
            "labels": json.dumps(list(model.labels)),
            "max_length": model.max_length,
            "manifest_sha256": await run_in_threadpool(manifest_sha256, folder),
        }
        return JSONResponse(body)

    async def version_ready(self, request: Request) -> Response:
        """Whether a version can be asked; a version that is published is loaded when it is."""
        ref = _ref(request)
        if not await run_in_threadpool(self._repository.exists, ref):
            raise VersionMissing(f"there is no model {ref}")
        return JSONResponse({"name": ref.name, "ready": self._ready}, status_code=200 if self._ready else 503)

    async def unversioned(self, request: Request) -> Response:
        """A verdict must be of an exact version."""
        raise WireError("version", "name a version: /v2/models/{name}/versions/{version}/infer")

    async def infer(self, request: Request) -> Response:
        """Probabilities for one or more inputs."""
        ref = _ref(request)
        body = _json(await self._body(request))
        inputs = parse_infer_request(body)
        request_id = body.get("id", "")
        if not isinstance(request_id, str) or len(request_id) > 200:
            raise WireError("id", "must be a text of at most 200 characters")
        async with asyncio.timeout(self._config.timeout_s):
            model = await self._model(ref)
            _check_characters([*inputs, TextInput((request_id,))])
            if len(inputs) <= ENCODE_INLINE:
                encodings = model.encode(inputs)
            else:
                encodings = await run_in_threadpool(model.encode, inputs)
            answers = [asyncio.wrap_future(answer) for answer in self._batcher.submit(model, encodings)]
            rows = await asyncio.gather(*answers)
        return JSONResponse(infer_response(ref, model.labels, rows, request_id))

    async def _model(self, ref: ModelRef) -> LoadedModel:
        held = self._pool.held(ref)
        return held if held is not None else await asyncio.wrap_future(self._pool.request(ref))

    async def _body(self, request: Request) -> bytes:
        if request.headers.get("Content-Encoding", "identity") != "identity":
            raise _Refused(415, "compressed requests are not taken")
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > self._config.max_body_bytes:
                raise _Refused(413, f"the request is larger than {self._config.max_body_bytes} bytes")
        return bytes(body)


class TokenGuard:
    """ASGI middleware: all but the health checks needs the bearer token, compared in constant time."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with 401."""
        if scope["type"] == "http" and not scope["path"].startswith("/v2/health/"):
            given = Headers(scope=scope).get("Authorization", "")
            if not hmac.compare_digest(given.encode(), self._expected):
                await _error(401, "a bearer token is needed")(scope, receive, send)
                return
        await self._app(scope, receive, send)


class _Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def make_app(config: Config) -> Starlette:
    """The ASGI application."""
    service = ModelService(config)
    version = "/v2/models/{name}/versions/{version}"
    return Starlette(
        routes=[
            Route("/v2", service.server),
            Route("/v2/health/live", service.live),
            Route("/v2/health/ready", service.ready),
            Route("/v2/models/{name}", service.model),
            Route("/v2/models/{name}/infer", service.unversioned, methods=["POST"]),
            Route(version, service.version),
            Route(f"{version}/ready", service.version_ready),
            Route(f"{version}/infer", service.infer, methods=["POST"]),
        ],
        exception_handlers={
            WireError: _answer(400),
            _Refused: lambda request, error: _error(error.status, str(error)),
            VersionMissing: _answer(404),
            ArtifactError: _answer(500),
            TooLarge: _answer(507),
            QueueFull: _answer(429, RETRY_AFTER),
            Stopped: _answer(503, RETRY_AFTER),
            TimeoutError: lambda request, error: _error(503, "no answer in time", RETRY_AFTER),
            ClientDisconnect: _answer(400),
            404: lambda request, error: _error(404, "there is nothing here"),
            405: lambda request, error: _error(405, "this method is not for here", error.headers),
            Exception: _broken,
        },
        middleware=[Middleware(TokenGuard, token=config.token)] if config.token else [],
        lifespan=service.lifespan,
    )


def _ref(request: Request, version: int | None = None) -> ModelRef:
    if version is None:
        text = request.path_params["version"]
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise WireError("version", "must be a whole number")
        version = int(text)
    return ModelRef(request.path_params["name"], version)


def _json(body: bytes) -> dict[str, Any]:
    def refuse(constant: str) -> Any:
        raise ValueError(constant)

    try:
        values = json.loads(body, parse_constant=refuse)
    except (ValueError, RecursionError):
        raise WireError("body", "is not JSON") from None
    if not isinstance(values, dict):
        raise WireError("body", "must be a JSON object")
    return values


def _check_characters(inputs: list[TextInput]) -> None:
    for item in inputs:
        for name, text in zip(("text", "text_pair"), item.texts, strict=False):
            try:
                text.encode()
            except UnicodeEncodeError:
                raise WireError(name, "has half a character (a lone surrogate) in it") from None


def _metadata(name: str, versions: list[int]) -> dict[str, Any]:
    return {
        "name": name,
        "versions": [str(version) for version in versions],
        "platform": "pytorch_transformers",
        "inputs": [
            {"name": "text", "datatype": "BYTES", "shape": [-1]},
            {"name": "text_pair", "datatype": "BYTES", "shape": [-1]},
        ],
        "outputs": [
            {"name": "probabilities", "datatype": "FP32", "shape": [-1, -1]},
            {"name": "label", "datatype": "BYTES", "shape": [-1]},
        ],
    }


def _answer(status: int, headers: dict[str, str] | None = None) -> Any:
    return lambda request, error: _error(status, str(error), headers)


def _broken(request: Request, error: Exception) -> Response:
    log.error("an inference request failed", exc_info=error)
    return _error(500, "the request failed in the model server")


def _error(status: int, message: str, headers: Any = None) -> Response:
    return JSONResponse({"error": message}, status_code=status, headers=headers)
