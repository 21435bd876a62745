"""A release whose process is killed: another one goes on, and nobody can tell."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.site import ROOT, Site, wait_for

pytestmark = [pytest.mark.faults, pytest.mark.timeout(400)]

# One release undisturbed, and another one, of the same moment and number, that is only asked for.
_PREPARE = """
from collection import releases, releasing
from benchmarks.large_study import fill
study = fill(9_000)
first = releases.ask(study, {"formats": ["jsonl"], "splits": {"method": "fooling"}})
releasing.release(first.pk)
first.refresh_from_db()
print(first.sha256)
first.delete()
second = releases.ask(study, first.choices)
Release.objects.filter(pk=second.pk).update(salt=first.salt, as_of=first.as_of)
"""


@pytest.mark.parametrize("part", ["parts/*.json", "notes/**/*.json"])
def test_a_killed_build_goes_on_to_the_same_checksum(part: str, tmp_path: Path) -> None:
    site = Site(tmp_path, {})
    site.environment["RELEASE_DEADLINE_SECONDS"] = "1"
    site.manage("migrate", "--verbosity", "0")
    checksum = site.program(_PREPARE).split()[-1]
    command = [sys.executable, "manage.py", "release", "study", "--number", "1"]
    building = subprocess.Popen(
        command, cwd=ROOT, env=site.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    scratch = tmp_path / "releases" / ".building"
    wait_for(lambda: building.poll() is not None or list(scratch.glob(f"*/{part}")), "something to be made")
    os.kill(building.pid, signal.SIGKILL)
    assert building.wait() == -signal.SIGKILL, "it was done before it was killed"
    assert list(scratch.glob("*/parts/*.json"))
    time.sleep(1.1)
    site.program("from collection import releases; releases.reclaim_dead()")
    assert f"sha256 {checksum}" in site.manage("release", "study", "--number", "1")
    assert not list(scratch.iterdir())
