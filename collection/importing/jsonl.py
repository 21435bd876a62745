"""Reading JSON-lines files of labelled rows: all of it or nothing, every fault named by file and line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collection.errors import Invalid
from collection.schema import TaskSchema
from collection.texts import check_text
from modelserver.wire import MAX_TEXT_CHARACTERS

MAX_LINE = 1_000_000


@dataclass(frozen=True)
class LabelledRow:
    """One row of a file; ``texts`` in the order of the task's fields, ``line`` counts from 1."""

    line: int
    texts: tuple[str, ...]
    label: str


def read_rows(
    path: Path, schema: TaskSchema, columns: Mapping[str, str] | None = None, *, as_found: bool = False
) -> list[LabelledRow]:
    """The labelled rows of a JSON-lines file.

    A row is an object with a text for each field of the schema and a label; other members are ignored. ``columns``
    maps a field (or ``label``) to the member that holds it where the names differ. ``as_found`` takes texts that a
    writer could not write: longer, up to what the model server takes, and with odd characters. Blank lines are
    skipped. Raises Invalid on field ``file``, naming the file and the line, at the first row that is wrong, and for a
    file without any row.
    """
    rows = []
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                if raw.strip():
                    rows.append(_row(f"{path.name}, line {number}", number, raw, schema, columns or {}, as_found))
    except OSError as error:
        raise Invalid("file", f"{path.name} cannot be read: {error.strerror}.") from None
    if not rows:
        raise Invalid("file", f"{path.name} has no rows.")
    return rows


def read_object(line: str) -> dict[str, Any]:
    """The JSON object that a line is. Raises Invalid on field ``file`` for anything else, without naming the line."""
    try:
        row: Any = json.loads(line)
    except json.JSONDecodeError as error:
        raise Invalid("file", f"not JSON ({error.msg}).") from None
    except (ValueError, RecursionError) as error:
        # Python reads whole numbers of at most some thousand digits.
        reason = "nested too deeply" if isinstance(error, RecursionError) else "a number is too long"
        raise Invalid("file", f"not JSON ({reason}).") from None
    if not isinstance(row, dict):
        raise Invalid("file", "not an object.")
    return row


def _row(
    where: str, number: int, raw: bytes, schema: TaskSchema, columns: Mapping[str, str], as_found: bool
) -> LabelledRow:
    if len(raw) > MAX_LINE:
        raise Invalid("file", f"{where}: longer than {MAX_LINE} bytes.")
    try:
        row = read_object(raw.decode("utf-8"))
    except UnicodeDecodeError:
        raise Invalid("file", f"{where}: not UTF-8.") from None
    except Invalid as error:
        raise Invalid("file", f"{where}: {error.message}") from None
    texts = []
    for item in schema.fields:
        member = columns.get(item.name, item.name)
        if member not in row:
            raise Invalid("file", f"{where}: has no {member!r}.")
        try:
            texts.append(
                check_text(
                    member,
                    row[member],
                    max_length=MAX_TEXT_CHARACTERS if as_found else item.max_length,
                    as_found=as_found,
                )
            )
        except Invalid as error:
            raise Invalid("file", f"{where}: {error}") from None
    member = columns.get("label", "label")
    label = row.get(member)
    if label not in schema.label_names:
        raise Invalid("file", f"{where}: {member} must be one of {', '.join(schema.label_names)}, not {label!r}.")
    return LabelledRow(number, tuple(texts), label)
