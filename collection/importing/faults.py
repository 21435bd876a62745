"""What is wrong in the files of an import: all of it counted, the first of it named."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from collection.errors import Invalid
from collection.importing.preview import MOST_NAMED, Preview


@dataclass(frozen=True)
class FileFault:
    """Something wrong in a file, for the person who made it: ``line`` is 0 where the whole file is meant, ``column``
    empty where the whole line is. In Parquet, which has no lines, it is the row's number."""

    file: str
    line: int
    column: str
    message: str

    def __str__(self) -> str:
        where = f", line {self.line}" if self.line else ""
        return f"{self.file}{where}{f', {self.column}' if self.column else ''}: {self.message}"


class Faulty(Invalid):
    """Files that are not imported: the first ``faults`` of ``count``."""

    def __init__(self, faults: Iterable[FileFault], count: int) -> None:
        self.faults = tuple(faults)
        self.count = count
        said = "1 fault" if count == 1 else f"{count} faults, the first"
        super().__init__("file", f"Nothing was stored. {said}: {self.faults[0]}", "faulty")


class Faults:
    """The faults of an import, gathered."""

    def __init__(self) -> None:
        self.count = 0
        self.named: list[FileFault] = []

    def add(self, file: str, line: int, column: str, message: str) -> None:
        """Note one."""
        self.count += 1
        if len(self.named) < MOST_NAMED:
            self.named.append(FileFault(file, line, column, message))

    def check(self) -> None:
        """Raises Faulty if there is any."""
        if self.count:
            raise Faulty(self.named, self.count)


def check_preview(preview: Preview, file: str) -> None:
    """Raises Faulty if a preview of a file has a fault."""
    if preview.faults:
        named = (FileFault(file, item.line, item.column, item.message) for item in preview.faults)
        raise Faulty(named, preview.fault_count)
