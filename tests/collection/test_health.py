"""Whether the model server, a worker and a trainer are there, in words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from django.db import connection
from django.utils import timezone

from collection import health as operation
from collection.grid import grid_of
from collection.health import Part, forget, health
from collection.models import Experiment
from collection.tasks import reconcile
from lifecycle.models import Sign
from lifecycle.signs import last_signs
from modelserver import runs, tasks
from modelserver.client import FakeModelClient, Rejected
from modelserver.models import TrainingRun
from modelserver.wire import ModelRef
from tests import factories
from tests.collection.pages import logged_in, shown

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def model(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeModelClient]:
    """A model server."""
    fake = FakeModelClient()
    monkeypatch.setattr("modelserver.registry.model_client", lambda: fake)
    forget()
    yield fake
    forget()


def part(name: str, experiment: Experiment | None = None) -> Part:
    """What is said of one part."""
    chosen = experiment or Experiment.objects.first() or factories.running()
    return next(item for item in health(grid_of(chosen)) if item.name == name)


def seen(name: str, seconds: float) -> None:
    """Somebody left a sign so long ago."""
    at = timezone.now() - dt.timedelta(seconds=seconds)
    Sign.objects.update_or_create(name=name, defaults={"at": at})


class TestModelServer:
    def test_that_is_away_is_said_with_what_to_do(self, model: FakeModelClient) -> None:
        model.down = True
        found = part("Model server")
        assert not found.well
        assert "python -m modelserver.service" in found.message

    def test_says_which_versions_are_in_memory(self, model: FakeModelClient) -> None:
        expected = "It answers. Writers play against 1 version, 0 in memory; the first text loads what is not."
        assert part("Model server") == Part("Model server", True, expected)
        model.predict_one(ModelRef("base", 0), factories.LABELS, ["a", "b"])
        forget()
        assert part("Model server").message == "It answers. Writers play against 1 version, 1 in memory."

    def test_of_a_draft_is_asked_about_nothing(self) -> None:
        found = part("Model server", factories.draft())
        assert (found.well, found.message) == (True, "It answers. No open round shows a model.")

    def test_that_lacks_a_version_is_not_well(self, model: FakeModelClient, monkeypatch: pytest.MonkeyPatch) -> None:
        def lacks(ref: ModelRef) -> bool:
            raise Rejected("there is no model base/0", is_input=False)

        monkeypatch.setattr(model, "holds", lacks)
        found = part("Model server")
        assert (found.well, found.message) == (False, "It answers, but not about base/0: there is no model base/0")

    def test_is_asked_once_in_a_while_and_not_by_every_refresh(
        self, model: FakeModelClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = []
        monkeypatch.setattr(model, "is_ready", lambda: bool(asked.append(1)))
        for _ in range(3):
            part("Model server")
        assert len(asked) == 1
        monkeypatch.setattr(operation, "KEPT_SECONDS", -1.0)
        part("Model server")
        assert len(asked) == 2


class TestWorker:
    def test_that_never_was_there_is_asked_for(self) -> None:
        found = part("Worker")
        assert not found.well
        assert found.message.startswith("No worker was ever seen: ")
        assert found.message.endswith("Start one with: celery -A config worker -Q default -B")

    def test_leaves_a_sign_at_each_reconcile(self) -> None:
        reconcile()
        assert part("Worker").well
        seen(operation.WORKER, 12)
        assert part("Worker").message == "A worker did something 12 s ago."

    def test_that_is_gone_is_told_with_since_when(self) -> None:
        seen(operation.WORKER, 300)
        found = part("Worker")
        assert not found.well
        assert found.message.startswith("No sign of a worker for 5 min: ")


class TestTrainer:
    def test_that_waits_for_work_shows_itself_now_and_then(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tasks, "_last_sign", float("-inf"))
        monkeypatch.setattr(connection, "close", lambda: None)

        def heart(*queues: str) -> SimpleNamespace:
            names = SimpleNamespace(queues=SimpleNamespace(consume_from=dict.fromkeys(queues)))
            return SimpleNamespace(eventer=SimpleNamespace(app=SimpleNamespace(amqp=names)))

        tasks.show_idle_trainer(heart("default"))
        assert last_signs() == {}
        tasks.show_idle_trainer(heart("training"))
        first = last_signs()[runs.TRAINER]
        tasks.show_idle_trainer(heart("training"))
        assert last_signs() == {runs.TRAINER: first}
        assert part("Trainer").well

    def test_that_works_shows_itself_too(self) -> None:
        experiment = factories.running()
        run = TrainingRun.objects.create(key="a", study=experiment.key, spec={"kind": "train"})
        TrainingRun.objects.create(key="b", study=experiment.key, spec={"kind": "train"})
        claimed = runs.claim(run.pk)
        assert claimed is not None
        runs.heartbeat(claimed, None)
        found = part("Trainer")
        assert found.well
        assert found.message.endswith("Runs of all experiments: 1 under way, 1 waiting.")

    def test_that_is_gone_is_told_with_what_to_do(self) -> None:
        seen(runs.TRAINER, 7200)
        found = part("Trainer")
        assert not found.well
        assert found.message.startswith("No sign of a trainer for 2 h: nothing is trained or scored.")


def test_the_page_and_the_api_say_the_same() -> None:
    client = logged_in(factories.researcher(factories.running()))
    told = client.get("/api/v1/console/experiments/study/health/").json()
    assert [item["name"] for item in told] == ["Model server", "Worker", "Trainer"]
    page = shown(client.get("/studies/study/"))
    for item in told:
        assert item["message"] in page


@pytest.mark.django_db(transaction=True)
def test_the_model_server_is_never_asked_inside_a_transaction(
    model: FakeModelClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = []
    monkeypatch.setattr(model, "is_ready", lambda: not inside.append(connection.in_atomic_block))
    logged_in(factories.researcher(factories.running())).get("/studies/study/")
    assert inside == [False]
