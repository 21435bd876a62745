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

from modelserver.artifacts import ArtifactError
from modelserver.engine.batching import Batcher, InferenceFailed, Stopped
from modelserver.engine.gate import Full, Gate
from modelserver.engine.loading import LoadedModel, load
from modelserver.engine.pool import LoadFailed, VersionPool
from modelserver.repository import ModelRepository, VersionMissing
from modelserver.service.config import Config
from modelserver.service.reading import InferCall, Refused, parse_call, read_body
from modelserver.wire import ModelRef, WireError, infer_response

log = logging.getLogger(__name__)

RETRY_AFTER = {"Retry-After": "1"}
# Above so many characters, tokenizing on the event loop would be felt by other requests.
ENCODE_INLINE_CHARACTERS = 4_000
STOP_GRACE_S = 5.0


class ModelService:
    """The routes and what they share. A request passes two stages that each take only so many: it waits for its
    version to be in memory, and then for its batch. So one version that loads slowly keeps nobody from another.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._repository = ModelRepository(config.repository_url, config.cache)
        self._pool = VersionPool(self._repository.fetch, load, config.memory_bytes, config.queue)
        self._batcher = Batcher(config.max_batch, config.batch_tokens)
        self._answering = Gate("waiting for their answer", config.queue)
        self._ready = False

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """Preload, then be ready; at the end answer what waits."""
        starting = asyncio.create_task(self._preload())
        yield
        starting.cancel()
        self._ready = False
        await run_in_threadpool(self._batcher.stop, STOP_GRACE_S)
        await self._pool.close()

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

    async def model_ready(self, request: Request) -> Response:
        """Whether a model can be asked: it is loaded when it is, so one that is published can."""
        name = _ref(request, version=0).name
        if not await run_in_threadpool(self._repository.versions, name):
            raise VersionMissing(f"there is no model {name}")
        return self._ready_answer(name)

    async def version(self, request: Request) -> Response:
        """Metadata of one version, which needs not be in memory for it."""
        ref = _ref(request)
        manifest, digest = await run_in_threadpool(self._repository.describe, ref)
        body = _metadata(ref.name, [ref.version])
        body["outputs"][0]["shape"] = [-1, len(manifest.labels)]
        body["parameters"] = {
            "labels": json.dumps(list(manifest.labels)),
            "max_length": manifest.max_length,
            "manifest_sha256": digest,
            "in_memory": self._pool.holds(ref),
        }
        return JSONResponse(body)

    async def version_ready(self, request: Request) -> Response:
        """Whether a version can be asked: it is loaded when it is, so one that is published can."""
        ref = _ref(request)
        if not self._pool.holds(ref) and not await run_in_threadpool(self._repository.exists, ref):
            raise VersionMissing(f"there is no model {ref}")
        return self._ready_answer(ref.name)

    async def unversioned(self, request: Request) -> Response:
        """A verdict must be of an exact version."""
        raise WireError("version", "name a version: /v2/models/{name}/versions/{version}/infer")

    async def infer(self, request: Request) -> Response:
        """Probabilities for one or more inputs."""
        ref = _ref(request)
        if not self._ready:
            raise Stopped("the model server is starting or stopping")
        async with asyncio.timeout(self._config.timeout_s):
            call = parse_call(await read_body(request, self._config.max_body_bytes))
            async with self._pool.use(ref) as model:
                with self._answering.place():
                    rows = await self._answer(model, call)
        body = infer_response(ref, model.labels, rows, call.request_id)
        body["outputs"] = [tensor for tensor in body["outputs"] if tensor["name"] in call.outputs]
        return JSONResponse(body)

    async def _answer(self, model: LoadedModel, call: InferCall) -> list[list[float]]:
        if sum(len(text) for item in call.inputs for text in item.texts) <= ENCODE_INLINE_CHARACTERS:
            encodings = model.encode(call.inputs)
        else:
            encodings = await run_in_threadpool(model.encode, call.inputs)
        return await asyncio.wrap_future(self._batcher.submit(model, encodings))

    async def _preload(self) -> None:
        for ref in self._config.preload:
            try:
                async with self._pool.use(ref):
                    pass
            except (VersionMissing, LoadFailed) as error:
                # It may be published later, and is loaded then by the first who asks.
                log.error("not preloaded: %s", error)
        self._ready = True

    def _ready_answer(self, name: str) -> Response:
        return JSONResponse({"name": name, "ready": self._ready}, status_code=200 if self._ready else 503)


class TokenGuard:
    """ASGI middleware: all but the health checks needs the bearer token, compared in constant time."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with 401."""
        if scope["type"] == "http" and scope["path"] not in ("/v2/health/live", "/v2/health/ready"):
            given = Headers(scope=scope).get("Authorization", "")
            if not hmac.compare_digest(given.encode(), self._expected):
                await _error(401, "a bearer token is needed", {"WWW-Authenticate": "Bearer"})(scope, receive, send)
                return
        await self._app(scope, receive, send)


def make_app(config: Config) -> Starlette:
    """The ASGI application."""
    service = ModelService(config)
    model = "/v2/models/{name}"
    version = f"{model}/versions/{{version}}"
    app = Starlette(
        routes=[
            Route("/v2", service.server),
            Route("/v2/health/live", service.live),
            Route("/v2/health/ready", service.ready),
            Route(model, service.model),
            Route(f"{model}/ready", service.model_ready),
            Route(f"{model}/infer", service.unversioned, methods=["POST"]),
            Route(version, service.version),
            Route(f"{version}/ready", service.version_ready),
            Route(f"{version}/infer", service.infer, methods=["POST"]),
        ],
        exception_handlers={
            WireError: lambda request, error: _error(400, str(error), field=error.field),
            Refused: lambda request, error: _error(error.status, str(error)),
            ClientDisconnect: _answer(400),
            VersionMissing: _answer(404),
            Full: _answer(429, RETRY_AFTER),
            ArtifactError: _answer(500),
            LoadFailed: _answer(500),
            InferenceFailed: _answer(500),
            Stopped: _answer(503, RETRY_AFTER),
            TimeoutError: lambda request, error: _error(504, "no answer in time", RETRY_AFTER),
            404: lambda request, error: _error(404, "there is nothing here"),
            405: lambda request, error: _error(405, "this method is not for here", error.headers),
            Exception: lambda request, error: _error(500, "the model server failed on this request"),
        },
        middleware=[Middleware(TokenGuard, token=config.token)] if config.token else [],
        lifespan=service.lifespan,
    )
    app.router.redirect_slashes = False
    return app


def _ref(request: Request, version: int | None = None) -> ModelRef:
    if version is None:
        text = request.path_params["version"]
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise WireError("version", "must be a whole number")
        version = int(text)
    return ModelRef(request.path_params["name"], version)


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


def _error(status: int, message: str, headers: Any = None, field: str = "") -> Response:
    body = {"error": message, "field": field} if field else {"error": message}
    return JSONResponse(body, status_code=status, headers=headers)
