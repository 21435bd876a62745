"""What Python's zipfile raises for a zip that is damaged, or that it cannot unpack."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib

# Encrypted files are RuntimeErrors, unknown ways of packing NotImplementedErrors, which are such; names in no encoding
# and places before the file's beginning are ValueErrors; OSErrors come from bzip2, and from the disk.
UNREADABLE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, RuntimeError, ValueError,
)  # fmt: skip
