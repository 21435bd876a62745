"""Building a release in a scratch folder, part by part: a build that was killed goes on where it was. For workers."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from collection.export.card import card
from collection.export.choices import Choices
from collection.export.columns import attempt_columns, example_columns
from collection.export.croissant import croissant
from collection.export.facts import Facts
from collection.export.formats import WRITERS, Canonical
from collection.export.kept import Kept, LeftOut, left_out
from collection.export.layout import CARD, CROISSANT, FORMAT, PRIVACY, SPLITS_FILE, table_path
from collection.export.making import Making, plain_json
from collection.export.parts import LINE, Beat, Parts, Table
from collection.export.people import People
from collection.export.rows import BATCH, Reading, counted, first_split
from collection.export.scanning import Scanner, merged
from collection.export.splits import Splits
from collection.export.stored import iso
from collection.export.study import FOLDER, StudyTables, study_line
from collection.export.whole import append, whole, write_whole
from collection.models import Experiment, Release, Round

# Of each arm: how many examples there are by round, state and split.
Counts = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True)
class Job:
    """What to build, and the scratch ``folder``. ``decision`` is what somebody has said about findings, "" if nobody
    has; ``report`` gives the files of the study's report by name, in which people are called as in the release."""

    experiment: Experiment
    number: int
    choices: Choices
    salt: str
    as_of: datetime
    decision: str
    folder: Path
    report: Callable[[People], Mapping[str, bytes]]
    beat: Beat


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


def build(job: Job) -> Held | Built:
    """Build a release as far as it can be built. The same job gives the same files, however often it was killed.

    Raises SharedPseudonym if it needs another salt, OSError if it cannot write, and whatever ``beat`` raises.
    """
    return _Build(job).run()


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
        self.scanner = Scanner(self.reading)
        self.making = Making(job.folder / "final", job.folder / "notes")

    def run(self) -> Held | Built:
        """All of it, but what is made already."""
        self._pin()
        self._read()
        notes = [self.parts.note(item) for item in self.rounds]
        findings = merged([*(note.findings for note in notes), self.scanner.contexts()])
        if findings["counts"] and not self.job.decision:
            return Held(findings)
        left = LeftOut()
        if self.job.decision == Release.Findings.LEFT_OUT:
            left = left_out(self.parts, self.rounds, self.tables, self.scanner.found_contexts())
        writers = self.people.called({number for note in notes for number in note.people})
        draws = {str(row["writer"]): str(row["draw"]) for row in writers}
        kept = Kept(self.parts, self.rounds, self.reading, left, draws)
        splits = kept.divide(self.choices.splits, lambda: self.job.beat("dividing", 0, 0))
        arms, counts = self._canonical(kept)
        self._study(writers, arms, left)
        for path in sorted((self.job.folder / "report").iterdir()):
            self.making.content(f"report/{path.name}", path.read_bytes())
        for name in self.choices.formats:
            for arm in arms:
                WRITERS[name](arm, self.making)
        self._about(splits, counts, findings, left)
        sha256, size = self.making.manifest(self._facts(counts))
        return Built(self.making.folder, self.making.files, sha256, size)

    def _pin(self) -> None:
        """Take what goes on changing beside the rounds as it is now, for this release."""
        tables = StudyTables(self.job.experiment, self.rounds, self.choices.states, self.job.as_of)
        pinned = self.job.folder / FOLDER
        for name in tables.names(self.choices.test_items):
            if not (pinned / f"{name}.jsonl").exists():
                with whole(pinned / f"{name}.jsonl") as file:
                    for row in getattr(tables, name)():
                        file.write(study_line(row))
        if not (pinned / "study.json").exists():
            write_whole(pinned / "study.json", plain_json(tables.study()))
        report = self.job.folder / "report"
        if not report.exists():
            coming = report.with_name(".report.tmp")
            shutil.rmtree(coming, ignore_errors=True)
            coming.mkdir(parents=True)
            for name, content in self.job.report(self.people).items():
                (coming / name).write_bytes(content)
            coming.rename(report)

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

    def _writing(self) -> None:
        self.job.beat("writing", len(self.making.files), 0)

    def _canonical(self, kept: Kept) -> tuple[list[Canonical], Counts]:
        """Each arm's rows as they are released, of which all other formats are made; and how many there are."""
        schema = self.job.experiment.task.schema
        fields = [item.name for item in schema.fields]
        columns = {"examples": example_columns(fields), "attempts": attempt_columns(fields)}
        published = "jsonl" in self.choices.formats
        making = self.making if published else Making(self.job.folder / "unasked", self.job.folder / "unasked-notes")
        arms, counts = list[Canonical](), dict[str, Any]()
        for slug in self.choices.arms:
            paths: dict[str, Path] = {}
            for table in self.tables:
                path = table_path("jsonl", slug, table)
                making.file(path, partial(self._write, slug, table, kept))
                paths[table] = making.folder / path
            found: list[dict[str, Any]] = making.told[table_path("jsonl", slug)]["counts"]
            counts[slug] = found
            arms.append(
                Canonical(
                    slug=slug,
                    schema=schema,
                    paths=paths,
                    columns={table: columns[table] for table in self.tables},
                    splits=tuple(dict.fromkeys(item["split"] for item in found)),
                    beat=self._writing,
                )
            )
        return arms, counts

    def _write(self, slug: str, table: Table, kept: Kept, file: BinaryIO) -> Mapping[str, Any]:
        rows, counts = 0, Counter[tuple[int, str, str]]()
        for item in self.rounds:
            if item.arm.slug != slug:
                continue
            self._writing()
            if kept.is_whole(item):
                with self.parts.path(item, table).open("rb") as part:
                    append(part, file)
                note = self.parts.note(item)
                rows += note.rows[table]
                counts.update({(item.number, state, first_split(state)): n for state, n in note.states.items()})
                continue
            for index, row in enumerate(kept.rows(item, table)):
                if index % BATCH == 0:
                    self._writing()
                if table == "examples":
                    counts[item.number, row["state"], row["split"]] += 1
                file.write(orjson.dumps(row, option=LINE))
                rows += 1
        named = [
            {"round": number, "state": state, "split": split, "examples": count}
            for (number, state, split), count in sorted(counts.items())
        ]
        return {"rows": rows, "counts": named if table == "examples" else []}

    def _study(self, writers: Sequence[Mapping[str, Any]], arms: Sequence[Canonical], left: LeftOut) -> None:
        """The files in ``study/``, less what is left out."""
        pinned = self.job.folder / FOLDER
        self.making.content("study/study.json", (pinned / "study.json").read_bytes())
        for path in sorted(pinned.glob("*.jsonl")):
            self.making.file(f"study/{path.name}", partial(_copied, path, left))
        if left:
            met = {name for arm in arms for name in _people_in(arm)}
            writers = [row for row in writers if row["writer"] in met]
        lines = b"".join(map(study_line, writers))
        self.making.content("study/writers.jsonl", lines, len(writers))

    def _about(self, splits: Splits, counts: Counts, findings: Mapping[str, Any], left: LeftOut) -> None:
        """What tells of the other files, the card and the Croissant metadata last: they name all others."""
        divided: dict[str, Counter[str]] = {slug: Counter() for slug in counts}
        for slug, found in counts.items():
            for item in found:
                divided[slug][item["split"]] += item["examples"]
        how = splits.summary() | {"counts": divided}
        privacy = {
            "found": findings["counts"],
            "decision": self.job.decision or None,
            "left_out": {name: len(found) for name, found in vars(left).items()},
        }
        self.making.content(SPLITS_FILE, plain_json(how))
        self.making.content(PRIVACY, plain_json(privacy))
        study = orjson.loads((self.job.folder / FOLDER / "study.json").read_bytes())
        facts = Facts(self._facts(counts) | {"files": self.making.files}, study, how, privacy)
        self.making.content(CARD, card(facts).encode())
        self.making.content(CROISSANT, plain_json(croissant(facts)))

    def _facts(self, counts: Counts) -> dict[str, Any]:
        experiment = self.job.experiment
        return {
            "format": FORMAT,
            "study": {"slug": experiment.slug, "name": experiment.name, "state": experiment.state},
            "number": self.job.number,
            "as_of": iso(self.job.as_of),
            "choices": self.choices.to_plain(),
            "code": {"whetstone": version("whetstone")},
            "counts": counts,
        }


def _copied(path: Path, left: LeftOut, file: BinaryIO) -> Mapping[str, Any]:
    rows = 0
    with path.open("rb") as source:
        for line in source:
            if path.name == "contexts.jsonl" and left.contexts and orjson.loads(line)["position"] in left.contexts:
                continue
            file.write(_scores_without(line, left) if path.name == "round_scores.jsonl" and left else line)
            rows += 1
    return {"rows": rows}


def _scores_without(line: bytes, left: LeftOut) -> bytes:
    row = orjson.loads(line)
    kept = [pair for pair in zip(row["examples"], row["predicted"], strict=True) if pair[0] not in left.examples]
    row["examples"], row["predicted"] = [key for key, _ in kept], [label for _, label in kept]
    return study_line(row)


def _people_in(arm: Canonical) -> Iterator[str]:
    for row in arm.rows("examples"):
        yield row["writer"]
        yield from (vote["validator"] for vote in row["votes"])
    if "attempts" in arm.paths:
        yield from (row["writer"] for row in arm.rows("attempts"))
