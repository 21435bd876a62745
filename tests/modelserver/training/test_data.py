from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from modelserver.engine.loading import load
from modelserver.training.data import epoch_batches, read_rows
from modelserver.wire import DataFile, WireError, file_sha256
from tests.modelserver.tiny_artifacts import LABELS, PAIRS, write_rows

GOOD = {"id": "1", "texts": ["A man runs.", "A man."], "label": "entailment"}


def file_of(path: Path, content: bytes) -> DataFile:
    path.write_bytes(content)
    return DataFile(str(path), file_sha256(path), content.count(b"\n"))


def test_rows_come_in_the_order_of_the_file(tmp_path: Path) -> None:
    rows = read_rows(write_rows(tmp_path / "rows.jsonl"), LABELS, "data").rows

    assert [row.line for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [(*row.input.texts, LABELS[row.label]) for row in rows] == list(PAIRS)


def test_single_texts_and_line_separators_inside_a_text_are_rows_too(tmp_path: Path) -> None:
    line = json.dumps({"id": "1", "texts": ["one\u2028two"], "label": "entailment"}, ensure_ascii=False)

    [row] = read_rows(file_of(tmp_path / "rows.jsonl", f"{line}\n".encode()), LABELS, "data").rows

    assert row.input.texts == ("one\u2028two",)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "is not a JSON object"),
        (json.dumps({**GOOD, "id": 1}), "id: must be a text"),
        (json.dumps({**GOOD, "texts": "A man."}), "texts: must be a list"),
        (json.dumps({**GOOD, "texts": ["A man.", " "]}), "not blank"),
        (json.dumps({**GOOD, "texts": ["A man.", None]}), "texts: must be a list"),
        (json.dumps({**GOOD, "texts": []}), "1 or 2 texts"),
        (json.dumps({**GOOD, "texts": ["a", "b", "c"]}), "1 or 2 texts"),
        (json.dumps({**GOOD, "texts": ["A man."]}), "another number"),
        (json.dumps({**GOOD, "texts": ["A man.", "x" * 20_001]}), "longer than 20000"),
        (json.dumps({**GOOD, "texts": ["A man.", "\ud800"]}), "text_pair"),
        (json.dumps({**GOOD, "label": "neutral"}), "'neutral' is not one of the labels entailment, not_entailment"),
        (json.dumps({**GOOD, "label": 0}), "label"),
        (json.dumps({"texts": GOOD["texts"], "label": "entailment"}), "id"),
    ],
)
def test_a_malformed_row_is_named_by_file_and_line(tmp_path: Path, line: str, complaint: str) -> None:
    content = f"{json.dumps(GOOD)}\n{line}\n{json.dumps(GOOD)}\n".encode()

    with pytest.raises(WireError) as caught:
        read_rows(file_of(tmp_path / "rows.jsonl", content), LABELS, "data")

    assert caught.value.field == "data"
    assert caught.value.message.startswith("rows.jsonl line 2: ")
    assert complaint in caught.value.message


def test_bytes_that_are_no_utf8_are_named_too(tmp_path: Path) -> None:
    with pytest.raises(WireError, match=r"rows\.jsonl line 1"):
        read_rows(file_of(tmp_path / "rows.jsonl", b'{"id": "\xff"}\n'), LABELS, "data")


def test_a_file_must_be_there_whole_and_not_empty(tmp_path: Path) -> None:
    good = write_rows(tmp_path / "rows.jsonl")
    wrong = {
        "data.sha256": dataclasses.replace(good, sha256="0" * 64),
        "data.rows": dataclasses.replace(good, rows=5),
        "data": dataclasses.replace(good, path=str(tmp_path / "absent.jsonl")),
    }
    for field, file in wrong.items():
        with pytest.raises(WireError) as caught:
            read_rows(file, LABELS, "data")
        assert caught.value.field == field

    with pytest.raises(WireError, match=r"data: empty\.jsonl has no rows"):
        read_rows(file_of(tmp_path / "empty.jsonl", b""), LABELS, "data")


def test_a_row_that_does_not_fit_the_model_is_named(tmp_path: Path, full: Path) -> None:
    rows = read_rows(
        write_rows(tmp_path / "rows.jsonl", [*PAIRS, ("a", "man " * 200, "entailment")]), LABELS, "evaluate[0]"
    )

    with pytest.raises(WireError, match=r"evaluate\[0\]: rows\.jsonl line 7: the second text is 200 tokens long"):
        rows.encode(load(full))


@given(st.lists(st.integers(1, 200), min_size=1, max_size=300), st.integers(1, 7), st.integers(0, 2**62))
def test_an_epoch_has_every_row_once_and_depends_on_the_seed_alone(lengths: list[int], size: int, seed: int) -> None:
    batches = epoch_batches(lengths, size, torch.Generator().manual_seed(seed))

    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    assert all(1 <= len(batch) <= size for batch in batches)
    assert len(batches) == -(-len(lengths) // size)
    assert batches == epoch_batches(lengths, size, torch.Generator().manual_seed(seed))


def test_epochs_differ_and_batches_hold_rows_of_like_length() -> None:
    lengths = [at * 7919 % 100 for at in range(800)]
    one, other = (epoch_batches(lengths, 16, torch.Generator().manual_seed(seed)) for seed in (1, 2))

    spread = sum(max(lengths[row] for row in batch) - min(lengths[row] for row in batch) for batch in one) / len(one)

    assert one != other
    assert spread < 10
    assert [lengths[batch[0]] for batch in one] != sorted(lengths[batch[0]] for batch in one)
