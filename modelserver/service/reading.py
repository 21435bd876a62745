"""Reading an inference request: bounded, and refused with the field that is wrong."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from modelserver.wire import SURROGATE, TextInput, WireError, parse_infer_request

OUTPUT_NAMES = ("probabilities", "label")
MAX_ID_CHARACTERS = 200


class Refused(Exception):
    """A request that is not read to its end; ``status`` is the HTTP status that says why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class InferCall:
    """What an inference request asks for; ``outputs`` are the tensors to answer with."""

    inputs: list[TextInput]
    request_id: str
    outputs: tuple[str, ...]


async def read_body(request: Request, max_bytes: int) -> bytes:
    """The body, counted as it comes in. Raises Refused if it is larger than ``max_bytes`` or compressed."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Refused(415, "a compressed body is not taken")
    too_large = Refused(413, f"the body is larger than {max_bytes} bytes")
    announced = request.headers.get("Content-Length", "")
    if announced.isascii() and announced.isdigit() and int(announced) > max_bytes:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        if len(body) + len(chunk) > max_bytes:
            raise too_large
        body += chunk
    return bytes(body)


def parse_call(body: bytes) -> InferCall:
    """The call in a body. Raises WireError naming the field that is wrong."""
    values = _json(body)
    inputs = parse_infer_request(values)
    request_id = values.get("id", "")
    if not isinstance(request_id, str) or len(request_id) > MAX_ID_CHARACTERS or SURROGATE.search(request_id):
        raise WireError("id", f"must be a text of at most {MAX_ID_CHARACTERS} characters")
    return InferCall(inputs, request_id, _outputs(values.get("outputs")))


def _outputs(asked: object) -> tuple[str, ...]:
    if asked is None:
        return OUTPUT_NAMES
    if not isinstance(asked, list) or not asked:
        raise WireError("outputs", "must be a non-empty list of tensors")
    names = [item.get("name") if isinstance(item, dict) else None for item in asked]
    if not all(name in OUTPUT_NAMES for name in names):
        raise WireError("outputs", f"a model gives {' and '.join(OUTPUT_NAMES)}")
    return tuple(name for name in OUTPUT_NAMES if name in names)


def _json(body: bytes) -> dict[str, Any]:
    try:
        values = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise WireError("body", "is not JSON") from None
    if not isinstance(values, dict):
        raise WireError("body", "must be a JSON object")
    return values


def _refuse_constant(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")
