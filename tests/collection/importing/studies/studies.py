"""A study that is over, and releases of it as they should be and as they should not."""

from __future__ import annotations

import datetime as dt
import hashlib
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import orjson
from django.utils import timezone

from collection import assignment, submission
from collection.export.columns import attempt_columns, example_columns
from collection.export.making import release_sha256
from collection.export.parquet import write_parquet
from collection.export.people import People
from collection.export.rows import Met, Reading, attempt_rows, example_rows
from collection.export.sheets import write_csv
from collection.export.study import StudyTables
from collection.models import (
    Attempt,
    CurveVersion,
    Evaluation,
    Example,
    Experiment,
    Round,
    RoundScore,
    TestItem,
    TestSet,
)
from collection.states import ExperimentState, RoundState
from modelserver.datafiles import Row, rows_sha256
from modelserver.models import TrainingRun
from tests import factories

STATES = ("accepted", "rejected", "flagged", "pending")
FILES = ("contexts", "rounds", "versions", "test_sets", "test_items", "evaluations", "round_scores", "curve")
SALT = "5a" * 32


def study(texts: Sequence[str] = ()) -> Experiment:
    """A finished study of one round an arm, with texts in every state, and ``texts`` among them."""
    running = factories.running(quorum=1, max_validations=1, rounds=1, max_tries=2)
    for arm in ("static", "dynamic", "non-adversarial"):
        factories.accepted(running, arm, 2)
        factories.written(running, arm)
    rejected = factories.written(running, "dynamic")
    other = next(label for label in factories.LABELS if label != rejected.label)
    decide(running, other)
    decide(running, None)
    for text in texts:
        writer = factories.member_of(running, "static")
        held = assignment.claim(running, writer)
        factories.attempted(held, factories.client_that_says(held.target_label), f"{text} {held.pk}.")
        attempt = factories.attempted(held, factories.fooled(held), text)
        submission.submit(held.key, writer, attempt.key)
    Example.objects.filter(state="accepted").update(why_label="=1+1", why_fooled="Zeile\r\nzwei", ruling="")
    over(running)
    return running


def decide(running: Experiment, label: str | None) -> None:
    """Somebody votes on the next text."""
    factories.voted(running, factories.member_of(running, "static"), label)


def over(running: Experiment) -> None:
    """End the study as if all had been trained, scored and put on the curve."""
    rows = [Row(str(index), (f"Context {index}", f"Text {index}"), factories.LABELS[0]) for index in range(10)]
    test_set = TestSet.objects.create(
        slug="hard", name="Hard", task=running.task, sha256=rows_sha256(rows), rows=10
    )  # fmt: skip
    TestItem.objects.bulk_create(
        TestItem(test_set=test_set, index=index, texts=list(row.texts), label=row.label)
        for index, row in enumerate(rows)
    )
    for arm in running.arms.all():
        version = factories.trained(running, arm.slug)
        factories.scored(running, version)
        round_ = Round.objects.get(arm=arm)
        CurveVersion.objects.create(round=round_, index=0, seed=0, data_sha256="2" * 64, rows=2, version=version)
        keys = [str(key) for key in Example.objects.filter(arm=arm, state="accepted").values_list("key", flat=True)]
        RoundScore.objects.create(
            model_version=version,
            round=round_,
            run=TrainingRun.objects.first(),
            examples=keys,
            predicted=[0] * len(keys),
        )
    now = timezone.now()
    Round.objects.update(state=RoundState.DONE, closed_at=now, done_at=now)
    Experiment.objects.filter(pk=running.pk).update(state=ExperimentState.FINISHED)
    running.refresh_from_db()


def released(experiment: Experiment, folder: Path, formats: Sequence[str] = ("jsonl",), attempts: bool = True) -> Path:
    """A release of all of an experiment, as export.building makes it."""
    people = People(experiment, SALT, 0)
    as_of = timezone.now() + dt.timedelta(hours=1)
    reading = Reading(experiment, as_of, frozenset(STATES), people)
    rounds = list(
        Round.objects.filter(arm__experiment=experiment)
        .select_related("arm", "model_version", "trained_version")
        .order_by("arm__position", "number")
    )
    tables = StudyTables(experiment, rounds, STATES, as_of)
    shutil.rmtree(folder, ignore_errors=True)
    write(folder / "study/study.json", orjson.dumps(tables.study()))
    for name in FILES:
        write(folder / f"study/{name}.jsonl", lines(getattr(tables, name)()))
    met = Met()
    schema = experiment.task.schema
    fields = [item.name for item in schema.fields]
    for arm in experiment.arms.all():
        of_arm = [item for item in rounds if item.arm_id == arm.pk]
        found: dict[str, list[dict[str, Any]]] = {
            "examples": [row for item in of_arm for row in example_rows(reading, item, met)],
            "attempts": [row for item in of_arm for row in attempt_rows(reading, item, met)],
        }
        for row in found["examples"]:
            row["split"] = "train"
        for name, columns in (("examples", example_columns(fields)), ("attempts", attempt_columns(fields))):
            if name == "attempts" and not attempts:
                continue
            for format in formats:
                path = folder / f"{format}/{arm.slug}/{name}.{format}"
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("wb") as file:
                    if format == "jsonl":
                        file.write(lines(found[name]))
                    elif format == "csv":
                        write_csv(found[name], columns, file)
                    else:
                        write_parquet(found[name], columns, schema.label_names, file)
    write(folder / "study/writers.jsonl", lines(people.called(met.writers | met.validators)))
    sealed(folder)
    return folder


def sealed(folder: Path) -> None:
    """Write the manifest over the files that are there now."""
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != "release.json":
            content = path.read_bytes()
            name = str(path.relative_to(folder))
            files[name] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "rows": None}
    manifest = {
        "format": "whetstone-release/1",
        "choices": {"splits": {"seed": 0}},
        "files": files,
        "sha256": release_sha256(files),
    }
    write(folder / "release.json", orjson.dumps(manifest))


def changed(folder: Path, path: str, change: Callable[[list[dict[str, Any]]], object]) -> None:
    """Change the rows of a file and seal the release anew, as somebody would who makes one by hand."""
    rows = [orjson.loads(line) for line in (folder / path).read_bytes().splitlines()]
    change(rows)
    write(folder / path, lines(rows))
    sealed(folder)


def lines(rows: Iterable[Any]) -> bytes:
    """Rows as JSON lines."""
    return b"".join(orjson.dumps(row) + b"\n" for row in rows)


def write(path: Path, content: bytes) -> None:
    """Write a file and the folders that it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def data_files(folder: Path) -> dict[str, bytes]:
    """What must come back exactly."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "release.json"
    }


def counts() -> list[int]:
    """How much is stored of everything that an import stores."""
    models = (Experiment, Example, Attempt, Round, TestSet, TestItem, Evaluation, CurveVersion, RoundScore)
    return [model.objects.count() for model in models]
