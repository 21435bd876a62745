"""Uploaded tables: read exactly, refused early, and never more of them than is taken."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import subprocess
import sys
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collection.errors import Invalid
from collection.importing.rows import Nested
from collection.importing.tables import FORMATS, Fault, Limits, Row, open_table, read_table
from tests.collection.importing.uploads import Endless, upload

HEADER = "premise,hypothesis,label\n"


def refused(content: str | bytes, format: str = "csv", limits: Limits | None = None) -> str:
    """What is said to a file that is refused as a whole."""
    with pytest.raises(Invalid) as caught:
        read_table(upload(content), format, limits)
    assert caught.value.field == "file"
    return caught.value.message


def lines_of(content: str | bytes, format: str = "csv") -> list[tuple[int, list[object]]]:
    """Line and cells of each row; there must be no fault."""
    table = read_table(upload(content), format)
    assert table.faults == []
    return [(row.line, list(row.cells.values())) for row in table.rows]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "empty"),
        ("\n \n", "empty"),
        (",,\n1,2,3\n", "no header"),
        ("text,label,text\na,b,c\n", "two columns 'text'"),
        ("a\x00b\n", "Line 1 has a NUL"),
        (HEADER + "a,b,c\n" + "a,b\x00,c\n", "Line 3 has a NUL"),
        ((HEADER + "ok,ok,ok\ncafé,b,c\n").encode("latin-1"), "Line 3 is not UTF-8 (byte 0xE9)"),
        (b"cafe,x\r" + "é,".encode("latin-1"), "Line 2 is not UTF-8"),
        (b"text\nhalf a character \xc3", "Line 2 is not UTF-8"),
        (HEADER.encode("utf-16"), "looks like UTF-16"),
        ((HEADER * 3).encode("utf-16-le"), "looks like UTF-16"),
        ((HEADER * 3).encode("utf-16-be"), "looks like UTF-16"),
        ("text\n" + "x" * 1_000_001, "Line 2 is longer than 1,000,000"),
        (",".join(map(str, range(101))), "101 columns; at most 100"),
        ("x" * 201, "longer than 200 characters. Is the line that names the columns missing?"),
        ('"two\nlines",b\n', "cannot be shown"),
        ('"premise,label\na,b\n', "Line 1: A quote is opened"),
        (gzip.compress(b"text\na\n", mtime=0), "gzip"),
        (b"\x28\xb5\x2f\xfd....", "Zstandard"),
        (b"BZh91AY&SY....", "bzip2"),
        (b"\xfd7zXZ\x00....", "xz"),
        (b"%PDF-1.7", "PDF"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old Excel"),
        (b"PAR1....PAR1", "is Parquet"),
    ],
)
def test_a_file_that_cannot_be_a_table_is_refused_in_words(content: str | bytes, said: str) -> None:
    assert said in refused(content)


@pytest.mark.parametrize("format", FORMATS)
def test_packed_files_are_refused_in_every_format(format: str) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("rows.csv", "text\na\n")
    assert "zip archive or an Excel workbook" in refused(file.getvalue(), format)
    assert "gzip" in refused(gzip.compress(b"text\na\n", mtime=0), format)


def test_an_unknown_format_is_named() -> None:
    with pytest.raises(Invalid) as caught:
        open_table(upload("a"), "xlsx")
    assert caught.value.field == "format"


@pytest.mark.parametrize("format", FORMATS)
def test_of_an_endless_file_no_more_is_read_than_is_taken(format: str) -> None:
    patterns = {"csv": b"text\n", "jsonl": b'{"text": "a"}\n', "text": b"a\n", "parquet": b"PAR1"}
    file = Endless(patterns[format])
    limits = Limits(bytes=300_000, rows=10**9)
    with pytest.raises(Invalid, match=r"larger than 0\.3 MB"):
        for _ in open_table(file, format, limits).rows():
            pass
    assert file.given <= 300_001
    assert file.largest <= 65_536


def test_an_endless_line_is_not_gathered() -> None:
    file = Endless(b"x")
    with pytest.raises(Invalid, match="Line 1 is longer than"):
        open_table(file, "csv")
    assert file.given <= 1_000_000 + 2 * 65_536


def test_an_endless_cell_is_not_gathered() -> None:
    file = Endless(b"x\n")
    stream = open_table(io.BufferedReader(_After(b'text\n"', file)), "csv")
    faults = list(stream.rows())
    assert len(faults) == 1
    assert "never closed" in str(faults)
    assert file.given <= 1_000_000


class _After(io.RawIOBase):
    """Some bytes, then another file."""

    def __init__(self, first: bytes, then: Endless) -> None:
        self._first, self._then = first, then

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        piece = self._first or self._then.read(len(buffer))
        self._first = b""
        buffer[: len(piece)] = piece
        return len(piece)


def test_a_file_that_says_it_is_too_large_is_not_read_at_all() -> None:
    file = Endless(b"text\n")
    file.size = 200_000_000  # type: ignore[attr-defined]
    with pytest.raises(Invalid, match="larger than 50 MB"):
        open_table(file, "csv")  # type: ignore[arg-type]
    assert file.given == 0


@pytest.mark.parametrize(
    ("format", "content"), [("csv", "text\na\nb\nc\n"), ("jsonl", '{"text": "a"}\n' * 3), ("text", "a\nb\nc\n")]
)
def test_rows_are_counted_while_they_are_read(format: str, content: str) -> None:
    assert len(read_table(upload(content), format, Limits(rows=3)).rows) == 3
    assert "more than 2 rows" in refused(content, format, Limits(rows=2))


def test_rows_with_too_many_or_too_few_cells_are_named_by_line() -> None:
    table = read_table(upload("a,b\n1,2\n\n1\n1,2,3\n , ,\n\n3,4\n"), "csv")
    assert table.faults == [
        Fault(4, "", "Has 1 cell, but the header names 2."),
        Fault(5, "", "Has 3 cells, but the header names 2."),
    ]
    assert [(row.line, *row.cells.values()) for row in table.rows] == [(2, "1", "2"), (8, "3", "4")]


def test_an_unclosed_quote_is_named_where_its_row_begins() -> None:
    table = read_table(upload('a,b\n1,2\n3,"open\nmore\n5,6\n'), "csv")
    assert [row.line for row in table.rows] == [2]
    assert table.faults == [Fault(3, "", "A quote is opened in this row and never closed.")]


def test_an_unclosed_quote_in_a_long_file_is_one_fault() -> None:
    table = read_table(upload('a,b\n1,"open\n' + "5,6\n" * 50_000), "csv")
    assert [fault.line for fault in table.faults] == [2]


def test_a_quote_in_the_wrong_place_is_named_and_the_rest_is_read() -> None:
    table = read_table(upload('a,b\n1,"he said "no" twice"\n3,4\n'), "csv")
    assert [(fault.line, "written twice" in fault.message) for fault in table.faults] == [(2, True)]
    assert [row.line for row in table.rows] == [3]


def test_line_numbers_count_the_lines_inside_quotes() -> None:
    content = 'a,b\r\n"one\ntwo\r\nthree",x\r\n\r\n"say ""hi""",y\r\n'
    assert lines_of(content) == [(2, ["one\ntwo\r\nthree", "x"]), (6, ['say "hi"', "y"])]


def test_blank_lines_before_the_header_are_counted_too() -> None:
    assert lines_of("\n\na,b\n1,2\n") == [(4, ["1", "2"])]


@pytest.mark.parametrize("format", ["csv", "jsonl", "text"])
def test_newlines_of_all_systems_may_be_mixed(format: str) -> None:
    def put(text: str) -> str:
        return json.dumps({"text": text}) if format == "jsonl" else text

    content = ("text\n" if format == "csv" else "\n") + "\r\n".join(
        [put("a"), put("b") + "\r" + put("c"), put("d\u2028\x0c\x85e") + "\n\n" + put("f")]
    )
    assert lines_of(content, format) == [(2, ["a"]), (3, ["b"]), (4, ["c"]), (5, ["d\u2028\x0c\x85e"]), (7, ["f"])]


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_pieces_may_end_anywhere(size: int) -> None:
    class Dribbling(io.BytesIO):
        def read(self, _: int | None = -1) -> bytes:
            return super().read(size)

    content = "\ufefftext\r\nfür 😀\r\n" + "é" * 1_500 + "\rend"
    table = read_table(Dribbling(content.encode()), "csv")
    assert [(row.line, row.cells["text"]) for row in table.rows] == [(2, "für 😀"), (3, "é" * 1_500), (4, "end")]


@pytest.mark.parametrize("format", ["csv", "jsonl", "text"])
def test_a_byte_order_mark_is_no_part_of_the_text(format: str) -> None:
    content = {"csv": "text\na\n", "jsonl": '{"text": "a"}', "text": "a"}[format]
    table = read_table(upload(content.encode("utf-8-sig")), format)
    assert [row.cells for row in table.rows] == [{"text": "a"}]


@pytest.mark.parametrize(
    ("header", "row", "columns"),
    [
        ("a,b", "x;y,z", ("a", "b")),
        ("a;b", "x,y;z", ("a", "b")),
        ("a\tb", "x,y;w\tz", ("a", "b")),
        ('"a,1";b', "x;z", ("a,1", "b")),
        ("a", '"x, y; z"', ("a",)),
        (" a , b", "x,z", ("a", "b")),
        (",a,", "0,x,z", ("(column 1)", "a", "(column 3)")),
    ],
)
def test_the_delimiter_is_that_of_the_header(header: str, row: str, columns: tuple[str, ...]) -> None:
    table = read_table(upload(f"{header}\n{row}\n"), "csv")
    assert (table.columns, len(table.rows), table.faults) == (columns, 1, [])


def test_cells_that_a_spreadsheet_would_compute_are_plain_texts() -> None:
    assert lines_of("text\n=1+1\n+1\n-1\n@SUM(A1)\n") == [(2, ["=1+1"]), (3, ["+1"]), (4, ["-1"]), (5, ["@SUM(A1)"])]


def test_a_bad_line_of_json_is_named_and_the_rest_is_read() -> None:
    content = '{"a": "1"}\n\n{not json}\n[1]\n' + "[" * 100_000 + '\n{"a": ' + "1" * 5_000 + '}\n{"a": "2"}\n'
    table = read_table(upload(content), "jsonl")
    assert [(fault.line, fault.message.partition(" (")[0]) for fault in table.faults] == [
        (3, "Not JSON"),
        (4, "Not an object."),
        (5, "Not JSON"),
        (6, "Not JSON"),
    ]
    assert [(row.line, row.cells) for row in table.rows] == [(1, {"a": "1"}), (7, {"a": "2"})]


def test_members_of_json_may_be_missing_or_nested() -> None:
    content = '{"a": 1, "b": [1, 2]}\n{"b": {"c": 1}, "d": null, "a": true}\n'
    table = read_table(upload(content), "jsonl")
    assert table.columns == ("a", "b", "d")
    assert table.rows[0] == Row(1, {"a": 1, "b": Nested.LIST})
    assert table.rows[1] == Row(2, {"b": Nested.OBJECT, "d": None, "a": True})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (json.dumps(dict.fromkeys(map(str, range(101)), 1)), "101 members; at most 100"),
        ("".join(json.dumps({str(n): 1}) + "\n" for n in range(101)), ""),
        ('{"\\ud800": 1}', "cannot be shown"),
        (json.dumps({"k" * 201: 1}), "longer than 200 characters"),
    ],
)
def test_names_of_members_are_limited(content: str, said: str) -> None:
    if said:
        assert said in refused(content, "jsonl")
    else:
        # Only the first hundred rows are asked for their members: 101 rows of one each are within the limit.
        assert len(read_table(upload(content), "jsonl").columns) == 100


def test_a_cell_that_is_too_long_is_named() -> None:
    table = read_table(upload("a,b\nx,1234\ny,123\n"), "csv", Limits(cell=3))
    assert table.faults == [Fault(2, "b", "Longer than 3 characters.")]
    stream = open_table(upload("a,b\nx,1234\n"), "csv", Limits(cell=3))
    assert list(stream.rows(["a"])) == [Row(2, {"a": "x"})]


def test_only_wanted_columns_are_kept_but_for_the_first_rows() -> None:
    stream = open_table(upload("a,b\n1,2\n3,4\n"), "csv")
    assert list(stream.rows(["b"], whole=1)) == [Row(2, {"a": "1", "b": "2"}), Row(3, {"b": "4"})]


def test_a_file_of_faults_alone_names_a_hundred() -> None:
    assert len(read_table(upload("nonsense\n" * 300), "jsonl").faults) == 100


def test_reading_text_does_not_load_pyarrow() -> None:
    program = "import sys, collection.importing.tables; sys.exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


# Anything that UTF-8 can hold but NUL.
TEXTS = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=30)
ROWS = st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=8)


@given(ROWS, st.sampled_from(",;\t"), st.sampled_from(["\n", "\r\n", "\r"]), st.booleans())
def test_csv_is_read_as_it_was_written(rows: list[tuple[str, str]], delimiter: str, end: str, marked: bool) -> None:
    written = io.StringIO(newline="")
    writer = csv.writer(written, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerows([("one", "two"), *rows])
    table = read_table(upload(written.getvalue().encode("utf-8-sig" if marked else "utf-8")), "csv")
    assert table.faults == []
    assert [(row.cells["one"], row.cells["two"]) for row in table.rows] == rows


@given(ROWS, st.booleans(), st.sampled_from(["\n", "\r\n"]))
def test_json_lines_are_read_as_they_were_written(rows: list[tuple[str, str]], escaped: bool, end: str) -> None:
    content = "".join(json.dumps({"one": a, "two": b}, ensure_ascii=escaped) + end for a, b in rows)
    table = read_table(upload(content), "jsonl")
    assert table.faults == []
    assert [(row.line, row.cells["one"], row.cells["two"]) for row in table.rows] == [
        (number, a, b) for number, (a, b) in enumerate(rows, start=1)
    ]


@given(st.binary(max_size=200), st.sampled_from(["csv", "jsonl", "text"]))
def test_whatever_bytes_come_they_are_read_or_refused(content: bytes, format: str) -> None:
    with contextlib.suppress(Invalid):
        assert all(row.line >= 1 for row in read_table(upload(content), format).rows)
