"""Whether the scores of a release fit its study: versions, test sets and rounds that are there, and a figure a row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from collection.importing.faults import Faults
from collection.importing.rows import Limits
from collection.importing.studies.facts import Facts, path_of, rows_of
from collection.importing.studies.source import Source
from modelserver.datafiles import Row as DataRow
from modelserver.datafiles import rows_sha256

_LONGEST_TEXT = Limits().cell
Row = dict[str, Any]


def check_scores(source: Source, facts: Facts, faults: Faults) -> None:
    """Note what is wrong with test items, evaluations, scores on rounds, and the learning curve."""
    _Scores(source, facts, faults).check()


class _Scores:
    def __init__(self, source: Source, facts: Facts, faults: Faults) -> None:
        assert facts.schema is not None
        self._source, self._facts, self._faults = source, facts, faults
        self._fields = [item.name for item in facts.schema.fields]
        self._labels = facts.schema.label_names

    def check(self) -> None:
        self._test_items()
        self._each("evaluations", [("version", "test_set")], self._evaluation)
        self._each("round_scores", [("version", "arm", "round")], self._round_score)
        # Training once with a seed must not pass for training twice.
        self._each("curve", [("arm", "round", "index"), ("arm", "round", "seed")], self._curve)

    def _each(self, table: str, keys: list[tuple[str, ...]], check: Callable[[int, Row], None]) -> None:
        """Check each row, and that no two have the same values in the columns of one of the ``keys``."""
        first: dict[tuple[Any, ...], int] = {}
        for line, row in rows_of(self._source, table, self._faults):
            for names in keys:
                before = first.setdefault((names, *(row[name] for name in names)), line)
                if before != line:
                    self._fault(table, line, names[-1], f"The same as in line {before}.")
            check(line, row)

    def _evaluation(self, line: int, row: Row) -> None:
        self._version("evaluations", line, row["version"])
        test_set = self._facts.test_sets.get(row["test_set"])
        if test_set is None:
            self._fault("evaluations", line, "test_set", f"There is no test set {row['test_set'][:60]!r}.")
        elif not row["rows"] == len(row["predicted"]) == len(row["confidence"]) == test_set["rows"]:
            self._fault("evaluations", line, "predicted", f"Must be for {test_set['rows']} rows.")
        self._predicted("evaluations", line, row)

    def _round_score(self, line: int, row: Row) -> None:
        self._version("round_scores", line, row["version"])
        self._round("round_scores", line, row)
        if len(row["examples"]) != len(row["predicted"]):
            self._fault("round_scores", line, "predicted", "Must be for each of the examples.")
        if len(set(row["examples"])) < len(row["examples"]):
            self._fault("round_scores", line, "examples", "Must be different ones.")
        self._predicted("round_scores", line, row)

    def _curve(self, line: int, row: Row) -> None:
        if row["version"] is not None:
            self._version("curve", line, row["version"])
        self._round("curve", line, row)

    def _test_items(self) -> None:
        sets: dict[str, list[DataRow]] = {}
        for line, row in rows_of(self._source, "test_items", self._faults):
            rows = sets.setdefault(row["test_set"], [])
            if row["test_set"] not in self._facts.test_sets:
                self._fault("test_items", line, "test_set", f"There is no test set {row['test_set'][:60]!r}.")
            elif row["index"] != len(rows):
                self._fault("test_items", line, "index", f"Must be {len(rows)}: they come in order.")
            elif set(self._fields) != set(row["texts"]) or not all(map(_is_text, row["texts"].values())):
                self._fault(
                    "test_items",
                    line,
                    "texts",
                    f"Must be a text for each of {', '.join(self._fields)}, at most {_LONGEST_TEXT:,} characters.",
                )
            elif row["label"] not in self._labels:
                self._fault("test_items", line, "label", f"Must be one of {', '.join(self._labels)}.")
            texts = tuple(row["texts"].get(name, "") for name in self._fields)
            rows.append(DataRow(str(len(rows)), texts, row["label"]))
        for slug, rows in sets.items():
            if self._faults.count == 0 and rows_sha256(rows) != self._facts.test_sets[slug]["sha256"]:
                self._fault("test_items", 0, "", f"The items of {slug} are not those whose sha256 test_sets.jsonl has.")

    def _version(self, table: str, line: int, name: str) -> None:
        if name not in self._facts.versions:
            self._fault(table, line, "version", f"There is no version {name[:120]!r}.")

    def _round(self, table: str, line: int, row: Row) -> None:
        if (row["arm"], row["round"]) not in self._facts.rounds:
            self._fault(table, line, "round", f"The arm {row['arm'][:40]} has no round {row['round']}.")

    def _predicted(self, table: str, line: int, row: Row) -> None:
        if any(label >= len(self._labels) for label in row["predicted"]):
            self._fault(table, line, "predicted", f"Must be labels by their number, below {len(self._labels)}.")

    def _fault(self, table: str, line: int, column: str, message: str) -> None:
        self._faults.add(path_of(table), line, column, message)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST_TEXT
