"""What tests of backups look at: rows and files of this site, and backups that were tampered with."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from backups.manifest import MANIFEST
from backups.stores import stores
from backups.tables import kept_models

needs_postgres = pytest.mark.skipif(connection.vendor != "postgresql", reason="python -m tests.servers pytest …")


def rows() -> dict[str, list[dict[str, Any]]]:
    """Every row of every table that is kept, as the database gives it."""
    return {
        model._meta.label_lower: [
            {name: bytes(value) if isinstance(value, memoryview) else value for name, value in row.items()}
            for row in model._base_manager.order_by("pk").values()
        ]
        for model in kept_models()
    }


def files() -> dict[str, dict[str, bytes]]:
    """Every file of every store."""
    return {name: {path: b"".join(store.read(path)) for path in store.files()} for name, store in stores().items()}


def emptied() -> None:
    """Make this site as `migrate` leaves it."""
    call_command("flush", verbosity=0, interactive=False)
    for setting in settings.BACKUP_STORES.values():
        shutil.rmtree(getattr(settings, setting).removeprefix("file://"), ignore_errors=True)


def contents(path: Path) -> dict[str, bytes]:
    """Every file of a backup."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path: Path, entries: dict[str, bytes]) -> None:
    """A backup of these files, as they are."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)


def rewritten(path: Path, name: str, content: bytes) -> None:
    """Put another content in place of a table's file, and let the manifest agree: only what it means is wrong."""
    entries = contents(path) | {name: content}
    manifest = json.loads(entries[MANIFEST])
    manifest["tables"][name.removeprefix("tables/").removesuffix(".jsonl")] = {
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "rows": content.count(b"\n"),
    }
    write(path, entries | {MANIFEST: json.dumps(manifest).encode()})
