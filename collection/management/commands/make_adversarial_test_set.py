"""``manage.py make_adversarial_test_set``: part a file of rows into a pool and an adversarial test set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from collection.demo.tasks import TASKS, task
from collection.errors import Refused
from collection.importing.jsonl import LabelledRow, read_rows
from collection.schema import TaskSchema
from collection.simulation.adversarial import part
from modelserver.artifacts import ArtifactError


class Command(BaseCommand):
    """Writes two files; the database gains nothing but the task, if it was not there."""

    help = "Keep rows out of a pool, and make a test set of those that a model in no arm's loop gets wrong."

    def add_arguments(self, parser: CommandParser) -> None:
        """The command line."""
        parser.add_argument("rows", type=Path, help="JSON lines of human-written rows")
        parser.add_argument("--model", type=Path, required=True, help="artifact folder of a model with another seed")
        parser.add_argument("--task", choices=sorted(TASKS), default="nli")
        parser.add_argument("--share", type=float, default=0.2, help="of the contexts to keep out of the pool")
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--out-pool", type=Path, required=True)
        parser.add_argument("--out-test", type=Path, required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        """Part the file and write both."""
        try:
            schema = task(options["task"]).schema
            rows = read_rows(options["rows"], schema, as_found=True)
            parted = part(rows, schema, options["share"], options["seed"], options["model"])
        except (Refused, ArtifactError) as error:
            raise CommandError(str(error)) from None
        _write(options["out_pool"], parted.pool, schema)
        _write(options["out_test"], parted.errors, schema)
        self.stdout.write(
            f"{len(parted.pool)} rows in the pool; {len(parted.held_out)} held out, "
            f"of which the model gets {len(parted.errors)} wrong: the test set"
        )


def _write(path: Path, rows: list[LabelledRow], schema: TaskSchema) -> None:
    names = [item.name for item in schema.fields]
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            texts = dict(zip(names, row.texts, strict=True))
            file.write(json.dumps({**texts, "label": row.label}, ensure_ascii=False) + "\n")
