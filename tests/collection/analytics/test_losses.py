"""The loss curve, drawn and in words."""

from __future__ import annotations

import pytest

from collection.analytics.losses import loss_curve


def test_the_highest_loss_is_at_the_top_and_the_steps_go_from_edge_to_edge() -> None:
    curve = loss_curve([(10, 0.7), (20, 0.4), (30, 0.1)])
    assert curve is not None
    assert curve.line == "0.0,0.0 80.0,20.0 160.0,40.0"
    assert curve.words == "Loss curve: from 0.700 at step 10 to 0.100 at step 30, lowest 0.100."


@pytest.mark.parametrize("points", [[], [(1, 0.5)], [(1, 0.5), (2, float("nan"))], [(1, float("inf")), (2, 0.3)]])
def test_fewer_than_two_numbers_make_no_curve(points: list[tuple[int, float]]) -> None:
    assert loss_curve(points) is None


def test_a_flat_curve_and_points_of_one_step_can_be_drawn() -> None:
    flat = loss_curve([(1, 0.5), (2, 0.5)])
    same = loss_curve([(1, 0.5), (1, 0.7)])
    assert flat is not None
    assert same is not None
    assert (flat.line, same.line) == ("0.0,20.0 160.0,20.0", "0.0,40.0 0.0,0.0")
