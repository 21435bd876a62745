"""``manage.py power``."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import CommandError, call_command

from collection.analytics.power import Design
from collection.analytics.sections import Column, Section, Table
from collection.analytics.study import Study
from collection.management.commands import power
from collection.printing import markdown_of
from tests import factories

pytestmark = pytest.mark.django_db


def test_a_stated_design_is_answered_as_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("power", "--rounds", "20", "--quota", "150", "--reduction", "0.05", "--test-rows", "900")
    said = capsys.readouterr().out
    assert said.startswith("# What this study will be able to see\n\n- If one arm ends with 5% fewer errors")
    assert "| Rows of the test set | 900 | assumed |" in said
    assert "## What could not be found out\n\n- All of this follows" in said


def test_an_experiment_says_what_else_is_assumed_and_what_is_stated_goes_before_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    factories.accepted(factories.running(quota=2, quorum=1, max_validations=1, rounds=3), "dynamic", 2)
    call_command("power", like="study", quota=40, simulations=100)
    said = capsys.readouterr().out
    assert "| Rounds | 3 | the study |" in said
    assert "| Accepted examples a round and arm | 40 | assumed |" in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"like": "nothing"}, "like: there is no experiment called 'nothing'"),
        ({"rounds": 0, "contexts": 9999}, "rounds: Must be from 1 to .*; contexts: Must not be more"),
        ({"simulations": 99}, "^simulations: "),
        ({"seed": -1}, "^seed: "),
    ],
)
def test_what_is_wrong_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        call_command("power", **options)


def test_an_experiment_that_gives_no_design_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    factories.running()

    def refused(study: Study) -> Design:
        return Design(contexts=10, test_rows=5)

    monkeypatch.setattr(power, "assumptions_of", refused)
    with pytest.raises(CommandError, match=r"^contexts: Must not be more than the rows"):
        call_command("power", like="study")


def test_a_cell_cannot_break_its_table() -> None:
    table = Table("t", "T", (Column("x", "a|b"),), ({"x": "one|two\nthree"},), "")
    written = markdown_of(Section("s", "S", tables=(table,)))
    assert "| a\\|b |\n| --- |\n| one\\|two three |" in written
