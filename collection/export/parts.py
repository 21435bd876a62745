"""A release's rows on their way into files: a file of examples, and one of attempts, for each arm and round.

A part is there once its note is, so a build that was killed goes on with the next one. Its lines are those of the
release, but for the splits, which depend on all parts; a line in whose texts the scan has found something begins with
a space, which JSON does not mind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import orjson

from collection.export.rows import BATCH, Met, Reading, Row, attempt_rows, example_rows
from collection.export.scanning import Scanner
from collection.export.whole import read_note, whole, write_note
from collection.models import Round
from collection.uncollected import uncollected

Table = Literal["examples", "attempts"]
# Says how far a build is: phase, done, of how many. Raises whatever ends the build.
Beat = Callable[[str, int, int], None]
LINE = orjson.OPT_APPEND_NEWLINE
_FOUND = b" "


@dataclass(frozen=True)
class Note:
    """What is known of a part: rows of each table, examples by state, people by number, and the lines with findings."""

    rows: dict[str, int]
    states: dict[str, int]
    people: list[int]
    found: int
    findings: dict[str, Any]


class Parts:
    """The parts of a release in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def has(self, round_: Round) -> bool:
        """Whether the part of a round is made."""
        return read_note(self._note(round_)) is not None

    def make(
        self, reading: Reading, round_: Round, tables: Iterable[Table], scanner: Scanner, beat: Callable[[int], None]
    ) -> None:
        """Read a round from the database into its part. ``beat`` is told how many examples are read, now and then."""
        met, states = Met(), Counter[str]()
        scanner.begin()
        rows: dict[str, int] = {}
        for table in tables:
            source = example_rows if table == "examples" else attempt_rows
            with self._written(round_, table) as file, uncollected():
                count = 0
                for row in source(reading, round_, met):
                    line = orjson.dumps(row, option=LINE)
                    file.write(_FOUND + line if scanner.finds(table, row) else line)
                    if table == "examples":
                        states[row["state"]] += 1
                    count += 1
                    if count % BATCH == 0:
                        beat(count if table == "examples" else rows["examples"])
                rows[table] = count
        note = {
            "rows": rows,
            "states": states,
            "people": sorted(met.writers | met.validators),
            "found": scanner.found,
            "findings": scanner.findings(),
        }
        write_note(self._note(round_), note)

    def note(self, round_: Round) -> Note:
        """What is known of the part of a round."""
        found = read_note(self._note(round_))
        assert found is not None, "a part is made before it is read"
        return Note(**found)

    def path(self, round_: Round, table: Table) -> Path:
        """The file of a part."""
        return self._folder / f"{round_.arm.slug}.{round_.number}.{table}.jsonl"

    def rows(self, round_: Round, table: Table) -> Iterator[tuple[bool, Row]]:
        """The rows of a part, and whether the scan has found something in each."""
        with self.path(round_, table).open("rb") as file:
            for line in file:
                yield line.startswith(_FOUND), orjson.loads(line)

    def _note(self, round_: Round) -> Path:
        return self._folder / f"{round_.arm.slug}.{round_.number}.json"

    def _written(self, round_: Round, table: Table) -> AbstractContextManager[BinaryIO]:
        return whole(self.path(round_, table))
