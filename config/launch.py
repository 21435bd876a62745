"""``make run``: the whole product on one machine, from the Procfile, kept running until Ctrl-C."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from honcho.environ import parse_procfile

from config import environment as env

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 180
STOP_SECONDS = 8
RESTART_SECONDS = 1.0
PR_SET_PDEATHSIG = 1


@dataclass
class Process:
    """One line of the Procfile, restarted when it dies."""

    name: str
    command: str
    environment: dict[str, str]
    popen: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self, log: Path) -> None:
        """Start it in a process group of its own, its output appended to ``log``."""
        with log.open("ab") as output:
            self.popen = subprocess.Popen(
                ["/bin/sh", "-c", f"exec {self.command}"],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )

    def signal(self, number: int) -> None:
        """Send a signal to the whole group, if it is there."""
        if self.popen is not None:
            try:
                os.killpg(self.popen.pid, number)
            except ProcessLookupError:
                return


def main() -> int:
    """Prepare the database, start every process, print where to go, and stay until told to stop."""
    environment = child_environment()
    data = Path(environment["DATA_DIR"])
    (data / "run").mkdir(parents=True, exist_ok=True)
    logs = data / "logs"
    logs.mkdir(exist_ok=True)
    web = f"http://{environment['WEB_HOST']}:{environment['WEB_PORT']}"
    model_server = environment["MODELSERVER_URL"]
    for name, port in (("WEB_PORT", environment["WEB_PORT"]), ("MODELSERVER_PORT", environment["MODELSERVER_PORT"])):
        if not _free(int(port)):
            print(f"Port {port} is in use. Stop what uses it, or choose another: {name}=… make run", file=sys.stderr)
            return 1
    for mark in (data / "run").glob("*.ready"):
        mark.unlink()
    _manage(environment, "migrate", "--verbosity", "0")
    logins = json.loads(_manage(environment, "seed_demo", "--logins"))["logins"]

    procfile = parse_procfile((ROOT / "Procfile").read_text(encoding="utf-8"))
    processes = [Process(name, command, environment) for name, command in procfile.processes.items()]
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    print(f"Starting {', '.join(item.name for item in processes)}; their logs are in {logs}", flush=True)
    for item in processes:
        item.start(logs / f"{item.name}.log")
    try:
        if not _wait_until_healthy(web, model_server, data / "run", processes, stop):
            return 0 if stop.is_set() else 1
        _print_welcome(web, logins)
        while not stop.wait(RESTART_SECONDS):
            _restart_dead(processes, logs)
    finally:
        _stop_all(processes)
    return 0


def child_environment() -> dict[str, str]:
    """The environment of every process: this one's, with defaults for what it leaves out or blank."""
    own = {
        "DATA_DIR": str(ROOT / "var"),
        "WEB_HOST": "127.0.0.1",
        "WEB_PORT": "8000",
        "MODELSERVER_HOST": "127.0.0.1",
        "MODELSERVER_PORT": "8001",
        "PYTHONUNBUFFERED": "1",
        "GOMP_SPINCOUNT": "1000",
        "HF_HUB_OFFLINE": "1",
    }
    values = {**os.environ, **{name: env.text(name, default) for name, default in own.items()}}
    values["DATA_DIR"] = str(Path(values["DATA_DIR"]).resolve())
    model_server = f"http://{values['MODELSERVER_HOST']}:{values['MODELSERVER_PORT']}"
    values["MODELSERVER_URL"] = env.text("MODELSERVER_URL", model_server)
    values["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{values.get('PATH', '')}"
    return values


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _manage(environment: dict[str, str], *arguments: str) -> str:
    finished = subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    if finished.returncode != 0:
        sys.exit(finished.returncode)
    return finished.stdout


def _wait_until_healthy(
    web: str, model_server: str, marks: Path, processes: list[Process], stop: threading.Event
) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while not stop.wait(0.2):
        for item in processes:
            if item.popen is not None and item.popen.poll() is not None:
                print(f"{item.name} ended with status {item.popen.returncode}; see its log", file=sys.stderr)
                return False
        queues = {mark.stem for mark in marks.glob("*.ready")}
        if queues >= {"default", "training"} and _ok(f"{web}/healthz") and _ok(f"{model_server}/v2/health/ready"):
            return True
        if time.monotonic() > deadline:
            print("The processes did not become healthy in time; see their logs", file=sys.stderr)
            return False
    return False


def _ok(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def _print_welcome(web: str, logins: list[dict[str, str]]) -> None:
    width = max(len(login["username"]) for login in logins)
    lines = [f"  {login['username']:<{width}}  {login['password']}  {login['role']}" for login in logins]
    print(
        f"\nWhetstone is running at {web}\n\nLogins (passwords made anew at each start):\n"
        + "\n".join(lines)
        + "\n\nCtrl-C stops it. Run it again to go on where it was.\n",
        flush=True,
    )


def _restart_dead(processes: list[Process], logs: Path) -> None:
    for item in processes:
        if item.popen is not None and item.popen.poll() is not None:
            print(f"{item.name} ended with status {item.popen.returncode}; starting it again", flush=True)
            # What it has started may live on and hold its port.
            item.signal(signal.SIGKILL)
            item.start(logs / f"{item.name}.log")


def _stop_all(processes: list[Process]) -> None:
    for item in processes:
        item.signal(signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    for item in processes:
        if item.popen is None:
            continue
        with contextlib.suppress(subprocess.TimeoutExpired):
            item.popen.wait(max(0.0, deadline - time.monotonic()))
        item.signal(signal.SIGKILL)
        item.popen.wait()


def _die_with_parent() -> None:
    """So that a killed launcher leaves nothing behind that holds a port. Only Linux can promise it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
