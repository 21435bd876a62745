"""The inference thread: what goes together, whose turn it is, and that every request gets an answer."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from concurrent.futures import wait as wait_for

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelserver.engine.batching import Batcher, InferenceFailed, Stopped, choose
from modelserver.engine.encoding import Encoding

PATIENCE_S = 30
BAD = 13


def encoding(value: int, length: int = 1) -> Encoding:
    """An input of that many tokens; the fake model answers with its value."""
    return Encoding((value,) * length, (0,) * length)


class FakeModel:
    """Answers each input with its value, fails on BAD, and writes down its batches. ``gate`` holds it up if closed."""

    def __init__(self, name: str = "model", journal: list[tuple[str, list[int]]] | None = None) -> None:
        self.name = name
        self.journal: list[tuple[str, list[int]]] = [] if journal is None else journal
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()

    def probabilities(self, encodings: Sequence[Encoding]) -> list[list[float]]:
        self.entered.set()
        assert self.gate.wait(PATIENCE_S)
        self.journal.append((self.name, [item.ids[0] for item in encodings]))
        if any(item.ids[0] == BAD for item in encodings):
            raise RuntimeError("bad luck")
        return [[float(item.ids[0])] for item in encodings]

    @property
    def batches(self) -> list[list[int]]:
        return [batch for _, batch in self.journal]


@pytest.fixture
def start() -> Iterator[Callable[..., Batcher]]:
    """Makes batchers that are stopped at the end."""
    made: list[Batcher] = []

    def make(max_batch: int = 4, max_tokens: int = 1000) -> Batcher:
        made.append(Batcher(max_batch, max_tokens))
        return made[-1]

    yield make
    for batcher in made:
        batcher.stop(PATIENCE_S)


def hold_up(batcher: Batcher, model: FakeModel) -> Future[list[list[float]]]:
    """Occupy the thread with a first request, so that those to come wait together; opened by ``model.gate``."""
    model.gate.clear()
    future = batcher.submit(model, [encoding(0)])
    assert model.entered.wait(PATIENCE_S)
    return future


def test_a_request_alone_is_answered_without_waiting_for_company(start: Callable[..., Batcher]) -> None:
    model = FakeModel()
    assert start().submit(model, [encoding(1), encoding(2)]).result(PATIENCE_S) == [[1.0], [2.0]]
    assert model.batches == [[1, 2]]


def test_requests_that_wait_together_share_a_batch_and_each_gets_its_own_rows(start: Callable[..., Batcher]) -> None:
    batcher, model = start(), FakeModel()
    first = hold_up(batcher, model)
    futures = [batcher.submit(model, [encoding(value), encoding(value + 1)]) for value in (1, 5)]
    model.gate.set()
    assert [future.result(PATIENCE_S) for future in futures] == [[[1.0], [2.0]], [[5.0], [6.0]]]
    assert first.result(PATIENCE_S) == [[0.0]]
    assert model.batches == [[0], [1, 2, 5, 6]]


def test_a_large_request_is_cut_into_batches_and_put_together_in_order(start: Callable[..., Batcher]) -> None:
    batcher, model = start(max_batch=4), FakeModel()
    lengths = [3, 1, 2, 5, 4, 1, 2, 3, 5, 4]
    rows = batcher.submit(model, [encoding(value, length) for value, length in enumerate(lengths, 20)]).result(
        PATIENCE_S
    )
    assert rows == [[float(value)] for value in range(20, 30)]
    assert max(len(batch) for batch in model.batches) <= 4


def test_inputs_of_like_length_go_together(start: Callable[..., Batcher]) -> None:
    batcher, model = start(max_batch=2), FakeModel()
    hold_up(batcher, model)
    futures = [batcher.submit(model, [encoding(length, length)]) for length in (3, 90, 4, 91)]
    model.gate.set()
    wait_for(futures, PATIENCE_S)
    assert model.batches == [[0], [3, 4], [90, 91]]


def test_a_batch_holds_one_model_and_models_take_turns(start: Callable[..., Batcher]) -> None:
    journal: list[tuple[str, list[int]]] = []
    batcher, a, b = start(max_batch=2), FakeModel("a", journal), FakeModel("b", journal)
    hold_up(batcher, a)
    many = batcher.submit(a, [encoding(value) for value in range(1, 7)])
    one = batcher.submit(b, [encoding(9)])
    a.gate.set()
    wait_for([many, one], PATIENCE_S)
    assert journal == [("a", [0]), ("a", [1, 2]), ("b", [9]), ("a", [3, 4]), ("a", [5, 6])]


def test_a_bad_request_fails_alone(start: Callable[..., Batcher]) -> None:
    batcher, model = start(), FakeModel()
    hold_up(batcher, model)
    good, bad, other = (batcher.submit(model, [encoding(value)]) for value in (1, BAD, 3))
    model.gate.set()
    assert good.result(PATIENCE_S) == [[1.0]]
    assert other.result(PATIENCE_S) == [[3.0]]
    with pytest.raises(InferenceFailed) as caught:
        bad.result(PATIENCE_S)
    assert str(caught.value.__cause__) == "bad luck"


def test_after_a_failure_the_next_request_is_answered(start: Callable[..., Batcher]) -> None:
    batcher, model = start(), FakeModel()
    with pytest.raises(InferenceFailed):
        batcher.submit(model, [encoding(BAD)]).result(PATIENCE_S)
    assert batcher.submit(model, [encoding(1)]).result(PATIENCE_S) == [[1.0]]


def test_the_rest_of_a_failed_request_is_not_worked_on(start: Callable[..., Batcher]) -> None:
    batcher, model = start(max_batch=2), FakeModel()
    hold_up(batcher, model)
    bad = batcher.submit(model, [encoding(value) for value in (BAD, 1, 2, 3, 4, 5)])
    good = batcher.submit(model, [encoding(7)])
    model.gate.set()
    assert good.result(PATIENCE_S) == [[7.0]]
    assert isinstance(bad.exception(PATIENCE_S), InferenceFailed)
    assert model.batches == [[0], [BAD, 1], [7]]


@pytest.mark.parametrize("rows", [[], [[1.0], [2.0]], [[math.nan]], [[math.inf]]])
def test_an_answer_that_is_none_fails_the_request(start: Callable[..., Batcher], rows: list[list[float]]) -> None:
    class Odd:
        def probabilities(self, encodings: Sequence[Encoding]) -> list[list[float]]:
            return rows

    batcher = start()
    assert isinstance(batcher.submit(Odd(), [encoding(1)]).exception(PATIENCE_S), InferenceFailed)
    assert batcher.submit(FakeModel(), [encoding(1)]).result(PATIENCE_S) == [[1.0]]


def test_a_cancelled_request_is_not_worked_on(start: Callable[..., Batcher]) -> None:
    batcher, model = start(max_batch=1), FakeModel()
    hold_up(batcher, model)
    given_up = batcher.submit(model, [encoding(1), encoding(2)])
    kept = batcher.submit(model, [encoding(3)])
    assert given_up.cancel()
    model.gate.set()
    assert kept.result(PATIENCE_S) == [[3.0]]
    assert model.batches == [[0], [3]]


def test_a_request_cancelled_while_it_runs_harms_nobody(start: Callable[..., Batcher]) -> None:
    batcher, model = start(), FakeModel()
    running = hold_up(batcher, model)
    assert running.cancel()
    model.gate.set()
    with pytest.raises(CancelledError):
        running.result(PATIENCE_S)
    assert batcher.submit(model, [encoding(1)]).result(PATIENCE_S) == [[1.0]]


def test_no_inputs_are_answered_with_no_rows(start: Callable[..., Batcher]) -> None:
    model = FakeModel()
    assert start().submit(model, []).result(PATIENCE_S) == []
    assert model.batches == []


def test_at_stop_what_waits_is_answered_and_nothing_more_is_taken(start: Callable[..., Batcher]) -> None:
    batcher, model = start(max_batch=1), FakeModel()
    futures = [hold_up(batcher, model), *(batcher.submit(model, [encoding(value)]) for value in (1, 2))]
    stopper = threading.Thread(target=batcher.stop, args=(PATIENCE_S,))
    stopper.start()
    model.gate.set()
    stopper.join(PATIENCE_S)
    assert [future.result(PATIENCE_S) for future in futures] == [[[0.0]], [[1.0]], [[2.0]]]
    with pytest.raises(Stopped):
        batcher.submit(model, [encoding(1)])


def test_at_stop_what_is_not_answered_in_time_fails(start: Callable[..., Batcher]) -> None:
    batcher, model = start(max_batch=1), FakeModel()
    futures = [hold_up(batcher, model), batcher.submit(model, [encoding(1)])]
    batcher.stop(0)
    assert all(isinstance(future.exception(PATIENCE_S), Stopped) for future in futures)
    model.gate.set()


def test_many_threads_with_mixed_models_each_get_their_own(start: Callable[..., Batcher]) -> None:
    batcher = start(max_batch=8)
    models = [FakeModel(str(number)) for number in range(3)]
    wrong: list[object] = []

    def ask(thread: int) -> None:
        for turn in range(30):
            values = [1000 * thread + 10 * turn + index for index in range(turn % 4)]
            if turn % 7 == 6:
                values.append(BAD)
            future = batcher.submit(models[turn % 3], [encoding(value, value % 5 + 1) for value in values])
            if BAD in values:
                if not isinstance(future.exception(PATIENCE_S), InferenceFailed):
                    wrong.append(values)
            elif future.result(PATIENCE_S) != [[float(value)] for value in values]:
                wrong.append(values)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert not any(thread.is_alive() for thread in threads)
    assert wrong == []


@given(st.lists(st.integers(1, 200), max_size=60), st.integers(1, 20), st.integers(1, 1000))
def test_a_batch_has_the_oldest_and_keeps_its_limits(lengths: list[int], max_batch: int, max_tokens: int) -> None:
    chosen = choose(lengths, max_batch, max_tokens)
    if not lengths:
        assert chosen == []
        return
    assert 0 in chosen
    assert len(set(chosen)) == len(chosen) <= max_batch
    assert [lengths[index] for index in chosen] == sorted(lengths[index] for index in chosen)
    assert len(chosen) == 1 or len(chosen) * max(lengths[index] for index in chosen) <= max_tokens


@given(st.lists(st.integers(1, 50), min_size=1, max_size=20))
def test_all_go_together_if_there_is_room(lengths: list[int]) -> None:
    assert sorted(choose(lengths, 20, 1000)) == list(range(len(lengths)))
