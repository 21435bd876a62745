"""An import whose worker is killed: nothing of it is seen, and the next worker does all of it, once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.site import Site, wait_for

pytestmark = [pytest.mark.faults, pytest.mark.timeout(400)]

_RELEASE = """
from pathlib import Path
from benchmarks.large_study import fill
from collection import releases, releasing
made = releases.ask(fill(4_500), {"formats": ["jsonl"], "attempts": True})
releasing.release(made.pk)
made.refresh_from_db()
with Path("ZIP").open("wb") as file:
    file.writelines(releases.archive_of(made).parts)
"""
_ASK = """
from pathlib import Path
from django.contrib.auth.models import User
from collection import imports
with Path("ZIP").open("rb") as file:
    imports.ask(User.objects.create_superuser("ada"), DataImport.Kind.RELEASE, file, "release.zip")
"""
_SEEN = """
import json
from django.contrib.auth.models import User
from annotators.models import Annotator
from collection.access import open_to, visible
ada = User.objects.get(username="ada")
works, _ = Annotator.objects.get_or_create(user=ada, platform_id="ada")
print(json.dumps(sorted({item.slug for item in [*visible(ada), *open_to(works)]})))
"""
_AGAIN = """
import json
from collection import releases, releasing
made = releases.ask(Experiment.objects.get(), {"formats": ["jsonl"], "attempts": True})
releasing.release(made.pk)
made.refresh_from_db()
print(json.dumps({path: item["sha256"] for path, item in made.files.items() if path.startswith("jsonl/")}))
"""
_TABLES = ("experiment", "arm", "round", "context", "assignment", "attempt", "example", "validation", "importedwriter")


def printed(site: Site, program: str) -> Any:
    """The last line that a program prints, which is JSON."""
    return json.loads(site.program(program).splitlines()[-1])


def rows(site: Site) -> dict[str, int]:
    """How many rows the tables of studies have."""
    return {name: site.query(f"SELECT COUNT(*) FROM collection_{name}")[0][0] for name in _TABLES}


def folder(path: Path) -> Site:
    """An empty site without processes."""
    path.mkdir()
    site = Site(path)
    site.environment["IMPORT_DEADLINE_SECONDS"] = "2"
    site.manage("migrate", "--verbosity", "0")
    return site


def test_a_worker_killed_in_mid_import_shows_nothing_of_it_and_the_next_imports_it_once(tmp_path: Path) -> None:
    file = tmp_path / "release.zip"
    origin, site = folder(tmp_path / "origin"), folder(tmp_path / "site")
    origin.program(_RELEASE.replace("ZIP", str(file)))
    site.program(_ASK.replace("ZIP", str(file)))
    try:
        site.start("worker")
        wait_for(lambda: rows(site)["example"], "examples to be stored", 60)
        site.kill("worker")
        half = rows(site)
        assert half["experiment"] == 1
        assert 0 < half["example"] < 4_500, "it was done before it was killed"
        assert printed(site, _SEEN) == []
        assert site.query("SELECT state FROM collection_dataimport") == [("working",)]
        site.start("worker")
        over = wait_for(
            lambda: site.query("SELECT state, problem FROM collection_dataimport WHERE ended_at IS NOT NULL"),
            "the import to be over",
            60,
        )
        assert over == [("done", "")]
        wait_for(lambda: not list(site.folder.glob("imports/*")), "what the killed worker left to be removed", 30)
    except BaseException:
        print(site.logs())
        raise
    finally:
        site.stop()
    assert rows(site) | {"importedwriter": 0} == rows(origin)
    assert printed(site, _SEEN) == ["study"]
    released = printed(origin, "import json; print(json.dumps(Release.objects.get().files))")
    assert printed(site, _AGAIN) == {
        path: item["sha256"] for path, item in released.items() if path.startswith("jsonl/")
    }
