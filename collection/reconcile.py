"""Moving whatever is due, from the state in the database alone. Run periodically and at every nudge."""

from __future__ import annotations

import logging
from collections.abc import Callable

from collection import (
    assignment,
    imports,
    preparation,
    releases,
    reports,
    rounds,
    settlement,
    submission,
    validation,
)
from collection.beside import STUDIED, work_beside
from collection.export.scratch import sweep
from collection.importing.pending import forget_old_uploads
from collection.models import Experiment, Round
from collection.states import ExperimentState, RoundState
from lifecycle.moves import LostRace
from lifecycle.requests import forget_old_requests
from modelserver import registry, runs
from modelserver.client import PredictsText
from modelserver.datafiles import DataStore

log = logging.getLogger(__name__)

ACTIVE = (ExperimentState.RUNNING, ExperimentState.PAUSED)
MOVING = (RoundState.OPEN, RoundState.CLOSED, RoundState.TRAINING, RoundState.EVALUATING)


def reconcile(client: PredictsText, store: DataStore | None = None) -> None:
    """Do every step that is due, once. Each step is idempotent and stands alone: one that fails holds up no other."""
    store = store or registry.data_store()
    _step("expire assignments", assignment.expire_overdue)
    _step("expire validations", validation.expire_overdue)
    _step("settle votes", settlement.settle_due)
    _step("judge waiting attempts", lambda: submission.judge_waiting(client))
    _step("reclaim dead runs", runs.reclaim_dead)
    _step("forget old requests", forget_old_requests)
    _step("forget old uploads", forget_old_uploads)
    for experiment in Experiment.objects.filter(state=ExperimentState.PREPARING).select_related("task"):
        _step(f"prepare {experiment}", lambda experiment=experiment: preparation.prepare(experiment))  # type: ignore[misc]
    for experiment in Experiment.objects.filter(state__in=ACTIVE):
        _step(f"advance {experiment}", lambda experiment=experiment: _advance(experiment, store))  # type: ignore[misc]
    for experiment in Experiment.objects.filter(state__in=STUDIED).select_related("task", "base_version"):
        _step(f"work beside {experiment}", lambda experiment=experiment: work_beside(experiment, store))  # type: ignore[misc]
        _step(f"report {experiment}", lambda experiment=experiment: reports.note_changes(experiment))  # type: ignore[misc]
    _step("reclaim dead reports", reports.reclaim_dead)
    _step("reclaim dead releases", releases.reclaim_dead)
    _step("reclaim dead imports", imports.reclaim_dead)
    _step("discard what imports left", imports.discard_leftovers)
    _step("forget files of imports", imports.forget_files)
    _step("sweep scratch folders", sweep)


def _advance(experiment: Experiment, store: DataStore) -> None:
    moving = Round.objects.filter(arm__experiment=experiment, state__in=MOVING)
    for round_ in moving.select_related(
        "arm__experiment__task", "arm__experiment__base_version", "training_run__model_version", "trained_version"
    ).order_by("pk"):
        before = None
        # A step may make the next one due at once: closed → training, evaluating → done.
        while round_.state != before:
            before = round_.state
            rounds.advance(round_, store)
    rounds.finish_experiment(experiment)


def _step(name: str, step: Callable[[], object]) -> None:
    try:
        step()
    except LostRace:
        log.info("%s: somebody else was first", name)
    except Exception:
        # The boundary between independent steps: the next reconcile tries this one again.
        log.exception("%s failed", name)
