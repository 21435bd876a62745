"""``manage.py import_release``: a release becomes an experiment again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from collection import imports, intake
from collection.errors import Invalid
from collection.importing.faults import FileFault
from collection.models import DataImport
from collection.states import ImportState


class Command(BaseCommand):
    """Stores the whole study or nothing; says what is wrong with its files, line by line."""

    help = "Import a release, a folder or a zip, as an experiment that is over."

    def add_arguments(self, parser: CommandParser) -> None:
        """The command line."""
        parser.add_argument("path", type=Path)
        parser.add_argument("--slug", help="the experiment's short name here, where its own is taken")
        parser.add_argument("--owner", metavar="USERNAME", help="who owns it here (default: the site's admins see it)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Import, print what came of it."""
        owner = None
        if options["owner"] is not None:
            owner = get_user_model()._default_manager.filter(username=options["owner"]).first()
            if owner is None:
                raise CommandError(f"owner: there is no user {options['owner']!r}")
        chosen = {"slug": options["slug"]} if options["slug"] else {}
        try:
            taken = imports.begin(owner, DataImport.Kind.RELEASE, options["path"], options=chosen)
        except Invalid as error:
            raise CommandError(str(error)) from None
        intake.carry_out_taken(taken)
        for fault in taken.faults:
            self.stderr.write(str(FileFault(**fault)))
        if taken.state != ImportState.DONE:
            raise CommandError(taken.problem)
        assert taken.made is not None
        taken.made.refresh_from_db()
        self.stdout.write(f"{taken.made.slug} ({taken.made.state}): {taken.outcome}")
