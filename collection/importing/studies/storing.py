"""Storing a release that was checked: as an experiment that nobody sees, batch by batch, until it is whole."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from collection.errors import Conflict
from collection.export.columns import text_column
from collection.importing.studies.batches import batches
from collection.importing.studies.facts import Facts
from collection.importing.studies.ids import Seen
from collection.importing.studies.people import PLATFORM, store_writers
from collection.importing.studies.site import differs, standing
from collection.models import (
    Arm,
    Assignment,
    Attempt,
    Context,
    Example,
    Experiment,
    ImportedVersion,
    Round,
    Task,
    Validation,
)
from collection.planning import SETTINGS
from collection.states import AssignmentState, AttemptState, ExampleState, ExperimentState, ValidationState
from collection.texts import fingerprint
from modelserver.models import ModelVersion

Row = dict[str, Any]
Placed = tuple[str, int, Row]


def begin(facts: Facts, release_sha256: str, owner: AbstractBaseUser | None) -> tuple[Experiment, bool]:
    """The hidden experiment that a release becomes, with nothing in it yet, and whether its task was made for it.

    In the caller's transaction, which keeps who builds it.
    """
    study = facts.study
    told = study["task"]
    task, made = Task.objects.get_or_create(
        slug=told["slug"], defaults={name: value for name, value in told.items() if name != "slug"}
    )
    if (task.fields, task.labels) != (told["fields"], told["labels"]):
        raise Conflict("task_taken", f"There is another task {task.slug!r} on this site by now.")
    experiment = Experiment.objects.create(
        slug=f"importing-{uuid.uuid4().hex[:12]}",
        name=study["name"],
        task=task,
        owner_id=owner.pk if owner else None,
        state=ExperimentState.IMPORTING,
        created_at=moment(study["created_at"]),
        imported_from=release_sha256,
        base_model=study["settings"]["base_model"],
        **{name: study["settings"][name] for name in SETTINGS},
    )
    return experiment, made


class Storing:
    """Fills a hidden experiment. ``sign`` is called after each batch, with how many rows are stored."""

    def __init__(
        self, experiment: Experiment, facts: Facts, seed: int, seen: Seen, sign: Callable[[int], None]
    ) -> None:
        assert facts.schema is not None
        self._experiment, self._facts, self._seed, self._seen, self._sign = experiment, facts, seed, seen, sign
        self._texts = [text_column(item.name) for item in facts.schema.fields]
        self._stored = 0
        self._contexts: dict[int, int] = {}
        self.versions: dict[str, ModelVersion] = {}
        self.rounds: dict[tuple[str, int], Round] = {}
        self._writers: dict[str, int] = {}

    def frame(self) -> None:
        """Contexts, arms, versions, rounds and people."""
        experiment = self._experiment
        for batch in batches(self._facts.contexts.items()):
            made = Context.objects.bulk_create(
                Context(experiment=experiment, position=position, text=text, fingerprint=fingerprint([text]))
                for position, text in batch
            )
            self._contexts |= {item.position: item.pk for item in made}
            self._sign(self._stored)
        Arm.objects.bulk_create(Arm(experiment=experiment, **arm) for arm in self._facts.arms.values())
        self._store_versions()
        self._store_rounds()
        self._writers = store_writers(self._experiment, self._facts, self._seed, lambda: self._sign(self._stored))

    def attempts(self, rows: Iterable[Placed]) -> None:
        """Every attempt, and with them the assignments that had one."""
        for batch in batches(row for _, _, row in rows):
            with transaction.atomic():
                assignments = self._assignments(batch)
                Attempt.objects.bulk_create(
                    self._attempt(row, assignments[row["assignment"]], row["id"], row["state"]) for row in batch
                )
            self._count(batch)

    def examples(self, rows: Iterable[Placed], *, with_attempts: bool) -> None:
        """The examples and the votes on them; ``with_attempts`` says whether their attempts are stored already."""
        for batch in batches(row for _, _, row in rows):
            with transaction.atomic():
                assignments = self._assignments(batch)
                if not with_attempts:
                    Attempt.objects.bulk_create(
                        self._attempt(
                            row,
                            assignments[row["assignment"]],
                            row["attempt"],
                            AttemptState.RECORDED if row["fooled"] is None else AttemptState.JUDGED,
                        )
                        for row in batch
                    )
                found = Attempt.objects.filter(key__in=[row["attempt"] for row in batch])
                attempts = {str(key): number for key, number in found.values_list("key", "pk")}
                made = Example.objects.bulk_create(
                    self._example(row, assignments[row["assignment"]], attempts[row["attempt"]]) for row in batch
                )
                Validation.objects.bulk_create(
                    self._validation(vote, example)
                    for row, example in zip(batch, made, strict=True)
                    for vote in row["votes"]
                )
            self._count(batch)

    def _store_versions(self) -> None:
        for row in self._facts.in_order():
            name = f"{row['name']}/{row['version']}"
            found = standing(row)
            if found is not None and differs(found, row):
                # Not when the release was checked.
                raise Conflict("version_taken", f"There is another version {name} on this site by now.")
            if found is None:
                with transaction.atomic():
                    found = ModelVersion.objects.create(
                        **{
                            column: row[column]
                            for column in (
                                "name", "version", "recipe", "seed", "data_sha256", "data_rows", "manifest_sha256",
                                "labels", "metrics",
                            )
                        },
                        parent=self.versions.get(row["parent"]),
                        created_at=moment(row["created_at"]),
                    )  # fmt: skip
                    ImportedVersion.objects.create(version=found)
            self.versions[name] = found

    def _store_rounds(self) -> None:
        arms = {arm.slug: arm for arm in self._experiment.arms.all()}
        for (arm, number), row in self._facts.rounds.items():
            self.rounds[arm, number] = Round.objects.create(
                arm=arms[arm],
                number=number,
                quota=row["quota"],
                state=row["state"],
                model_version=self.versions.get(row["model_version"]),
                trained_version=self.versions.get(row["trained_version"]),
                opened_at=moment(row["opened_at"]),
                closed_at=_moment(row["closed_at"]),
                done_at=_moment(row["done_at"]),
            )

    def _assignments(self, rows: list[Row]) -> dict[str, int]:
        """The assignments of rows by their keys; those that are met for the first time are made."""
        by_key = {row["assignment"]: row for row in rows}
        standing_ = Assignment.objects.filter(experiment=self._experiment, key__in=by_key).values_list("key", "pk")
        known = {str(key): number for key, number in standing_}
        made = Assignment.objects.bulk_create(
            self._assignment(key, row) for key, row in by_key.items() if key not in known
        )
        return known | {str(item.key): item.pk for item in made}

    def _assignment(self, key: str, row: Row) -> Assignment:
        # Of what became no example that is in the release, only that it is over is known.
        submitted = self._seen.example_of(key) is not None
        leased_at = moment(row["leased_at"])
        return Assignment(
            key=uuid.UUID(key),
            experiment=self._experiment,
            round=self.rounds[row["arm"], row["round"]],
            annotator_id=self._writers[row["writer"]],
            state=AssignmentState.SUBMITTED if submitted else AssignmentState.EXPIRED,
            context_id=self._context(row),
            target_label=row["label"],
            expires_at=leased_at,
            created_at=leased_at,
        )

    def _attempt(self, row: Row, assignment: int, key: str, state: str) -> Attempt:
        version = self.versions.get(row["model_version"])
        return Attempt(
            key=uuid.UUID(key),
            assignment_id=assignment,
            index=row["try"] + 1,
            context_id=self._context(row),
            texts=[row[column] for column in self._texts],
            label=row["label"],
            state=state,
            idempotency_key=f"{PLATFORM}:{key}",
            body_sha256="",
            model_version=version,
            prediction=row["prediction"] or "",
            probabilities=row["probabilities"],
            fooled=row["fooled"],
            latency_ms=row["latency_ms"],
            created_at=moment(row["attempted_at"]),
            judged_at=_moment(row["judged_at"]),
        )

    def _example(self, row: Row, assignment: int, attempt: int) -> Example:
        round_ = self.rounds[row["arm"], row["round"]]
        return Example(
            key=uuid.UUID(row["id"]),
            assignment_id=assignment,
            attempt_id=attempt,
            arm_id=round_.arm_id,
            round=round_,
            annotator_id=self._writers[row["writer"]],
            label=row["label"],
            fingerprint=fingerprint([row[column] for column in self._texts]),
            why_label=row["why_label"],
            why_fooled=row["why_fooled"],
            ruling=row["ruling"],
            state=ExampleState(row["state"]),
            submitted_at=moment(row["submitted_at"]),
            decided_at=_moment(row["decided_at"]),
        )

    def _validation(self, vote: Row, example: Example) -> Validation:
        voted_at = moment(vote["voted_at"])
        return Validation(
            key=uuid.UUID(vote["id"]),
            example=example,
            annotator_id=self._writers[vote["validator"]],
            state=ValidationState.VOTED,
            label=vote["label"],
            flagged=vote["flagged"],
            reason=vote["reason"],
            expires_at=voted_at,
            created_at=moment(vote["asked_at"]),
            voted_at=voted_at,
            settled_at=moment(vote["settled_at"]),
        )

    def _context(self, row: Row) -> int | None:
        return None if row["context"] is None else self._contexts[row["context"]]

    def _count(self, batch: list[Row]) -> None:
        self._stored += len(batch)
        self._sign(self._stored)


def moment(value: str) -> datetime:
    """A time of a release."""
    return datetime.fromisoformat(value)


def _moment(value: str | None) -> datetime | None:
    return None if value is None else moment(value)
