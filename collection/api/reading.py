"""Reading what a client sends: known names only, each refused by its name."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from collection.errors import Invalid


def read(kind: type[serializers.Serializer[Any]], request: Request, **options: Any) -> dict[str, Any]:
    """The body, checked. Raises Invalid for a body that is no object or names something unknown, and
    ValidationError naming the field for a bad value."""
    return checked(kind, request.data, **options)


def checked(kind: type[serializers.Serializer[Any]], values: Any, **options: Any) -> dict[str, Any]:
    """The values, checked in the same way."""
    serializer = kind(data=values, **options)
    check_object(values, serializer.fields)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def check_object(body: Any, known: Container[str]) -> dict[str, Any]:
    """The body. Raises Invalid if it is no object or names something that is not known."""
    if not isinstance(body, dict):
        raise Invalid("body", "Must be a JSON object.")
    for name in body:
        if name not in known:
            raise Invalid(str(name)[:100], "There is no such field.", "unknown_field")
    return body


def parameters(request: Request, *known: str) -> dict[str, str]:
    """The query's parameters. Raises Invalid for one that is not known or comes twice."""
    for name in request.query_params:
        if name not in known:
            raise Invalid(name[:100], "There is no such parameter.", "unknown_filter")
        if len(request.query_params.getlist(name)) > 1:
            raise Invalid(name, "Comes more than once.")
    return {name: request.query_params[name] for name in known if name in request.query_params}
