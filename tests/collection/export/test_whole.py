"""Files that are there whole or not at all, and putting one at the end of another."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from collection.export.whole import append, whole


@pytest.mark.parametrize("by_the_system", [True, False])
def test_files_are_put_one_after_the_other_and_more_is_written_behind(
    by_the_system: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: int) -> int:
        raise OSError(errno.EXDEV, "not between these file systems")

    if not by_the_system:
        monkeypatch.setattr(os, "copy_file_range", refuse)
    contents = [os.urandom(3_000_000), b"", b"\n"]
    with whole(tmp_path / "all") as file:
        file.write(b"first")
        for place, content in enumerate(contents):
            (tmp_path / str(place)).write_bytes(content)
            with (tmp_path / str(place)).open("rb") as part:
                append(part, file)
        file.write(b"last")
    assert (tmp_path / "all").read_bytes() == b"first" + b"".join(contents) + b"last"


def test_of_a_file_that_is_not_finished_nothing_stays(tmp_path: Path) -> None:
    def stop_half_way() -> None:
        with whole(tmp_path / "half") as file:
            file.write(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        stop_half_way()
    assert list(tmp_path.iterdir()) == []
