"""The OpenAPI description: what every operation may answer beside what it is for."""

from __future__ import annotations

from typing import Any, Literal

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from rest_framework import serializers

PROBLEM = "application/problem+json"


class ProblemSerializer(serializers.Serializer[Any]):
    """What went wrong (RFC 9457): ``code`` for programs, ``detail`` for people, ``field`` where one is to blame."""

    type = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField()
    detail = serializers.CharField()
    field = serializers.CharField(required=False)


class Schema(AutoSchema):
    """Adds the problems that any operation may answer with, each as problem+json."""

    def _get_response_bodies(self, direction: Literal["request", "response"] = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        statuses = ["400", "401", "403", "404", "409", "413", "415", "429"] if self.method != "GET" else []
        for status in statuses or ["400", "401", "403", "404", "406", "409", "429"]:
            bodies.setdefault(status, self._problem())
        return bodies

    def _problem(self) -> dict[str, Any]:
        component = self.resolve_serializer(ProblemSerializer, "response")
        return {"content": {PROBLEM: {"schema": component.ref}}, "description": "Refused, and why"}


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describes the token."""

    target_class = "collection.api.authentication.BearerAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        """A bearer token."""
        return {"type": "http", "scheme": "bearer"}
