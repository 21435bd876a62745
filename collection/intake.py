"""Carrying out imports, in a worker or a command: it compares texts with test sets and loads scikit-learn."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TypeVar

from django.conf import settings
from django.db import transaction

from collection import imports
from collection.errors import Refused
from collection.importing.contexts import preview_contexts, store_contexts
from collection.importing.faults import Faulty, check_preview
from collection.importing.round_zero import preview_round_zero, store_round_zero
from collection.importing.rows import Limits
from collection.importing.studies.release import Progress, import_release
from collection.importing.test_sets import TestSetPreview, preview_test_set, store_test_set
from collection.models import DataImport, Experiment, TestSet
from collection.states import ImportState
from collection.training_data import trainable_rows
from lifecycle.moves import LostRace
from modelserver import registry

log = logging.getLogger(__name__)
P = TypeVar("P", bound=TestSetPreview)

# Of one table of rows; releases are bounded by LARGEST_IMPORT_BYTES alone.
LARGEST_TABLE = 1_000_000_000
MOST_ROWS = 2_000_000


def carry_out(import_id: int) -> None:
    """Carry out an import that is due, if there is one to take. Whatever comes of it stands in its row."""
    taken = imports.claim(import_id)
    if taken is not None:
        carry_out_taken(taken)


def carry_out_taken(taken: DataImport) -> None:
    """Carry out an import that this process has taken."""
    try:
        with imports.fetched(taken) as (path, scratch):
            _KINDS[DataImport.Kind(taken.kind)](taken, path, scratch)
    except LostRace:
        log.info("%s was taken over by another worker", taken)
    except Faulty as error:
        imports.refuse(taken, error.message, error.faults, error.count)
    except Refused as error:
        imports.refuse(taken, str(error))
    except OSError as error:
        # A full disk, or a storage that does not answer.
        imports.fail(taken, f"Nothing was stored: {error}.")
    except Exception as error:
        # The boundary of work on people's files: whatever it meets is told, and the worker goes on.
        log.exception("%s failed", taken)
        imports.fail(taken, f"{type(error).__name__}: {error}")
    if taken.state in (ImportState.REFUSED, ImportState.FAILED):
        imports.discard(taken)


def _contexts(taken: DataImport, path: Path, scratch: Path) -> None:
    assert taken.experiment is not None
    options = taken.options
    with path.open("rb") as file:
        preview = preview_contexts(
            taken.experiment.task,
            file,
            options["format"],
            options.get("column"),
            experiment=taken.experiment,
            limits=_limits(),
        )
    check_preview(preview, taken.name)
    with transaction.atomic():
        done = store_contexts(taken.experiment, preview)
        imports.finish(taken, f"{done.added:,} contexts were added; {done.already:,} were there already.")


def _round_zero(taken: DataImport, path: Path, scratch: Path) -> None:
    assert taken.experiment is not None
    options, store = taken.options, registry.data_store()
    preview = _labelled(taken, path, partial(preview_round_zero, taken.experiment))
    with transaction.atomic():
        made = store_round_zero(taken.experiment, options.get("arms"), preview, taken.name, store, taken.user)
        # None of them has examples yet: what is left out now is of round 0 alone, and the same in every arm.
        left_out = trainable_rows(made[0].arm, 0, store)[1]
        imports.finish(
            taken,
            f"{', '.join(item.arm.slug for item in made)} will start with {made[0].rows:,} rows, of which "
            f"{len(left_out):,} are too close to a test set and will be left out of training.",
        )


def _test_set(taken: DataImport, path: Path, scratch: Path) -> None:
    assert taken.task is not None
    options = taken.options
    preview = _labelled(taken, path, partial(preview_test_set, taken.task))
    kind = TestSet.Kind(options.get("kind", TestSet.Kind.IMPORTED))
    with transaction.atomic():
        made = store_test_set(options["slug"], options["name"], taken.task, kind, preview, registry.data_store())
        imports.finish(taken, f"The test set {made.slug} has {made.rows:,} rows.")


def _labelled(taken: DataImport, path: Path, preview: Callable[..., P]) -> P:
    """What a file of labelled rows has in it, if nothing is wrong with it."""
    options = taken.options
    with path.open("rb") as file:
        found = preview(file, options["format"], options.get("columns"), labels=options.get("labels"), limits=_limits())
    check_preview(found, taken.name)
    imports.heartbeat(taken, phase="storing")
    return found


def _release(taken: DataImport, path: Path, scratch: Path) -> None:
    # What an earlier try has left, that was killed.
    imports.discard(taken)

    def made(experiment: Experiment, task_made: bool) -> None:
        imports.building(taken, experiment, experiment.task if task_made else None)

    import_release(
        path,
        scratch,
        taken.options.get("slug"),
        taken.user,
        registry.data_store(),
        settings.LARGEST_IMPORT_BYTES,
        Progress(
            sign=lambda **progress: imports.heartbeat(taken, **progress),
            made=made,
            whole=lambda _, outcome: imports.finish(taken, outcome),
        ),
    )


def _limits() -> Limits:
    return Limits(bytes=min(LARGEST_TABLE, settings.LARGEST_IMPORT_BYTES), rows=MOST_ROWS)


_KINDS: Mapping[DataImport.Kind, Callable[[DataImport, Path, Path], None]] = {
    DataImport.Kind.RELEASE: _release,
    DataImport.Kind.CONTEXTS: _contexts,
    DataImport.Kind.ROUND_ZERO: _round_zero,
    DataImport.Kind.TEST_SET: _test_set,
}
