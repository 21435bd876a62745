"""The end of an import: the experiment gets what it shares with others, and is shown."""

from __future__ import annotations

from collections.abc import Mapping

from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.utils import timezone

from annotators.membership import Role, grant
from collection.errors import Conflict
from collection.importing.faults import Faults
from collection.importing.studies.facts import Facts, rows_of
from collection.importing.studies.source import Source
from collection.importing.studies.storing import Storing, moment
from collection.models import (
    IMPORTED_RUN,
    CurveVersion,
    Evaluation,
    Experiment,
    Round,
    RoundScore,
    TestItem,
    TestSet,
)
from collection.states import ExperimentState, RoundState
from lifecycle.moves import move, record
from modelserver.datafiles import DataStore
from modelserver.datafiles import Row as DataRow
from modelserver.models import TrainingRun
from modelserver.states import RunState

_AT_ONCE = 2_000


def finish(
    experiment: Experiment,
    slug: str,
    storing: Storing,
    source: Source,
    facts: Facts,
    store: DataStore,
    owner: AbstractBaseUser | None,
) -> None:
    """Give the experiment its test sets, scores, state and name. In the caller's transaction.

    Raises Conflict if the name has been taken meanwhile.
    """
    sets = _test_sets(experiment, source, facts, store)
    _scores(experiment, storing, source, sets)
    experiment.base_version = storing.versions.get(facts.study["base_version"])
    experiment.slug = slug
    try:
        with transaction.atomic():
            experiment.save(update_fields=["slug", "base_version"])
    except IntegrityError:
        raise Conflict("slug_taken", f"There is an experiment {slug!r} by now. Please choose another slug.") from None
    experiment.test_sets.set(sets.values())
    if owner is not None:
        grant(experiment.key, owner, Role.OWNER)
    record(experiment, ExperimentState.IMPORTING, actor=owner, detail={"release": source.sha256})
    move(experiment, _state(experiment), actor=owner)


def _test_sets(experiment: Experiment, source: Source, facts: Facts, store: DataStore) -> dict[str, TestSet]:
    sets, made = {}, set()
    for slug, row in facts.test_sets.items():
        told = {name: row[name] for name in ("name", "kind", "sha256", "rows")}
        created_at = moment(row["created_at"])
        sets[slug], new = TestSet.objects.get_or_create(
            slug=slug, defaults={**told, "task": experiment.task, "created_at": created_at}
        )
        if new:
            made.add(slug)
        elif (sets[slug].sha256, sets[slug].task_id) != (row["sha256"], experiment.task_id):
            raise Conflict("test_set_taken", f"There is another test set {slug!r} on this site by now.")
    fields = [item.name for item in experiment.task.schema.fields]
    items: dict[str, list[DataRow]] = {}
    for _, row in rows_of(source, "test_items", Faults()):
        if row["test_set"] in made:
            texts = tuple(row["texts"][name] for name in fields)
            items.setdefault(row["test_set"], []).append(DataRow(str(row["index"]), texts, row["label"]))
    for slug, rows in items.items():
        store.put(rows)
        TestItem.objects.bulk_create(
            (TestItem(test_set=sets[slug], index=int(row.id), texts=list(row.texts), label=row.label) for row in rows),
            batch_size=_AT_ONCE,
        )
    return sets


def _scores(experiment: Experiment, storing: Storing, source: Source, sets: Mapping[str, TestSet]) -> None:
    """Evaluations, scores on rounds, and the learning curve. Those who were scored elsewhere share one run here."""
    now = timezone.now()
    run = TrainingRun.objects.create(
        key=f"{IMPORTED_RUN}{experiment.key}", study=experiment.key,
        spec={"kind": "imported", "release": source.sha256}, state=RunState.SUCCEEDED, started_at=now, ended_at=now,
    )  # fmt: skip
    Evaluation.objects.bulk_create(
        (
            Evaluation(
                model_version=storing.versions[row.pop("version")],
                test_set=sets[row.pop("test_set")],
                run=run,
                **(row | {"created_at": moment(row["created_at"])}),
            )
            for _, row in rows_of(source, "evaluations", Faults())
        ),
        batch_size=100,
        # A version that was here already may have been scored here too.
        ignore_conflicts=True,
    )
    RoundScore.objects.bulk_create(
        (
            RoundScore(
                model_version=storing.versions[row.pop("version")],
                round=storing.rounds[row.pop("arm"), row.pop("round")],
                run=run,
                **row,
            )
            for _, row in rows_of(source, "round_scores", Faults())
        ),
        batch_size=100,
    )
    CurveVersion.objects.bulk_create(
        CurveVersion(
            round=storing.rounds[row.pop("arm"), row.pop("round")],
            version=storing.versions.get(row.pop("version")),
            **row,
        )
        for _, row in rows_of(source, "curve", Faults())
    )


def _state(experiment: Experiment) -> ExperimentState:
    """Finished, if every arm's last round is done; what was ended before, or is a part of a study, is ended."""
    last = Round.objects.filter(arm__experiment=experiment, number=experiment.rounds, state=RoundState.DONE)
    whole = last.count() == experiment.arms.count() and experiment.base_version is not None
    return ExperimentState.FINISHED if whole else ExperimentState.ENDED
