"""An adversarial test set that favours no arm: the errors of a model that is in no arm's loop."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from collection.errors import Invalid
from collection.importing.jsonl import LabelledRow
from collection.schema import TaskSchema
from collection.texts import fingerprint
from modelserver.artifacts import manifest_sha256
from modelserver.wire import RESULT_FILE, EvaluationFile, Job, Result, Source, file_sha256, write_json


@dataclass(frozen=True)
class Parted:
    """Rows of a file: ``pool`` to draw from, ``held_out`` kept from annotators, and of these the model's ``errors``."""

    pool: list[LabelledRow]
    held_out: list[LabelledRow]
    errors: list[LabelledRow]


def part(rows: Sequence[LabelledRow], schema: TaskSchema, share: float, seed: int, model: Path) -> Parted:
    """Hold out a share of the contexts, with all their rows, and find the rows that ``model`` gets wrong.

    ``model`` is an artifact folder, best trained as the base model was but from another seed: errors of a model
    that an arm plays against would favour that arm. Raises Invalid if nothing is held out.
    """
    column = schema.fields.index(schema.context_field) if schema.context_field else 0
    held_out: list[LabelledRow] = []
    pool: list[LabelledRow] = []
    for row in rows:
        drawn = random.Random(f"held out:{seed}:{fingerprint([row.texts[column]])}").random()
        (held_out if drawn < share else pool).append(row)
    if not held_out:
        raise Invalid("share", "No row is held out; the share is too small.")
    predicted = _predict(held_out, schema.label_names, model)
    names = schema.label_names
    errors = [row for row, guess in zip(held_out, predicted, strict=True) if names[guess] != row.label]
    return Parted(pool, held_out, errors)


def _predict(rows: Sequence[LabelledRow], labels: tuple[str, ...], model: Path) -> tuple[int, ...]:
    """The model's label index for each row, by the training process: nothing here loads torch."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = folder / "rows.jsonl"
        with data.open("w", encoding="utf-8") as file:
            for row in rows:
                file.write(json.dumps({"id": str(row.line), "texts": row.texts, "label": row.label}) + "\n")
        job = Job(
            kind="evaluate",
            source=Source(artifact=str(model.resolve()), manifest_sha256=manifest_sha256(model)),
            labels=labels,
            output=name,
            evaluate=(EvaluationFile("rows", str(data), file_sha256(data), len(rows)),),
        )
        write_json(folder / "job.json", job.to_dict())
        subprocess.run([sys.executable, "-m", "modelserver.training", str(folder / "job.json")], check=True)
        result = Result.from_dict(json.loads((folder / RESULT_FILE).read_text(encoding="utf-8")))
    return result.scores[0].predicted
