"""An experiment in the database as the tables that analytics reads. For workers and commands: it loads pandas."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from django.db.models import Q

from annotators.ledger import credited
from collection.analytics.study import Study, table
from collection.models import (
    Attempt,
    CurveVersion,
    Evaluation,
    Example,
    Experiment,
    Round,
    RoundScore,
    TestItem,
    Validation,
)
from collection.pseudonyms import pseudonym_of
from collection.states import AssignmentState, AttemptState, ExampleState
from modelserver.models import ModelVersion

# Between two signs of a person no more than this counts as work: longer, and the person was away.
LONGEST_GAP = timedelta(minutes=5)

Row = Mapping[str, object]


def study_of(experiment: Experiment) -> Study:
    """The experiment as it stands now. People appear under their pseudonyms in it."""
    schema = experiment.task.schema
    arms = {arm.slug: arm.kind for arm in experiment.arms.all()}
    tables = _Tables(experiment)
    return Study(
        name=experiment.name,
        slug=experiment.slug,
        context_field=schema.context_field.name if schema.context_field else "",
        labels=schema.label_names,
        arms=arms,
        rounds=experiment.rounds,
        quota=experiment.quota,
        quorum=experiment.quorum,
        currency=experiment.currency,
        examples=table("examples", list(tables.examples())),
        attempts=table("attempts", list(tables.attempts())),
        votes=table("votes", list(tables.votes())),
        versions=table("versions", list(tables.versions())),
        test_sets=table("test_sets", list(tables.test_sets())),
        test_items=table("test_items", list(tables.test_items())),
        evaluations=table("evaluations", list(tables.evaluations())),
        round_scores=table("round_scores", list(tables.round_scores())),
    )


class _Tables:
    """The rows of each table, with what several of them need read once."""

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment
        schema = experiment.task.schema
        self._context = None if schema.context_field is None else schema.fields.index(schema.context_field)
        self._credits = credited(experiment.key)
        self._signs: dict[int, list[datetime]] = defaultdict(list)
        self._tries: dict[int, int] = defaultdict(int)
        # Tries of a text that is being written are neither those of a text nor in vain.
        over = Attempt.objects.filter(assignment__experiment=experiment).exclude(
            assignment__state=AssignmentState.LEASED
        )
        attempts = over.exclude(state=AttemptState.REFUSED)
        self._attempts = list(
            attempts.order_by("assignment", "index").values(
                "pk",
                "key",
                "assignment",
                "context",
                "texts",
                "label",
                "prediction",
                "probabilities",
                "fooled",
                "created_at",
                "assignment__annotator__key",
                "assignment__round__number",
                "assignment__round__arm__slug",
            )
        )
        self._number: dict[int, int] = {}
        for attempt in self._attempts:
            self._signs[attempt["assignment"]].append(attempt["created_at"])
            self._tries[attempt["assignment"]] += 1
            self._number[attempt["pk"]] = self._tries[attempt["assignment"]]
        self._example_of: dict[int, str] = {}

    def examples(self) -> Iterator[Row]:
        found = Example.objects.filter(arm__experiment=self._experiment).exclude(state=ExampleState.RETRACTED)
        columns = (
            "key",
            "attempt",
            "assignment",
            "label",
            "state",
            "submitted_at",
            "arm__slug",
            "round__number",
            "annotator__key",
            "attempt__texts",
            "attempt__context",
            "attempt__fooled",
            "attempt__prediction",
            "assignment__created_at",
        )
        for row in found.order_by("pk").values(*columns):
            key = str(row["key"])
            self._example_of[row["attempt"]] = key
            signs = [row["assignment__created_at"], *self._signs[row["assignment"]], row["submitted_at"]]
            credits_ = [self._credits.get(f"example:{key}:{kind}", 0) for kind in ("base", "bonus")]
            yield {
                "key": key,
                "arm": row["arm__slug"],
                "round": row["round__number"],
                "writer": self._pseudonym(row["annotator__key"]),
                **self._texts(row["attempt__context"], row["attempt__texts"]),
                "label": row["label"],
                "state": row["state"],
                "fooled": row["attempt__fooled"],
                "prediction": row["attempt__prediction"],
                "tries": self._number[row["attempt"]],
                "seconds": active_seconds(signs),
                "cost": float(sum(credits_)),
                "submitted_at": row["submitted_at"],
            }

    def attempts(self) -> Iterator[Row]:
        """After ``examples``, which say what became of an attempt."""
        for row in self._attempts:
            texts = self._texts(row["context"], row["texts"])
            yield {
                "key": str(row["key"]),
                "example": self._example_of.get(row["pk"], ""),
                "arm": row["assignment__round__arm__slug"],
                "round": row["assignment__round__number"],
                "writer": self._pseudonym(row["assignment__annotator__key"]),
                "context": texts["context"],
                "index": self._number[row["pk"]],
                "text": texts["text"],
                "label": row["label"],
                "prediction": row["prediction"],
                "fooled": row["fooled"],
                "confidence": (row["probabilities"] or {}).get(row["label"], float("nan")),
                "created_at": row["created_at"],
            }

    def votes(self) -> Iterator[Row]:
        found = Validation.objects.filter(example__arm__experiment=self._experiment).exclude(settled_at=None)
        found = found.exclude(example__state=ExampleState.RETRACTED)
        columns = (
            "key",
            "label",
            "flagged",
            "created_at",
            "voted_at",
            "example__key",
            "example__arm__slug",
            "example__round__number",
            "annotator__key",
        )
        for row in found.order_by("pk").values(*columns):
            yield {
                "example": str(row["example__key"]),
                "arm": row["example__arm__slug"],
                "round": row["example__round__number"],
                "validator": self._pseudonym(row["annotator__key"]),
                "label": row["label"],
                "flagged": row["flagged"],
                "seconds": active_seconds([row["created_at"], row["voted_at"]]),
                "cost": float(self._credits.get(f"validation:{row['key']}", 0)),
                "voted_at": row["voted_at"],
            }

    def versions(self) -> Iterator[Row]:
        base = self._experiment.base_version
        if base is not None:
            yield _version(base, "", 0, "base")
        rounds = Round.objects.filter(arm__experiment=self._experiment).exclude(trained_version=None)
        for round_ in rounds.select_related("arm", "trained_version").order_by("number", "arm"):
            assert round_.trained_version is not None
            yield _version(round_.trained_version, round_.arm.slug, round_.number, "loop")
        curve = CurveVersion.objects.filter(round__arm__experiment=self._experiment).exclude(version=None)
        for item in curve.select_related("round__arm", "version").order_by("round__number", "round__arm", "index"):
            assert item.version is not None
            yield _version(item.version, item.round.arm.slug, item.round.number, "curve")

    def test_sets(self) -> Iterator[Row]:
        for item in self._experiment.test_sets.order_by("pk"):
            yield {"test_set": item.slug, "name": item.name, "kind": item.kind}

    def test_items(self) -> Iterator[Row]:
        found = TestItem.objects.filter(test_set__experiments=self._experiment).order_by("test_set", "index")
        for slug, index, texts, label in found.values_list("test_set__slug", "index", "texts", "label"):
            # Without a context every row stands for itself.
            context = f"row {index}" if self._context is None else texts[self._context]
            yield {"test_set": slug, "index": index, "context": context, "label": label}

    def evaluations(self) -> Iterator[Row]:
        found = Evaluation.objects.filter(
            _of_versions("model_version", self._experiment), test_set__experiments=self._experiment
        )
        columns = ("model_version__name", "model_version__version", "test_set__slug", "predicted")
        for name, version, test_set, predicted in found.order_by("pk").values_list(*columns):
            yield {
                "version": f"{name}/{version}",
                "test_set": test_set,
                "predicted": np.asarray(predicted, dtype=np.int64),
            }

    def round_scores(self) -> Iterator[Row]:
        found = RoundScore.objects.filter(
            _of_versions("model_version", self._experiment), round__arm__experiment=self._experiment
        )
        for item in found.select_related("model_version", "round__arm").order_by("pk"):
            yield {
                "version": str(item.model_version),
                "arm": item.round.arm.slug,
                "round": item.round.number,
                "examples": tuple(item.examples),
                "predicted": np.asarray(item.predicted, dtype=np.int64),
            }

    def _texts(self, context: int | None, texts: list[str]) -> dict[str, str]:
        written = [text for index, text in enumerate(texts) if index != self._context]
        # What was erased is empty, and counts wherever it is not about the words.
        text = "\n".join(written) if any(written) else ""
        return {
            "context": "" if context is None else str(context),
            "context_text": "" if self._context is None else texts[self._context],
            "text": text,
        }

    def _pseudonym(self, annotator: Any) -> str:
        return pseudonym_of(self._experiment.key, annotator)


def active_seconds(signs: list[datetime]) -> float:
    """Time at work between signs of a person, in their order, each gap counted up to LONGEST_GAP; in seconds.

    Signs may come from several clocks: a later sign of an earlier time is a gap of no time.
    """
    return sum(min(later - earlier, LONGEST_GAP).total_seconds() for earlier, later in pairwise(accumulate(signs, max)))


def _version(version: ModelVersion, arm: str, number: int, role: str) -> Row:
    return {
        "version": str(version),
        "arm": arm,
        "round": number,
        "seed": version.seed,
        "rows": version.data_rows,
        "role": role,
    }


def _of_versions(column: str, experiment: Experiment) -> Q:
    """Rows about the base version of an experiment, its rounds' versions and those of its learning curve."""
    trained = Round.objects.filter(arm__experiment=experiment).exclude(trained_version=None)
    curve = CurveVersion.objects.filter(round__arm__experiment=experiment).exclude(version=None)
    return (
        Q(**{column: experiment.base_version_id})
        | Q(**{f"{column}__in": trained.values("trained_version")})
        | Q(**{f"{column}__in": curve.values("version")})
    )
