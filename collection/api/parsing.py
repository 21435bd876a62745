"""Reading request bodies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from django.core.exceptions import RequestDataTooBig
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser, MultiPartParser

# What a file may have, and some room for its form.
LARGEST_UPLOAD = 51_000_000


class BoundedJSONParser(JSONParser):
    """JSON that may be nested only as deep as Python reads it; deeper is a bad request and not an error of ours."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """The values. Raises ParseError."""
        try:
            values: dict[str, Any] = super().parse(stream, media_type, parser_context)
        except RecursionError:
            raise ParseError("The JSON is nested too deeply.") from None
        return values


class BoundedMultiPartParser(MultiPartParser):
    """A form with a file. One that says it is too large is refused before any of it is read."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """The form's values and files. Raises RequestDataTooBig."""
        length = (parser_context or {})["request"].META.get("CONTENT_LENGTH") or "0"
        if not length.isdigit() or int(length) > LARGEST_UPLOAD:
            raise RequestDataTooBig
        return super().parse(stream, media_type, parser_context)
