"""Training data in which texts stand that were erased since: their files go as soon as nothing needs them."""

from __future__ import annotations

import datetime as dt

from django.db.models import Q
from django.utils import timezone

from collection.experiments import ROUND_SCORES
from collection.models import IMPORTED_RUN, CurveVersion, Draft, Example, Experiment, FilesToErase
from modelserver.datafiles import DataStore
from modelserver.models import TrainingRun
from modelserver.runs import RunSpec
from modelserver.states import RUN_ENDED, RunState
from modelserver.wire import WireError

LOOK_EVERY = dt.timedelta(minutes=10)
# Whoever had read the texts before they were erased has stored its file by then.
SETTLED = dt.timedelta(hours=1)


def note_erased_texts(experiment: Experiment) -> None:
    """Have the files of an experiment looked through, and versions that were only planned planned anew without the
    texts. In the transaction that erases them."""
    fresh = {"since": timezone.now(), "looked_at": None}
    FilesToErase.objects.update_or_create(experiment=experiment, defaults=fresh)
    CurveVersion.objects.filter(round__arm__experiment=experiment, run=None, version=None).delete()


def erase_files(store: DataStore) -> None:
    """Take away the files that hold erased texts, but for those that a run still needs: they are looked at again.

    What was made of a file stays: versions, scores, and the file's hash with them.
    """
    # What a request in flight has kept since its sender was erased.
    Draft.objects.filter(assignment__annotator__erased_at__isnull=False).delete()
    due = FilesToErase.objects.filter(Q(looked_at=None) | Q(looked_at__lt=timezone.now() - LOOK_EVERY))
    for item in due.select_related("experiment").order_by("pk"):
        begun = timezone.now()
        left = _erase(item.experiment, store)
        # Texts that were erased meanwhile have made it another item.
        mine = FilesToErase.objects.filter(pk=item.pk, since=item.since)
        if left or begun < item.since + SETTLED:
            mine.update(looked_at=begun)
        else:
            mine.delete()


def _erase(experiment: Experiment, store: DataStore) -> int:
    """How many files with erased texts are needed still."""
    erased = {
        str(key)
        for key in Example.objects.filter(arm__experiment=experiment)
        .exclude(erased_at=None)
        .values_list("key", flat=True)
    }
    curve = CurveVersion.objects.filter(round__arm__experiment=experiment)
    known = set(curve.values_list("data_sha256", flat=True))
    needed: set[str] = set()
    # What a round's scores say is read from their file when they are kept.
    unkept = Q(key__startswith=ROUND_SCORES, state=RunState.SUCCEEDED, round_scores=None)
    waiting = set(
        TrainingRun.objects.filter(~Q(state__in=RUN_ENDED) | unkept, study=experiment.key).values_list("pk", flat=True)
    )
    run_here = TrainingRun.objects.filter(study=experiment.key).exclude(key__startswith=IMPORTED_RUN)
    for pk, plain in run_here.values_list("pk", "spec"):
        spec = RunSpec.from_dict(plain)
        files = {spec.data_sha256, *(item.sha256 for item in spec.evaluate)}
        known |= files
        if pk in waiting:
            needed |= files
    known -= {"", *experiment.test_sets.values_list("sha256", flat=True)}
    left = 0
    for sha256 in sorted(known):
        if not _holds(store, sha256, erased):
            continue
        if sha256 in needed:
            left += 1
        else:
            store.remove(sha256)
    return left


def _holds(store: DataStore, sha256: str, erased: set[str]) -> bool:
    try:
        return not erased.isdisjoint(store.row_ids(sha256))
    except WireError:
        # Taken away before.
        return False
