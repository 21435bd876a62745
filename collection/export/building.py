"""Building a release in a scratch folder, part by part: a build that was killed goes on where it was. For workers."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from collection.export.choices import Choices
from collection.export.columns import attempt_columns, example_columns
from collection.export.formats import WRITERS, Canonical
from collection.export.making import Making, plain_json
from collection.export.parts import LINE, Beat, Parts, Table
from collection.export.people import People
from collection.export.rows import BATCH, Reading, Row, counted, first_split, iso
from collection.export.scanning import Scanner, merged
from collection.export.study import FOLDER, StudyTables
from collection.export.whole import whole
from collection.models import Experiment, Round

FORMAT = "whetstone-release/1"


@dataclass(frozen=True)
class Job:
    """What to build. ``decision`` is what somebody has said about findings, "" if nobody has; ``report`` gives the
    files of the study's report by name."""

    experiment: Experiment
    number: int
    choices: Choices
    salt: str
    as_of: datetime
    decision: str
    folder: Path
    report: Callable[[], Mapping[str, bytes]]
    beat: Beat

    @property
    def leaves_out(self) -> bool:
        """Whether what the scan has found in is left out."""
        return self.decision == "left_out"


@dataclass(frozen=True)
class Held:
    """The scan has found something that nobody has decided about: counts by kind, and the first findings."""

    findings: dict[str, Any]


@dataclass(frozen=True)
class Built:
    """A release that is ready to be published: its files by path, their checksum, and all bytes."""

    folder: Path
    files: dict[str, dict[str, Any]]
    sha256: str
    size: int


@dataclass
class LeftOut:
    """The examples, attempts and contexts that are left out for what the scan has found in them."""

    examples: set[str] = field(default_factory=set)
    attempts: set[str] = field(default_factory=set)
    contexts: set[int] = field(default_factory=set)

    def has(self, table: Table, row: Row) -> bool:
        """Whether a row is left out."""
        return row["id"] in getattr(self, table) or row["context"] in self.contexts


class _Build:
    """One go at building a release."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.choices = job.choices
        wanted = Round.objects.filter(arm__experiment=job.experiment, arm__slug__in=job.choices.arms)
        found = wanted.select_related("arm", "model_version", "trained_version").order_by("arm__position", "number")
        self.rounds = [item for item in found if item.number in job.choices.rounds[item.arm.slug]]
        self.people = People(job.experiment, job.salt, job.choices.splits.seed)
        self.reading = Reading(job.experiment, job.as_of, frozenset(job.choices.states), self.people)
        self.parts = Parts(job.folder / "parts")
        self.tables: list[Table] = ["examples", "attempts"] if job.choices.attempts else ["examples"]
        self.making = Making(job.folder / "final", job.folder / "notes")
        self.scanner = Scanner(self.reading)

    def run(self) -> Held | Built:
        """All of it, but what is made already."""
        self._pin()
        self._read()
        findings = merged(self.parts.note(item).findings for item in self.rounds)
        findings = merged([findings, self.scanner.contexts()])
        if findings["counts"] and not self.job.decision:
            return Held(findings)
        left = self._left_out()
        arms = list(self._canonical(left))
        self._study(arms, left)
        for path in sorted((self.job.folder / "report").iterdir()):
            self.making.content(f"report/{path.name}", path.read_bytes())
        for name in self.choices.formats:
            for arm in arms:
                WRITERS[name](arm, self.making)
        self._about(findings, left)
        sha256, size = self.making.manifest(self._facts())
        return Built(self.making.folder, self.making.files, sha256, size)

    def _pin(self) -> None:
        """Take what goes on changing beside the rounds as it is now, for this release."""
        tables = StudyTables(self.job.experiment, self.rounds, self.choices.states, self.job.as_of)
        names = ["contexts", "rounds", "versions", "test_sets", "evaluations", "round_scores", "curve"]
        names += ["test_items"] if self.choices.test_items else []
        pinned = self.job.folder / FOLDER
        for name in names:
            if not (pinned / f"{name}.jsonl").exists():
                with whole(pinned / f"{name}.jsonl") as file:
                    for row in getattr(tables, name)():
                        file.write(orjson.dumps(row, option=LINE))
        if not (pinned / "study.json").exists():
            with whole(pinned / "study.json") as file:
                file.write(plain_json(tables.study()))
        report = self.job.folder / "report"
        if not report.exists():
            waiting = report.with_name("report.tmp")
            shutil.rmtree(waiting, ignore_errors=True)
            waiting.mkdir(parents=True)
            for name, content in self.job.report().items():
                (waiting / name).write_bytes(content)
            waiting.rename(report)

    def _read(self) -> None:
        total = sum(counted(self.reading, item) for item in self.rounds)
        done = 0
        for item in self.rounds:
            if not self.parts.has(item):

                def beat(count: int, before: int = done) -> None:
                    self.job.beat("reading", before + count, total)

                beat(0)
                self.parts.make(self.reading, item, self.tables, self.scanner, beat)
            done += self.parts.note(item).rows["examples"]

    def _left_out(self) -> LeftOut:
        left = LeftOut()
        if self.job.leaves_out:
            left.contexts = self.scanner.found_contexts()
            for item in self.rounds:
                if self.parts.note(item).found:
                    for table in self.tables:
                        found = getattr(left, table)
                        found.update(row["id"] for is_found, row in self.parts.rows(item, table) if is_found)
        return left

    def _canonical(self, left: LeftOut) -> Iterator[Canonical]:
        """Each arm's rows as they are released, made first: all other formats are made of them."""
        fields = [item.name for item in self.job.experiment.task.schema.fields]
        published = "jsonl" in self.choices.formats
        made = self.making if published else Making(self.job.folder / "canonical", self.job.folder / "canonical-notes")
        folder = "jsonl/" if published else ""
        for slug in self.choices.arms:
            for table in self.tables:
                made.file(f"{folder}{slug}/{table}.jsonl", partial(self._write, slug, table, left))
            yield Canonical(
                arm=slug,
                examples=made.folder / f"{folder}{slug}/examples.jsonl",
                attempts=made.folder / f"{folder}{slug}/attempts.jsonl" if self.choices.attempts else None,
                example_columns=example_columns(fields),
                attempt_columns=attempt_columns(fields),
                labels=self.reading.labels,
                beat=lambda: self.job.beat("writing", len(self.making.files), 0),
            )
        self._counts = {slug: made.told[f"{folder}{slug}/examples.jsonl"]["counts"] for slug in self.choices.arms}

    def _write(self, slug: str, table: Table, left: LeftOut, file: BinaryIO) -> Mapping[str, Any]:
        rows, counts = 0, Counter[tuple[int, str, str]]()
        for item in self.rounds:
            if item.arm.slug != slug:
                continue
            self.job.beat("writing", len(self.making.files), 0)
            note = self.parts.note(item)
            if self._as_it_is(note.found, left):
                # Nothing to take out and every row's split known: the part is a piece of the file.
                with self.parts.path(item, table).open("rb") as part:
                    shutil.copyfileobj(part, file, 1 << 20)
                rows += note.rows[table]
                for state, count in note.states.items():
                    counts[item.number, state, first_split(state)] += count
                continue
            for index, (_, row) in enumerate(self.parts.rows(item, table)):
                if index % BATCH == 0:
                    self.job.beat("writing", len(self.making.files), 0)
                if left.has(table, row):
                    continue
                if table == "attempts" and row["example"] in left.examples:
                    row["example"] = None
                if table == "examples":
                    counts[item.number, row["state"], row["split"]] += 1
                file.write(orjson.dumps(row, option=LINE))
                rows += 1
        plain = [
            {"round": number, "state": state, "split": split, "examples": count}
            for (number, state, split), count in sorted(counts.items())
        ]
        return {"rows": rows, "counts": plain if table == "examples" else []}

    def _as_it_is(self, found: int, left: LeftOut) -> bool:
        return self.choices.splits.method == "none" and not found and not left.examples and not left.contexts

    def _study(self, arms: list[Canonical], left: LeftOut) -> None:
        """The files in ``study/``, less what is left out."""
        pinned = self.job.folder / FOLDER
        self.making.content("study/study.json", (pinned / "study.json").read_bytes())
        for path in sorted(pinned.glob("*.jsonl")):
            self.making.file(f"study/{path.name}", partial(_copied, path, left))
        numbers = {number for item in self.rounds for number in self.parts.note(item).people}
        writers = self.people.called(numbers)
        if self.job.leaves_out:
            met = {name for arm in arms for name in _people_in(arm)}
            writers = [row for row in writers if row["writer"] in met]
        lines = b"".join(orjson.dumps(row, option=LINE) for row in writers)
        self.making.content("study/writers.jsonl", lines, len(writers))

    def _about(self, findings: dict[str, Any], left: LeftOut) -> None:
        """What tells of the other files."""
        splits = {"method": self.choices.splits.method, "seed": self.choices.splits.seed, "counts": self._counts}
        self.making.content("splits.json", plain_json(splits))
        privacy = {
            "found": findings["counts"],
            "decision": self.job.decision or None,
            "left_out": {name: len(found) for name, found in vars(left).items()},
        }
        self.making.content("privacy.json", plain_json(privacy))

    def _facts(self) -> dict[str, Any]:
        experiment = self.job.experiment
        return {
            "format": FORMAT,
            "study": {"slug": experiment.slug, "name": experiment.name, "state": experiment.state},
            "number": self.job.number,
            "as_of": iso(self.job.as_of),
            "choices": self.choices.to_plain(),
            "code": {"whetstone": version("whetstone")},
            "counts": self._counts,
        }


def build(job: Job) -> Held | Built:
    """Build a release as far as it can be built. The same job gives the same files, however often it was killed.

    Raises SharedPseudonym if it needs another salt, OSError if it cannot write, and whatever ``beat`` raises.
    """
    return _Build(job).run()


def _copied(path: Path, left: LeftOut, file: BinaryIO) -> Mapping[str, Any]:
    rows = 0
    with path.open("rb") as source:
        for line in source:
            row = orjson.loads(line)
            if path.name == "contexts.jsonl" and row["position"] in left.contexts:
                continue
            if path.name == "round_scores.jsonl" and left.examples:
                kept = [
                    pair for pair in zip(row["examples"], row["predicted"], strict=True) if pair[0] not in left.examples
                ]
                row["examples"], row["predicted"] = [key for key, _ in kept], [label for _, label in kept]
                line = orjson.dumps(row, option=LINE)
            file.write(line)
            rows += 1
    return {"rows": rows}


def _people_in(arm: Canonical) -> Iterator[str]:
    for row in arm.rows(arm.examples):
        yield row["writer"]
        yield from (vote["validator"] for vote in row["votes"])
    if arm.attempts is not None:
        yield from (row["writer"] for row in arm.rows(arm.attempts))
