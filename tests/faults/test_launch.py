"""``make run``'s launcher: it starts, keeps running what dies, stops, and goes on where it was."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.ports import free_port
from tests.site import ROOT, wait_for

pytestmark = [pytest.mark.faults, pytest.mark.timeout(400)]


class Launched:
    """A running launcher."""

    def __init__(self, data: Path, web: int, model_server: int) -> None:
        self.url = f"http://127.0.0.1:{web}"
        self.model_server = f"http://127.0.0.1:{model_server}"
        kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "BROKER_URL")}
        own = {"DATA_DIR": str(data), "WEB_PORT": str(web), "MODELSERVER_PORT": str(model_server)}
        self.output = data / "launch.log"
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "config.launch"],
                cwd=ROOT,
                env=kept | own | {"RECONCILE_SECONDS": "1"},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def said(self, text: str) -> bool:
        """Whether it has printed something. Fails if it has ended instead."""
        printed = self.output.read_text()
        assert self.process.poll() is None, printed
        return text in printed

    def password(self, username: str) -> str:
        """A password that it printed."""
        found = re.search(rf"^  {username}\s+(\S+)", self.output.read_text(), re.MULTILINE)
        assert found is not None
        return found[1]


@contextmanager
def launched(data: Path, web: int, model_server: int) -> Iterator[Launched]:
    """A launcher that has said that it runs; ended with Ctrl-C."""
    launcher = Launched(data, web, model_server)
    try:
        wait_for(lambda: launcher.said("Whetstone is running"), "the launcher to be up")
        yield launcher
        launcher.process.send_signal(signal.SIGINT)
        assert launcher.process.wait(timeout=30) == 0
    finally:
        launcher.process.kill()
        launcher.process.wait()


def answers(url: str) -> bool:
    """Whether somebody answers."""
    try:
        return httpx.get(url, timeout=2, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def log_in(launcher: Launched, username: str, password: str) -> int:
    """The status of a login."""
    with httpx.Client(base_url=f"{launcher.url}/api/v1/", trust_env=False, timeout=30) as http:
        token = http.get("session/").json()["csrf_token"]
        body = {"username": username, "password": password}
        return http.post("session/", json=body, headers={"X-CSRFToken": token}).status_code


def processes(command: str, environment: str) -> list[int]:
    """The processes with that in their command line and that in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                values = (entry / "environ").read_bytes().decode()
            except OSError:
                continue
            if command in line and environment in values:
                found.append(int(entry.name))
    return found


def experiments(data: Path) -> list[tuple[str, str]]:
    """The experiments in the launcher's database, with their states."""
    with closing(sqlite3.connect(data / "db.sqlite3", timeout=30)) as connection:
        return connection.execute("SELECT slug, state FROM collection_experiment").fetchall()


def test_it_starts_restarts_what_dies_stops_and_goes_on(tmp_path: Path) -> None:
    web, model_server = free_port(), free_port()
    with launched(tmp_path, web, model_server) as launcher:
        first = launcher.password("ada")
        assert log_in(launcher, "ada", first) == 200
        assert log_in(launcher, "ada", "wrong") in (401, 403)
        wait_for(lambda: experiments(tmp_path) == [("demo", "running")], "the demo to run")
        for command, url in (
            ("modelserver.service", f"{launcher.model_server}/v2/health/ready"),
            ("config.wsgi", f"{launcher.url}/healthz"),
        ):
            for pid in processes(command, str(tmp_path)):
                os.kill(pid, signal.SIGKILL)
            wait_for(lambda url=url: answers(url), f"{command} to be back")
        again = subprocess.run(
            [sys.executable, "-m", "config.launch"],
            cwd=ROOT,
            env=os.environ | {"DATA_DIR": str(tmp_path), "WEB_PORT": str(web), "MODELSERVER_PORT": str(model_server)},
            capture_output=True,
            text=True,
        )
        assert again.returncode == 1
        assert f"Port {web} is in use" in again.stderr
    assert not answers(f"http://127.0.0.1:{web}/healthz")
    with launched(tmp_path, web, model_server) as launcher:
        assert experiments(tmp_path) == [("demo", "running")]
        assert launcher.password("ada") != first
        assert log_in(launcher, "ada", launcher.password("ada")) == 200


def test_a_killed_launcher_leaves_nothing_behind(tmp_path: Path) -> None:
    launcher = Launched(tmp_path, free_port(), free_port())
    wait_for(lambda: launcher.said("Whetstone is running"), "the launcher to be up")
    launcher.process.kill()
    launcher.process.wait()
    for command in ("config.wsgi", "modelserver.service", "celery"):
        wait_for(lambda command=command: not processes(command, str(tmp_path)), f"{command} to end with its launcher")
