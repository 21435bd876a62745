"""Parquet of releases: typed, in groups, and refused by column where it would not come back."""

from __future__ import annotations

import io
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from collection.errors import Invalid
from collection.export.parquet import write_parquet
from tests.collection.export.rows import EXAMPLES, LABELS, example, vote


def written(rows: Any, columns: Any = EXAMPLES) -> bytes:
    file = io.BytesIO()
    write_parquet(iter(rows), columns, LABELS, file)
    return file.getvalue()


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


def test_a_file_without_rows_has_its_columns() -> None:
    content = written([])
    assert pq.read_schema(io.BytesIO(content)).names == list(EXAMPLES)


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
