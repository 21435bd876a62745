"""How much of an upload is taken at all: decided for every form of the site before any of it is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadhandler import FileUploadHandler, SkipFile
from django.http import HttpRequest

from collection.access import may_import

# Of a form beside its file.
_ROOM = 1_000_000
# What a file may have, and some room for its form.
LARGEST_UPLOAD = 50_000_000 + _ROOM
# The names of the routes that take long files, for a worker to read.
LONG_FILES = ("imports", "api-imports")


def largest_body(request: HttpRequest) -> int:
    """How many bytes a form with a file may have: where long files are taken, from those who may send them, more."""
    match = request.resolver_match
    long = match is not None and match.url_name in LONG_FILES and may_import(request.user)
    return settings.LARGEST_IMPORT_BYTES + _ROOM if long else LARGEST_UPLOAD


class BoundedUploadHandler(FileUploadHandler):
    """Comes first of all upload handlers: no file of a stranger is kept, and none that is too large is read.

    Django looks for the CSRF token in the form before a page is asked whether it wants one, so no page can see to it.
    """

    def handle_raw_input(
        self,
        input_data: IO[bytes],
        META: Mapping[str, Any],
        content_length: int,
        boundary: str,
        encoding: str | None = None,
    ) -> None:
        """Raises RequestDataTooBig for a body that says it is too large. More than it says is never read."""
        if content_length > LARGEST_UPLOAD and (self.request is None or content_length > largest_body(self.request)):
            raise RequestDataTooBig(f"{content_length} bytes")

    def new_file(self, *args: Any, **named: Any) -> None:
        """Raises SkipFile where nobody is logged in: what comes is read and forgotten, piece by piece."""
        if self.request is None or not self.request.user.is_authenticated:
            raise SkipFile

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        """Hand it on."""
        return raw_data

    def file_complete(self, file_size: int) -> None:
        """The handlers that come after this one have the file."""
