"""The training process as its worker sees it: files, exit status, signals."""

from __future__ import annotations

import dataclasses
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modelserver.training.__main__ import main
from modelserver.wire import Job, Result, Source
from tests.modelserver.tiny_artifacts import LABELS, RECIPE, as_test_set, write_rows

ROOT = Path(__file__).parents[3]
LONG = dataclasses.replace(RECIPE, epochs=1000, batch_size=1)
PATIENCE_SECONDS = 120

# Starts a training and says its process id, then waits to be killed.
PARENT = """
import subprocess, sys
process = subprocess.Popen([sys.executable, "-m", "modelserver.training", sys.argv[1]])
print(process.pid, flush=True)
process.wait()
"""


@pytest.fixture
def job_file(tmp_path: Path, adapter: Path) -> Callable[..., Path]:
    def write(**changes: Any) -> Path:
        data = write_rows(tmp_path / "rows.jsonl")
        output = tmp_path / "out"
        output.mkdir()
        job = Job(
            kind="train",
            source=Source(str(adapter)),
            labels=LABELS,
            output=str(output),
            recipe=RECIPE,
            data=data,
            evaluate=(as_test_set(data),),
            threads=1,
        )
        path = tmp_path / "job.json"
        path.write_text(json.dumps(dataclasses.replace(job, **changes).to_dict()))
        return path

    return write


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_until_training(output: Path) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        progress = output / "progress.json"
        if progress.exists() and json.loads(progress.read_text())["phase"] == "training":
            return
        time.sleep(0.05)
    pytest.fail("the training did not begin")


def names(output: Path) -> list[str]:
    return sorted(path.name for path in output.iterdir())


def test_a_job_that_succeeds_leaves_artifact_and_result(job_file: Callable[..., Path], tmp_path: Path) -> None:
    process = start("-m", "modelserver.training", str(job_file()))

    _, errors = process.communicate(timeout=PATIENCE_SECONDS)

    assert (process.returncode, errors) == (0, "")
    assert names(tmp_path / "out") == ["artifact", "progress.json", "result.json"]
    result = Result.from_dict(json.loads((tmp_path / "out" / "result.json").read_text()))
    assert result.metrics["startup_seconds"] > 0


def test_a_job_that_cannot_succeed_says_so_and_exits_2(job_file: Callable[..., Path], tmp_path: Path) -> None:
    process = start("-m", "modelserver.training", str(job_file(source=Source("/nowhere/model/0"))))

    process.communicate(timeout=PATIENCE_SECONDS)

    assert process.returncode == 2
    assert names(tmp_path / "out") == ["error.json", "progress.json"]
    error = json.loads((tmp_path / "out" / "error.json").read_text())
    assert error == {"field": "source.artifact", "message": "0: the folder has no manifest.json"}


def test_a_cancelled_job_exits_143_and_leaves_no_result(job_file: Callable[..., Path], tmp_path: Path) -> None:
    process = start("-m", "modelserver.training", str(job_file(recipe=LONG)))
    wait_until_training(tmp_path / "out")

    process.send_signal(signal.SIGTERM)

    _, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert (process.returncode, errors) == (143, "")
    assert names(tmp_path / "out") == ["progress.json"]


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux to wait for a process that is no child")
def test_a_job_ends_when_the_process_that_started_it_is_killed(job_file: Callable[..., Path], tmp_path: Path) -> None:
    parent = start("-c", PARENT, str(job_file(recipe=LONG)))
    assert parent.stdout is not None
    training = os.pidfd_open(int(parent.stdout.readline()))
    wait_until_training(tmp_path / "out")

    parent.kill()
    parent.communicate(timeout=PATIENCE_SECONDS)

    ended, _, _ = select.select([training], [], [], PATIENCE_SECONDS)
    os.close(training)
    assert ended
    assert names(tmp_path / "out") == ["progress.json"]


class TestDescription:
    """What is refused before anything is loaded, in this process."""

    @pytest.fixture(autouse=True)
    def _unguarded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("modelserver.training.guard.install", lambda: None)

    @pytest.mark.parametrize(
        ("description", "field"),
        [
            ("{", "job"),
            ("[]", "job"),
            ("{}", "body"),
            ('{"kind": "train", "surprise": 1}', "surprise"),
            ('{"kind": "train", "source": {}}', "source.source"),
            ('{"kind": "x", "source": {"artifact": "a"}, "labels": ["a", "b"], "output": "/nowhere"}', "kind"),
            ('{"kind": "import", "source": {"artifact": "a"}, "labels": ["a", "b"], "output": "/nowhere"}', "output"),
        ],
    )
    def test_of_a_job_that_is_malformed(self, tmp_path: Path, description: str, field: str) -> None:
        path = tmp_path / "job.json"
        path.write_text(description)

        assert main([str(path)]) == 2

        assert json.loads((tmp_path / "error.json").read_text())["field"] == field

    def test_that_is_not_there_is_no_verdict_on_the_job(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            main([str(tmp_path / "job.json")])
        assert names(tmp_path) == []
