"""One thread that runs the forward passes: requests that wait together are answered together."""

from __future__ import annotations

import logging
import math
import threading
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol

from modelserver.engine.encoding import Encoding

log = logging.getLogger(__name__)

Rows = list[list[float]]

# How many batches' worth of a line is looked through for inputs of like length.
WINDOW_BATCHES = 4


class ScoresEncodings(Protocol):
    """What a batch is put to: a loaded model."""

    def probabilities(self, encodings: Sequence[Encoding]) -> Rows:
        """One row for each encoding, in order."""
        ...


class Stopped(RuntimeError):
    """The batcher takes nothing more and has given up what it could not answer in time."""


class InferenceFailed(RuntimeError):
    """The forward pass of a request failed, also when it was run by itself; the cause is attached."""


@dataclass(eq=False)
class _Request:
    model: ScoresEncodings
    rows: dict[int, list[float]] = field(default_factory=dict)
    size: int = 0
    answer: Future[Rows] = field(default_factory=Future)


@dataclass(frozen=True, eq=False)
class _Item:
    request: _Request
    index: int
    encoding: Encoding


class Batcher:
    """Answers encoded requests in batches, each of one model: the models take turns, and in each the oldest is next.

    Nothing is held back to wait for company: a batch is what waits when the thread is free, at most ``max_batch``
    inputs and ``max_tokens`` tokens with padding (one input may be longer). Every future it gave is resolved, also
    at ``stop``; a future that is cancelled is not worked on any more. How many may wait is for the caller to bound.
    """

    def __init__(self, max_batch: int = 32, max_tokens: int = 1024) -> None:
        self._max_batch = max_batch
        self._max_tokens = max_tokens
        # A line for each model, by its id: the requests in a line keep their model alive. The first line is next.
        self._lines: OrderedDict[int, deque[_Item]] = OrderedDict()
        self._open: set[_Request] = set()
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)
        self._thread.start()

    def submit(self, model: ScoresEncodings, encodings: Sequence[Encoding]) -> Future[Rows]:
        """A future of the probabilities, shape [encodings, labels]. It fails with InferenceFailed or Stopped.

        Raises Stopped after ``stop``.
        """
        request = _Request(model, size=len(encodings))
        if not encodings:
            request.answer.set_result([])
            return request.answer
        with self._changed:
            if self._stopping:
                raise Stopped("the model server is stopping")
            self._open.add(request)
            line = self._lines.setdefault(id(model), deque())
            line.extend(_Item(request, index, encoding) for index, encoding in enumerate(encodings))
            self._changed.notify()
        return request.answer

    def stop(self, grace_s: float) -> None:
        """Take nothing more, and answer what waits; what is not answered in ``grace_s`` seconds fails with Stopped."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(grace_s)
        self._give_up()

    def _run(self) -> None:
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._lines or self._stopping)
                    if not self._lines:
                        return
                    batch = self._take()
                if batch:
                    self._answer(batch)
        finally:
            self._give_up()

    def _take(self) -> list[_Item]:
        """The next batch, all of one model; empty if all that was looked at had been cancelled or had failed."""
        key, line = self._lines.popitem(last=False)
        window: list[_Item] = []
        while line and len(window) < WINDOW_BATCHES * self._max_batch:
            item = line.popleft()
            if item.request.answer.cancelled():
                self._open.discard(item.request)
            elif item.request in self._open:
                window.append(item)
        chosen = choose([len(item.encoding) for item in window], self._max_batch, self._max_tokens)
        kept = set(chosen)
        line.extendleft(reversed([item for index, item in enumerate(window) if index not in kept]))
        if line:
            self._lines[key] = line
        return [window[index] for index in chosen]

    def _answer(self, batch: Sequence[_Item]) -> None:
        try:
            rows = _forward(batch)
        except Exception as error:
            # The boundary of the inference thread: an error belongs to its request, and the thread goes on.
            requests = dict.fromkeys(item.request for item in batch)
            if len(requests) == 1:
                log.exception("a request of %d inputs failed", len(batch))
                failure = InferenceFailed("the model failed on this request")
                failure.__cause__ = error
                self._close(batch[0].request, error=failure)
                return
            # By themselves the innocent are answered.
            for request in requests:
                self._answer([item for item in batch if item.request is request])
            return
        for item, row in zip(batch, rows, strict=True):
            item.request.rows[item.index] = row
            if len(item.request.rows) == item.request.size:
                self._close(item.request)

    def _close(self, request: _Request, error: Exception | None = None) -> None:
        with self._changed:
            if request not in self._open:
                return
            self._open.discard(request)
        if not request.answer.set_running_or_notify_cancel():
            return
        if error is not None:
            request.answer.set_exception(error)
        else:
            request.answer.set_result([request.rows[index] for index in range(request.size)])

    def _give_up(self) -> None:
        with self._changed:
            self._stopping = True
            self._lines.clear()
            left = list(self._open)
        for request in left:
            self._close(request, error=Stopped("the model server has stopped"))


def choose(lengths: Sequence[int], max_batch: int, max_tokens: int) -> list[int]:
    """Which of the waiting inputs, oldest first, go into one batch: their indices, by length. Empty for no inputs.

    The oldest is always among them. The others are those nearest in length, as long as there are at most
    ``max_batch`` and the batch with its padding has at most ``max_tokens`` tokens.
    """
    if not lengths:
        return []
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    low = order.index(0)
    high = low + 1
    while (count := high - low) < max_batch:
        longest = lengths[order[high - 1]]
        # What each neighbour would add in padding; none where there is no neighbour or no room.
        up = down = math.inf
        if high < len(order) and lengths[order[high]] * (count + 1) <= max_tokens:
            up = (lengths[order[high]] - longest) * count
        if low > 0 and longest * (count + 1) <= max_tokens:
            down = longest - lengths[order[low - 1]]
        if up == down == math.inf:
            break
        if up <= down:
            high += 1
        else:
            low -= 1
    return order[low:high]


def _forward(batch: Sequence[_Item]) -> Rows:
    rows = batch[0].request.model.probabilities([item.encoding for item in batch])
    if len(rows) != len(batch) or not _all_finite(rows):
        raise ValueError(f"the model gave no {len(batch)} rows of finite numbers")
    return rows


def _all_finite(rows: Iterable[Sequence[float]]) -> bool:
    return all(math.isfinite(value) for row in rows for value in row)
