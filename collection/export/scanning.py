"""Looking for personal data in the free texts of a release, before anybody else sees it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from collection.export.rows import Reading, Row

# Findings that are kept for showing; all are counted.
MOST_KEPT = 1_000


class Scanner:
    """Scans the texts of rows and keeps what it finds, from one ``begin`` to the next."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self.begin()

    def begin(self) -> None:
        """Forget what was found."""
        self.found = 0
        self._counts: Counter[str] = Counter()
        self._kept: list[dict[str, Any]] = []

    def finds(self, table: str, row: Row) -> bool:
        """Whether there is something in a row's free texts."""
        return False

    def findings(self) -> dict[str, Any]:
        """What was found: ``counts`` by kind, and the first of them with row, column and masked excerpt."""
        return {"counts": dict(self._counts), "kept": self._kept}

    def contexts(self) -> dict[str, Any]:
        """What is found in the study's contexts, which many texts share."""
        return {"counts": {}, "kept": []}

    def found_contexts(self) -> set[int]:
        """The positions of the contexts in which something is found."""
        return set()


def merged(findings: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Findings of several parts as one, the first MOST_KEPT of them kept."""
    counts, kept = Counter[str](), list[dict[str, Any]]()
    for item in findings:
        counts.update(item["counts"])
        kept += item["kept"][: MOST_KEPT - len(kept)]
    return {"counts": dict(sorted(counts.items())), "kept": kept}
