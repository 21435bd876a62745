"""Moves: legal ones, once, with their event."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, transaction

from collection import states
from collection.models import Experiment, Round
from collection.states import MOVES, ExperimentState, RoundState
from lifecycle.models import StateChange
from lifecycle.moves import IllegalMove, LostRace, move, note
from modelserver.states import RUN_MOVES, RunState
from tests import factories


def test_every_state_stands_in_its_table_and_leads_only_to_states_of_its_own() -> None:
    tables = {
        "experiment": states.ExperimentState,
        "round": states.RoundState,
        "assignment": states.AssignmentState,
        "attempt": states.AttemptState,
        "example": states.ExampleState,
        "validation": states.ValidationState,
        "report": states.ReportState,
        "release": states.ReleaseState,
        "import": states.ImportState,
    }
    assert set(MOVES) == set(tables)
    for name, kind in [*tables.items(), ("run", RunState)]:
        table = RUN_MOVES if name == "run" else MOVES[name]
        assert set(table) == set(kind)
        assert all(to in set(kind) for targets in table.values() for to in targets)


@pytest.mark.django_db
def test_a_move_writes_the_row_and_one_event() -> None:
    experiment = factories.running()
    before = StateChange.objects.count()
    owner = factories.person().user
    move(experiment, ExperimentState.PAUSED, actor=owner, detail={"why": "lunch"}, problem="none")
    stored = Experiment.objects.get()
    assert (stored.state, stored.problem, experiment.state) == ("paused", "none", "paused")
    event = StateChange.objects.latest("pk")
    assert StateChange.objects.count() == before + 1
    assert (event.from_state, event.to_state, event.actor, event.detail) == (
        "running",
        "paused",
        owner,
        {"why": "lunch"},
    )


@pytest.mark.django_db
def test_a_note_leaves_the_state_and_one_event() -> None:
    experiment = factories.running()
    before = StateChange.objects.count()
    owner = factories.person().user
    note(experiment, actor=owner, detail={"changed": {"name": ["old", "new"]}})
    event = StateChange.objects.latest("pk")
    assert StateChange.objects.count() == before + 1
    assert (event.subject_id, event.from_state, event.to_state) == (experiment.pk, "running", "running")
    assert (event.actor, event.detail) == (owner, {"changed": {"name": ["old", "new"]}})
    assert Experiment.objects.get().state == "running"


@pytest.mark.django_db
def test_what_the_table_does_not_know_is_refused() -> None:
    experiment = factories.running()
    with pytest.raises(IllegalMove):
        move(experiment, ExperimentState.DRAFT)
    with pytest.raises(IllegalMove):
        move(Round.objects.all()[0], RoundState.DONE)
    assert Experiment.objects.get().state == "running"


@pytest.mark.django_db
def test_who_is_second_loses_and_leaves_no_event() -> None:
    factories.running()
    one, other = Experiment.objects.get(), Experiment.objects.get()
    move(one, ExperimentState.PAUSED)
    before = StateChange.objects.count()
    with pytest.raises(LostRace):
        move(other, ExperimentState.ENDED)
    with pytest.raises(LostRace):
        move(one, ExperimentState.RUNNING, where={"slug": "another"})
    assert StateChange.objects.count() == before


@pytest.mark.django_db
def test_history_is_never_rewritten() -> None:
    factories.running()
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        StateChange.objects.update(to_state="ended")
