"""Labelled rows from a job's files, and the batches they are trained in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from modelserver.engine.encoding import Encoding, TextTooLongError
from modelserver.engine.loading import LoadedModel
from modelserver.wire import DataFile, EvaluationFile, TextInput, WireError

# Batches are cut from runs of rows sorted by length: long enough that little is padding, short enough to stay random.
BATCHES_PER_RUN = 50


@dataclass(frozen=True)
class Row:
    """One line of a data file: its number, counted from 1, its input, and the index of its label."""

    line: int
    input: TextInput
    label: int


@dataclass(frozen=True)
class Rows:
    """The rows of one file, in its order; ``name`` is the file's name and ``field`` the job's field that named it."""

    name: str
    field: str
    rows: tuple[Row, ...]

    def encode(self, model: LoadedModel) -> list[Encoding]:
        """One encoding a row, in order. Raises WireError naming file and line of a row that does not fit the model."""
        try:
            return model.encode([row.input for row in self.rows])
        except TextTooLongError as error:
            line = self.rows[error.index].line
            raise WireError(self.field, f"{self.name} line {line}: the second text {error.message}") from None


def read_rows(file: DataFile | EvaluationFile, labels: Sequence[str], field: str) -> Rows:
    """Read and check a whole file.

    Raises WireError on ``field``, naming file and line, if the file is missing or has another content than its
    sha256 says, if it has no rows or another number of them, and if a row is malformed.
    """
    path = Path(file.path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WireError(field, f"{path.name} cannot be read: {error.strerror}") from None
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise WireError(f"{field}.sha256", f"{path.name} has another content than its sha256 says")
    lines = content.removesuffix(b"\n").split(b"\n") if content else []
    if not lines:
        raise WireError(field, f"{path.name} has no rows")
    if len(lines) != file.rows:
        raise WireError(f"{field}.rows", f"{path.name} has {len(lines)} rows, not {file.rows}")
    index = {label: position for position, label in enumerate(labels)}
    rows: list[Row] = []
    for number, line in enumerate(lines, start=1):
        try:
            row = _read_row(number, line, index)
            if rows and len(row.input.texts) != len(rows[0].input.texts):
                raise WireError("texts", f"has {len(row.input.texts)} entries where the first row has another number")
        except WireError as error:
            raise WireError(field, f"{path.name} line {number}: {error}") from None
        rows.append(row)
    return Rows(path.name, field, tuple(rows))


def _read_row(number: int, line: bytes, index: dict[str, int]) -> Row:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        raise WireError("row", "is not JSON in UTF-8") from None
    if not isinstance(values, dict):
        raise WireError("row", "is not a JSON object")
    if not isinstance(values.get("id"), str):
        raise WireError("id", "must be a text")
    texts = values.get("texts")
    if not isinstance(texts, list) or not all(isinstance(text, str) and text.strip() for text in texts):
        raise WireError("texts", "must be a list of texts that are not blank")
    label = values.get("label")
    if not isinstance(label, str) or label not in index:
        raise WireError("label", f"{label!r} is not one of the labels {', '.join(index)}")
    return Row(number, TextInput(tuple(texts)), index[label])


def epoch_batches(lengths: Sequence[int], batch_size: int, generator: torch.Generator) -> list[list[int]]:
    """Row numbers in batches for one epoch: every row once, rows of like length together, all else shuffled."""
    order = torch.randperm(len(lengths), generator=generator).tolist()
    run = batch_size * BATCHES_PER_RUN
    batches: list[list[int]] = []
    for start in range(0, len(order), run):
        alike = sorted(order[start : start + run], key=lambda row: lengths[row])
        batches.extend(alike[first : first + batch_size] for first in range(0, len(alike), batch_size))
    return [batches[position] for position in torch.randperm(len(batches), generator=generator).tolist()]
