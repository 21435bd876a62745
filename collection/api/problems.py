"""Errors of the API as problem+json (RFC 9457), each naming its field where it has one."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler

from collection.errors import Conflict, Invalid, NothingToDo, NotYours, Refused

_STATUS: dict[type[Refused], int] = {Invalid: 400, NotYours: 404, NothingToDo: 409, Conflict: 409}


def handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler: refusals of operations, then whatever DRF itself knows. None for a bug: a plain 500."""
    if isinstance(error, Refused):
        body = {"code": error.code, "detail": error.message}
        if isinstance(error, Invalid):
            body["field"] = error.field
        return _problem(_STATUS[type(error)], body)
    if isinstance(error, Http404):
        return _problem(404, {"code": "not_found", "detail": "There is nothing here."})
    if isinstance(error, RequestDataTooBig):
        return _problem(413, {"code": "too_large", "detail": "The request is too large."})
    response = exception_handler(error, context)
    if response is None:
        return None
    if isinstance(error, exceptions.ValidationError):
        field, detail = _first(error.detail)
        body = {"code": "invalid", "detail": detail, "field": field}
    else:
        assert isinstance(error, exceptions.APIException)
        codes = error.get_codes()
        body = {"code": codes if isinstance(codes, str) else "error", "detail": str(error.detail)}
    problem = _problem(response.status_code, body)
    for name in ("WWW-Authenticate", "Retry-After", "Allow"):
        if name in response:
            problem[name] = response[name]
    return problem


def _problem(status: int, body: dict[str, str]) -> Response:
    return Response(
        {"type": "about:blank", "status": status, **body}, status=status, content_type="application/problem+json"
    )


def _first(detail: Any) -> tuple[str, str]:
    """The first field of a validation error and what is wrong with it."""
    path: list[str] = []
    while isinstance(detail, (dict, list)):
        if isinstance(detail, dict):
            name = next(iter(detail))
            path.append(str(name))
            detail = detail[name]
        else:
            detail = detail[0]
    return ".".join(path) or "body", str(detail)
