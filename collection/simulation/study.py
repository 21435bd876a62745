"""Driving a whole experiment with simulated annotators, one training at a time, in this process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.conf import settings

from collection.models import Experiment, Round
from collection.reconcile import reconcile
from collection.simulation.crowd import Crowd
from collection.states import ExperimentState, RoundState
from modelserver import runner, runs
from modelserver.client import ModelClient, PredictsText

START_SECONDS = 120


class StudyStuck(RuntimeError):
    """The experiment cannot go on by itself; the message says why."""


def run_study(
    experiment: Experiment, crowd_of: Callable[[Experiment], Crowd], client: PredictsText, tick: Callable[[], None]
) -> None:
    """Take an experiment from wherever it stands to its end, and all work beside its loop too.

    ``tick`` is called after each text written.

    Raises StudyStuck if it fails, pauses or is stopped.
    """
    crowd: Crowd | None = None
    while True:
        reconcile(client)
        waiting = runs.due()
        for run in waiting:
            runner.work(run.pk)
        experiment.refresh_from_db()
        if experiment.state == ExperimentState.FINISHED:
            if not waiting:
                return
            continue
        if experiment.state == ExperimentState.RUNNING:
            crowd = crowd or crowd_of(experiment)
            for arm in experiment.arms.all():
                while crowd.fill(arm):
                    tick()
        _check_moving(experiment)


def _check_moving(experiment: Experiment) -> None:
    if experiment.state not in (ExperimentState.PREPARING, ExperimentState.RUNNING):
        raise StudyStuck(f"the experiment is {experiment.state}. {experiment.problem}")
    failed = Round.objects.filter(arm__experiment=experiment, state=RoundState.FAILED).first()
    if failed is not None:
        raise StudyStuck(f"{failed} failed: {failed.problem}")


@contextmanager
def own_model_server() -> Iterator[ModelClient]:
    """A model server of this simulation's own on a free port, over the site's model repository."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "MODELSERVER_HOST": "127.0.0.1",
        "MODELSERVER_PORT": str(port),
        "MODEL_REPOSITORY_URL": settings.MODEL_REPOSITORY_URL,
        "MODELSERVER_TOKEN": settings.MODELSERVER_TOKEN,
        "GOMP_SPINCOUNT": "1000",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "modelserver.service"],
        cwd=settings.BASE_DIR,
        env=environment,
        stdin=subprocess.DEVNULL,
    )
    client = ModelClient(
        f"http://127.0.0.1:{port}", token=settings.MODELSERVER_TOKEN, timeout_s=settings.MODELSERVER_TIMEOUT_S
    )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not client.is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise StudyStuck("the model server did not start; its messages are above")
            time.sleep(0.1)
        yield client
    finally:
        client.close()
        process.terminate()
        process.wait(timeout=30)
