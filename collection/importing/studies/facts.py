"""What a release's ``study/`` says of the study, read and checked; what is long is left in its files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from collection.errors import Invalid
from collection.importing.faults import Faults
from collection.importing.studies.cells import Kinds, check_study_row, check_texts
from collection.importing.studies.lines import check_depth, read_lines
from collection.importing.studies.source import Source
from collection.models import Task, TestSet
from collection.planning import SETTINGS, Plan, check_slug, problems
from collection.schema import TaskSchema
from collection.states import ArmKind, RoundState
from modelserver.wire import MODEL_NAME

STUDY = "study/study.json"
_LARGEST_STUDY = 10_000_000
_SLUG = re.compile(r"[a-z]([a-z0-9-]{0,58}[a-z0-9])?")
_STUDY: Kinds = {
    "format": "text", "slug": "text", "name": "text", "created_at": "time", "task": "object", "settings": "object",
    "base_version": "text?", "arms": "list", "test_sets": "texts",
}  # fmt: skip
_TASK: Kinds = {
    "slug": "text", "name": "name", "fields": "list", "labels": "list", "instructions": "text", "guidelines": "text",
}  # fmt: skip
_ARM: Kinds = {"slug": "text", "kind": "text", "position": "count"}
TABLES: Mapping[str, Kinds] = {
    "contexts": {"position": "count", "text": "text"},
    "test_sets": {
        "slug": "text", "name": "name", "kind": "text", "sha256": "sha256", "rows": "count", "created_at": "time",
    },
    "test_items": {"test_set": "text", "index": "count", "texts": "object", "label": "text"},
    "versions": {
        "name": "text", "version": "count", "parent": "text?", "role": "text", "recipe": "object", "seed": "whole",
        "data_sha256": "sha256-or-empty", "data_rows": "count", "manifest_sha256": "sha256", "labels": "texts",
        "metrics": "object", "created_at": "time",
    },
    "rounds": {
        "arm": "text", "number": "count", "quota": "count", "state": "text", "model_version": "text?",
        "trained_version": "text?", "opened_at": "time", "closed_at": "time?", "done_at": "time?",
    },
    "writers": {"writer": "text", "arm": "text?", "draw": "text"},
    "curve": {
        "arm": "text", "round": "count", "index": "count", "seed": "whole", "data_sha256": "sha256", "rows": "count",
        "version": "text?",
    },
    "evaluations": {
        "version": "text", "test_set": "text", "rows": "count", "accuracy": "share", "balanced_accuracy": "share",
        "predicted": "counts", "confidence": "shares", "created_at": "time",
    },
    "round_scores": {"version": "text", "arm": "text", "round": "count", "examples": "texts", "predicted": "counts"},
}  # fmt: skip
# A round is over when it can be released.
_ENDED = (RoundState.DONE, RoundState.ENDED, RoundState.FAILED)
Row = dict[str, Any]


@dataclass
class Facts:
    """A study, as its release tells it. Rows are as in the files, by what names them."""

    study: Row = field(default_factory=dict)
    schema: TaskSchema | None = None
    arms: dict[str, Row] = field(default_factory=dict)
    contexts: dict[int, str] = field(default_factory=dict)
    context_lines: list[int] = field(default_factory=list)
    rounds: dict[tuple[str, int], Row] = field(default_factory=dict)
    versions: dict[str, Row] = field(default_factory=dict)
    test_sets: dict[str, Row] = field(default_factory=dict)
    writers: dict[str, Row] = field(default_factory=dict)

    def in_order(self) -> list[Row]:
        """The versions, each after its parent."""
        ordered: dict[str, Row] = {}

        def place(name: str) -> None:
            way = []
            while name not in ordered and name not in way:
                way.append(name)
                name = self.versions[name]["parent"] or name
            for item in reversed(way):
                ordered[item] = self.versions[item]

        for name in self.versions:
            place(name)
        return list(ordered.values())


def path_of(table: str) -> str:
    """The file of a table of ``study/``."""
    return f"study/{table}.jsonl"


def rows_of(source: Source, table: str, faults: Faults) -> Iterator[tuple[int, Row]]:
    """The sound rows of a table of ``study/``, each with its line; what is wrong with others is noted."""
    path = path_of(table)
    if not source.has(path):
        return
    try:
        with source.open(path) as file:
            for line, row in read_lines(file):
                if isinstance(row, Invalid):
                    faults.add(path, line, row.field, row.message)
                    continue
                try:
                    check_study_row(row, TABLES[table])
                    if not check_texts(row):
                        raise Invalid("", "A text has a NUL character in it.")
                except Invalid as error:
                    faults.add(path, line, error.field, error.message)
                    continue
                yield line, row
    except Invalid as error:
        faults.add(path, 0, "", error.message)
    except OSError as error:
        faults.add(path, 0, "", f"The file cannot be read: {error.strerror}.")


def read_facts(source: Source, faults: Faults) -> Facts:
    """All that is short of a release's ``study/``. What is wrong is noted; then not all of it may be there."""
    facts = Facts()
    _read_study(source, facts, faults)
    reading = _Reading(source, facts, faults)
    reading.contexts()
    reading.versions()
    reading.test_sets()
    reading.rounds()
    reading.writers()
    _check_plan(facts, faults)
    return facts


def _read_study(source: Source, facts: Facts, faults: Faults) -> None:
    try:
        with source.open(STUDY) as file:
            study = orjson.loads(file.read(_LARGEST_STUDY))
        if not isinstance(study, dict):
            raise Invalid("", "Must be an object.")
        check_depth(study)
        if not check_texts(study):
            raise Invalid("", "A text has a NUL character in it.")
        check_study_row(study, _STUDY)
        check_study_row(study["task"], _TASK)
        check_slug("task.slug", study["task"]["slug"])
        for arm in study["arms"]:
            if not isinstance(arm, dict):
                raise Invalid("arms", "Must be a list of objects.")
            check_study_row(arm, _ARM)
            if arm["kind"] not in list(ArmKind) or arm["slug"] in facts.arms:
                raise Invalid("arms", f"{arm['slug'][:40]!r} is of no known kind, or named twice.")
            if any(arm["position"] == other["position"] for other in facts.arms.values()):
                raise Invalid("arms", f"Two arms have the position {arm['position']}.")
            facts.arms[arm["slug"]] = arm
        facts.schema = TaskSchema.parse(study["task"]["fields"], study["task"]["labels"])
        facts.study = study
    except OSError:
        faults.add(STUDY, 0, "", "The file is missing.")
    except orjson.JSONDecodeError as error:
        faults.add(STUDY, error.lineno, "", f"Not JSON ({error.msg}).")
    except Invalid as error:
        faults.add(STUDY, 0, error.field, error.message)


class _Reading:
    """The short tables, in the order in which one may refer to another."""

    def __init__(self, source: Source, facts: Facts, faults: Faults) -> None:
        self._source, self._facts, self._faults = source, facts, faults

    def contexts(self) -> None:
        for line, row in self._rows("contexts"):
            if row["position"] in self._facts.contexts:
                self._fault("contexts", line, "position", "Stands in an earlier line already.")
                continue
            self._facts.contexts[row["position"]] = row["text"]
            self._facts.context_lines.append(line)

    def versions(self) -> None:
        lines: dict[str, int] = {}
        for line, row in self._rows("versions"):
            name = f"{row['name']}/{row['version']}"
            if name in lines:
                self._fault("versions", line, "version", f"{name} stands in line {lines[name]} already.")
            elif not MODEL_NAME.fullmatch(row["name"]):
                self._fault("versions", line, "name", "No version has such a name.")
            else:
                lines[name], self._facts.versions[name] = line, row
        for name, row in self._facts.versions.items():
            self._known_version("versions", lines[name], "parent", row["parent"])
        for name in _in_cycles(self._facts.versions):
            message = f"{name} comes from itself: its parents go round in a circle."
            self._fault("versions", lines[name], "parent", message)
        base = self._facts.study.get("base_version")
        if base is not None and base not in self._facts.versions:
            self._faults.add(STUDY, 0, "base_version", f"There is no version {base[:120]!r}.")

    def test_sets(self) -> None:
        for line, row in self._rows("test_sets"):
            slug = row["slug"]
            if not _SLUG.fullmatch(slug) or row["kind"] not in TestSet.Kind.values:
                self._fault("test_sets", line, "slug", "No test set has such a slug or kind.")
            elif slug in self._facts.test_sets:
                self._fault("test_sets", line, "slug", f"{slug} stands in an earlier line already.")
            else:
                self._facts.test_sets[slug] = row

    def rounds(self) -> None:
        for line, row in self._rows("rounds"):
            key = (row["arm"], row["number"])
            if row["arm"] not in self._facts.arms:
                self._fault("rounds", line, "arm", f"There is no arm {row['arm'][:40]!r}.")
            elif key in self._facts.rounds or row["number"] < 1:
                self._fault("rounds", line, "number", "Stands in an earlier line already, or is none.")
            elif row["state"] not in _ENDED:
                self._fault("rounds", line, "state", f"Must be one of: {', '.join(_ENDED)}.")
            else:
                self._facts.rounds[key] = row
            for column in ("model_version", "trained_version"):
                self._known_version("rounds", line, column, row[column])

    def writers(self) -> None:
        for line, row in self._rows("writers"):
            name = row["writer"]
            if not 1 <= len(name) <= 40 or name in self._facts.writers:
                self._fault("writers", line, "writer", "Stands in an earlier line already, or is no pseudonym.")
            elif row["arm"] is not None and row["arm"] not in self._facts.arms:
                self._fault("writers", line, "arm", f"There is no arm {row['arm'][:40]!r}.")
            else:
                self._facts.writers[name] = row

    def _rows(self, table: str) -> Iterator[tuple[int, Row]]:
        if not self._source.has(path_of(table)):
            self._fault(table, 0, "", "The file is missing.")
        return rows_of(self._source, table, self._faults)

    def _known_version(self, table: str, line: int, column: str, name: str | None) -> None:
        if name is not None and name not in self._facts.versions:
            self._fault(table, line, column, f"There is no version {name[:120]!r}.")

    def _fault(self, table: str, line: int, column: str, message: str) -> None:
        self._faults.add(path_of(table), line, column, message)


def _in_cycles(versions: Mapping[str, Row]) -> list[str]:
    """The versions that come from themselves."""
    found = []
    for name in versions:
        way, parent = {name}, versions[name]["parent"]
        while parent in versions and parent not in way:
            way.add(parent)
            parent = versions[parent]["parent"]
        if parent == name:
            found.append(name)
    return found


def _check_plan(facts: Facts, faults: Faults) -> None:
    """Settings, arms and contexts must be such as an experiment of this site could have."""
    if not facts.study or facts.schema is None:
        return
    study, settings = facts.study, dict(facts.study["settings"])
    base_model = settings.pop("base_model", "")
    if not isinstance(base_model, str) or not 1 <= len(base_model) <= 300:
        faults.add(STUDY, 0, "settings.base_model", "Must be a text of at most 300 characters.")
    if missing := sorted(SETTINGS - settings.keys()):
        faults.add(STUDY, 0, "settings", f"Lacks {', '.join(missing)}.")
        return
    plan = Plan(
        slug=study["slug"],
        name=study["name"],
        task=Task(**study["task"]),
        base_model=base_model,
        contexts=list(facts.contexts.values()),
        arms=[(arm["slug"], ArmKind(arm["kind"])) for arm in facts.arms.values()],
        settings=settings,
    )
    for problem in problems(plan):
        # Where the model came from is not on this site, and what the experiment is to be called is looked at later.
        if problem.field == "base_model" or (problem.field, problem.code) == ("slug", "taken"):
            continue
        path = path_of("contexts") if problem.field.startswith("contexts") else STUDY
        position = re.fullmatch(r"contexts\[([0-9]+)\]", problem.field)
        line = facts.context_lines[int(position[1])] if position else 0
        faults.add(path, line, "text" if position else problem.field, problem.message)
