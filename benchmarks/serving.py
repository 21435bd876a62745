"""What the benchmarks share: processes and databases of their own on loopback, a client, clocks, the machine's name.

Nothing here loads torch before it is needed: settings of the environment that torch reads can be made first.
"""

from __future__ import annotations

import datetime as dt
import http.client
import json
import os
import platform
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg

from modelserver.artifacts import read_manifest
from modelserver.client import ModelClient
from modelserver.repository import ModelRepository
from modelserver.wire import ModelRef

ROOT = Path(__file__).resolve().parent.parent
REF = ModelRef("benchmarked", 0)
START_SECONDS = 120
STOP_SECONDS = 20
WARM_UP = 30
# Gunicorn drops an idle connection after two seconds.
IDLE_SECONDS = 1.0

# What a way does before the clock starts, which gives what the clock is to measure.
Way = Callable[[int], Callable[[], object]]
Times = dict[str, list[float]]


@contextmanager
def serving(artifact: Path, settings: Mapping[str, str] | None = None) -> Iterator[str]:
    """A model server of its own that has the artifact loaded; gives its address."""
    with tempfile.TemporaryDirectory() as folder:
        publish(artifact, folder)
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        environment = {
            **os.environ,
            **(settings or {}),
            "MODEL_REPOSITORY_URL": folder,
            "MODELSERVER_HOST": "127.0.0.1",
            "MODELSERVER_PORT": str(port),
            "MODELSERVER_PRELOAD": str(REF),
            "MODELSERVER_TOKEN": "",
        }
        command = [sys.executable, "-m", "modelserver.service"]
        with (
            closing(ModelClient(url)) as client,
            running(command, environment, client.is_ready, Path(folder) / "modelserver.log"),
        ):
            yield url


def publish(artifact: Path, repository_url: str) -> Path:
    """Publish an artifact as the benchmarked version, with the encoder it needs; gives the version's own folder."""
    from modelserver.engine.loading import encoder_folder

    repository = ModelRepository(repository_url)
    manifest = read_manifest(artifact)
    encoder = encoder_folder(artifact, manifest)
    if encoder is not None and manifest.encoder_ref is not None:
        repository.publish(encoder, manifest.encoder_ref)
    repository.publish(artifact, REF)
    return repository.fetch(REF)


@contextmanager
def running(
    command: Sequence[str], environment: Mapping[str, str], is_ready: Callable[[], bool], log: Path
) -> Iterator[None]:
    """A process that runs and is ready; it ends with the context. Raises RuntimeError if it does not start."""
    with log.open("ab") as output:
        # A session of its own: it can be ended with all that it has started, and nothing else with it.
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{' '.join(command)} did not start")
            time.sleep(0.1)
        yield
    except Exception:
        # The log goes with its folder.
        print(log.read_text(errors="replace")[-3000:], file=sys.stderr)
        raise
    finally:
        _end(process)


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Browser:
    """One person's connection and cookies. Thinner than an HTTP library, whose work would count too."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=120)
        self._cookies: dict[str, str] = {}
        self._used = 0.0
        self.token = ""

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
        """Status and body of the answer, redirects followed as a browser does."""
        if time.monotonic() - self._used > IDLE_SECONDS:
            self._connection.close()
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent |= {"Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items())}
        self._connection.request(method, path, body or None, sent | {"X-CSRFToken": self.token})
        answer = self._connection.getresponse()
        content = answer.read()
        self._used = time.monotonic()
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie":
                self._cookies |= {key: morsel.value for key, morsel in SimpleCookie(value).items()}
        if answer.status in (302, 303):
            headers.pop("Content_Type", None)
            return self.ask("GET", answer.headers["Location"], b"", **headers)
        return answer.status, content

    def api(self, method: str, path: str, body: object = None, **headers: str) -> Any:
        """What the API answers. Raises RuntimeError if that is a refusal."""
        sent = b"" if body is None else json.dumps(body).encode()
        status, content = self.ask(method, f"/api/v1/{path}", sent, Content_Type="application/json", **headers)
        if status not in (200, 201, 204):
            raise RuntimeError(f"{method} {path} was answered with {status}: {content[:500]!r}")
        return json.loads(content) if content else None

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class Stopwatch:
    """Adds up what the calls take that go through it."""

    def __init__(self) -> None:
        self.ms = 0.0
        self.calls = 0

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same call, timed."""

        def timed(*arguments: object) -> Any:
            started = time.perf_counter()
            try:
                return call(*arguments)
            finally:
                self.ms += (time.perf_counter() - started) * 1000
                self.calls += 1

        return timed


def alternate(ways: Mapping[str, Way], requests: int) -> Times:
    """The milliseconds each way took, one call of each in turn, after some that do not count."""
    times: Times = {name: [] for name in ways}
    for number in range(WARM_UP + requests):
        for name, prepare in ways.items():
            do = prepare(number)
            started = time.perf_counter()
            do()
            taken = (time.perf_counter() - started) * 1000
            if number >= WARM_UP:
                times[name].append(taken)
    return times


def cuts(taken: Sequence[float]) -> tuple[float, float]:
    """p50 and p95."""
    found = statistics.quantiles(taken, n=20, method="inclusive")
    return found[9], found[18]


@contextmanager
def fresh_database(folder: Path, server: str | None) -> Iterator[str]:
    """The URL of an empty database, gone with the context."""
    if not server:
        yield f"sqlite:///{folder / 'db.sqlite3'}"
        return
    name = f"submit_latency_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        try:
            yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def database_version(url: str) -> str:
    """Kind and version of the database."""
    if url.startswith("sqlite"):
        return f"SQLite {sqlite3.sqlite_version}"
    return f"PostgreSQL, psycopg {psycopg.__version__}"


def answers(url: str) -> bool:
    """Whether a page is there."""
    try:
        with closing(Browser(url)) as browser:
            return browser.ask("GET", urlsplit(url).path)[0] == 200
    except OSError:
        return False


def python(environment: Mapping[str, str], *arguments: str) -> str:
    """Run a Python program of the project; gives its output."""
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise RuntimeError(f"{arguments} ended with {done.returncode}")
    return done.stdout


def hardware() -> str:
    """What it ran on, and when."""
    import torch

    cpu = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        names = [line.split(":", 1)[1].strip() for line in information.read_text().splitlines() if "model name" in line]
        cpu = names[0] if names else cpu
    today = dt.datetime.now(tz=dt.UTC).date()
    return f"{cpu}, {os.cpu_count()} cores, torch {torch.__version__}, {torch.get_num_threads()} threads, {today}"


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
