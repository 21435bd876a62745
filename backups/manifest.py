"""What a backup says of itself: what it was made of, and the size and sha256 of everything in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from modelserver.wire import SHA256

FORMAT = "whetstone-backup/1"
MANIFEST = "manifest.json"


class BackupError(RuntimeError):
    """A backup cannot be made, read or restored; the words say why, and of what."""


@dataclass(frozen=True)
class Kept:
    """A file of a backup: ``size`` in bytes. ``rows`` are those of a table's file."""

    size: int
    sha256: str
    rows: int | None = None


@dataclass(frozen=True)
class Manifest:
    """``tables`` by the name of their model, ``stores`` by their own name and then the path of a file in them.

    ``migrations`` are those that were applied, as app/name. ``secret`` tells whether another site has the same
    SECRET_KEY, and nothing else about it.
    """

    made_at: str
    code: str
    database: str
    secret: str
    migrations: list[str]
    left_out: list[str]
    tables: dict[str, Kept] = field(default_factory=dict)
    stores: dict[str, dict[str, Kept]] = field(default_factory=dict)

    def files(self) -> dict[str, Kept]:
        """Every file that the backup has beside the manifest, by its name in it."""
        found = {table_file(name): kept for name, kept in self.tables.items()}
        for store, files in self.stores.items():
            found |= {store_file(store, path): kept for path, kept in files.items()}
        return found

    def to_bytes(self) -> bytes:
        """The manifest as it is written."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1).encode()

    @classmethod
    def parse(cls, content: bytes) -> Manifest:
        """The manifest that ``to_bytes`` gave. Raises BackupError, naming what is wrong."""
        try:
            plain = json.loads(content)
            if not isinstance(plain, dict) or plain.pop("format", None) != FORMAT:
                raise BackupError(f"{MANIFEST}: this is no backup of the format {FORMAT}")
            tables = {str(name): _kept(kept) for name, kept in plain.pop("tables").items()}
            stores = {
                str(store): {checked_path(path): _kept(kept) for path, kept in files.items()}
                for store, files in plain.pop("stores").items()
            }
            return cls(**plain, tables=tables, stores=stores)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise BackupError(f"{MANIFEST}: cannot be read ({error})") from None


def table_file(name: str) -> str:
    """Where the rows of a model are, as in ``tables/collection.example.jsonl``."""
    return f"tables/{name}.jsonl"


def store_file(store: str, path: str) -> str:
    """Where a file of a store is."""
    return f"stores/{store}/{path}"


def checked_path(path: str) -> str:
    """A path inside a store, as it came. Raises BackupError for one that leads out of it, or may on some system."""
    parts = path.split("/")
    if any(part in ("", ".", "..") or "\\" in part or ":" in part or not part.isprintable() for part in parts):
        raise BackupError(f"{path!r} is no path of a file in a store")
    return path


def _kept(plain: Mapping[str, Any]) -> Kept:
    kept = Kept(**plain)
    counts = (kept.size, 0 if kept.rows is None else kept.rows)
    if any(type(count) is not int or count < 0 for count in counts) or not SHA256.fullmatch(kept.sha256):
        raise ValueError(f"{dict(plain)} describes no file")
    return kept
