"""Whether the examples and attempts of a release fit its study and each other: what they name is there, and once."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import orjson
from django.db.models import Model

from collection.export.columns import text_column
from collection.importing.faults import Faults
from collection.importing.studies.cells import check_texts
from collection.importing.studies.facts import Facts
from collection.importing.studies.ids import Seen
from collection.models import Assignment, Attempt, Example, Validation
from collection.states import AttemptState, ExampleState
from collection.texts import fingerprint
from modelserver.wire import ROUNDING

Row = dict[str, Any]
_STATES = tuple(state for state in ExampleState if state != ExampleState.RETRACTED)
_BATCH = 500
_LONGEST_LABEL = 40
_KINDS: dict[str, type[Model]] = {
    "example": Example,
    "assignment": Assignment,
    "attempt": Attempt,
    "vote": Validation,
}


class Checker:
    """Goes through the rows, examples first; notes what is wrong with them."""

    def __init__(self, facts: Facts, seen: Seen, faults: Faults) -> None:
        assert facts.schema is not None
        self._facts, self._seen, self._faults = facts, seen, faults
        self._labels = facts.schema.label_names
        self._texts = [text_column(item.name) for item in facts.schema.fields]
        self._has_contexts = facts.schema.context_field is not None
        # Of rows that were gone through last: their ids, as column, what it is the id of, and the id.
        self._waiting: list[tuple[str, int, list[tuple[str, str, str]]]] = []
        self._file, self._line = "", 0

    def examples(self, rows: Iterable[tuple[str, int, Row]], sign: Callable[[], None]) -> int:
        """Go through the examples; gives how many there are."""
        count = 0
        for self._file, self._line, row in rows:
            count += 1
            if self._written(row):
                self._example(row)
            ids = [("id", "example", row["id"]), *((name, name, row[name]) for name in ("assignment", "attempt"))]
            ids += [("votes", "vote", vote["id"]) for vote in row["votes"]]
            self._waiting.append((self._file, self._line, ids))
            if len(self._waiting) >= _BATCH:
                self._not_here_yet(sign)
        self._not_here_yet(sign)
        return count

    def attempts(self, rows: Iterable[tuple[str, int, Row]], sign: Callable[[], None]) -> int:
        """Go through the attempts, after the examples; gives how many there are."""
        count = 0
        for self._file, self._line, row in rows:
            count += 1
            if self._written(row):
                self._attempt(row)
            ids = [("id", "attempt", row["id"]), ("assignment", "assignment", row["assignment"])]
            self._waiting.append((self._file, self._line, ids))
            if len(self._waiting) >= _BATCH:
                self._not_here_yet(sign)
        self._not_here_yet(sign)
        for attempt, example in self._seen.unmet():
            self._faults.add(self._file, 0, "id", f"Lacks the attempt {attempt}, which the example {example} is.")
        return count

    def _written(self, row: Row) -> bool:
        """What examples and attempts have in common. False if more cannot be told of the row."""
        known = len(self._labels)
        before = self._faults.count
        for column in ("id", "assignment", *(["attempt"] if "attempt" in row else [])):
            if not _is_key(row[column]):
                self._fault(column, "Must be a UUID in its usual form.")
        if (row["arm"], row["round"]) not in self._facts.rounds:
            self._fault("round", f"The arm {row['arm']} has no round {row['round']} in study/rounds.jsonl.")
        if self._has_contexts != (row["context"] is not None):
            self._fault("context", "Must be a context's position." if self._has_contexts else "Must be empty.")
        elif row["context"] is not None and row["context"] not in self._facts.contexts:
            self._fault("context", f"There is no context {row['context']}.")
        writer = self._facts.writers.get(row["writer"])
        if writer is None:
            self._fault("writer", f"There is no {row['writer'][:40]!r} in study/writers.jsonl.")
        elif writer["arm"] not in (None, row["arm"]):
            self._fault("writer", f"Writes in the arm {writer['arm']}, as study/writers.jsonl says.")
        if row["label"] not in self._labels:
            self._fault("label", f"Must be one of {', '.join(self._labels)}, not {row['label'][:80]!r}.")
        self._verdict(row, known)
        if not check_texts(row):
            self._fault("", "A text has a NUL character in it.")
        if self._faults.count > before:
            return False
        # Not the context: who skips one goes on with another in the same assignment.
        about = _said(row, ("writer", "arm", "round", "leased_at"))
        other = self._seen.assignment(row["assignment"], about, self._place())
        if other is not None:
            self._fault("assignment", f"Has another writer, round or time of its lease in {other}.")
        return other is None

    def _verdict(self, row: Row, known: int) -> None:
        version, prediction, shares = row["model_version"], row["prediction"], row["probabilities"]
        if version is not None and version not in self._facts.versions:
            self._fault("model_version", f"There is no version {version[:120]!r} in study/versions.jsonl.")
        if prediction is not None and prediction not in self._labels:
            self._fault("prediction", f"Must be one of {', '.join(self._labels)}, not {prediction[:80]!r}.")
        if shares is not None and not set(shares) <= set(self._labels):
            self._fault("probabilities", "Are those of other labels than the task's.")
        elif shares is not None and not all(0 <= share <= 1 + ROUNDING for share in shares.values()):
            self._fault("probabilities", "Must be from 0 to 1.")
        judged = row["fooled"] is not None
        if judged != (prediction is not None) or (judged and version is None):
            self._fault("fooled", "A verdict has a prediction and a version, and what has none has neither.")
        elif judged and row["fooled"] != (prediction != row["label"]):
            self._fault("fooled", "Must say whether the prediction differs from the label.")

    def _example(self, row: Row) -> None:
        id_, place = row["id"], self._place()
        if row["state"] not in _STATES:
            self._fault("state", f"Must be one of: {', '.join(_STATES)}.")
        self._once("example", id_, "id")
        if self._once("attempt", row["attempt"], "attempt"):
            about = _said(row, ("assignment", "try", "context", "label", "fooled", *self._texts))
            before = self._seen.became(row["assignment"], id_, row["attempt"], about)
            if before is not None:
                self._fault("assignment", f"Became the example {before} already.")
        mark = fingerprint([row[column] for column in self._texts])
        first = self._seen.first(f"text of {row['arm']}", mark, place)
        if first is not None:
            self._fault(self._texts[-1], f"The arm has this text already, in {first}.")
        validators = set()
        for vote in row["votes"]:
            who = vote["validator"]
            if not _is_key(vote["id"]):
                self._fault("votes", "A vote's id must be a UUID in its usual form.")
            elif self._once("vote", vote["id"], "votes"):
                if who not in self._facts.writers:
                    self._fault("votes", f"There is no {who[:40]!r} in study/writers.jsonl.")
                elif who == row["writer"] or who in validators:
                    self._fault("votes", f"{who} has written it, or has voted twice.")
                if vote["flagged"] != (vote["label"] == ""):
                    self._fault("votes", "A vote is a label or a flag.")
                elif vote["label"] and vote["label"] not in self._labels:
                    self._fault("votes", f"Must be for one of {', '.join(self._labels)}, not {vote['label'][:80]!r}.")
            validators.add(who)

    def _attempt(self, row: Row) -> None:
        if row["state"] not in list(AttemptState):
            self._fault("state", f"Must be one of: {', '.join(AttemptState)}.")
        elif (row["state"] == AttemptState.JUDGED) != (row["fooled"] is not None):
            self._fault("state", "What is judged has a verdict, and nothing else has.")
        self._once("try", f"{row['assignment']} {row['try']}", "try")
        if not self._once("attempt of its table", row["id"], "id"):
            return
        said = self._seen.meet(row["id"])
        about = _said(row, ("assignment", "try", "context", "label", "fooled", *self._texts))
        if row["example"] != (said[1] if said else None):
            self._fault("example", "Is not the example that this attempt became.")
        elif said is not None and said[0] != about:
            self._fault("example", f"The example {said[1]} says something else of this attempt.")

    def _once(self, kind: str, id_: str, column: str) -> bool:
        first = self._seen.first(kind, id_, self._place())
        if first is not None:
            self._fault(column, f"{id_} stands in {first} already.")
        return first is None

    def _not_here_yet(self, sign: Callable[[], None]) -> None:
        """Ids are of the whole world: what is on this site already is not imported once more, and nothing is put to
        what is another study's."""
        sign()
        asked: dict[str, set[str]] = {kind: set() for kind in _KINDS}
        for _, _, ids in self._waiting:
            for _, kind, id_ in ids:
                if _is_key(id_):
                    asked[kind].add(id_)
        here = {kind: _known_keys(kind, keys) for kind, keys in asked.items()}
        for file, line, ids in self._waiting:
            column, kind, id_ = next((item for item in ids if item[2] in here[item[1]]), ("", "", ""))
            if kind:
                message = f"The {kind} {id_} is on this site already: its study is, or a part of it."
                self._faults.add(file, line, column, message)
        self._waiting.clear()

    def _place(self) -> str:
        return f"{self._file}, line {self._line}"

    def _fault(self, column: str, message: str) -> None:
        self._faults.add(self._file, self._line, column, message)


def _known_keys(kind: str, keys: Collection[str]) -> set[str]:
    return {str(key) for key in _KINDS[kind]._default_manager.filter(key__in=keys).values_list("key", flat=True)}


def _is_key(value: str) -> bool:
    try:
        return str(uuid.UUID(value)) == value
    except ValueError:
        return False


def _said(row: Row, columns: Sequence[str]) -> str:
    return orjson.dumps([row[column] for column in columns]).decode()
