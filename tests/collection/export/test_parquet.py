"""Parquet of releases: typed, the same bytes each time, and back exactly."""

from __future__ import annotations

import io
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given

from collection.errors import Invalid
from collection.export.parquet import read_parquet, write_parquet
from tests.collection.export.rows import ATTEMPTS, EXAMPLES, LABELS, example, rows_of, vote


def written(rows: Any, columns: Any = EXAMPLES) -> bytes:
    file = io.BytesIO()
    write_parquet(iter(rows), columns, LABELS, file)
    return file.getvalue()


def read(content: bytes, columns: Any = EXAMPLES) -> list[dict[str, Any]]:
    return [row for _, row in read_parquet(io.BytesIO(content), columns, LABELS)]


@given(rows_of(EXAMPLES))
def test_examples_come_back_exactly(rows: list[dict[str, Any]]) -> None:
    found = read(written(rows))
    assert found == rows
    assert [list(row) for row in found] == [list(row) for row in rows]


@given(rows_of(ATTEMPTS))
def test_attempts_come_back_exactly_and_in_the_same_bytes(rows: list[dict[str, Any]]) -> None:
    content = written(rows, ATTEMPTS)
    assert written(read(content, ATTEMPTS), ATTEMPTS) == content


def test_pandas_sees_types() -> None:
    frame = pd.read_parquet(io.BytesIO(written([example(), example(1, fooled=None, probabilities=None)])))
    assert str(frame["submitted_at"].dtype) == "datetime64[us, UTC]"
    assert frame["round"].dtype == "int64"
    assert frame["latency_ms"].dtype == "float64"
    assert frame["probabilities"][0] == {"entailment": 0.25, "not_entailment": 0.75}
    assert frame["probabilities"][1] is None
    assert frame["votes"][0][0]["label"] == "entailment"
    assert frame["fooled"].tolist() == [True, None]


def test_many_rows_are_written_in_groups_as_they_come() -> None:
    file = io.BytesIO()
    assert write_parquet((example(number) for number in range(11_000)), EXAMPLES, LABELS, file) == 11_000
    content = pq.ParquetFile(file)
    assert [content.metadata.row_group(index).num_rows for index in range(content.num_row_groups)] == [5000, 5000, 1000]
    assert [number for number, _ in read_parquet(file, EXAMPLES, LABELS)] == list(range(1, 11_001))


def test_a_file_without_rows_has_its_columns() -> None:
    content = written([])
    assert pq.read_schema(io.BytesIO(content)).names == list(EXAMPLES)
    assert read(content) == []


@pytest.mark.parametrize(
    ("changed", "column"),
    [
        ({"hypothesis": "half \ud83d"}, "hypothesis"),
        ({"votes": [vote(reason="\udc00")]}, "votes"),
        ({"label": None}, "label"),
        ({"submitted_at": "2026-01-01T00:00:00Z"}, "submitted_at"),
        ({"submitted_at": "2026-01-01T00:00:00.000000+00:00"}, "submitted_at"),
        ({"probabilities": {"neutral": 1.0}}, "probabilities"),
        ({"probabilities": {"not_entailment": 0.5, "entailment": 0.5}}, "probabilities"),
        ({"round": "1"}, "round"),
    ],
)
def test_what_would_not_come_back_is_refused_by_column(changed: dict[str, Any], column: str) -> None:
    with pytest.raises(Invalid) as caught:
        write_parquet([example(**changed)], EXAMPLES, LABELS, io.BytesIO())
    assert caught.value.field == column


def rewritten(content: bytes, column: str, values: pa.Array) -> bytes:
    table = pq.read_table(io.BytesIO(content))
    changed = table.set_column(table.schema.get_field_index(column), column, values)
    file = io.BytesIO()
    pq.write_table(changed, file)
    return file.getvalue()


WHOLE = written([example()])


@pytest.mark.parametrize(
    ("content", "field", "said"),
    [
        (b"", "file", "Cannot be read as Parquet"),
        (WHOLE[:-20], "file", "Cannot be read as Parquet"),
        (WHOLE[:100] + b"\xff" * 400 + WHOLE[500:], "file", "Cannot be read as Parquet"),
        (written([], ATTEMPTS), "file", "The columns must be"),
        (rewritten(WHOLE, "round", pa.array(["1"])), "file", "Column round must be int64"),
        (rewritten(WHOLE, "label", pa.array([None], pa.string())), "label", "Must have a value"),
    ],
)
def test_a_file_that_is_damaged_or_another_is_refused(content: bytes, field: str, said: str) -> None:
    with pytest.raises(Invalid, match=said) as caught:
        read(content)
    assert caught.value.field == field
