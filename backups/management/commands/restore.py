"""``manage.py restore``: a backup into an empty site."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from backups.making import secret_sign
from backups.manifest import BackupError
from backups.restoring import check, restore


class Command(BaseCommand):
    """Reads a backup; writes it into the site unless it is only to be checked."""

    help = "Put a backup into this site: migrated, without any data yet, its processes stopped."

    def add_arguments(self, parser: CommandParser) -> None:
        """The command line."""
        parser.add_argument("path", type=Path, help="a file that `manage.py backup` has written")
        parser.add_argument("--check", action="store_true", help="only see whether it is whole; changes nothing")
        parser.add_argument("--sha256", help="what the sha256 of its manifest must be, as `backup` has printed it")
        parser.add_argument("--progress", action="store_true", help="show how far it is")

    def handle(self, *args: Any, **options: Any) -> None:
        """Check it or restore it, and say what else is needed."""
        do = check if options["check"] else restore
        try:
            manifest = do(options["path"], options["sha256"], show=options["progress"])
        except (BackupError, OSError, DatabaseError) as error:
            done = "it is not in order" if options["check"] else "nothing was restored"
            raise CommandError(f"{done}: {error}") from None
        rows = sum(kept.rows or 0 for kept in manifest.tables.values())
        files = sum(map(len, manifest.stores.values()))
        done = "whole" if options["check"] else "restored"
        self.stdout.write(f"{done}: {rows} rows, {files} files, made {manifest.made_at} by {manifest.code}")
        if manifest.secret != secret_sign():
            self.stderr.write(
                "This site has another SECRET_KEY than that one had: people have other pseudonyms on its pages. To "
                "keep them, give it the same key before anybody uses it."
            )
