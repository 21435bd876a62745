"""``manage.py backup``: the whole site in one file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from backups.making import make_backup
from backups.manifest import BackupError


class Command(BaseCommand):
    """Writes a backup while the site goes on."""

    help = (
        "Write the database and all files of this site into one new file, which fits every database. Not in it: "
        "SECRET_KEY and other settings, sessions, messages of the broker, caches."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """The command line."""
        parser.add_argument("path", type=Path, help="the file to write, as in site.zip")
        parser.add_argument("--progress", action="store_true", help="show how far it is")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write it, and say what is in it."""
        path: Path = options["path"]
        try:
            manifest = make_backup(path, show=options["progress"])
        except (BackupError, OSError, DatabaseError) as error:
            raise CommandError(f"no backup was made: {error}") from None
        rows = sum(kept.rows or 0 for kept in manifest.tables.values())
        files = sum(map(len, manifest.stores.values()))
        self.stdout.write(f"{path}: {rows} rows of {len(manifest.tables)} tables, {files} files")
        self.stdout.write(f"sha256 of its manifest: {hashlib.sha256(manifest.to_bytes()).hexdigest()}")
