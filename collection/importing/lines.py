"""The lines of an uploaded text file: in UTF-8, never more of them in memory than one piece of the file."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from typing import BinaryIO

from collection.errors import Invalid
from collection.importing.rows import Limits

_PIECE = 65_536
# Enough of the beginning to tell what kind of file it is.
_HEAD = 1_000
# What a file begins with that is no plain text. Packed files are refused and never unpacked: a few kilobytes can
# hold gigabytes.
_PACKED = "The file is packed ({kind}). Please unpack it and upload what is inside."
_KINDS = (
    (b"\x1f\x8b", _PACKED.format(kind="gzip")),
    (b"\x28\xb5\x2f\xfd", _PACKED.format(kind="Zstandard")),
    (b"\xfd7zXZ\x00", _PACKED.format(kind="xz")),
    (b"7z\xbc\xaf\x27\x1c", _PACKED.format(kind="7-Zip")),
    (b"Rar!\x1a\x07", _PACKED.format(kind="RAR")),
    (b"PK\x03\x04", "The file is a zip archive or an Excel workbook. Please unpack it, or save the sheet as CSV."),
    (b"PK\x05\x06", "The file is an empty zip archive."),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "The file is an old Excel or Word document. Please save it as CSV."),
    (b"%PDF-", "The file is a PDF document."),
)
_PARQUET = (b"PAR1", b"PARE")
_BZIP2 = (b"BZh", b"1AY&SY")
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def pieces(file: BinaryIO, limits: Limits) -> Iterator[bytes]:
    """The file in pieces, the first long enough to tell its kind. Raises Invalid once it is larger than is taken."""
    declared = getattr(file, "size", None)
    if isinstance(declared, int) and declared > limits.bytes:
        raise _too_large(limits)
    count = 0
    waiting = b""
    while piece := file.read(min(_PIECE, limits.bytes + 1 - count)):
        count += len(piece)
        if count > limits.bytes:
            raise _too_large(limits)
        waiting += piece
        if count >= _HEAD:
            yield waiting
            waiting = b""
    if waiting:
        yield waiting


def check_unpacked(head: bytes) -> None:
    """Raise Invalid if a file that begins so is packed or a document of an office program."""
    for magic, message in _KINDS:
        if head.startswith(magic):
            raise Invalid("file", message, "wrong_kind")
    if head.startswith(_BZIP2[0]) and head[4:].startswith(_BZIP2[1]):
        raise Invalid("file", _PACKED.format(kind="bzip2"), "wrong_kind")


def lines(file: BinaryIO, limits: Limits) -> Iterator[str]:
    r"""The lines with their ends, which may be \n, \r\n or \r, mixed. A byte-order mark is left out.

    Raises Invalid on field ``file`` for a file that is too large, packed, not UTF-8 (naming the line), or has a NUL or
    a line that is too long in it.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    head = b""
    rest = ""
    number = 0
    for piece in pieces(file, limits):
        first = not head
        if first:
            head = piece[:_HEAD]
            _check_kind(head)
        try:
            text = decoder.decode(piece)
        except UnicodeDecodeError as error:
            raise _not_utf8(number, rest, error, head) from None
        if first:
            text = text.removeprefix("\ufeff")
        complete = _split(rest + text)
        # Without its line feed a line may go on, or its carriage return be half of an end.
        rest = complete.pop() if complete and not complete[-1].endswith("\n") else ""
        for line in complete:
            number += 1
            yield _checked(line, number, head, limits)
        _checked(rest, number + 1, head, limits)
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise _not_utf8(number, rest, error, head) from None
    for line in _split(rest):
        number += 1
        yield _checked(line, number, head, limits)


def _check_kind(head: bytes) -> None:
    check_unpacked(head)
    if head.startswith(_PARQUET):
        raise Invalid("file", "The file is Parquet; please say so as its format.", "wrong_kind")
    if head.startswith(_UTF16):
        raise Invalid("file", "Line 1 is not UTF-8: the file looks like UTF-16. Please save it as UTF-8.", "encoding")


def _split(text: str) -> list[str]:
    # str.splitlines would end a line at form feeds and at the separators U+2028 and U+0085 too.
    return list(io.StringIO(text, newline=""))


def _checked(line: str, number: int, head: bytes, limits: Limits) -> str:
    if len(line) > limits.line:
        raise Invalid("file", f"Line {number} is longer than {limits.line:,} characters.", "too_large")
    if "\0" in line:
        if _looks_like_utf16(head):
            message = f"Line {number} is not UTF-8: the file looks like UTF-16. Please save it as UTF-8."
            raise Invalid("file", message, "encoding")
        raise Invalid("file", f"Line {number} has a NUL character in it: this is no text file.", "encoding")
    return line


def _not_utf8(number: int, rest: str, error: UnicodeDecodeError, head: bytes) -> Invalid:
    before = rest + error.object[: error.start].decode("utf-8")
    begun = _split(before)
    line = number + len(begun) + (not begun or begun[-1].endswith(("\n", "\r")))
    likely = " The file looks like UTF-16." if _looks_like_utf16(head) else ""
    code = error.object[error.start]
    return Invalid(
        "file", f"Line {line} is not UTF-8 (byte 0x{code:02X}).{likely} Please save the file as UTF-8.", "encoding"
    )


def _looks_like_utf16(head: bytes) -> bool:
    # Every other byte of European text in UTF-16 is zero.
    return any(len(half) >= 8 and half.count(0) > 0.4 * len(half) for half in (head[::2], head[1::2]))


def _too_large(limits: Limits) -> Invalid:
    size = f"{limits.bytes / 1_000_000:g} MB"
    return Invalid("file", f"The file is larger than {size}, which is the most that is taken.", "too_large")
