"""``manage.py import_data``: contexts, a test set, or data that arms start with, from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from collection import imports, intake
from collection.errors import Invalid
from collection.importing.faults import FileFault
from collection.importing.tables import FORMATS, format_of
from collection.models import DataImport, Experiment, Task, TestSet
from collection.states import ImportState

_KINDS = [kind.value for kind in DataImport.Kind if kind != DataImport.Kind.RELEASE]


class Command(BaseCommand):
    """Stores the whole file or nothing; says what is wrong with it, line by line."""

    help = "Import contexts, a test set or round 0 data from CSV, JSON lines, Parquet, or (contexts) lines of text."

    def add_arguments(self, parser: CommandParser) -> None:
        """The command line."""
        parser.add_argument("kind", choices=_KINDS)
        parser.add_argument("path", type=Path)
        parser.add_argument("--format", choices=FORMATS, help="default: by the end of the file's name")
        parser.add_argument("--experiment", metavar="SLUG", help="a draft, for contexts and round-zero")
        parser.add_argument("--arms", nargs="+", metavar="ARM", help="which start with the data (default: all)")
        parser.add_argument("--task", metavar="SLUG", help="of a test set")
        parser.add_argument("--slug", help="of a test set")
        parser.add_argument("--name", help="of a test set")
        parser.add_argument("--kind-of-set", choices=TestSet.Kind.values, default=TestSet.Kind.IMPORTED.value)
        parser.add_argument(
            "--columns", nargs="+", default=[], metavar="FIELD=COLUMN", help="where a field or the label stands"
        )
        parser.add_argument("--labels", nargs="+", default=[], metavar="WORD=LABEL", help="what the file's labels mean")

    def handle(self, *args: Any, **options: Any) -> None:
        """Import, print what came of it."""
        path: Path = options["path"]
        kind = DataImport.Kind(options["kind"])
        experiment = task = None
        if kind == DataImport.Kind.TEST_SET:
            task = Task.objects.filter(slug=options["task"]).first()
            if task is None:
                raise CommandError(f"task: there is no task called {options['task']!r}")
            if not options["slug"] or not options["name"]:
                raise CommandError("slug, name: a test set needs both")
        else:
            experiment = Experiment.objects.filter(slug=options["experiment"]).select_related("task").first()
            if experiment is None:
                raise CommandError(f"experiment: there is no experiment called {options['experiment']!r}")
        columns = _pairs("columns", options["columns"])
        try:
            taken = imports.begin(
                None,
                kind,
                path,
                experiment=experiment,
                task=task,
                options={
                    "format": options["format"] or _format(path),
                    "column": next(iter(columns.values()), None),
                    "columns": columns,
                    "labels": _pairs("labels", options["labels"]),
                    "arms": options["arms"],
                    "slug": options["slug"],
                    "name": options["name"],
                    "kind": options["kind_of_set"],
                },
            )
        except Invalid as error:
            raise CommandError(str(error)) from None
        intake.carry_out_taken(taken)
        for fault in taken.faults:
            self.stderr.write(str(FileFault(**fault)))
        if taken.state != ImportState.DONE:
            raise CommandError(taken.problem)
        self.stdout.write(taken.outcome)


def _format(path: Path) -> str:
    known = format_of(path.name)
    if known is None:
        raise CommandError(f"format: the name {path.name!r} does not tell; please say which: {', '.join(FORMATS)}")
    return known


def _pairs(name: str, given: list[str]) -> dict[str, str]:
    pairs = dict(item.partition("=")[::2] for item in given)
    if any("=" not in item for item in given) or not all(pairs.values()):
        raise CommandError(f"{name}: must be given as X=Y")
    return pairs
