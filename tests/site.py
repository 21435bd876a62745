"""The whole product as real processes, and people who use it over HTTP."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
import psycopg
from honcho.environ import parse_procfile

from tests.ports import free_port

ROOT = Path(__file__).resolve().parent.parent
PASSWORD = "a password for tests"
WAIT_SECONDS = 240.0


def wait_for(condition: Callable[[], Any], what: str, seconds: float = WAIT_SECONDS) -> Any:
    """What the condition gives, once it is true. Fails the test, saying what was waited for, if it never is."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds} s in vain for: {what}")


@dataclass
class Site:
    """A running site in a folder of its own; its database is of the kind that DATABASE_URL names."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    people: list[Person] = field(default_factory=list)

    def __post_init__(self) -> None:
        web, model_server = free_port(), free_port()
        self.url = f"http://127.0.0.1:{web}"
        self.environment = {
            **os.environ,
            "DATA_DIR": str(self.folder),
            "DATABASE_URL": _fresh_database(self.folder),
            "BROKER_URL": os.environ.get("BROKER_URL", "filesystem://localhost/"),
            "WEB_PORT": str(web),
            "MODELSERVER_PORT": str(model_server),
            "MODELSERVER_URL": f"http://127.0.0.1:{model_server}",
            "MODELSERVER_TIMEOUT_S": "20",
            "MODELSERVER_THREADS": "1",
            "TRAINING_THREADS": "1",
            "RECONCILE_SECONDS": "0.5",
            "TRAINING_HEARTBEAT_SECONDS": "0.3",
            "TRAINING_DEADLINE_SECONDS": "2",
            "TRAINING_BACKOFF_SECONDS": "0.1",
            "TRAINING_MAX_ATTEMPTS": "5",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        self.commands = parse_procfile((ROOT / "Procfile").read_text(encoding="utf-8")).processes

    def start(self, *names: str) -> None:
        """Start processes of the Procfile; all of them if none is named. Waits until web and model server answer."""
        for name in names or self.commands:
            with (self.folder / f"{name}.log").open("ab") as log:
                self.processes[name] = subprocess.Popen(
                    ["/bin/sh", "-c", f"exec {self.commands[name]}"],
                    cwd=ROOT,
                    env=self.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        if "web" in (names or self.commands):
            wait_for(lambda: _ok(f"{self.url}/healthz"), "the web process")
        if "modelserver" in (names or self.commands):
            wait_for(lambda: _ok(f"{self.environment['MODELSERVER_URL']}/v2/health/ready"), "the model server")

    def kill(self, name: str) -> None:
        """kill -9 of a process and of all its own, as when a machine goes away."""
        process = self.processes.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        """End everything."""
        for person in self.people:
            person.http.close()
        for process in self.processes.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def manage(self, *arguments: str) -> str:
        """Run manage.py; gives its output."""
        return self.python("manage.py", *arguments)

    def seed(self, slug: str, base_model: Path, people: int, **settings: object) -> list[Person]:
        """Make and launch an experiment, and people for it; waits until it runs."""
        usernames = [f"{slug}-{number}" for number in range(people)]
        plan = {"slug": slug, "base_model": str(base_model), "usernames": usernames, "settings": settings}
        self.python("-m", "tests.seed", json.dumps({**plan, "password": PASSWORD}))
        wait_for(lambda: self.state(slug) == "running", f"{slug} to run")
        people = [Person(self.url, slug, username) for username in usernames]
        self.people += people
        for person in people:
            person.join()
        return people

    def state(self, slug: str) -> str:
        """The state of an experiment."""
        return str(self.query("SELECT state FROM collection_experiment WHERE slug = %s", slug)[0][0])

    def query(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of a query, its values marked by %s."""
        url = self.environment["DATABASE_URL"]
        if url.startswith("sqlite"):
            import sqlite3

            with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=30)) as connection:
                return connection.execute(statement.replace("%s", "?"), values).fetchall()
        with psycopg.connect(url) as connection:
            return connection.execute(statement, values).fetchall()  # type: ignore[arg-type]

    def program(self, text: str) -> str:
        """Run a program of the product, its models at hand; gives what it prints."""
        begin = "import django, os; os.environ['DJANGO_SETTINGS_MODULE'] = 'config.settings'; django.setup()"
        return self.python("-c", f"{begin}\nfrom collection.models import *\n{text}")

    def logs(self) -> str:
        """The end of every log, to show when a test fails."""
        return "\n".join(f"--- {log.name}\n{log.read_text()[-3000:]}" for log in sorted(self.folder.glob("*.log")))

    def python(self, *arguments: str) -> str:
        """Run Python in the site's environment; gives its output."""
        finished = subprocess.run(
            [sys.executable, *arguments], cwd=ROOT, env=self.environment, capture_output=True, text=True
        )
        assert finished.returncode == 0, finished.stderr
        return finished.stdout


@dataclass
class Person:
    """Somebody who annotates over HTTP. Texts say their label, so that validators of the test can read it."""

    url: str
    slug: str
    username: str

    def __post_init__(self) -> None:
        self.http = httpx.Client(base_url=f"{self.url}/api/v1/", timeout=60, trust_env=False)
        self.seen: list[dict[str, Any]] = []

    def join(self) -> None:
        """Log in and enrol."""
        token = self.http.get("session/").json()["csrf_token"]
        body = {"username": self.username, "password": PASSWORD}
        answer = self.http.post("session/", json=body, headers={"X-CSRFToken": token})
        assert answer.status_code == 200, answer.text
        self.http.headers["X-CSRFToken"] = answer.json()["csrf_token"]
        self.post(f"experiments/{self.slug}/enrolment/")

    def post(self, path: str, body: object = None, **headers: str) -> httpx.Response:
        """A POST that is sent again, unchanged, while nobody answers: as a person presses the button again."""

        def answered() -> httpx.Response | None:
            try:
                response = self.http.post(path, json=body if body is not None else {}, headers=headers)
            except httpx.TransportError:
                return None
            return None if response.status_code in (502, 503) else response

        response: httpx.Response = wait_for(answered, f"an answer to {path}")
        if response.headers["Content-Type"].endswith("json"):
            self.seen.append(response.json())
        return response

    def write(self) -> bool:
        """Write one example. False if there is no slot."""
        claimed = self.post(f"experiments/{self.slug}/assignments/")
        if claimed.status_code == 409:
            return False
        assert claimed.status_code == 200, claimed.text
        assignment = claimed.json()
        path = f"assignments/{assignment['key']}"
        while True:
            attempt = self.attempt(assignment)
            if attempt is None:
                return False
            attempt = wait_for(lambda key=attempt["key"]: self._judged(path, key), "a verdict")
            submitted = self.post(f"{path}/example/", {"attempt": attempt["key"]})
            if submitted.status_code == 201:
                return True
            assert submitted.json()["code"] == "tries_left", submitted.text

    def attempt(self, assignment: dict[str, Any]) -> dict[str, Any] | None:
        """Put a new text to the model; None if the lease was lost."""
        words = " ".join(random.choices(("man", "dog", "runs", "red", "ball", "park", "eats", "cat"), k=4))
        text = f"{assignment['target_label']} {words} {uuid.uuid4().hex}"
        answer = self.post(
            f"assignments/{assignment['key']}/attempts/",
            {"texts": {"hypothesis": text}},
            **{"Idempotency-Key": uuid.uuid4().hex},
        )
        assert answer.status_code == 201, answer.text
        stored: dict[str, Any] = answer.json()
        return stored

    def validate(self) -> int:
        """Validate all that there is; returns how many."""
        votes = 0
        while True:
            lease = self.post(f"experiments/{self.slug}/validations/")
            if lease.status_code == 409:
                return votes
            label = lease.json()["texts"]["hypothesis"].split()[0]
            voted = self.post(f"validations/{lease.json()['key']}/vote/", {"label": label})
            assert voted.status_code == 200, voted.text
            votes += 1

    def _judged(self, path: str, key: str) -> dict[str, Any] | None:
        try:
            body = self.http.get(f"{path}/").json()
        except httpx.TransportError:
            return None
        self.seen.append(body)
        attempt: dict[str, Any] = next(item for item in body["attempts"] if item["key"] == key)
        return None if attempt.get("state") == "waiting" else attempt


def everybody_works(site: Site, slug: str, people: list[Person]) -> None:
    """All write and validate in turn until the experiment has finished."""

    def done() -> bool:
        for person in people:
            person.write()
            person.validate()
        return site.state(slug) == "finished"

    wait_for(done, f"{slug} to finish")


@contextlib.contextmanager
def running_site(folder: Path) -> Iterator[Site]:
    """A site with all its processes, migrated and empty."""
    site = Site(folder)
    try:
        site.manage("migrate", "--verbosity", "0")
        site.start()
        yield site
    except BaseException:
        print(site.logs())
        raise
    finally:
        site.stop()


def _fresh_database(folder: Path) -> str:
    url = os.environ.get("DATABASE_URL", "")
    if not url.startswith("postgres"):
        return f"sqlite:///{folder / 'db.sqlite3'}"
    name = f"site_{uuid.uuid4().hex}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def _ok(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
