"""Whether what an experiment needs is there, in words: the model server, a worker, a trainer. For researchers."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings

from collection.grid import Grid
from collection.monitoring import Surroundings, span
from collection.states import RoundState
from modelserver import registry
from modelserver.client import ModelServerError, PredictsText
from modelserver.runs import TRAINER
from modelserver.wire import ModelRef

# Left by every reconcile of a worker.
WORKER = "worker"
# A page asks every few seconds; a model server that is away must not hold up each of these.
KEPT_SECONDS = 15.0
_COMMAND = "celery -A config worker -Q"
_kept: dict[tuple[ModelRef, ...], tuple[float, Part]] = {}
_asking = threading.Lock()


@dataclass(frozen=True)
class Part:
    """One part of the site. ``message`` says how it is and, if it is not well, what to do."""

    name: str
    well: bool
    message: str


def health(grid: Grid) -> list[Part]:
    """The parts that an experiment needs. The model server is asked at most every KEPT_SECONDS.

    Not for a transaction: the model server may take its time.
    """
    cells = [cell.round for _, rounds in grid.arms for cell in rounds]
    played = {item.model_version.ref for item in cells if item.state == RoundState.OPEN and item.model_version}
    refs = tuple(sorted(played, key=str))
    return [_model_server(refs), _worker(grid.around), _trainer(grid.around)]


def forget() -> None:
    """Ask the model server anew the next time: for tests."""
    _kept.clear()


def _model_server(refs: tuple[ModelRef, ...]) -> Part:
    # Whoever comes while another asks waits for that answer, and asks nothing.
    with _asking:
        asked, part = _kept.get(refs, (0.0, None))
        if part is None or time.monotonic() - asked > KEPT_SECONDS:
            if len(_kept) > 100:
                _kept.clear()
            part = _asked(registry.model_client(), refs)
            _kept[refs] = (time.monotonic(), part)
    return part


def _asked(client: PredictsText, refs: Sequence[ModelRef]) -> Part:
    name = "Model server"
    if not client.is_ready():
        message = "It does not answer: texts wait for their verdict. Start it with: python -m modelserver.service"
        return Part(name, False, message)
    in_memory = 0
    for ref in refs:
        try:
            in_memory += client.holds(ref)
        except ModelServerError as error:
            return Part(name, False, f"It answers, but not about {ref}: {error}")
    if not refs:
        return Part(name, True, "It answers. No open round shows a model.")
    versions = "1 version" if len(refs) == 1 else f"{len(refs)} versions"
    loads = "" if in_memory == len(refs) else "; the first text loads what is not"
    return Part(name, True, f"It answers. Writers play against {versions}, {in_memory} in memory{loads}.")


def _worker(around: Surroundings) -> Part:
    late = dt.timedelta(seconds=max(3 * settings.RECONCILE_SECONDS, 15))
    seen = around.signs.get(WORKER)
    if seen is not None and around.now - seen <= late:
        return Part("Worker", True, f"A worker did something {span(around.now - seen)} ago.")
    rests = "rounds neither close nor open, and texts that wait for the model server are not judged"
    return Part("Worker", False, f"{_unseen('worker', around)}: {rests}. Start one with: {_COMMAND} default -B")


def _trainer(around: Surroundings) -> Part:
    deadline = dt.timedelta(seconds=settings.TRAINING_DEADLINE_SECONDS)
    seen = around.signs.get(TRAINER)
    runs = f"Runs of all experiments: {around.busy} under way, {around.queued} waiting."
    if seen is not None and around.now - seen <= deadline:
        return Part("Trainer", True, f"A trainer showed itself {span(around.now - seen)} ago. {runs}")
    start = f"Start one with: {_COMMAND} training --pool solo"
    return Part("Trainer", False, f"{_unseen('trainer', around)}: nothing is trained or scored. {runs} {start}")


def _unseen(what: str, around: Surroundings) -> str:
    seen = around.signs.get(what)
    return f"No {what} was ever seen" if seen is None else f"No sign of a {what} for {span(around.now - seen)}"
