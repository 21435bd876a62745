"""Whether releases stay fast and small in memory: ``python -m benchmarks.releases``.

Makes a scratch SQLite database with one finished experiment of N examples with three votes each, for every N, and
builds and publishes a release of it in JSONL in one process, on one core: read, scanned for personal data, written,
hashed and moved into place. Then downloads its largest file and all of it as a zip. Prints examples a second, how
much the process grew over what it was before release and downloads, what an example cost against the smallest N, and
how long the later of the first bytes of both downloads took. Targets: 20,000 a second for the largest, 256 MB, 1.2
times, 1 s. Each N has a process of its own, since the most memory that one ever had stays on record. Other load on the
machine makes it noisy.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.serving import ROOT, fresh_database, hardware

SIZES = (10_000, 100_000, 1_000_000)
LEAST_RATE, MOST_MB, MOST_RATIO, MOST_FIRST_S = 20_000, 256, 1.2, 1.0


def main() -> int:
    """Run it and print the table; returns 0 if the targets were hit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of examples")
    parser.add_argument("--times", type=int, default=1, help="releases of each size; the fastest counts")
    parser.add_argument("--output", type=Path, help="a file that the result is appended to")
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure, arguments.times)))
        return 0
    load_average = os.getloadavg()[0]
    found = [_apart(size, arguments.times) for size in arguments.sizes]
    result, hit = _table(found, load_average)
    print(result)
    if arguments.output:
        with arguments.output.open("a", encoding="utf-8") as file:
            file.write(f"\n{result}\n")
    return 0 if hit else 1


def _apart(size: int, times: int) -> dict[str, Any]:
    """Measure one size in a process of its own, with a database and a data folder of its own, on one core."""
    with tempfile.TemporaryDirectory() as name, fresh_database(Path(name), None) as url:
        environment = {
            **os.environ,
            "DATABASE_URL": url,
            "DATA_DIR": name,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "WHETSTONE_ENV": "development",
            "OMP_NUM_THREADS": "1",
        }
        command = [sys.executable, "-m", "benchmarks.releases", "--measure", str(size), "--times", str(times)]
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(size: int, times: int) -> dict[str, Any]:
    """Build a release of so many examples: seconds, seconds of the processor, and growth in MB."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-1:])
    import django

    django.setup()
    from django.core.management import call_command

    from benchmarks.large_study import fill
    from collection import releases, releasing

    call_command("migrate", verbosity=0)
    # Filled by a process that is gone: its memory is not counted.
    if (child := os.fork()) == 0:
        fill(size)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    from collection.models import Experiment

    # As a web process starts, for the downloads.
    import_module("config.wsgi")
    study = Experiment.objects.get()
    before = _peak_mb()
    seconds, processor = [], []
    for _ in range(times):
        wanted = releases.ask(study, {"formats": ["jsonl"]})
        began, used = time.perf_counter(), time.process_time()
        releasing.release(wanted.pk)
        seconds.append(time.perf_counter() - began)
        processor.append(time.process_time() - used)
        wanted.refresh_from_db()
        assert wanted.state == "done", wanted.problem
        assert sum(item["rows"] or 0 for path, item in wanted.files.items() if "examples" in path) == size
    largest = max(wanted.files, key=lambda path: wanted.files[path]["size"])
    address = f"/r/{releases.make_link(wanted)}"
    first = max(_first_byte(f"{address}/files/{largest}"), _first_byte(f"{address}/zip/"))
    return {
        "size": size,
        "seconds": min(seconds),
        "processor": min(processor),
        "mb": _peak_mb() - before,
        "first": first,
        "bytes": wanted.size,
    }


def _first_byte(path: str) -> float:
    """Seconds until a download's first byte; all of it is read."""
    from django.test import Client

    began = time.perf_counter()
    answer = Client(SERVER_NAME="localhost").get(path)
    assert answer.status_code == 200, answer.status_code
    parts = iter(answer)
    next(parts)
    taken = time.perf_counter() - began
    for _ in parts:
        pass
    return taken


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _table(found: Sequence[dict[str, Any]], load_average: float) -> tuple[str, bool]:
    lines, hit = [], True
    first = found[0]["seconds"] / found[0]["size"]
    for item in found:
        rate, ratio = item["size"] / item["seconds"], item["seconds"] / item["size"] / first
        # What a release takes however small it is falls on the smaller ones.
        fast = rate >= LEAST_RATE or item is not found[-1]
        met = fast and item["mb"] <= MOST_MB and ratio <= MOST_RATIO and item["first"] <= MOST_FIRST_S
        hit = hit and met
        lines.append(
            f"| {item['size']:,} | {item['bytes'] / 1e6:,.0f} | {item['seconds']:.1f} | {item['processor']:.1f} "
            f"| {rate:,.0f} | {item['mb']:.0f} | {ratio:.2f} | {item['first']:.2f} | {'hit' if met else 'missed'} |"
        )
    head = [
        f"{hardware()}, one core; load average at the start {load_average:.1f}; Python {platform.python_version()}",
        "",
        "| examples | MB | s | s of the processor | examples a second | growth, MB | cost of one against the first "
        f"| first byte, s | ≥ {LEAST_RATE:,}, ≤ {MOST_MB} MB, ≤ {MOST_RATIO}, ≤ {MOST_FIRST_S:.0f} s |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    return "\n".join([*head, *lines]), hit


if __name__ == "__main__":
    sys.exit(main())
