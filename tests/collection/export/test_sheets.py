"""CSV of releases: safe to open, and back exactly."""

from __future__ import annotations

import csv
import io
from typing import Any

import pandas as pd
import pytest
from hypothesis import given

from collection.errors import Invalid
from collection.export.sheets import GUARDED, read_csv, write_csv
from tests.collection.export.rows import ATTEMPTS, EXAMPLES, example, rows_of, vote


def written(rows: list[dict[str, Any]], columns: Any = EXAMPLES) -> bytes:
    file = io.BytesIO()
    assert write_csv(iter(rows), columns, file) == len(rows)
    return file.getvalue()


def read(content: bytes, columns: Any = EXAMPLES) -> list[Any]:
    return [row for _, row in read_csv(io.BytesIO(content), columns)]


def refusal(content: bytes) -> Invalid:
    """What is wrong with the one row of a file."""
    [(line, found)] = read_csv(io.BytesIO(content), EXAMPLES)
    assert line == 2
    assert isinstance(found, Invalid)
    return found


@given(rows_of(EXAMPLES))
def test_examples_come_back_exactly(rows: list[dict[str, Any]]) -> None:
    assert read(written(rows)) == rows


@given(rows_of(ATTEMPTS))
def test_attempts_come_back_exactly_and_in_the_same_bytes(rows: list[dict[str, Any]]) -> None:
    content = written(rows, ATTEMPTS)
    assert written(read(content, ATTEMPTS), ATTEMPTS) == content


@given(rows_of(EXAMPLES))
def test_no_cell_begins_like_a_formula_to_another_reader(rows: list[dict[str, Any]]) -> None:
    cells = [cell for row in csv.reader(io.StringIO(written(rows).decode(), newline="")) for cell in row]
    assert not [cell for cell in cells if cell.startswith(GUARDED) and not cell.startswith("'")]


def test_what_another_program_sees_of_none_and_of_empty() -> None:
    content = written([example(prediction=None, why_label=""), example(prediction="", why_label="'")])
    rows = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
    assert [(row["prediction"], row["why_label"]) for row in rows] == [("", ""), ("'", "''")]
    assert [(row["prediction"], row["why_label"]) for row in read(content)] == [(None, ""), ("", "'")]


def test_pandas_reads_it() -> None:
    frame = pd.read_csv(io.BytesIO(written([example(), example(1, hypothesis='"Never", he said.\nSo be it.')])))
    assert list(frame.columns) == list(EXAMPLES)
    assert frame["hypothesis"][1] == '"Never", he said.\nSo be it.'
    assert frame["fooled"].tolist() == [True, True]


def test_each_row_comes_with_the_line_where_it_begins() -> None:
    rows = [example(), example(1, hypothesis="two\nlines\r\nor three"), example(2)]
    assert [line for line, _ in read_csv(io.BytesIO(written(rows)), EXAMPLES)] == [2, 3, 6]


def test_a_byte_order_mark_and_other_line_ends_are_taken() -> None:
    content = written([example()])
    assert read(b"\xef\xbb\xbf" + content.replace(b"\r\n", b"\n")) == [example()]


def test_the_file_stays_open() -> None:
    file = io.BytesIO(written([]))
    assert list(read_csv(file, EXAMPLES)) == []
    assert not file.closed


@pytest.mark.parametrize(
    ("changed", "column"),
    [
        ({"hypothesis": "half \ud83d"}, "hypothesis"),
        ({"votes": [vote(reason="\udc00")]}, "votes"),
        ({"label": None}, "label"),
        ({"premise": "x" * 140_000}, "premise"),
    ],
)
def test_what_no_file_could_hold_is_refused_by_column(changed: dict[str, Any], column: str) -> None:
    with pytest.raises(Invalid) as caught:
        write_csv([example(**changed)], EXAMPLES, io.BytesIO())
    assert caught.value.field == column


@pytest.mark.parametrize(
    ("was", "now", "column"),
    [
        (b",1,train", b",one,train", "round"),
        (b",1,train", b",-1,train", "round"),
        (b",1,train", b",null,train", "round"),
        (b",1,train", b",,train", "round"),
        (b",1,train", b",true,train", "round"),
        (b",true,", b",1,", "fooled"),
        (b"0.25", b'""x""', "probabilities"),
        (b",12.5,", b",NaN,", "latency_ms"),
        (b"2026-01-01T12:00:00.120000Z,,It", b"2026-02-31T12:00:00.120000Z,,It", "judged_at"),
        (b"2026-01-01T12:00:00.120000Z,,It", b"yesterday,,It", "judged_at"),
        (b'""flagged""', b'""Flagged""', "votes"),
        (b",train,", b",", "row"),
    ],
)
def test_a_row_that_cannot_be_is_named_in_its_place(was: bytes, now: bytes, column: str) -> None:
    content = written([example()])
    assert was in content
    assert refusal(content.replace(was, now, 1)).field == column


def test_after_a_bad_row_the_others_are_read() -> None:
    content = written([example(), example(1), example(2)]).replace(b",1,train", b",one,train", 1)
    found = read(content)
    assert isinstance(found[0], Invalid)
    assert found[1:] == [example(1), example(2)]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "Line 1 must name the columns"),
        (b"id,arm\r\n", "Line 1 must name the columns"),
        (written([example()])[:-40], "not CSV"),
        (written([example()]).replace(b"dog", b"d\xf6g"), "Not UTF-8"),
    ],
)
def test_a_file_that_is_cut_off_or_wrongly_encoded_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(Invalid, match=said) as caught:
        list(read_csv(io.BytesIO(content), EXAMPLES))
    assert caught.value.field == "file"
