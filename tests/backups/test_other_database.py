"""What SQLite held goes on in PostgreSQL, and the other way round: sites of their own, by their commands alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from backups.manifest import MANIFEST
from tests.backups.sites import contents, needs_postgres
from tests.site import Site

pytestmark = [pytest.mark.postgres, pytest.mark.slow, needs_postgres]

DJANGO = "import django; django.setup(); from tests import whole_study; whole_study."


def site(folder: Path, database: str = "") -> Site:
    """An empty site, of the kind of database that the tests run on unless one is named."""
    folder.mkdir()
    made = Site(folder)
    made.environment |= {"DJANGO_SETTINGS_MODULE": "config.settings"}
    if database:
        made.environment["DATABASE_URL"] = database
    made.manage("migrate", "--verbosity", "0")
    return made


def on_sqlite(folder: Path) -> Site:
    """An empty site on SQLite."""
    return site(folder, f"sqlite:///{folder / 'db.sqlite3'}")


def said(backup: Path) -> dict[str, Any]:
    """What the rows of a backup say: databases differ in the order of the keys of JSON."""
    return {
        name: [json.loads(line) for line in content.splitlines()] if name.endswith(".jsonl") else content
        for name, content in contents(backup).items()
        if name != MANIFEST
    }


def test_a_site_goes_from_sqlite_to_postgresql_and_back_and_works_on(tmp_path: Path) -> None:
    there, here, back = on_sqlite(tmp_path / "there"), site(tmp_path / "here"), on_sqlite(tmp_path / "back")
    assert here.environment["DATABASE_URL"].startswith("postgres")
    there.python("-c", DJANGO + "make()")
    there.manage("backup", str(tmp_path / "there.zip"))
    assert "restored: " in here.manage("restore", str(tmp_path / "there.zip"))
    here.manage("backup", str(tmp_path / "here.zip"))
    assert said(tmp_path / "here.zip") == said(tmp_path / "there.zip")
    back.manage("restore", str(tmp_path / "here.zip"))
    back.manage("backup", str(tmp_path / "back.zip"))
    assert contents(tmp_path / "back.zip").items() - contents(tmp_path / "here.zip").items() == {
        (MANIFEST, contents(tmp_path / "back.zip")[MANIFEST])
    }
    for restored in (here, back):
        restored.python("-c", DJANGO + "go_on()")
