"""One thread that runs the forward passes: requests that wait together are answered together."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from modelserver.engine.encoding import Encoding
from modelserver.engine.loading import LoadedModel


class QueueFull(RuntimeError):
    """As much waits as may wait."""


class Stopped(RuntimeError):
    """The batcher takes and answers nothing more."""


@dataclass(frozen=True)
class _Item:
    model: LoadedModel
    encoding: Encoding
    answer: Future[list[float]]


class Batcher:
    """Answers encoded inputs in batches of one model, the oldest first.

    Nothing is held back to wait for company: a batch is what waits when the thread is free, at most ``max_batch``
    inputs and ``max_tokens`` tokens with padding. At most ``capacity`` inputs wait.
    """

    def __init__(self, capacity: int, max_batch: int = 32, max_tokens: int = 4096) -> None:
        self._capacity = capacity
        self._max_batch = max_batch
        self._max_tokens = max_tokens
        self._waiting: deque[_Item] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)
        self._thread.start()

    def submit(self, model: LoadedModel, encodings: Sequence[Encoding]) -> list[Future[list[float]]]:
        """A future of the probabilities for each encoding. Takes all or none.

        Raises QueueFull if they do not fit, Stopped after ``stop``.
        """
        items = [_Item(model, encoding, Future()) for encoding in encodings]
        with self._changed:
            if self._stopping:
                raise Stopped("the model server is stopping")
            if len(self._waiting) + len(items) > self._capacity:
                raise QueueFull(f"{len(self._waiting)} inputs wait already")
            self._waiting.extend(items)
            self._changed.notify()
        return [item.answer for item in items]

    def stop(self) -> None:
        """Take nothing more, answer what waits, and end the thread."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopping)
                if not self._waiting:
                    return
                batch = self._take()
            self._answer([item for item in batch if item.answer.set_running_or_notify_cancel()])

    def _take(self) -> list[_Item]:
        """The oldest input and what can go with it, in order; the rest stays in line."""
        model = self._waiting[0].model
        batch: list[_Item] = []
        left: deque[_Item] = deque()
        longest = 0
        for item in self._waiting:
            longest_with = max(longest, len(item.encoding))
            fits = not batch or (len(batch) < self._max_batch and longest_with * (len(batch) + 1) <= self._max_tokens)
            if item.model is model and fits:
                batch.append(item)
                longest = longest_with
            else:
                left.append(item)
        self._waiting = left
        return batch

    def _answer(self, batch: list[_Item]) -> None:
        if not batch:
            return
        try:
            rows = batch[0].model.probabilities([item.encoding for item in batch])
        except Exception as error:
            # The boundary of the inference thread: an error belongs to its request, and the thread goes on.
            if len(batch) == 1:
                batch[0].answer.set_exception(error)
                return
            # Alone, the innocent are answered and the guilty one fails by itself.
            for item in batch:
                self._answer([item])
            return
        for item, row in zip(batch, rows, strict=True):
            item.answer.set_result(row)
