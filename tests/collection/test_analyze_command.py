"""``manage.py analyze``, from the database and from files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests import factories

pytestmark = pytest.mark.django_db

QUICK: dict[str, Any] = {"quota": 2, "quorum": 1, "max_validations": 1, "rounds": 1}


def test_a_study_in_the_database_and_its_files_give_the_same_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment = factories.running(**QUICK)
    factories.accepted(experiment, "dynamic", 2)
    call_command("analyze", "study", out=tmp_path / "one", tables=True, draws=100)
    call_command("analyze", str(tmp_path / "one" / "tables"), out=tmp_path / "two", draws=100)
    one, two = (json.loads((tmp_path / name / "report.json").read_text()) for name in ("one", "two"))
    assert one == two
    assert "2 accepted examples" in capsys.readouterr().out
    assert (tmp_path / "one" / "report.pdf").read_bytes().startswith(b"%PDF")
    assert "<h1>study</h1>" in (tmp_path / "one" / "report.html").read_text()


def test_what_is_no_study_is_told(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="neither an experiment nor a folder called 'nothing'"):
        call_command("analyze", "nothing", out=tmp_path)
    with pytest.raises(CommandError, match=r"study.json: the file is missing"):
        call_command("analyze", str(tmp_path), out=tmp_path / "out")


@pytest.mark.parametrize(("option", "value"), [("draws", 99), ("draws", 100_001), ("seed", -1)])
def test_options_out_of_bounds_are_named(tmp_path: Path, option: str, value: int) -> None:
    with pytest.raises(CommandError, match=f"^{option}: "):
        call_command("analyze", "nothing", out=tmp_path, **{option: value})
