"""What of a release is given out while somebody waits: a file or all of them, read while they are sent, and what it has
another way than another one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

from collection import releases
from collection.errors import Conflict, NotYours
from collection.export.difference import Difference
from collection.models import Release

# Examples that are read for a difference: it takes a second or two.
MOST_COMPARED = 100_000

_TYPES = {
    ".csv": "text/csv; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".jsonl": "application/x-ndjson",
    ".md": "text/markdown; charset=utf-8",
    ".parquet": "application/vnd.apache.parquet",
    ".pdf": "application/pdf",
}


@dataclass(frozen=True)
class Download:
    """``parts`` are read from the storage as they are taken, a chunk at a time. What turns out to be damaged ends them
    with an error: a client that is told the length sees that it has not all."""

    headers: Mapping[str, str]
    parts: Iterator[bytes]

    def answer(self, request: HttpRequest) -> HttpResponseBase:
        """The answer that sends it; to HEAD, for which a server would read all of it in vain, the headers alone."""
        if request.method == "HEAD":
            return HttpResponse(headers=self.headers)
        return StreamingHttpResponse(self.parts, headers=self.headers)


def file_of(release: Release, path: str) -> Download:
    """One file. Raises NotYours for a path that the release has not, and Conflict if the storage does not give it."""
    known = {item.path: item for item in releases.files_of(release)}.get(path)
    if known is None:
        raise NotYours("file")
    name = f"{release.experiment.slug}-release-{release.number}-{known.path.replace('/', '-')}"
    headers = {
        "Content-Type": _TYPES.get(PurePosixPath(known.path).suffix, "application/octet-stream"),
        "Content-Length": str(known.size),
        "Content-Disposition": f'attachment; filename="{name}"',
        "X-Checksum-Sha256": known.sha256,
        "Cache-Control": "private, no-store",
    }
    return Download(headers, _begun(releases.open_file(release, known.path)))


def archive_of(release: Release) -> Download:
    """All files as a zip, whose checksum is the release's own. Raises Conflict unless it is done, and if the storage
    does not give them."""
    archive = releases.archive_of(release)
    return Download(archive.headers(), _begun(archive.parts))


def compared(former: Release, latter: Release) -> Difference:
    """What is another way in the latter. Raises Conflict unless both are done, if there is too much to be read at once,
    and if the storage does not give it."""
    if sum(sum(releases.examples_of(item).values()) for item in (former, latter)) > MOST_COMPARED:
        slug, numbers = former.experiment.slug, f"{former.number} {latter.number}"
        message = f"There is too much to compare while you wait; manage.py release {slug} --diff {numbers} does it."
        raise Conflict("too_large", message)
    try:
        return releases.difference(former, latter)
    except OSError:
        raise _no_files() from None


def _no_files() -> Conflict:
    message = "The storage of releases lacks this file or does not answer. Please tell who runs this site."
    return Conflict("no_files", message)


def _begun(parts: Iterator[bytes]) -> Iterator[bytes]:
    """The same parts, the first one read: whoever asks is told in words if there is none."""
    try:
        first = next(parts, b"")
    except OSError:
        raise _no_files() from None
    return _after(first, parts)


def _after(first: bytes, parts: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from parts
