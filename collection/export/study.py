"""The files of a release that say how its study was made: ``study/…``, from the database.

Each row of ``study/*.jsonl`` is one JSON object, its names sorted. Model versions are named ``name/version``, test sets
by their slug, rounds by arm and number, contexts by their position, people by their pseudonym. Times are as in the
examples.

- ``study.json``: slug, name, created_at, task {slug, name, fields, labels, instructions, guidelines}, settings (every
  setting of the experiment by its name), base_version, arms [{slug, kind, position}] and test_sets [slug].
- ``contexts.jsonl``: position, text. ``test_sets.jsonl``: slug, name, kind, sha256, rows, created_at.
- ``test_items.jsonl``, if chosen: test_set, index, texts (by field), label.
- ``rounds.jsonl``: arm, number, quota, state, model_version, trained_version, opened_at, closed_at, done_at.
- ``versions.jsonl``: name, version, parent, role (base, loop, curve, or source: another one was trained
  from it), recipe, seed, data_sha256, data_rows, manifest_sha256, labels, metrics, created_at.
- ``curve.jsonl``: arm, round, index, seed, data_sha256, rows, version.
- ``evaluations.jsonl``: version, test_set, rows, accuracy, balanced_accuracy, predicted, confidence, created_at.
- ``round_scores.jsonl``: version, arm, round, examples, predicted.
- ``writers.jsonl`` (see people): writer, arm, draw; everybody who wrote or validated what is in the release.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from django.db.models import F

from collection.export.rows import Row
from collection.export.stored import iso
from collection.models import Context, CurveVersion, Evaluation, Experiment, Round, RoundScore, TestItem
from collection.states import ExampleState
from modelserver.models import ModelVersion

FOLDER = "study"
# Every setting of an experiment that says what is collected and how.
SETTINGS = (
    "seed",
    "rounds",
    "quota",
    "quorum",
    "max_validations",
    "max_tries",
    "max_skips",
    "lease_seconds",
    "label_policy",
    "open_enrolment",
    "undo_seconds",
    "sandbox",
    "inspiration",
    "leaderboard",
    "base_model",
    "start_from",
    "recipe",
    "curve_seeds",
    "currency",
    "base_pay_minor",
    "fooling_bonus_minor",
    "validation_pay_minor",
)


class StudyTables:
    """What is known of a study as of a time, about some of its rounds; tables are rows one by one, in a fixed order."""

    def __init__(self, experiment: Experiment, rounds: Sequence[Round], states: Sequence[str], as_of: datetime) -> None:
        self._experiment = experiment
        self._rounds = rounds
        # Versions are scored on accepted examples.
        self._has_scores = ExampleState.ACCEPTED in states
        self._as_of = as_of
        self._roles = self._versions_by_role()

    def names(self, test_items: bool) -> tuple[str, ...]:
        """The tables, each with a method of its name."""
        always = ("contexts", "rounds", "versions", "test_sets", "evaluations", "round_scores", "curve")
        return (*always, "test_items") if test_items else always

    def study(self) -> dict[str, Any]:
        """``study.json``."""
        experiment, task = self._experiment, self._experiment.task
        return {
            "format": "whetstone-study/1",
            "slug": experiment.slug,
            "name": experiment.name,
            "created_at": iso(experiment.created_at),
            "task": {
                name: getattr(task, name) for name in ("slug", "name", "fields", "labels", "instructions", "guidelines")
            },
            "settings": {name: getattr(experiment, name) for name in SETTINGS},
            "base_version": _named(experiment.base_version),
            "arms": [
                {"slug": arm.slug, "kind": arm.kind, "position": arm.position}
                for arm in experiment.arms.filter(pk__in={item.arm_id for item in self._rounds}).order_by("position")
            ],
            "test_sets": [row["slug"] for row in self.test_sets()],
        }

    def contexts(self) -> Iterator[Row]:
        """``contexts.jsonl``: all of the experiment's, also those that nobody has written about."""
        found = Context.objects.filter(experiment=self._experiment).order_by("position")
        for position, text in found.values_list("position", "text").iterator():
            yield {"position": position, "text": text}

    def test_sets(self) -> Iterator[Row]:
        """``test_sets.jsonl``."""
        for item in self._experiment.test_sets.filter(created_at__lte=self._as_of).order_by("slug"):
            plain = {name: getattr(item, name) for name in ("slug", "name", "kind", "sha256", "rows")}
            yield {**plain, "created_at": iso(item.created_at)}

    def test_items(self) -> Iterator[Row]:
        """``test_items.jsonl``."""
        fields = [item.name for item in self._experiment.task.schema.fields]
        sets = self._experiment.test_sets.filter(created_at__lte=self._as_of)
        found = TestItem.objects.filter(test_set__in=sets).order_by("test_set__slug", "index")
        for slug, index, texts, label in found.values_list("test_set__slug", "index", "texts", "label").iterator():
            yield {
                "test_set": slug,
                "index": index,
                "texts": dict(zip(fields, texts, strict=True)),
                "label": label,
            }

    def rounds(self) -> Iterator[Row]:
        """``rounds.jsonl``."""
        for item in self._rounds:
            yield {
                "arm": item.arm.slug,
                "number": item.number,
                "quota": item.quota,
                "state": item.state,
                "model_version": _named(item.model_version),
                "trained_version": _named(item.trained_version),
                "opened_at": iso(item.opened_at),
                "closed_at": item.closed_at and iso(item.closed_at),
                "done_at": item.done_at and iso(item.done_at),
            }

    def versions(self) -> Iterator[Row]:
        """``versions.jsonl``: the base version, those of the rounds and of their learning curve, and what these were
        trained from."""
        found = ModelVersion.objects.filter(pk__in=self._roles).select_related("parent").order_by("name", "version")
        for item in found:
            yield {
                "name": item.name,
                "version": item.version,
                "parent": _named(item.parent),
                "role": self._roles[item.pk],
                "recipe": item.recipe,
                "seed": item.seed,
                "data_sha256": item.data_sha256,
                "data_rows": item.data_rows,
                "manifest_sha256": item.manifest_sha256,
                "labels": item.labels,
                "metrics": item.metrics,
                "created_at": iso(item.created_at),
            }

    def curve(self) -> Iterator[Row]:
        """``curve.jsonl``."""
        found = CurveVersion.objects.filter(round__in=self._rounds).select_related("round__arm", "version")
        for item in found.order_by("round__arm__position", "round__number", "index"):
            known = item.version is not None and item.version.created_at <= self._as_of
            yield {
                "arm": item.round.arm.slug,
                "round": item.round.number,
                "index": item.index,
                "seed": item.seed,
                "data_sha256": item.data_sha256,
                "rows": item.rows,
                "version": _named(item.version) if known else None,
            }

    def evaluations(self) -> Iterator[Row]:
        """``evaluations.jsonl``."""
        sets = self._experiment.test_sets.filter(created_at__lte=self._as_of)
        found = Evaluation.objects.filter(
            model_version__in=self._roles, test_set__in=sets, created_at__lte=self._as_of
        ).select_related("model_version", "test_set")
        for item in found.order_by("model_version__name", "model_version__version", "test_set__slug").iterator():
            yield {
                "version": str(item.model_version),
                "test_set": item.test_set.slug,
                "rows": item.rows,
                "accuracy": item.accuracy,
                "balanced_accuracy": item.balanced_accuracy,
                "predicted": item.predicted,
                "confidence": item.confidence,
                "created_at": iso(item.created_at),
            }

    def round_scores(self) -> Iterator[Row]:
        """``round_scores.jsonl``; none without the accepted examples, which they are about."""
        if not self._has_scores:
            return
        found = RoundScore.objects.filter(model_version__in=self._roles, round__in=self._rounds)
        found = found.exclude(run__ended_at__gt=self._as_of).select_related("model_version", "round__arm")
        order = (F("model_version__name"), F("model_version__version"), F("round__arm__position"), F("round__number"))
        for item in found.order_by(*order).iterator():
            yield {
                "version": str(item.model_version),
                "arm": item.round.arm.slug,
                "round": item.round.number,
                "examples": item.examples,
                "predicted": item.predicted,
            }

    def _versions_by_role(self) -> dict[int, str]:
        """The role of each version by its number: the first that it has of base, loop, curve, source."""
        roles: dict[int, str] = {}
        parents = dict(ModelVersion.objects.filter(created_at__lte=self._as_of).values_list("pk", "parent"))
        curve = CurveVersion.objects.filter(round__in=self._rounds).values_list("version", flat=True)
        used: list[tuple[str, list[int | None]]] = [
            ("base", [self._experiment.base_version_id]),
            ("loop", [number for item in self._rounds for number in (item.model_version_id, item.trained_version_id)]),
            ("curve", list(curve.order_by("pk"))),
        ]
        for role, numbers in used:
            for number in numbers:
                if number is not None and number in parents:
                    roles.setdefault(number, role)
        waiting = list(roles)
        while waiting:
            parent = parents.get(waiting.pop())
            if parent is not None and parent not in roles:
                roles[parent] = "source"
                waiting.append(parent)
        return roles


def study_line(row: Mapping[str, Any]) -> bytes:
    """A row as its line, the names sorted: a database may have kept those of a JSON column in another order."""
    return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_SORT_KEYS)


def _named(version: ModelVersion | None) -> str | None:
    return None if version is None else str(version)
