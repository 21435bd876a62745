"""What the pages for files of rows share: taking an upload, saying how it is to be read, showing what is in it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, BinaryIO, cast
from urllib.parse import urlencode

from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest

from collection.errors import Invalid
from collection.importing.columns import LABEL
from collection.importing.pending import keep, opened
from collection.importing.preview import MOST_NAMED, Preview
from collection.importing.rows import Cell, Nested
from collection.importing.tables import format_of
from collection.models import Experiment, PendingUpload
from collection.schema import TaskSchema

# How the names of form fields begin that say in which column a field stands, and what the file calls a label.
COLUMN, CALLED = "columns.", "called."
FORMATS = {
    "csv": "CSV, its first line naming the columns",
    "jsonl": "JSON lines, an object in each",
    "parquet": "Parquet",
    "text": "plain text, one in each line",
}
# A line of plain text has no label.
LABELLED_FORMATS = {name: title for name, title in FORMATS.items() if name != "text"}


def received(request: HttpRequest, pasted_as: str, experiment: Experiment | None = None) -> tuple[PendingUpload, str]:
    """Keep the file or the pasted text of a form; gives it with its format, looked at no further.

    ``pasted_as`` is the format of a pasted text for which none was chosen. Raises Invalid on ``file`` or ``format``.
    """
    assert isinstance(request.user, AbstractBaseUser)
    file, text = request.FILES.get("file"), request.POST.get("text", "")
    if (file is None) != bool(text.strip()):
        raise Invalid("file", "Please choose a file or paste a text, one of the two.")
    name = file.name or "" if file is not None else ""
    format = request.POST.get("format") or (format_of(name) if name else pasted_as)
    if format not in FORMATS:
        raise Invalid("format", "The file's name does not tell its format. Please choose it.")
    # What browsers send has no half characters in it; what others send is looked at like any file.
    content = io.BytesIO(text.encode("utf-8", "replace")) if file is None else cast(BinaryIO, file)
    return keep(request.user, content, name, experiment), format


def pasted(upload: PendingUpload) -> str:
    """The text that was pasted, to be mended; empty for a file."""
    if upload.name:
        return ""
    with opened(upload) as file:
        return file.read().decode("utf-8", "replace")


def said_columns(given: Mapping[str, str]) -> dict[str, str]:
    """Field (or ``label``) to column, as a form says it."""
    return {name.removeprefix(COLUMN): str(given[name]) for name in given if name.startswith(COLUMN) and given[name]}


def said_labels(given: Mapping[str, str]) -> dict[str, str]:
    """Word to label, as a form says it: for each label its words, with commas between them.

    Raises Invalid for a word that is to mean two labels.
    """
    meant: dict[str, str] = {}
    for name in given:
        words = str(given[name]).split(",") if name.startswith(CALLED) else []
        for word in filter(None, map(str.strip, words)):
            if meant.setdefault(word, name.removeprefix(CALLED)) != name.removeprefix(CALLED):
                raise Invalid(name, f"{word!r} cannot mean two labels.")
    return meant


def what_is_said(schema: TaskSchema, given: Mapping[str, str]) -> dict[str, Any]:
    """For the template: the form's fields for columns and for what labels are called, as name, title and value."""
    columns = [(COLUMN + item.name, item.title) for item in schema.fields] + [(COLUMN + LABEL, "Label")]
    labels = [(CALLED + label.name, label.title) for label in schema.labels]
    return {
        "columns_said": [(name, title, str(given.get(name, ""))) for name, title in columns],
        "called": [(name, title, str(given.get(name, ""))) for name, title in labels],
    }


def as_query(**values: str) -> str:
    """The part of an address that says how a kept file is to be read."""
    return urlencode({name: value for name, value in values.items() if value})


def laid_out(preview: Preview) -> dict[str, Any]:
    """A preview for its template: rows with their cells in the order of the columns."""
    return {
        "preview": preview,
        "shown": [(row.line, [_words(row.cells.get(name)) for name in preview.columns]) for row in preview.shown],
        "most_named": MOST_NAMED,
    }


def _words(cell: Cell) -> str:
    if cell is None:
        return ""
    return cell.value if isinstance(cell, Nested) else str(cell)
