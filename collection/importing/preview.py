"""What a person sees of an upload before anything is stored: its first rows, its faults, its duplicates."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

from collection.errors import Invalid
from collection.importing.rows import Cell, Fault, Row, Stream
from collection.models import Context, Experiment, Task
from collection.texts import check_text

SHOWN_ROWS = 20
# How many faults, duplicates and known texts are named one by one; all are counted.
MOST_NAMED = 100
_SHOWN_CHARACTERS = 300


@dataclass(frozen=True)
class Duplicate:
    """A row that says the same as an earlier one: to the letter, but for case and punctuation, or with another label.

    Of test sets all rows are kept; of contexts those that are the same to the letter are taken once.
    """

    line: int
    first_line: int
    kind: Literal["same", "similar", "other label"]


@dataclass(frozen=True)
class Known:
    """A row with a text that, but for case and punctuation, is one of the experiment's contexts already."""

    line: int
    text: str


@dataclass(frozen=True, kw_only=True)
class Preview:
    """A file as it was read. Lists name the first MOST_NAMED of a kind, counts count all.

    ``shown`` are the first SHOWN_ROWS rows with all their columns, long cells cut: for the eye alone.
    """

    task: Task
    columns: tuple[str, ...]
    shown: tuple[Row, ...]
    rows: int
    faults: tuple[Fault, ...]
    fault_count: int
    duplicates: tuple[Duplicate, ...]
    duplicate_count: int
    known: tuple[Known, ...]
    known_count: int

    def check(self, task: Task) -> None:
        """Raise Invalid if the file has a fault or was read for another task: it is stored whole or not at all."""
        if self.task.pk != task.pk:
            raise Invalid("task", f"The file was read for the task {self.task.slug!r}, not for {task.slug!r}.")
        if self.faults:
            first = self.faults[0]
            count = "1 fault" if self.fault_count == 1 else f"{self.fault_count} faults"
            where = f"line {first.line}" + (f", {first.column}" if first.column else "")
            raise Invalid("file", f"Nothing was stored: the file has {count}, the first in {where}: {first.message}")


class Findings:
    """What is found in a file while it is gone through."""

    def __init__(self, stream: Stream) -> None:
        self.rows = 0
        self.fault_count = self.duplicate_count = self.known_count = 0
        self._stream = stream
        self._shown: list[Row] = []
        self._faults: list[Fault] = []
        self._duplicates: list[Duplicate] = []
        self._known: list[Known] = []

    def readable(self, wanted: Collection[str] | None) -> Iterator[Row]:
        """The rows that could be read, with the wanted columns; all are counted. Raises Invalid for none at all."""
        for item in self._stream.rows(wanted, whole=SHOWN_ROWS):
            self.rows += 1
            if isinstance(item, Fault):
                self.fault(item)
                continue
            if len(self._shown) < SHOWN_ROWS:
                self._shown.append(Row(item.line, {column: _shown(cell) for column, cell in item.cells.items()}))
            yield item
        if not self.rows:
            raise Invalid("file", "The file has no rows.")

    def fault(self, fault: Fault) -> None:
        """Note a fault."""
        self.fault_count += 1
        if len(self._faults) < MOST_NAMED:
            self._faults.append(fault)

    def text(
        self, row: Row, column: str, *, min_length: int = 1, max_length: int, as_found: bool = False
    ) -> str | None:
        """The text of a cell as ``check_text`` gives it; None, with the fault noted, if it is none."""
        cell = row.cells.get(column)
        if cell is None:
            self.fault(Fault(row.line, column, "There is nothing here."))
            return None
        try:
            return check_text(column, cell, min_length=min_length, max_length=max_length, as_found=as_found)
        except Invalid as error:
            self.fault(Fault(row.line, column, error.message))
            return None

    def merge(self, faults: list[Fault], count: int) -> None:
        """Note faults that were put aside: ``count`` in all, the first of them given in the order of their lines."""
        self.fault_count += count
        self._faults = sorted([*self._faults, *faults], key=lambda fault: fault.line)[:MOST_NAMED]

    def duplicate(self, duplicate: Duplicate) -> None:
        """Note a row that repeats another."""
        self.duplicate_count += 1
        if len(self._duplicates) < MOST_NAMED:
            self._duplicates.append(duplicate)

    def known(self, line: int, text: str) -> None:
        """Note a text that the experiment has as a context."""
        self.known_count += 1
        if len(self._known) < MOST_NAMED:
            self._known.append(Known(line, str(_shown(text))))

    def preview(self, task: Task) -> Preview:
        """All that was found, the faults in the order of their lines."""
        return Preview(
            task=task,
            columns=self._stream.columns,
            shown=tuple(self._shown),
            rows=self.rows,
            faults=tuple(sorted(self._faults, key=lambda fault: fault.line)),
            fault_count=self.fault_count,
            duplicates=tuple(self._duplicates),
            duplicate_count=self.duplicate_count,
            known=tuple(self._known),
            known_count=self.known_count,
        )


def known_fingerprints(experiment: Experiment | None) -> frozenset[str]:
    """The fingerprints of the contexts that an experiment has."""
    contexts = Context.objects.filter(experiment=experiment) if experiment is not None else Context.objects.none()
    return frozenset(contexts.values_list("fingerprint", flat=True))


def _shown(cell: Cell) -> Cell:
    if not isinstance(cell, str):
        return cell
    cut = cell if len(cell) <= _SHOWN_CHARACTERS else cell[:_SHOWN_CHARACTERS] + "…"
    # JSON can hold half a character, which no page can.
    return cut.encode("utf-8", "replace").decode("utf-8")
