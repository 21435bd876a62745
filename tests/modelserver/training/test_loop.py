from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from modelserver.engine.loading import LoadedModel, load
from modelserver.training.data import read_rows
from modelserver.training.evaluate import score
from modelserver.training.loop import schedule, train
from modelserver.training.progress import ProgressFile
from modelserver.wire import Recipe, WireError
from tests.modelserver.tiny_artifacts import LABELS, RECIPE, write_rows


def trained(model: LoadedModel, tmp_path: Path, recipe: Recipe, seed: int = 0) -> tuple[float, LoadedModel]:
    rows = read_rows(write_rows(tmp_path / "rows.jsonl"), LABELS, "data")
    labels = [row.label for row in rows.rows]
    return train(model, rows.encode(model), labels, recipe, seed, ProgressFile(tmp_path)).loss, model


def test_the_loop_learns_what_can_be_learned(tmp_path: Path, full: Path) -> None:
    recipe = dataclasses.replace(RECIPE, method="full", epochs=40, learning_rate=3e-3)
    model = load(full)
    model.network.requires_grad_(True)

    loss, model = trained(model, tmp_path, recipe)

    rows = read_rows(write_rows(tmp_path / "rows.jsonl"), LABELS, "data")
    assert loss < 0.1
    assert score(model, "train", rows, ProgressFile(tmp_path)).accuracy == 1.0


def test_only_the_adapter_and_the_head_change(tmp_path: Path, adapter: Path) -> None:
    model = load(adapter, trainable=True)
    before = {name: weight.detach().clone() for name, weight in model.network.named_parameters()}

    trained(model, tmp_path, RECIPE)

    changed = {name for name, weight in model.network.named_parameters() if not torch.equal(weight, before[name])}
    assert changed
    assert all("lora_" in name or "modules_to_save" in name for name in changed)
    assert not model.network.training


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path: Path, adapter: Path) -> None:
    one, same, other = (
        trained(load(adapter, trainable=True), tmp_path, RECIPE, seed)[1].network.state_dict() for seed in (3, 3, 4)
    )

    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_a_loss_that_is_no_number_ends_the_training(tmp_path: Path, full: Path) -> None:
    model = load(full)
    model.network.requires_grad_(True)
    recipe = dataclasses.replace(RECIPE, learning_rate=1.0, max_gradient_norm=0.0, epochs=1000, warmup=0.0)
    with torch.no_grad():
        for weight in model.network.parameters():
            weight.mul_(1e30)

    with pytest.raises(WireError) as caught:
        trained(model, tmp_path, recipe)

    assert caught.value.field == "recipe.learning_rate"
    assert "no longer a number at step" in caught.value.message


def test_without_a_gradient_limit_gradients_are_left_as_they_are(tmp_path: Path, adapter: Path) -> None:
    unlimited, high = (
        trained(load(adapter, trainable=True), tmp_path, dataclasses.replace(RECIPE, max_gradient_norm=norm))[0]
        for norm in (0.0, 1000.0)
    )

    assert unlimited == high


@given(st.integers(1, 300), st.floats(0, 1))
def test_the_rate_rises_over_the_warm_up_then_falls_and_is_never_zero(steps: int, warmup: float) -> None:
    shares = [schedule(step, steps, warmup) for step in range(steps)]
    top = max(math.ceil(warmup * steps) - 1, 0)

    assert all(0 < share <= 1 for share in shares)
    assert shares[top] == 1
    assert shares[: top + 1] == sorted(shares[: top + 1])
    assert shares[top:] == sorted(shares[top:], reverse=True)


def test_progress_tells_the_phase_the_loss_and_a_curve_of_at_most_200_points(tmp_path: Path) -> None:
    progress = ProgressFile(tmp_path)
    progress.phase("training", 1001)
    for step in range(1, 1002):
        progress.step(step, float(step))
    progress.phase("saving")

    values = json.loads((tmp_path / "progress.json").read_text())

    assert values["phase"] == "saving"
    assert len(values["curve"]) <= 200
    assert values["curve"][0] == [6, 3.5]
    assert values["curve"][-1][0] == 1001
    assert values["loss"] == sum(range(952, 1002)) / 50
