"""What many tests start from: an experiment that runs, without any worker, and people in it."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import tempfile
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone

from annotators.enrolment import annotator_of, plan_study
from annotators.membership import Role, grant
from annotators.models import Annotator
from collection import assignment, experiments, releases, reports, submission, validation
from collection.analytics.metrics import Estimate, share
from collection.analytics.sections import Chart, Column, Section, Table
from collection.demo.tasks import task
from collection.enrolment import enrol
from collection.export.storage import release_storage
from collection.importing.jsonl import LabelledRow
from collection.importing.test_sets import import_test_set
from collection.models import Arm, Assignment, Attempt, Evaluation, Example, Experiment, Release, Report, Round, TestSet
from collection.rounds import open_round
from collection.states import ExperimentState, RoundState
from lifecycle.moves import move
from modelserver import runs
from modelserver.client import FakeModelClient
from modelserver.datafiles import DataStore
from modelserver.models import ModelVersion, TrainingRun

LABELS = ("entailment", "not_entailment")
CONTEXTS = tuple(f"A man has {number} dogs." for number in range(10))


def draft(slug: str = "study", contexts: Sequence[str] = CONTEXTS, **settings: Any) -> Experiment:
    """A draft whose base model is not looked for."""
    chosen = settings.pop("task", None) or task("nli")
    test_sets, owner = settings.pop("test_sets", ()), settings.pop("owner", None)
    with mock.patch("collection.experiments.registry.check_base_model"):
        return experiments.create(
            experiments.Plan(
                slug=slug,
                name=slug,
                task=chosen,
                base_model="models/nli-minilm",
                contexts=contexts if chosen.schema.context_field else (),
                test_sets=test_sets,
                # Votes of tests count at once and anybody may join, unless a test says otherwise.
                settings={"undo_seconds": 0, "open_enrolment": True, **settings},
            ),
            owner,
        )


def base_version(labels: Sequence[str] = LABELS) -> ModelVersion:
    """A version 0 that no file stands behind."""
    version, _ = ModelVersion.objects.get_or_create(
        name="base", version=0, defaults={"manifest_sha256": "0" * 64, "labels": list(labels)}
    )
    return version


def running(slug: str = "study", contexts: Sequence[str] = CONTEXTS, **settings: Any) -> Experiment:
    """An experiment in state running, with round 1 of each of its three arms open."""
    made = draft(slug, contexts, **settings)
    move(made, ExperimentState.PREPARING)
    return started(made)


def started(made: Experiment) -> Experiment:
    """An experiment that was prepared, in state running."""
    move(made, ExperimentState.RUNNING, base_version=base_version(made.task.schema.label_names))
    plan_study(made.key, [arm.slug for arm in made.arms.all()], made.seed)
    for arm in made.arms.all():
        open_round(arm, 1)
    return made


def person(name: str | None = None) -> Annotator:
    """Somebody."""
    user, _ = User.objects.get_or_create(username=name or uuid.uuid4().hex[:20])
    return annotator_of(user)


def researcher(experiment: Experiment, role: Role = Role.OWNER) -> Annotator:
    """Somebody new who has a role in an experiment."""
    somebody = person()
    grant(experiment.key, somebody.user, role)
    return somebody


def member_of(experiment: Experiment, arm: str) -> Annotator:
    """Somebody new who is enrolled in that arm: blocks have the size of the number of arms, so one comes soon."""
    for _ in range(2 * experiment.arms.count()):
        somebody = person()
        if enrol(experiment, somebody).slug == arm:
            return somebody
    raise AssertionError("a block gives every arm somebody")


def client_that_says(label: str, labels: Sequence[str] = LABELS) -> FakeModelClient:
    """A model that always answers the same."""
    return FakeModelClient(lambda ref, texts: {name: 0.9 if name == label else 0.1 for name in labels})


def fooled(held: Assignment) -> FakeModelClient:
    """A model that is wrong about an assignment's label."""
    return client_that_says(next(label for label in LABELS if label != held.target_label))


def attempted(held: Assignment, client: FakeModelClient, text: str | None = None) -> Attempt:
    """A new attempt of an assignment."""
    written = {"hypothesis": text or f"Something about {uuid.uuid4().hex}."}
    return submission.attempt(held.key, held.annotator, written, None, uuid.uuid4().hex, client)


def written(experiment: Experiment, arm: str = "dynamic", writer: Annotator | None = None) -> Example:
    """A submitted example that fooled the model of its arm."""
    writer = writer or member_of(experiment, arm)
    held = assignment.claim(experiment, writer)
    attempt = attempted(held, fooled(held))
    return submission.submit(held.key, writer, attempt.key)


def voted(experiment: Experiment, validator: Annotator, label: str | None, reason: str = "") -> Example:
    """Somebody takes the next example and votes on it; None is a flag."""
    lease = validation.claim_validation(experiment, validator)
    given = validation.Vote(label, reason or ("spam" if label is None else ""))
    return validation.vote(lease.key, validator, given).example


def accepted(experiment: Experiment, arm: Arm | str, count: int) -> list[Example]:
    """That many accepted examples of an arm."""
    slug = arm if isinstance(arm, str) else arm.slug
    made = []
    for _ in range(count):
        example = written(experiment, slug)
        while example.state == "pending":
            voted(experiment, member_of(experiment, slug), example.label)
            example.refresh_from_db()
        made.append(example)
    return made


def train(run: TrainingRun) -> ModelVersion:
    """What a training worker does, without the training: every test set is answered with label 0."""
    claimed = runs.claim(run.pk)
    assert claimed is not None
    scores = [
        {
            "key": item["key"],
            "rows": item["rows"],
            "accuracy": 0.5,
            "balanced_accuracy": 0.5,
            "predicted": [0] * item["rows"],
            "confidence": [0.5] * item["rows"],
        }
        for item in claimed.spec["evaluate"]
    ]
    return runs.succeed(claimed, "1" * 64, {"train_seconds": 1.0}, scores)


def plain_set(store: DataStore) -> TestSet:
    """A test set of two rows."""
    rows = [
        LabelledRow(1, ("It is a cold winter night.", "Snow falls."), "entailment"),
        LabelledRow(2, ("Two birds sing on a wire.", "They are loud."), "not_entailment"),
    ]
    return import_test_set("plain", "plain", task("nli"), TestSet.Kind.IMPORTED, rows, store)


def report(experiment: Experiment) -> Report:
    """A small report that was computed and kept."""
    standing = reports.ask(experiment)
    claimed = reports.claim(standing.pk)
    assert claimed is not None
    tries = Estimate(3, 1.5, 1.2, 1.9, "clustered")
    rows = ({"arm": "dynamic", "mer": share(3, 4), "tries": tries}, {"arm": "=1+1", "mer": share(0, 0)})
    columns = (Column("arm", "Arm"), Column("mer", "MER", "share"), Column("tries", "Tries"))
    table = Table("mer", "MER", columns, rows, "fooled / collected")
    chart = Chart("mer-by-arm", "MER by arm", "The dynamic arm fools most.", "mer", {"mark": "point"})
    summary = Section("summary", "Summary", ("It was <b>computed</b>.",))
    section = Section("collection", "Collection", ("3 of 4 fooled.",), (table,), (chart,), ("not enough data: x",))
    svg = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><title>mer</title></svg>'
    drawn = [reports.Drawn("collection", "mer-by-arm", svg, b"\x89PNG")]
    reports.store(claimed, [summary, section], drawn, b"%PDF-1.7", {"seed": 0}, 1.5)
    return claimed


def trained(experiment: Experiment, arm: str = "dynamic", number: int = 1, **values: Any) -> ModelVersion:
    """The version that a round of an arm has trained, whichever state the round is in; no file stands behind it.

    ``values`` are the version's own; its run has a loss curve.
    """
    round_, _ = Round.objects.get_or_create(
        arm=experiment.arms.get(slug=arm),
        number=number,
        defaults={"quota": experiment.quota, "state": RoundState.DONE, "model_version": experiment.base_version},
    )
    given = {
        "manifest_sha256": "1" * 64, "labels": list(experiment.task.schema.label_names), "data_sha256": "2" * 64,
        "data_rows": 7, "seed": experiment.seed, "parent": experiment.base_version, "metrics": {"train_loss": 0.25},
        "recipe": {"method": "adapter", "epochs": 3}, **values,
    }  # fmt: skip
    version = ModelVersion.objects.create(name=f"{experiment.slug}-{arm}", version=number, **given)
    now = timezone.now()
    TrainingRun.objects.create(
        key=f"train:{experiment.key}:{arm}:{number}", study=experiment.key, spec={"kind": "train"}, state="succeeded",
        model_version=version, started_at=now - dt.timedelta(seconds=75), ended_at=now,
        progress={"phase": "done", "curve": [[1, 0.75], [10, 0.5], [20, 0.25]]},
    )  # fmt: skip
    Round.objects.filter(pk=round_.pk).update(trained_version=version)
    return version


def scored(experiment: Experiment, version: ModelVersion, slug: str = "hard", right: int = 8) -> Evaluation:
    """The score of a version on a test set of ten rows of the experiment."""
    test_set, _ = TestSet.objects.get_or_create(
        slug=slug, defaults={"name": slug, "task": experiment.task, "sha256": "3" * 64, "rows": 10}
    )
    experiment.test_sets.add(test_set)
    run, _ = TrainingRun.objects.get_or_create(
        key=f"evaluate:{version}", defaults={"study": experiment.key, "spec": {"kind": "evaluate"}}
    )
    return Evaluation.objects.create(
        model_version=version, test_set=test_set, run=run, rows=10, accuracy=right / 10, balanced_accuracy=right / 10,
        predicted=[0] * 10, confidence=[0.5] * 10,
    )  # fmt: skip


def release(experiment: Experiment, number: int = 1, state: str = "done", **values: Any) -> Release:
    """A release of the dynamic arm's first round in that state; one that is done has two files, and a public link."""
    row = {"id": str(number), "round": 1, "submitted_at": "2026-01-01", "writer": "w1", "votes": [], "split": "train"}
    files = {"release.json": b"{}\n", "jsonl/dynamic/examples.jsonl": f"{json.dumps(row)}\n".encode()}
    described = {
        path: {
            "sha256": hashlib.sha256(content).hexdigest(),
            "size": len(content),
            "rows": 1 if "jsonl" in path else None,
        }
        for path, content in files.items()
    }
    done = {"files": described, "sha256": "4" * 64, "size": 32, "done_at": timezone.now(), "link": uuid.uuid4()}
    made = Release.objects.create(
        experiment=experiment, number=number, state=state, salt="0" * 64, as_of=timezone.now(),
        choices={
            "arms": ["dynamic"], "rounds": {"dynamic": [1]}, "states": ["accepted"], "attempts": False,
            "formats": ["jsonl"], "test_items": False,
            "splits": {"method": "none", "dev": 0.0, "test": 0.0, "contexts": False, "seed": 0},
        },
        **(done if state == "done" else {}) | values,
    )  # fmt: skip
    if state == "done":
        with tempfile.TemporaryDirectory(dir=settings.DATA_DIR) as folder:
            for path, content in files.items():
                (Path(folder) / "it" / path).parent.mkdir(parents=True, exist_ok=True)
                (Path(folder) / "it" / path).write_bytes(content)
            release_storage().publish(Path(folder) / "it", list(files), releases.place_of(made), lambda *_: None)
    return made
