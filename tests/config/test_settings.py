"""The settings, as fresh interpreters read them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
READ = """
import json
from config import settings
print(json.dumps([settings.ALLOWED_HOSTS, settings.CSRF_TRUSTED_ORIGINS, str(settings.DATA_DIR)]))
"""
NUDGE = """
import sys
import django
django.setup()
import config.celery
from django.conf import settings
from collection import nudges
attempts = []
sys.addaudithook(lambda event, args: attempts.append(args[1]) if event == "socket.connect" else None)
nudges.nudge()
print(len(attempts))
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A production site whose every file has a place outside the data folder."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATA_DIR": str(tmp_path),
        "WHETSTONE_ENV": "production",
        "SECRET_KEY": "k" * 50,
        "ALLOWED_HOSTS": "a.org",
        "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3",
        "STATIC_ROOT": str(tmp_path / "static"),
        "BROKER_URL": f"redis://127.0.0.1:{free_port()}/0",
    }


def python(program: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """What a program printed."""
    return subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True)


def test_lists_may_have_spaces_in_them_and_an_empty_data_folder_is_the_usual_one(environment: dict[str, str]) -> None:
    environment |= {
        "ALLOWED_HOSTS": "a.org, b.org",
        "CSRF_TRUSTED_ORIGINS": "https://a.org, https://b.org",
        "DATA_DIR": "",
    }
    read = python(READ, environment)
    assert json.loads(read.stdout) == [["a.org", "b.org"], ["https://a.org", "https://b.org"], str(ROOT / "var")]


@pytest.mark.parametrize(("hosts", "said"), [(" , ", "ALLOWED_HOSTS must be set"), ("a.org, *", "refused")])
def test_production_needs_hosts_and_not_all_of_them(environment: dict[str, str], hosts: str, said: str) -> None:
    read = python(READ, environment | {"ALLOWED_HOSTS": hosts})
    assert read.returncode != 0
    assert said in read.stderr


def test_a_nudge_tries_a_broker_that_is_away_once_and_waits_for_no_other(environment: dict[str, str]) -> None:
    nudged = python(NUDGE, environment)
    assert "could not reach the broker" in nudged.stderr
    assert nudged.stdout == "1\n"
