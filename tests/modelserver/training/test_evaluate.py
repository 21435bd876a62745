from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, recall_score

from modelserver.engine.loading import load
from modelserver.training.data import read_rows
from modelserver.training.evaluate import accuracy, balanced_accuracy, batches_by_length, score
from modelserver.training.progress import ProgressFile
from tests.modelserver.tiny_artifacts import LABELS, PAIRS, write_rows

ANSWERS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60)


@given(ANSWERS)
def test_accuracy_and_balanced_accuracy_are_those_of_scikit_learn(answers: list[tuple[int, int]]) -> None:
    gold, predicted = zip(*answers, strict=True)
    occurring = sorted(set(gold))

    assert accuracy(gold, predicted) == pytest.approx(accuracy_score(gold, predicted))
    # Its balanced_accuracy_score is this, with a warning where a label is predicted that never occurs.
    recall = recall_score(gold, predicted, labels=occurring, average="macro", zero_division=0)
    assert balanced_accuracy(gold, predicted) == pytest.approx(recall)


def test_always_the_same_answer_is_balanced_to_chance() -> None:
    assert accuracy([0, 0, 0, 1], [0, 0, 0, 0]) == 0.75
    assert balanced_accuracy([0, 0, 0, 1], [0, 0, 0, 0]) == 0.5


@given(st.lists(st.integers(1, 100), max_size=80), st.integers(1, 400))
def test_batches_keep_to_their_tokens_and_leave_no_row_out(lengths: list[int], tokens: int) -> None:
    batches = list(batches_by_length(lengths, tokens))

    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[row] for row in batch) <= tokens


def test_a_score_lists_the_rows_in_the_order_of_the_file(tmp_path: Path, adapter: Path) -> None:
    model = load(adapter)
    pairs = [(context + " The dog plays." * (at % 3), text, label) for at, (context, text, label) in enumerate(PAIRS)]
    rows = read_rows(write_rows(tmp_path / "rows.jsonl", pairs), LABELS, "evaluate[0]")
    alone = torch.tensor([model.probabilities(rows.encode(model)[at : at + 1])[0] for at in range(len(pairs))])

    result = score(model, "dev", rows, ProgressFile(tmp_path))

    gold = [LABELS.index(label) for _, _, label in pairs]
    assert (result.key, result.rows) == ("dev", len(pairs))
    assert list(result.predicted) == alone.argmax(dim=1).tolist()
    torch.testing.assert_close(torch.tensor(result.confidence), alone[range(len(gold)), gold])
    assert result.accuracy == accuracy(gold, result.predicted)
    assert result.balanced_accuracy == balanced_accuracy(gold, result.predicted)
