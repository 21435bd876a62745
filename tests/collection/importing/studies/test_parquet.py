"""Parquet of releases: back exactly and in the same bytes, and what is made to do harm ends its own process alone."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings

from collection.errors import Invalid
from collection.export.parquet import parquet_schema, write_parquet
from collection.importing import parquet
from collection.importing.rows import Limits
from collection.importing.studies.parquet import read_parquet
from tests.collection.export.rows import ATTEMPTS, EXAMPLES, LABELS, example, rows_of, vote

# Each reading starts a process.
few = settings(max_examples=8, deadline=None)


def written(rows: Any, columns: Any = EXAMPLES) -> bytes:
    file = io.BytesIO()
    write_parquet(iter(rows), columns, LABELS, file)
    return file.getvalue()


def read(content: bytes, columns: Any = EXAMPLES, limits: Limits | None = None) -> list[dict[str, Any]]:
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        found = list(read_parquet(file, columns, LABELS, limits or Limits()))
    assert [number for number, _ in found] == list(range(1, len(found) + 1))
    return [row for _, row in found]


@few
@given(rows_of(EXAMPLES))
def test_examples_come_back_exactly(rows: list[dict[str, Any]]) -> None:
    found = read(written(rows))
    assert found == rows
    assert [list(row) for row in found] == [list(row) for row in rows]


@few
@given(rows_of(ATTEMPTS))
def test_attempts_come_back_exactly_and_in_the_same_bytes(rows: list[dict[str, Any]]) -> None:
    content = written(rows, ATTEMPTS)
    assert written(read(content, ATTEMPTS), ATTEMPTS) == content


def test_rows_of_many_groups_and_batches_come_in_their_order() -> None:
    rows = [example(number, votes=[vote(reason="\u2028 Zeile\r\nzwei")]) for number in range(5_300)]
    assert read(written(rows)) == rows


def test_a_file_without_rows_has_none() -> None:
    assert read(written([])) == []


def rewritten(content: bytes, column: str, values: pa.Array) -> bytes:
    table = pq.read_table(io.BytesIO(content))
    changed = table.set_column(table.schema.get_field_index(column), column, values)
    file = io.BytesIO()
    pq.write_table(changed, file)
    return file.getvalue()


WHOLE = written([example()])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "cannot be read as Parquet"),
        (WHOLE[:-20], "cannot be read as Parquet"),
        (WHOLE[:100] + b"\xff" * 400 + WHOLE[500:], "cannot be read as Parquet"),
        (written([], ATTEMPTS), "must be id, arm, round, split"),
        (rewritten(WHOLE, "round", pa.array(["1"])), "round must be int64"),
    ],
)
def test_a_file_that_is_damaged_or_another_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(Invalid, match=said) as caught:
        read(content)
    assert caught.value.field == "file"


def bomb(reason: int) -> bytes:
    """A few kilobytes that stand for 5,000 rows with a vote each, all with one reason of so many characters."""
    return written(example(number, votes=[vote(reason="x" * reason)]) for number in range(5_000))


def test_a_few_kilobytes_that_stand_for_more_than_is_taken_are_refused() -> None:
    content = bomb(20_000)
    assert len(content) < 300_000
    with pytest.raises(Invalid, match="Unpacked, the file is larger than 50 MB"):
        read(content)


def test_a_row_that_is_too_long_is_refused_by_its_number() -> None:
    content = written([example(), example(1, why_label="é" * 600_000)])
    with pytest.raises(Invalid, match="A row has more than 1,000,000 bytes, which is the most that is taken: 2"):
        read(content)


@pytest.mark.parametrize(("bound", "most"), [("_MEMORY", 100_000_000), ("_SECONDS", 0)])
def test_a_file_that_is_too_much_for_its_process_is_refused(
    monkeypatch: pytest.MonkeyPatch, bound: str, most: int
) -> None:
    monkeypatch.setattr(parquet, bound, most)
    with pytest.raises(Invalid, match="far too large"):
        read(WHOLE)


def test_texts_of_gigabytes_fill_no_memory_of_ours(tmp_path: Path) -> None:
    # Twelve rows with a text of 90 MB each: far below what the file may have in all.
    path = tmp_path / "bomb.parquet"
    table = pq.read_table(io.BytesIO(written([example(why_label="x" * 90_000_000)])))
    with pq.ParquetWriter(path, parquet_schema(EXAMPLES, LABELS), compression="zstd") as writer:
        writer.write_table(pa.concat_tables([table] * 12))
    assert path.stat().st_size < 1_000_000
    with path.open("rb") as file, pytest.raises(Invalid, match=r"more than 1,000,000 bytes|far too large"):
        list(read_parquet(file, EXAMPLES, LABELS, Limits(bytes=20_000_000_000)))
