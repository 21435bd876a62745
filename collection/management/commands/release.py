"""``manage.py release``: make a release here and now, fetch one that exists, or tell what two of them differ in."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from collection import releases, releasing
from collection.errors import Refused
from collection.export.choices import FORMATS, STATES
from collection.export.difference import Difference, Ids
from collection.export.layout import MANIFEST
from collection.export.splits import METHODS
from collection.export.storage import DamagedFile
from collection.export.whole import whole
from collection.models import Experiment, Release
from collection.nudges import held_back
from collection.states import ReleaseState

_WORKING = (ReleaseState.DUE, ReleaseState.BUILDING)
_POLL_SECONDS = 1.0
_SHOWN = 20


class Command(BaseCommand):
    """Asks for a release and builds it in this process, or takes one by its number."""

    help = "Make a release of an experiment, or fetch, decide about or compare releases that exist."

    def add_arguments(self, parser: CommandParser) -> None:
        """The command line."""
        parser.add_argument("experiment", help="its short name")
        parser.add_argument("--arms", nargs="+", help="all, unless named")
        parser.add_argument("--rounds", nargs="+", type=int, help="all that are done, unless named")
        parser.add_argument("--states", nargs="+", help=f"of {', '.join(STATES)}; accepted, unless named")
        parser.add_argument("--attempts", action="store_true", help="every text that was tried, too")
        parser.add_argument("--test-items", action="store_true", help="the rows of the test sets, too")
        parser.add_argument(
            "--formats", nargs="+", help=f"of {', '.join(FORMATS)}; jsonl and huggingface, unless named"
        )
        parser.add_argument("--splits", help=f"{', '.join(METHODS)}")
        parser.add_argument("--dev", type=float, help="share of the writers for dev")
        parser.add_argument("--test", type=float, help="share of the writers for test")
        parser.add_argument("--split-contexts", action="store_true", help="no context is in two splits, either")
        parser.add_argument("--seed", type=int, help="of the splits")
        parser.add_argument("--number", type=int, help="a release that exists, instead of a new one")
        parser.add_argument("--findings", choices=releases.DECISIONS, help="what to do with what the scan has found")
        parser.add_argument("--out", type=Path, help="a new folder to write its files to")
        parser.add_argument("--diff", nargs=2, type=int, metavar="NUMBER", help="compare two releases, and no more")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what is asked for."""
        experiment = Experiment.objects.filter(slug=options["experiment"]).select_related("task").first()
        if experiment is None:
            raise CommandError(f"experiment: there is no {options['experiment']!r}")
        out: Path | None = options["out"]
        if out is not None and out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise CommandError(f"out: {out} is there already, and not empty")
        try:
            if options["diff"]:
                former, latter = (releases.one_of(experiment, number) for number in options["diff"])
                self._tell(releases.difference(former, latter))
                return
            # No worker is called: it is built here.
            with held_back():
                self._release(experiment, options)
        except Refused as error:
            raise CommandError(str(error)) from None
        except DamagedFile as error:
            raise CommandError(f"release: {error}") from None

    def _release(self, experiment: Experiment, options: dict[str, Any]) -> None:
        if options["number"] is not None:
            release = releases.one_of(experiment, options["number"])
        else:
            release = releases.ask(experiment, _choices(options))
        self._build(release)
        if release.state == ReleaseState.HELD and options["findings"]:
            releases.decide_findings(release, None, options["findings"])
            self._build(release)
        if release.state == ReleaseState.HELD:
            self._show_findings(release)
            raise CommandError(
                f"Release {release.number} waits for a decision about what was found in its texts: once more with "
                f"--number {release.number} --findings {' or '.join(releases.DECISIONS)}."
            )
        if release.state != ReleaseState.DONE:
            raise CommandError(f"Release {release.number}: {release.problem or release.state}")
        if options["out"] is not None:
            self._fetch(release, options["out"])
        self.stdout.write(f"release {release.number}: {len(release.files)} files, sha256 {release.sha256}")

    def _build(self, release: Release) -> None:
        """Build it here, or look on while a worker that was faster does."""
        with tqdm(desc=f"release {release.number}", unit="example", disable=None) as bar:

            def show(phase: str, done: int, of: int) -> None:
                bar.set_description(f"release {release.number}, {phase}", refresh=False)
                bar.total = of or bar.total
                bar.update(max(done - bar.n, 0) if of else 0)

            releasing.release(release.pk, show)
            release.refresh_from_db()
            while release.state in _WORKING:
                show(**{"phase": "waiting", "done": 0, "of": 0} | release.progress)
                time.sleep(_POLL_SECONDS)
                releasing.release(release.pk, show)
                release.refresh_from_db()

    def _fetch(self, release: Release, out: Path) -> None:
        # The manifest last: with it the folder is a release.
        files = sorted(releases.files_of(release), key=lambda item: (item.path == MANIFEST, item.path))
        size = sum(item.size for item in files)
        with tqdm(total=size, desc=str(out), unit="B", unit_scale=True, disable=None) as bar:
            for item in files:
                with whole(out / item.path) as file:
                    for chunk in releases.open_file(release, item.path):
                        bar.update(file.write(chunk))

    def _show_findings(self, release: Release) -> None:
        for kind, count in release.findings["counts"].items():
            self.stdout.write(f"{kind}: {count}")
        for item in release.findings["kept"][:_SHOWN]:
            self.stdout.write(f"  {item['table']} {item['id']}, {item['column']}, {item['kind']}: {item['excerpt']}")

    def _tell(self, found: Difference) -> None:
        for name, (before, after) in found.settings.items():
            self.stdout.write(f"{name}: {before} → {after}")
        for word, paths in (("added", found.files_added), ("removed", found.files_removed)):
            self.stdout.write(f"files {word}: {', '.join(paths) or 'none'}")
        self.stdout.write(f"files changed: {', '.join(found.files_changed) or 'none'}")
        for arm, examples in found.examples.items():
            if examples is None:
                self.stdout.write(f"{arm}: not in both releases as JSON lines; its examples are not compared")
                continue
            for word, ids in (("added", examples.added), ("removed", examples.removed), ("changed", examples.changed)):
                self._tell_ids(f"{arm}: {word}", ids)
            for (before, after), ids in examples.moved.items():
                self._tell_ids(f"{arm}: from {before} to {after}", ids)

    def _tell_ids(self, what: str, ids: Ids) -> None:
        more = f" and {ids.count - _SHOWN} more" if ids.count > _SHOWN else ""
        named = f" ({', '.join(ids.first[:_SHOWN])}{more})" if ids.count else ""
        self.stdout.write(f"{what}: {ids.count}{named}")


def _choices(options: dict[str, Any]) -> dict[str, Any]:
    """What is named on the command line; everything else has its default."""
    splits = {"method": options["splits"], **{name: options[name] for name in ("dev", "test", "seed")}}
    splits["contexts"] = options["split_contexts"] or None
    names = ("arms", "rounds", "states", "attempts", "formats", "test_items")
    given = {name: value for name, value in splits.items() if value is not None}
    return {**{name: options[name] for name in names}, "splits": given}
