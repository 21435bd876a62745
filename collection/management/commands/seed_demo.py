"""``manage.py seed_demo``: the demo experiment and its people."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from collection.demo.seed import BASE_MODEL, fresh_logins, seed_demo
from collection.errors import Refused


class Command(BaseCommand):
    """Makes the demo once; new passwords at each call."""

    help = "Make the demo experiment, if there is none, and new passwords for its people. Not for production."

    def add_arguments(self, parser: CommandParser) -> None:
        """The command line."""
        parser.add_argument("--logins", action="store_true", help="print the logins as JSON")
        parser.add_argument("--base-model", default=BASE_MODEL)

    def handle(self, *args: Any, **options: Any) -> None:
        """Seed, and print the logins if asked to."""
        if settings.PRODUCTION:
            raise CommandError("The demo has people who may do everything; it is refused in production.")
        logins = fresh_logins()
        try:
            seed_demo(options["base_model"])
        except Refused as error:
            raise CommandError(str(error)) from None
        if options["logins"]:
            self.stdout.write(json.dumps({"logins": logins}))
