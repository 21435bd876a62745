"""Uploaded Parquet: read exactly, and refused before it is unpacked to more than is taken."""

from __future__ import annotations

import contextlib
import datetime
import io
import itertools
import struct
import subprocess
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collection.errors import Invalid
from collection.importing import parquet as parquet_reader
from collection.importing.rows import Nested
from collection.importing.tables import Limits, Row, open_table, read_table
from tests.collection.importing.uploads import parquet, upload

GOOD = {"premise": ["A dog.", "A cat."], "label": ["yes", None]}


def refused(file: io.BytesIO, limits: Limits | None = None) -> str:
    """What is said to a file that is refused as a whole."""
    with pytest.raises(Invalid) as caught:
        read_table(file, "parquet", limits)
    assert caught.value.field == "file"
    return caught.value.message


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"use_dictionary": False},
        {"version": "1.0"},
        {"data_page_version": "2.0"},
        {"use_dictionary": False, "column_encoding": "DELTA_BYTE_ARRAY"},
        {"use_dictionary": False, "column_encoding": "DELTA_LENGTH_BYTE_ARRAY"},
    ],
)
@pytest.mark.parametrize("compression", ["none", "snappy", "zstd"])
def test_all_usual_ways_of_writing_it_are_read(options: dict[str, Any], compression: str) -> None:
    table = read_table(parquet(GOOD, compression=compression, **options), "parquet")
    assert table.columns == ("premise", "label")
    assert table.rows == [Row(1, {"premise": "A dog.", "label": "yes"}), Row(2, {"premise": "A cat.", "label": None})]


def test_numbers_categories_and_what_cannot_be_a_text() -> None:
    file = parquet(
        {
            "number": [1, 2],
            "float": [1.5, None],
            "truth": [True, False],
            "category": pa.array(["a", "b"]).dictionary_encode(),
            "large": pa.array(["x", "y"], pa.large_string()),
            "nothing": [None, None],
            "bytes": [b"\xff", b""],
            "day": [datetime.date(2020, 1, 1)] * 2,
        }
    )
    assert list(read_table(file, "parquet").rows[0].cells.values()) == [
        1,
        1.5,
        True,
        "a",
        "x",
        None,
        Nested.OTHER,
        Nested.OTHER,
    ]


def test_only_wanted_columns_are_read_but_for_the_first_rows() -> None:
    stream = open_table(parquet({"a": ["1", "2", "3"], "b.c": ["4", "5", "6"], "d": [b"7"] * 3}), "parquet")
    rows = list(stream.rows(["b.c"], whole=1))
    assert rows == [
        Row(1, {"a": "1", "b.c": "4", "d": Nested.OTHER}),
        Row(2, {"b.c": "5"}),
        Row(3, {"b.c": "6"}),
    ]


def test_many_row_groups_are_one_table() -> None:
    file = parquet({"text": [f"text {number}" for number in range(2_500)]}, row_group_size=700)
    rows = read_table(file, "parquet").rows
    assert [(row.line, row.cells["text"]) for row in rows] == [(n + 1, f"text {n}") for n in range(2_500)]


def test_a_table_without_rows_has_columns() -> None:
    table = read_table(parquet({"text": pa.array([], pa.string())}), "parquet")
    assert (table.columns, table.rows) == (("text",), [])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not Parquet"),
        (b"text\na\n", "not Parquet"),
        (b"PAR1", "cut off"),
        (b"PAR1" + b"\x00" * 20 + b"PAR1", "damaged"),
        (b"PAR1" + b"\xff" * 20 + b"PAR1", "far too great a length"),
    ],
)
def test_what_is_not_parquet_is_refused(content: bytes, said: str) -> None:
    assert said in refused(upload(content))


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.99])
def test_a_file_that_was_cut_off_is_refused(kept: float) -> None:
    content = parquet({"text": [f"text {number}" for number in range(1_000)]}).getvalue()
    assert "cut off" in refused(upload(content[: int(kept * len(content))]))


def test_a_file_with_a_hole_in_it_is_refused() -> None:
    content = bytearray(parquet({"text": [f"text {number}" for number in range(1_000)]}).getvalue())
    content[4:2_000] = bytes(1_996)
    assert "damaged" in refused(upload(bytes(content)))


@pytest.mark.parametrize("value", [["a list"], {"a": "struct"}])
def test_nested_columns_are_refused_by_name(value: object) -> None:
    assert "leave these columns out: 'deep'." in refused(parquet({"text": ["a"], "deep": [value]}))


def test_doubled_and_too_many_columns_are_refused() -> None:
    assert "two columns 'a'" in refused(parquet(pa.Table.from_arrays([pa.array(["1"])] * 2, names=["a", "a"])))
    assert "more than 100 columns" in refused(parquet({str(number): ["x"] for number in range(101)}))


class _Keys(pe.KmsClient):  # type: ignore[misc]
    """Keys that are kept nowhere."""

    def __init__(self, _: object) -> None:
        super().__init__()

    def wrap_key(self, key_bytes: bytes, _: str) -> bytes:
        return key_bytes.hex().encode()

    def unwrap_key(self, wrapped_key: bytes, _: str) -> bytes:
        return bytes.fromhex(wrapped_key.decode())


@pytest.mark.parametrize(("open_footer", "said"), [(False, "is encrypted"), (True, "encrypted")])
def test_an_encrypted_file_is_refused(open_footer: bool, said: str) -> None:
    factory, kms = pe.CryptoFactory(_Keys), pe.KmsConnectionConfig()
    settings = pe.EncryptionConfiguration(
        footer_key="footer", column_keys={"text": ["text"]}, plaintext_footer=open_footer, internal_key_material=True
    )
    table, file = pa.table({"text": ["a secret"]}), io.BytesIO()
    with pq.ParquetWriter(
        file, table.schema, encryption_properties=factory.file_encryption_properties(kms, settings)
    ) as writer:
        writer.write_table(table)
    assert said in refused(upload(file.getvalue()))


def test_texts_that_are_not_utf8_are_refused() -> None:
    bad = pa.StringArray.from_buffers(1, pa.py_buffer(struct.pack("<ii", 0, 2)), pa.py_buffer(b"\xff\xfe"))
    assert "not UTF-8" in refused(parquet({"text": bad}))


def test_more_rows_than_are_taken_are_refused_by_what_the_file_says_of_itself() -> None:
    file = parquet({"text": ["a"] * 5_000})
    with pytest.raises(Invalid, match="more than 4,999 rows"):
        open_table(file, "parquet", Limits(rows=4_999))


def test_a_bomb_of_one_text_in_many_rows_is_refused_before_it_is_read() -> None:
    file = parquet({"text": ["x" * 1_000] * 60_000}, use_dictionary=False, compression="zstd")
    assert len(file.getvalue()) < 100_000
    with pytest.raises(Invalid, match="Unpacked, the file is larger than 50 MB"):
        open_table(file, "parquet")


def test_a_bomb_that_says_it_is_small_is_refused_while_it_is_read() -> None:
    # One text, and for each row no more than the word that it is that one again.
    again = pa.DictionaryArray.from_arrays(pa.array([0] * 100_000, pa.int32()), pa.array(["x" * 20_000]))
    file = parquet({"text": again})
    assert sum(column.total_byte_size for column in _groups(file)) < 30_000
    rows = open_table(file, "parquet").rows()
    assert len(list(itertools.islice(rows, 2_500))) == 2_500
    with pytest.raises(Invalid, match="Unpacked"):
        next(rows)


def _groups(file: io.BytesIO) -> list[Any]:
    metadata = pq.ParquetFile(pa.BufferReader(file.getvalue())).metadata
    return [metadata.row_group(index) for index in range(metadata.num_row_groups)]


def test_a_bomb_whose_texts_grow_out_of_each_other_is_refused() -> None:
    texts = ["x" * length for length in range(1, 4_000)]
    file = parquet(
        {"text": texts}, use_dictionary=False, column_encoding={"text": "DELTA_BYTE_ARRAY"}, compression="none"
    )
    assert len(file.getvalue()) < 60_000
    assert "Unpacked" in refused(file, Limits(bytes=1_000_000))


@pytest.mark.parametrize(("bound", "most"), [("_MEMORY", 100_000_000), ("_SECONDS", 0)])
def test_a_file_that_is_too_much_for_its_process_is_refused(
    monkeypatch: pytest.MonkeyPatch, bound: str, most: int
) -> None:
    monkeypatch.setattr(parquet_reader, bound, most)
    assert "far too large" in refused(parquet(GOOD))


def test_the_process_ends_with_whoever_reads_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []

    class Watched(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            started.append(self)

    monkeypatch.setattr("subprocess.Popen", Watched)
    rows = open_table(parquet({"text": [f"text {number}" for number in range(50_000)]}), "parquet").rows()
    next(rows)
    assert started[-1].returncode is None
    rows.close()  # type: ignore[attr-defined]
    assert [process.returncode is not None for process in started] == [True, True]


def test_the_process_has_none_of_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[dict[str, str]] = []
    monkeypatch.setenv("SECRET_KEY", "a secret")

    class Watched(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            given.append(options["env"])

    monkeypatch.setattr("subprocess.Popen", Watched)
    read_table(parquet(GOOD), "parquet")
    assert given
    assert all(environment.keys() <= {"PATH", "LD_LIBRARY_PATH"} for environment in given)


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(st.data())
def test_a_damaged_file_is_read_or_refused(data: st.DataObject) -> None:
    content = bytearray(parquet({"text": ["one", "two", "three"], "label": ["a", "b", "a"]}).getvalue())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(Invalid):
        read_table(upload(bytes(content)), "parquet")


TEXTS = st.none() | st.text(st.characters(codec="utf-8"), max_size=30)


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=8), st.booleans(), st.sampled_from(["none", "zstd"]))
def test_parquet_is_read_as_it_was_written(
    rows: list[tuple[str | None, str | None]], dictionary: bool, compression: str
) -> None:
    columns = {name: pa.array([row[index] for row in rows], pa.string()) for index, name in enumerate(("one", "two"))}
    table = read_table(parquet(columns, use_dictionary=dictionary, compression=compression), "parquet")
    assert [(row.line, row.cells["one"], row.cells["two"]) for row in table.rows] == [
        (number, a, b) for number, (a, b) in enumerate(rows, start=1)
    ]
