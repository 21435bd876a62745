"""Zips of releases that are damaged, or made to do harm: refused in words, each file by its name."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from collection.errors import Invalid
from collection.importing.faults import Faults
from collection.importing.studies.source import Source, open_source
from tests.collection.importing.studies.studies import sealed, write

NAME = "jsonl/plain/examples.jsonl"
CONTENT = b"".join(b'{"number": %d}\n' % number for number in range(2_000))


def zipped(tmp_path: Path, method: int = zipfile.ZIP_DEFLATED) -> Path:
    """A release of one file as a zip."""
    folder = tmp_path / "release"
    write(folder / NAME, CONTENT)
    sealed(folder)
    path = tmp_path / "release.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(folder / NAME, NAME, method)
        archive.write(folder / "release.json", "release.json")
    return path


def opened(path: Path, tmp_path: Path, faults: Faults) -> Source:
    """The release in a zip."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return open_source(path, scratch, faults, 10**9, lambda *_: None)


def in_directory(content: bytes, offset: int, value: bytes) -> bytes:
    """Another value in what the zip's list of files says of the first."""
    place = content.index(b"PK\x01\x02") + offset
    return content[:place] + value + content[place + len(value) :]


def encrypted(content: bytes) -> bytes:
    """The first file says that it is encrypted."""
    return in_directory(content, 8, b"\x01\x00")


def in_no_known_way(content: bytes) -> bytes:
    """The first file is packed by a method that nobody knows."""
    return in_directory(content, 10, struct.pack("<H", 77))


def as_lzma(content: bytes) -> bytes:
    """The first file says that it is packed by LZMA."""
    return in_directory(content, 10, struct.pack("<H", zipfile.ZIP_LZMA))


def as_bzip2(content: bytes) -> bytes:
    """The first file says that it is packed by bzip2, and is not."""
    return in_directory(content, 10, struct.pack("<H", zipfile.ZIP_BZIP2))


def with_a_hole(content: bytes) -> bytes:
    """Some of the packed content is gone."""
    start = content.index(NAME.encode()) + len(NAME)
    return content[:start] + b"\xff" * 200 + content[start + 200 :]


def without_its_beginning(content: bytes) -> bytes:
    """The first bytes are missing, so that all places lie before the file."""
    return content[200:]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_a_good_zip_is_unpacked(tmp_path: Path, method: int) -> None:
    faults = Faults()
    source = opened(zipped(tmp_path, method), tmp_path, faults)
    assert faults.count == 0
    with source.open(NAME) as file:
        assert file.read() == CONTENT


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (encrypted, "it is encrypted"),
        (in_no_known_way, "a way that is not unpacked here"),
        (as_lzma, "a way that is not unpacked here"),
        (as_bzip2, "cannot be read"),
        (with_a_hole, "cannot be read"),
        (without_its_beginning, "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_unpacked_is_named(tmp_path: Path, change: Callable[[bytes], bytes], said: str) -> None:
    path = zipped(tmp_path)
    path.write_bytes(change(path.read_bytes()))
    faults = Faults()
    opened(path, tmp_path, faults)
    assert [(fault.file, fault.line) for fault in faults.named] == [(NAME, 0)]
    assert said in faults.named[0].message


def with_a_name_in_no_encoding(content: bytes) -> bytes:
    """A name that says it is UTF-8 and is not."""
    return in_directory(in_directory(content, 8, b"\x00\x08"), 46, b"\xff\xfe")


def with_a_damaged_list(content: bytes) -> bytes:
    """The list of files is none."""
    return content.replace(b"PK\x01\x02", b"PK\x00\x00")


@pytest.mark.parametrize("change", [with_a_name_in_no_encoding, with_a_damaged_list])
def test_a_zip_whose_list_of_files_is_damaged_is_refused(tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    path = zipped(tmp_path)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(Invalid, match=r"damaged|no release\.json that can be read") as caught:
        opened(path, tmp_path, Faults())
    assert caught.value.field == "file"


def test_an_encrypted_manifest_is_refused_with_its_reason(tmp_path: Path) -> None:
    path = tmp_path / "release.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("release.json", b"{}")
    path.write_bytes(encrypted(path.read_bytes()))
    with pytest.raises(Invalid, match="it is encrypted"):
        opened(path, tmp_path, Faults())


def test_a_list_of_files_that_is_too_long_is_never_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "release.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(100):
            archive.writestr(f"{number}", b"")
    monkeypatch.setattr("collection.importing.studies.source._LARGEST_DIRECTORY", 4_000)
    monkeypatch.setattr(zipfile, "ZipInfo", None)
    with pytest.raises(Invalid, match="list of its files has 4,790 bytes; at most 4,000"):
        opened(path, tmp_path, Faults())
