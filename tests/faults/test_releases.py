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

_SETUP = "import django; django.setup(); from collection import releases, releasing; from collection.models import *;"
# One release undisturbed, and another one, of the same moment and number, that is only asked for.
_PREPARE = f"""{_SETUP}
from benchmarks.large_study import fill
study = fill(9_000)
first = releases.ask(study, {{"formats": ["jsonl"], "splits": {{"method": "fooling"}}}})
releasing.release(first.pk)
first.refresh_from_db()
print(first.sha256)
first.delete()
second = releases.ask(study, first.choices)
Release.objects.filter(pk=second.pk).update(salt=first.salt, as_of=first.as_of)
"""


def python(site: Site, program: str) -> str:
    """Run a program of the product; gives what it prints."""
    environment = site.environment | {"DJANGO_SETTINGS_MODULE": "config.settings"}
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("part", ["parts/*.json", "notes/**/*.json"])
def test_a_killed_build_goes_on_to_the_same_checksum(part: str, tmp_path: Path) -> None:
    site = Site(tmp_path, {})
    site.environment["RELEASE_DEADLINE_SECONDS"] = "1"
    site.manage("migrate", "--verbosity", "0")
    checksum = python(site, _PREPARE).split()[-1]
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
    python(site, f"{_SETUP} releases.reclaim_dead()")
    assert f"sha256 {checksum}" in site.manage("release", "study", "--number", "1")
    assert not list(scratch.iterdir())
