"""Imports that a worker carries out: who asks for one, who has it, and how it ends. Carrying out: collection.intake."""

from __future__ import annotations

import contextlib
import datetime as dt
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import fsspec
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from collection.errors import Conflict, Invalid, NotYours
from collection.importing.faults import FileFault
from collection.importing.lines import pieces
from collection.importing.rows import Limits
from collection.importing.studies.discarding import discard_study
from collection.models import DataImport, Experiment, Task
from collection.nudges import nudge
from collection.states import ExperimentState, ImportState
from lifecycle.lost import give_back
from lifecycle.moves import LostRace, move, record

AT_ONCE = 1
# A failed import can be tried again for so long: its file is kept. Whoever has mended a refused one sends it anew.
KEPT_FOR = dt.timedelta(days=1)
_OVER = (ImportState.DONE, ImportState.REFUSED, ImportState.FAILED)
# The option of an import whose file lies where a command was told, instead of being kept.
PATH = "path"
_LONGEST_NAME = 200
_PIECE = 1 << 20


def ask(
    user: AbstractBaseUser | None,
    kind: DataImport.Kind,
    file: BinaryIO,
    name: str,
    *,
    experiment: Experiment | None = None,
    task: Task | None = None,
    options: Mapping[str, Any] | None = None,
) -> DataImport:
    """Keep a file and have a worker store what is in it. Raises Invalid on ``file`` for one larger than is taken."""
    made = _new(user, kind, name, experiment, task, options or {})
    size = 0
    try:
        filesystem, path = _place(made)
        filesystem.makedirs(path.rpartition("/")[0], exist_ok=True)
        with filesystem.open(path, "wb") as copy:
            for piece in pieces(file, Limits(bytes=settings.LARGEST_IMPORT_BYTES)):
                size += copy.write(piece)
    except BaseException:
        _forget_file(made)
        made.delete()
        raise
    with transaction.atomic():
        # From now on a worker may take it.
        made.size = size
        made.save(update_fields=["size"])
        record(made, ImportState.DUE, actor=user)
    nudge()
    return made


def begin(
    user: AbstractBaseUser | None,
    kind: DataImport.Kind,
    path: Path,
    *,
    experiment: Experiment | None = None,
    task: Task | None = None,
    options: Mapping[str, Any] | None = None,
) -> DataImport:
    """An import of a file or folder that lies here, for its caller to carry out. Raises Invalid on ``file``."""
    if not path.exists():
        raise Invalid("file", f"There is no {path}.")
    with transaction.atomic():
        made = _new(user, kind, path.name, experiment, task, {**(options or {}), PATH: str(path.resolve())})
        record(made, ImportState.DUE, actor=user)
        _take(made)
    return made


def asked_by(user: AbstractBaseUser) -> QuerySet[DataImport]:
    """The imports that somebody asked for."""
    return DataImport.objects.filter(user_id=user.pk, size__isnull=False).select_related("experiment", "task", "made")


def mine(user: AbstractBaseUser, key: uuid.UUID) -> DataImport:
    """An import that somebody asked for. Raises NotYours for any other."""
    found = asked_by(user).filter(key=key).first()
    if found is None:
        raise NotYours("import")
    return found


def due() -> list[DataImport]:
    """The imports that a worker should carry out now, oldest first: with those in work at most AT_ONCE."""
    free = AT_ONCE - DataImport.objects.filter(state=ImportState.WORKING).count()
    return list(DataImport.objects.filter(state=ImportState.DUE, size__isnull=False).order_by("pk")[: max(free, 0)])


def claim(import_id: int) -> DataImport | None:
    """Take a due import for this worker. None if there is nothing to take."""
    wanted = DataImport.objects.filter(pk=import_id, state=ImportState.DUE, size__isnull=False)
    found = wanted.select_related("experiment__task", "task", "user", "made").first()
    if found is None:
        return None
    try:
        _take(found)
    except LostRace:
        return None
    return found


def heartbeat(taken: DataImport, **progress: Any) -> None:
    """Say that the import is being carried out, and how far it is. Raises LostRace if it is no longer this worker's."""
    _sign(taken, progress=progress)


def reclaim_dead() -> None:
    """working → due, where there was no sign for IMPORT_DEADLINE_SECONDS; → failed for a command, and where too many
    workers were lost with it."""
    silent = timezone.now() - dt.timedelta(seconds=settings.IMPORT_DEADLINE_SECONDS)
    for item in DataImport.objects.filter(state=ImportState.WORKING, heartbeat_at__lt=silent):
        if PATH in item.options:
            problem = "The command was stopped before it was done. Nothing was stored."
            sign = {"heartbeat_at": item.heartbeat_at}
            move(item, ImportState.FAILED, where=sign, problem=problem, ended_at=timezone.now())
        else:
            give_back(
                item,
                ImportState.DUE,
                ImportState.FAILED,
                sign=item.heartbeat_at,
                consequence="Nothing was stored.",
                ended_at=timezone.now(),
            )


def can_retry(item: DataImport) -> bool:
    """Whether an import has failed and its file is still there."""
    failed = item.state == ImportState.FAILED and item.size is not None and not item.file_gone
    return failed and item.ended_at is not None and item.ended_at > timezone.now() - KEPT_FOR


def retry(item: DataImport, actor: AbstractBaseUser | None = None) -> None:
    """failed → due, with the file that is kept. Raises Conflict for one that did not fail, or failed too long ago."""
    if not can_retry(item):
        raise Conflict(f"import_{item.state}", "Only a failed import can be tried again, and for a day. Send the file.")
    try:
        move(item, ImportState.DUE, actor=actor, problem="", progress={}, ended_at=None)
    except LostRace:
        raise Conflict("import_due", "It is being tried again already.") from None
    nudge()


def building(taken: DataImport, experiment: Experiment, task: Task | None) -> None:
    """Note the hidden experiment that a release becomes, and its task if that was made for it. In the transaction that
    makes them. Raises LostRace."""
    _sign(taken, made=experiment, task=task)
    taken.made, taken.task = experiment, task


def discard(given_up: DataImport) -> None:
    """Take away what an import has stored of a release, if it was given up before that was whole."""
    experiment, task = given_up.made, given_up.task
    if experiment is None or experiment.state != ExperimentState.IMPORTING:
        return

    def sign() -> None:
        DataImport.objects.filter(pk=given_up.pk).update(heartbeat_at=timezone.now())

    discard_study(experiment, sign, unlink=lambda: _unlink(given_up, experiment))
    if task is not None and not task.experiments.exists() and not task.test_sets.exists():
        task.delete()


def discard_leftovers() -> None:
    """Take away what imports have left that were given up by a process that died."""
    over = DataImport.objects.filter(state__in=(ImportState.REFUSED, ImportState.FAILED))
    for item in over.filter(made__state=ExperimentState.IMPORTING).select_related("made", "task"):
        discard(item)


def _unlink(given_up: DataImport, experiment: Experiment) -> None:
    # Tried again meanwhile, it may have made another one.
    DataImport.objects.filter(pk=given_up.pk, made=experiment).update(made=None, task=None)
    given_up.made = given_up.task = None


def finish(taken: DataImport, outcome: str) -> None:
    """working → done. In the transaction that makes what was imported visible. Raises LostRace."""
    move(taken, ImportState.DONE, where={"owner": taken.owner}, outcome=outcome, problem="", ended_at=timezone.now())


def refuse(taken: DataImport, problem: str, faults: Sequence[FileFault] = (), count: int = 0) -> None:
    """working → refused, with what is wrong. Raises LostRace."""
    move(
        taken,
        ImportState.REFUSED,
        where={"owner": taken.owner},
        problem=problem,
        faults=[vars(fault) for fault in faults],
        fault_count=count,
        ended_at=timezone.now(),
    )


def fail(taken: DataImport, problem: str) -> None:
    """working → failed. Raises LostRace."""
    move(taken, ImportState.FAILED, where={"owner": taken.owner}, problem=problem, ended_at=timezone.now())


@contextlib.contextmanager
def fetched(taken: DataImport) -> Iterator[tuple[Path, Path]]:
    """The file or folder of an import where this worker can read it, and an empty folder that is deleted at the end."""
    folder = _scratch()
    folder.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=folder, prefix=f"{taken.key}."))
    try:
        if PATH in taken.options:
            yield Path(taken.options[PATH]), scratch
        else:
            local = scratch / "file"
            filesystem, path = _place(taken)
            with filesystem.open(path, "rb") as kept, local.open("wb") as copy:
                while piece := kept.read(_PIECE):
                    copy.write(piece)
                    heartbeat(taken, phase="fetching")
            work = scratch / "work"
            work.mkdir()
            yield local, work
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def forget_files() -> None:
    """Drop the kept files of imports that are over, and what killed processes of this machine have left of them."""
    old = timezone.now() - KEPT_FOR
    for item in _over_with_file().filter(~Q(state=ImportState.FAILED) | Q(ended_at__lte=old)):
        _forget(item)
    # Asked for by somebody whose process died while it kept the file.
    for item in DataImport.objects.filter(size=None, state=ImportState.DUE, created_at__lt=old):
        _forget_file(item)
        item.delete()
    # Before the imports: a folder is made for one that is not over.
    left = list(_scratch().glob("*.*"))
    going_on = DataImport.objects.exclude(state__in=_OVER).values_list("key", flat=True) if left else ()
    wanted = {str(key) for key in going_on}
    for folder in left:
        if folder.name.partition(".")[0] not in wanted:
            shutil.rmtree(folder, ignore_errors=True)


def forget_files_of(user: AbstractBaseUser) -> None:
    """Drop the files that somebody has sent to be imported; one that is being imported goes when that is over."""
    for item in _over_with_file().filter(user_id=user.pk):
        _forget(item)


def _over_with_file() -> QuerySet[DataImport]:
    return DataImport.objects.filter(state__in=_OVER, size__isnull=False, file_gone=False)


def _forget(item: DataImport) -> None:
    _forget_file(item)
    DataImport.objects.filter(pk=item.pk).update(file_gone=True)


def _scratch() -> Path:
    return Path(settings.DATA_DIR) / "imports"


def _new(
    user: AbstractBaseUser | None,
    kind: DataImport.Kind,
    name: str,
    experiment: Experiment | None,
    task: Task | None,
    options: Mapping[str, Any],
) -> DataImport:
    return DataImport.objects.create(
        user_id=user.pk if user else None,
        kind=kind,
        experiment=experiment,
        task=task,
        name=_cut(name),
        options=dict(options),
    )


def _sign(taken: DataImport, **updates: Any) -> None:
    mine_ = DataImport.objects.filter(pk=taken.pk, state=ImportState.WORKING, owner=taken.owner)
    if mine_.update(heartbeat_at=timezone.now(), **updates) != 1:
        raise LostRace(f"{taken} is carried out by somebody else")


def _take(item: DataImport) -> None:
    move(item, ImportState.WORKING, owner=uuid.uuid4(), heartbeat_at=timezone.now(), problem="", progress={})


def _cut(name: str) -> str:
    return Path(name).name.encode("utf-8", "replace").decode()[-_LONGEST_NAME:]


def _forget_file(item: DataImport) -> None:
    filesystem, path = _place(item)
    # Died before there was a file, or somebody else forgets it at the same moment.
    with contextlib.suppress(FileNotFoundError):
        filesystem.rm_file(path)


def _place(item: DataImport) -> tuple[fsspec.AbstractFileSystem, str]:
    # Beside the training data, which every process reaches; the name is our own.
    filesystem, root = fsspec.url_to_fs(settings.TRAINING_DATA_URL)
    return filesystem, f"{root}/imports/{item.key}"
