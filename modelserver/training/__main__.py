"""``python -m modelserver.training job.json``: run one job in a process of its own.

Exit status 0: ``result.json`` is there. 2: the job cannot succeed by being run again, ``error.json`` says why.
143: cancelled. Anything else: it failed and may be tried again; the traceback is on stderr.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from modelserver.training import guard
from modelserver.training.progress import ProgressFile
from modelserver.wire import ERROR_FILE, Job, WireError, write_json

FINAL = 2


def main(arguments: Sequence[str]) -> int:
    """Run the job of the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m modelserver.training", description="Run one training job.")
    parser.add_argument("job", type=Path, help="the job's description, job.json")
    path: Path = parser.parse_args(arguments).job
    guard.install()
    output = path.parent
    try:
        job = _read_job(path)
        output = Path(job.output)
        progress = ProgressFile(output)
        # Torch takes seconds to import: only now, when the guard stands and the job is known to be well formed.
        from modelserver.training import jobs

        jobs.run(job, progress)
    except WireError as error:
        write_json(output / ERROR_FILE, {"field": error.field, "message": error.message})
        print(error, file=sys.stderr)
        return FINAL
    return 0


def _read_job(path: Path) -> Job:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise WireError("job", "is not JSON") from None
    if not isinstance(values, dict):
        raise WireError("job", "must be a JSON object")
    job = Job.from_dict(values)
    if not Path(job.output).is_dir():
        raise WireError("output", "must be a folder that exists")
    return job


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
