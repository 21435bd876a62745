"""The live view: figures, progress, health and events; as many queries whatever there is."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from collection.models import Evaluation, Experiment, Round, TestSet
from collection.monitoring import forget
from collection.states import RoundState
from modelserver.client import FakeModelClient
from modelserver.models import ModelVersion, TrainingRun
from tests import factories
from tests.collection.pages import logged_in, shown

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("model")]
LIVE = "/studies/study/"
PROGRESS = {"phase": "training", "step": 30, "steps": 90, "loss": 0.5, "eta_s": 300, "curve": [[10, 0.7], [30, 0.5]]}


@pytest.fixture
def client(experiment: Experiment, model: FakeModelClient) -> Client:
    """A researcher, who has looked at the page before."""
    client = logged_in(factories.researcher(experiment))
    client.get(LIVE)
    return client


def run_of(experiment: Experiment, key: str, **values: Any) -> TrainingRun:
    """A run of the experiment."""
    return TrainingRun.objects.create(key=key, study=experiment.key, spec={"kind": "train"}, **values)


def test_a_cell_has_tries_and_minutes_where_a_model_is_shown(experiment: Experiment, client: Client) -> None:
    factories.accepted(experiment, "dynamic", 1)
    page = shown(client.get(LIVE))
    assert "tries 1.0 · minutes 0.0" in page
    assert page.count("tries –") == 1
    assert "dynamic, round 1: (new) → open" in page
    assert "Tries: how many texts a\n  fooling example took" in page


def test_a_training_shows_its_steps_its_curve_and_the_time_left(experiment: Experiment, client: Client) -> None:
    run = run_of(experiment, "train", state="running", progress=PROGRESS)
    Round.objects.filter(arm__slug="static").update(state="training", training_run=run)
    page = shown(client.get(LIVE))
    assert '<progress max="90" value="30" aria-label="training, round 1 of static">' in page
    assert 'role="img" aria-label="Loss curve: from 0.700 at step 10 to 0.500 at step 30, lowest 0.500."' in page
    assert "about 5 min left" in page
    cell = next(
        item for item in client.get("/api/v1/console/experiments/study/rounds/").json() if item["arm"] == "static"
    )
    assert cell["training"] == {
        "phase": "training", "step": 30, "steps": 90, "eta_s": 300, "points": [[10, 0.7], [30, 0.5]]
    }  # fmt: skip


def test_each_test_set_is_listed_with_its_scores_or_without(experiment: Experiment, client: Client) -> None:
    made = [
        TestSet.objects.create(slug=slug, name=slug, task=experiment.task, sha256="0" * 64, rows=4)
        for slug in ("winter", "summer")
    ]
    experiment.test_sets.set(made)
    assert experiment.base_version is not None
    Evaluation.objects.create(
        model_version=experiment.base_version, test_set=made[0], run=run_of(experiment, "score"), rows=4,
        accuracy=0.75, balanced_accuracy=0.7, predicted=[], confidence=[],
    )  # fmt: skip
    page = shown(client.get(LIVE))
    assert page.count("<td>base</td>") == 1
    assert "0.75 [" in page
    assert "Test set summer (n = 4" in page


@pytest.mark.parametrize("count", [1, 8])
def test_the_page_takes_at_most_15_queries_however_many_rounds_and_test_sets_there_are(
    experiment: Experiment, client: Client, count: int
) -> None:
    run = run_of(experiment, "train", state="running", progress=PROGRESS)
    for arm in experiment.arms.all():
        for number in range(2, count + 2):
            version = ModelVersion.objects.create(
                name=f"study-{arm.slug}", version=number, manifest_sha256="0" * 64, labels=list(factories.LABELS)
            )
            state = RoundState.EVALUATING if number == 2 else RoundState.DONE
            Round.objects.create(
                arm=arm, number=number, quota=1, state=state, trained_version=version, training_run=run
            )
    for number in range(count):
        experiment.test_sets.create(
            slug=f"set-{number}", name=f"set {number}", task=experiment.task, sha256="0" * 64, rows=1
        )
    for _ in range(min(count, 4)):
        factories.written(experiment)
    forget()
    with CaptureQueriesContext(connection) as captured:
        assert client.get(LIVE).status_code == 200
    assert len(captured) <= 15
