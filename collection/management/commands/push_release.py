"""``manage.py push_release``: copy a release to the Hugging Face hub, or to a folder at any other URL."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from collection import pushing, releases
from collection.errors import Invalid, Refused
from collection.models import Experiment
from collection.releases import ReleasedFile

_SHOWN = 5


class Command(BaseCommand):
    """Pushes what is done, checked file by file; what stays half pushed never looks whole."""

    help = "Copy a release that is done to the Hugging Face hub or any other fsspec URL."

    def add_arguments(self, parser: CommandParser) -> None:
        """The command line."""
        parser.add_argument("experiment", help="its short name")
        parser.add_argument("number", type=int, help="the release's")
        parser.add_argument(
            "--to",
            metavar="URL",
            help="the folder, such as hf://datasets/organisation/name; {study} and {number} in it are filled in "
            "(default: RELEASES_PUSH_URL)",
        )
        parser.add_argument(
            "--format",
            choices=(pushing.HUB, pushing.ALL),
            help=f"{pushing.HUB}: README.md and data/; {pushing.ALL}: every file (default: {pushing.HUB} if the "
            "release has that format)",
        )
        parser.add_argument("--replace", action="store_true", help="write over another release that lies there")

    def handle(self, *args: Any, **options: Any) -> None:
        """Push, print what came of it."""
        experiment = Experiment.objects.filter(slug=options["experiment"]).select_related("task").first()
        if experiment is None:
            raise CommandError(f"experiment: there is no {options['experiment']!r}")
        to = options["to"] or settings.RELEASES_PUSH_URL
        if not to:
            raise CommandError("--to: say where, or set RELEASES_PUSH_URL.")
        with tqdm(unit="file", disable=None) as bar:

            def show(file: ReleasedFile, done: int, of: int) -> None:
                bar.set_description(file.path, refresh=False)
                bar.total = of
                bar.update(done - bar.n)

            try:
                release = releases.one_of(experiment, options["number"])
                pushed = pushing.push(release, to, options["format"], options["replace"], show)
            except Invalid as error:
                raise CommandError(f"--{error}") from None
            except Refused as error:
                raise CommandError(str(error)) from None
            except OSError as error:
                raise CommandError(f"release: {error}. Nothing more was pushed.") from None
        done = f"{pushed.copied} files pushed to" if pushed.copied else "all of it was already at"
        self.stdout.write(f"release {release.number}: {done} {pushed.url}")
        if pushed.others:
            more = f" and {len(pushed.others) - _SHOWN} more" if len(pushed.others) > _SHOWN else ""
            self.stdout.write(f"also there, and not of this release: {', '.join(pushed.others[:_SHOWN])}{more}")
