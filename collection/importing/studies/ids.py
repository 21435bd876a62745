"""What was seen in the tables of a release, kept on disk: a study of a million texts has more ids than memory."""

from __future__ import annotations

import sqlite3
from pathlib import Path

_TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE seen (kind TEXT, id TEXT, place TEXT, PRIMARY KEY (kind, id)) WITHOUT ROWID;
CREATE TABLE assignment (id TEXT PRIMARY KEY, about TEXT, place TEXT, example TEXT) WITHOUT ROWID;
CREATE TABLE attempt (id TEXT PRIMARY KEY, about TEXT, example TEXT, met INTEGER) WITHOUT ROWID;
"""


class Seen:
    """Ids by kind, each with the place where it was met first; assignments and attempts with what is said of them."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.executescript(_TABLES)
        self._database.execute("BEGIN")

    def close(self) -> None:
        """Give the file back."""
        self._database.close()

    def first(self, kind: str, id_: str, place: str) -> str | None:
        """None where the id is met for the first time of its kind, else the place where it was."""
        added = self._database.execute("INSERT OR IGNORE INTO seen VALUES (?, ?, ?)", (kind, id_, place))
        if added.rowcount == 1:
            return None
        found = self._database.execute("SELECT place FROM seen WHERE kind = ? AND id = ?", (kind, id_)).fetchone()
        return str(found[0])

    def assignment(self, id_: str, about: str, place: str) -> str | None:
        """None where all that was said of the assignment so far is ``about``, else the place where other was said."""
        self._database.execute("INSERT OR IGNORE INTO assignment VALUES (?, ?, ?, NULL)", (id_, about, place))
        said, where = self._database.execute("SELECT about, place FROM assignment WHERE id = ?", (id_,)).fetchone()
        return None if said == about else str(where)

    def became(self, assignment: str, example: str, attempt: str, about: str) -> str | None:
        """Note the example of an assignment and the attempt that it is; gives the id of another that the assignment
        became already."""
        database = self._database
        (before,) = database.execute("SELECT example FROM assignment WHERE id = ?", (assignment,)).fetchone()
        if before is not None:
            return str(before)
        database.execute("UPDATE assignment SET example = ? WHERE id = ?", (example, assignment))
        database.execute("INSERT OR IGNORE INTO attempt VALUES (?, ?, ?, 0)", (attempt, about, example))
        return None

    def example_of(self, assignment: str) -> str | None:
        """The id of the example that an assignment became."""
        found = self._database.execute("SELECT example FROM assignment WHERE id = ?", (assignment,)).fetchone()
        return found[0] if found else None

    def meet(self, attempt: str) -> tuple[str, str] | None:
        """What an example says of its attempt, and the example's id, when the attempt itself is met; None where no
        example has it."""
        self._database.execute("UPDATE attempt SET met = 1 WHERE id = ?", (attempt,))
        found = self._database.execute("SELECT about, example FROM attempt WHERE id = ?", (attempt,)).fetchone()
        return found if found else None

    def unmet(self) -> list[tuple[str, str]]:
        """Attempts of examples that no attempt was, up to a hundred, with their examples."""
        return list(self._database.execute("SELECT id, example FROM attempt WHERE met = 0 LIMIT 100"))
