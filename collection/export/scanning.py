"""Looking for personal data in the free texts of a release, before anybody else sees it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from collection.export.people import identifiers
from collection.export.private import KnownIdentifiers, masked, scan
from collection.export.rows import Reading, Row
from collection.models import Context

# Findings that are kept for showing; all are counted.
MOST_KEPT = 1_000
# Between texts that are looked through together: no number goes on beyond it.
_BETWEEN = "\n|\n"
_SAID = ("why_label", "why_fooled", "ruling")


class Scanner:
    """Scans what people wrote in rows, and keeps what it finds, from one ``begin`` to the next.

    Contexts, which many rows share, are scanned by themselves.
    """

    def __init__(self, reading: Reading) -> None:
        self._experiment = reading.experiment
        self._written = [column for column in reading.columns if column != reading.context_column]
        self._known = KnownIdentifiers(identifiers())
        self.begin()

    def begin(self) -> None:
        """Forget what was found."""
        self.found = 0
        self._counts: Counter[str] = Counter()
        self._kept: list[dict[str, Any]] = []

    def finds(self, table: str, row: Row) -> bool:
        """Whether there is something in a row's free texts."""
        texts = [row[column] for column in self._written]
        if table == "examples":
            texts += [row[column] for column in _SAID if row[column]]
            texts += [vote["reason"] for vote in row["votes"] if vote["reason"]]
        # Nearly all have nothing in them, and one look is faster than many.
        if not scan(_BETWEEN.join(texts), self._known):
            return False
        before = self._counts.total()
        for column, text in self._texts(table, row):
            self._keep(table, row["id"], column, text)
        found = self._counts.total() > before
        self.found += found
        return found

    def contexts(self) -> dict[str, Any]:
        """What is found in the study's contexts."""
        self.begin()
        for position, text in self._context_texts():
            self._keep("contexts", str(position), "text", text)
        return self.findings()

    def found_contexts(self) -> set[int]:
        """The positions of the contexts in which something is found."""
        return {position for position, text in self._context_texts() if scan(text, self._known)}

    def findings(self) -> dict[str, Any]:
        """What was found: ``counts`` by kind; of the first table, id of the row, column, kind and masked excerpt."""
        return {"counts": dict(self._counts), "kept": self._kept}

    def _texts(self, table: str, row: Row) -> Iterator[tuple[str, str]]:
        for column in (*self._written, *(_SAID if table == "examples" else ())):
            yield column, row[column]
        for index, vote in enumerate(row.get("votes", ())):
            yield f"votes[{index}].reason", vote["reason"]

    def _keep(self, table: str, id: str, column: str, text: str) -> None:
        found = scan(text, self._known)
        for item in found:
            self._counts[item.kind.value] += 1
            if len(self._kept) < MOST_KEPT:
                excerpt = masked(text, item, found)
                self._kept.append(
                    {"table": table, "id": id, "column": column, "kind": item.kind.value, "excerpt": excerpt}
                )

    def _context_texts(self) -> Iterable[tuple[int, str]]:
        found = Context.objects.filter(experiment=self._experiment).order_by("position")
        return found.values_list("position", "text").iterator()


def merged(findings: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Findings of several parts as one, the first MOST_KEPT of them kept."""
    counts, kept = Counter[str](), list[dict[str, Any]]()
    for item in findings:
        counts.update(item["counts"])
        kept += item["kept"][: MOST_KEPT - len(kept)]
    return {"counts": dict(sorted(counts.items())), "kept": kept}
