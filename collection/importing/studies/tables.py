"""The examples and attempts of a release, out of whichever of its formats holds them exactly. For workers: it loads
pyarrow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

from collection.errors import Invalid
from collection.export.cells import check_row
from collection.export.columns import Kind, attempt_columns, example_columns
from collection.export.sheets import read_csv
from collection.importing.faults import Faults
from collection.importing.rows import Limits
from collection.importing.studies.lines import read_lines
from collection.importing.studies.parquet import read_parquet
from collection.importing.studies.source import Source
from collection.schema import TaskSchema

EXAMPLES, ATTEMPTS = "examples", "attempts"
# The best first: of the last a release has no attempts.
_FORMATS = ("jsonl", "parquet", "csv", "data")
# Tries are numbered from 0 in a release, and from 1 in a column of this size.
_MOST_TRIES = 2**31 - 1
Row = dict[str, Any]


class Tables:
    """The tables of each arm of a release, read from its best format."""

    def __init__(self, source: Source, schema: TaskSchema, arms: list[str], largest: int) -> None:
        """Of a file that unpacks as it is read, at most ``largest`` bytes are taken.

        Raises Invalid on ``file`` if the release has no format that can be read.
        """
        self._limits = Limits(bytes=largest, rows=largest)
        self._source, self._labels = source, schema.label_names
        fields = [item.name for item in schema.fields]
        self.columns: Mapping[str, Mapping[str, Kind]] = {
            EXAMPLES: example_columns(fields),
            ATTEMPTS: attempt_columns(fields),
        }
        files = source.manifest["files"]
        found = next((name for name in _FORMATS if any(path.startswith(f"{name}/") for path in files)), None)
        if found is None:
            message = "The release has none of the formats jsonl, parquet, csv and huggingface: it can only be read."
            raise Invalid("file", message, "no_format")
        self._format, self._arms = found, arms

    @property
    def has_attempts(self) -> bool:
        """Whether the release holds every attempt, and not only those that became examples."""
        return any(self._paths(ATTEMPTS, arm) for arm in self._arms)

    def rows(self, table: str, faults: Faults) -> Iterator[tuple[str, int, Row]]:
        """The sound rows, each with its file and line; what is wrong with others is noted."""
        for arm in self._arms:
            paths = self._paths(table, arm)
            if not paths and table == EXAMPLES and self._format != "data":
                faults.add(f"{self._format}/{arm}/{table}.{self._format}", 0, "", "The file is missing.")
            for path in paths:
                yield from self._rows(path, table, arm, faults)

    def _paths(self, table: str, arm: str) -> list[str]:
        if self._format == "data":
            files = self._source.manifest["files"]
            return sorted(path for path in files if table == EXAMPLES and path.startswith(f"data/{arm}/"))
        path = f"{self._format}/{arm}/{table}.{self._format}"
        return [path] if self._source.has(path) else []

    def _rows(self, path: str, table: str, arm: str, faults: Faults) -> Iterator[tuple[str, int, Row]]:
        columns = self.columns[table]
        try:
            with self._source.open(path) as file:
                for line, row in self._read(file, columns):
                    problem = row if isinstance(row, Invalid) else self._problem(row, columns, arm)
                    if problem is not None:
                        faults.add(path, line, problem.field, problem.message)
                    elif not isinstance(row, Invalid):
                        yield path, line, row
        except Invalid as error:
            faults.add(path, 0, error.field.removeprefix("file"), error.message)
        except OSError as error:
            faults.add(path, 0, "", f"The file cannot be read: {error.strerror}.")

    def _read(self, file: BinaryIO, columns: Mapping[str, Kind]) -> Iterator[tuple[int, Row | Invalid]]:
        if self._format == "jsonl":
            return read_lines(file, self._limits.line)
        if self._format == "csv":
            return read_csv(file, columns)
        return read_parquet(file, columns, self._labels, self._limits)

    def _problem(self, row: Row, columns: Mapping[str, Kind], arm: str) -> Invalid | None:
        try:
            check_row(row, columns)
        except Invalid as error:
            # A message of its own column; "row" is no column.
            return Invalid(error.field.removeprefix("row") if error.field == "row" else error.field, error.message)
        if row["arm"] != arm:
            return Invalid("arm", f"Must be {arm}, as the folder is.")
        if row["try"] >= _MOST_TRIES:
            return Invalid("try", f"Must be below {_MOST_TRIES:,}.")
        texts = [(column, value) for column, value in row.items() if isinstance(value, str)]
        texts += [
            ("votes", vote[column]) for vote in row.get("votes", ()) for column in ("validator", "label", "reason")
        ]
        for column, text in texts:
            if len(text) > self._limits.cell:
                return Invalid(column, f"Longer than {self._limits.cell:,} characters.", "too_long")
        return None


Read = Callable[[], Iterator[tuple[str, int, Row]]]
