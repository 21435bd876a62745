"""``manage.py issue_token``: a key to the API for somebody, printed this once."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotators.models import ApiToken
from annotators.tokens import issue


class Command(BaseCommand):
    """Makes a token for a user who exists."""

    help = "Make a token for the API and print its secret, which is not kept."

    def add_arguments(self, parser: CommandParser) -> None:
        """The command line."""
        parser.add_argument("username")
        parser.add_argument("--name", default="made by manage.py")
        parser.add_argument("--scopes", nargs="+", default=["read"], choices=ApiToken.Scope.values)
        parser.add_argument("--days", type=int, default=90)

    def handle(self, *args: Any, **options: Any) -> None:
        """Make it, print it."""
        user = User.objects.filter(username=options["username"]).first()
        if user is None:
            raise CommandError(f"There is no user {options['username']!r}.")
        try:
            _token, secret = issue(user, options["name"], options["scopes"], options["days"])
        except ValueError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(secret)
