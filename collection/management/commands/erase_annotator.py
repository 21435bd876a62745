"""``manage.py erase_annotator``: forget a person who has annotated."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from collection.erasure import Texts, annotator_named, erase
from collection.errors import Refused


class Command(BaseCommand):
    """Erases one person, once it is confirmed."""

    help = (
        "Erase a person who has annotated: name, addresses, logins and pseudonyms go for good; labels, votes and pay "
        "stay without a name. What the person wrote is kept or dropped."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """The command line."""
        parser.add_argument("annotator", help="a user name, or pseudonym@study")
        parser.add_argument("--texts", required=True, choices=[item.value for item in Texts])
        parser.add_argument("--yes", action="store_true", help="do not ask; it cannot be undone")

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask, erase, say what was done."""
        texts = Texts(options["texts"])
        try:
            annotator = annotator_named(options["annotator"])
            name = annotator.user.get_username()
            what = "and all that they wrote " if texts is Texts.DROP else ""
            if not options["yes"] and input(f"Erase {name} {what}for good? Type the user name: ") != name:
                raise CommandError("nothing was erased")
            done = erase(annotator, texts)
        except Refused as refused:
            raise CommandError(str(refused)) from None
        self.stdout.write(
            f"Erased; what is left is {done.name}. Texts emptied: {done.attempts} attempts, of them {done.examples} "
            f"examples ({done.withdrawn} withdrawn), and {done.reasons} reasons."
        )
