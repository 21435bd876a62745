from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from modelserver.artifacts import manifest_sha256, read_manifest
from modelserver.engine.loading import load
from modelserver.training.saving import save
from modelserver.wire import DataFile, EvaluationFile, Job, Result, Source, TextInput, WireError
from tests.modelserver.tiny_artifacts import (
    LABELS,
    PAIRS,
    RECIPE,
    as_test_set,
    full_artifact,
    run_job,
    write_rows,
)

FULL_RECIPE = dataclasses.replace(RECIPE, method="full")


def train_job(source: Path, output: Path, **changes: Any) -> Job:
    """A short training on a few pairs, scored on the same pairs."""
    data = write_rows(output.parent / "rows.jsonl")
    values: dict[str, Any] = {
        "kind": "train",
        "source": Source(str(source), manifest_sha256(source)),
        "labels": LABELS,
        "output": str(output),
        "recipe": RECIPE,
        "data": data,
        "evaluate": (as_test_set(data, "same"),),
        "threads": 1,
    }
    return Job(**(values | changes))


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def refusal(job: Job) -> WireError:
    with pytest.raises(WireError) as caught:
        run_job(job)
    assert [path.name for path in Path(job.output).iterdir()] == ["progress.json"]
    return caught.value


@pytest.mark.parametrize("recipe", [RECIPE, FULL_RECIPE], ids=["adapter", "full"])
@pytest.mark.parametrize("version", ["0", "1"])
def test_the_same_job_gives_the_same_bytes(tmp_path: Path, repository: Path, version: str, recipe: Any) -> None:
    job = train_job(repository / "tiny" / version, tmp_path / "one", recipe=recipe, seed=7)

    one = run_job(job)
    torch.randn(5)  # whatever the process did before must not matter
    other = run_job(dataclasses.replace(job, output=str(tmp_path / "other")))

    assert content(tmp_path / "one" / "artifact") == content(tmp_path / "other" / "artifact")
    assert one.manifest_sha256 == other.manifest_sha256 == manifest_sha256(tmp_path / "one" / "artifact")
    assert one.scores == other.scores


@pytest.mark.parametrize("change", ["seed", "data", "recipe"])
def test_another_job_gives_another_version(tmp_path: Path, adapter: Path, change: str) -> None:
    job = train_job(adapter, tmp_path / "one")
    changes: dict[str, Any] = {
        "seed": {"seed": 1},
        "data": {"data": write_rows(tmp_path / "fewer.jsonl", PAIRS[:-1])},
        "recipe": {"recipe": dataclasses.replace(RECIPE, learning_rate=2e-3)},
    }
    run_job(job)
    run_job(dataclasses.replace(job, output=str(tmp_path / "other"), **changes[change]))

    one, other = (content(tmp_path / name / "artifact") for name in ("one", "other"))
    assert one["weights.safetensors"] != other["weights.safetensors"]
    assert one["manifest.json"] != other["manifest.json"]


def test_an_adapter_from_a_full_source_names_its_encoder(tmp_path: Path, full: Path) -> None:
    run_job(train_job(full, tmp_path / "out", seed=5))

    manifest = read_manifest(tmp_path / "out" / "artifact")
    assert manifest.kind == "adapter"
    assert set(manifest.files) == {"weights.safetensors"}
    assert manifest.encoder == {"model": {"name": "tiny", "version": 0}, "manifest_sha256": manifest_sha256(full)}
    assert manifest.adapter == {
        "rank": 4,
        "alpha": 8,
        "dropout": 0.1,
        "target_modules": ["dense", "key", "query", "value"],
        "modules_to_save": ["classifier", "pooler"],
    }
    assert manifest.training == {
        "seed": 5,
        "recipe": dataclasses.asdict(RECIPE),
        "data_sha256": write_rows(tmp_path / "again.jsonl").sha256,
        "rows": len(PAIRS),
        "parent": {"manifest_sha256": manifest_sha256(full)},
    }
    assert manifest.max_length == RECIPE.max_length
    assert set(manifest.versions) == {"python", "torch", "transformers", "peft", "safetensors"}
    assert str(tmp_path) not in json.dumps(manifest.to_dict())


def test_an_adapter_goes_on_from_where_it_was(tmp_path: Path, adapter: Path) -> None:
    still = dataclasses.replace(RECIPE, learning_rate=0.0, dropout=0.3)

    run_job(train_job(adapter, tmp_path / "out", recipe=still))

    folder = tmp_path / "out" / "artifact"
    before, after = (safetensors.torch.load_file(at / "weights.safetensors") for at in (adapter, folder))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert read_manifest(folder).encoder == read_manifest(adapter).encoder
    assert (read_manifest(folder).adapter or {})["dropout"] == 0.3


def test_full_training_of_an_adapter_merges_it_first(tmp_path: Path, adapter: Path) -> None:
    run_job(train_job(adapter, tmp_path / "out", recipe=dataclasses.replace(FULL_RECIPE, learning_rate=0.0)))

    before, after = load(adapter), load(tmp_path / "out" / "artifact")
    encodings = before.encode([TextInput(pair[:2]) for pair in PAIRS])
    torch.testing.assert_close(
        torch.tensor(before.probabilities(encodings)), torch.tensor(after.probabilities(encodings))
    )
    assert after.manifest.kind == "full"
    assert set(after.manifest.files) == {"weights.safetensors", "tokenizer.json"}


def test_full_training_moves_every_layer(tmp_path: Path, full: Path) -> None:
    run_job(train_job(full, tmp_path / "out", recipe=FULL_RECIPE))

    folder = tmp_path / "out" / "artifact"
    before, after = (safetensors.torch.load_file(at / "weights.safetensors") for at in (full, folder))
    assert [name for name in before if torch.equal(before[name], after[name])] == []


@pytest.mark.parametrize("recipe", [RECIPE, FULL_RECIPE], ids=["adapter", "full"])
def test_the_scores_are_those_of_the_artifact_as_it_will_be_served(tmp_path: Path, full: Path, recipe: Any) -> None:
    root = tmp_path / "repository"
    shutil.copytree(full, root / "tiny" / "0")
    job = train_job(root / "tiny" / "0", tmp_path / "out", recipe=recipe)
    trained = run_job(job)
    (tmp_path / "out" / "artifact").rename(root / "tiny" / "1")
    source = Source(str(root / "tiny" / "1"), trained.manifest_sha256)

    served = run_job(
        dataclasses.replace(job, kind="evaluate", source=source, data=None, output=str(tmp_path / "served"))
    )

    assert served.scores[0].predicted == trained.scores[0].predicted
    assert served.scores[0].confidence == pytest.approx(trained.scores[0].confidence, abs=1e-6)
    assert (served.artifact, served.manifest_sha256) == ("", trained.manifest_sha256)
    assert not (tmp_path / "served" / "artifact").exists()


def test_a_finished_job_leaves_its_result_and_that_it_is_done(tmp_path: Path, adapter: Path) -> None:
    result = run_job(train_job(adapter, tmp_path / "out"))

    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["artifact", "progress.json", "result.json"]
    assert Result.from_dict(json.loads((tmp_path / "out" / "result.json").read_text())) == result
    assert json.loads((tmp_path / "out" / "progress.json").read_text())["phase"] == "done"
    assert result.artifact == "artifact"
    assert [(item.key, item.rows) for item in result.scores] == [("same", len(PAIRS))]
    assert {"train_loss", "train_seconds", "examples_per_second", "evaluate_seconds"} <= result.metrics.keys()
    assert all(isinstance(value, float) for value in result.metrics.values())


def test_what_an_earlier_try_left_is_gone_when_a_job_is_refused(tmp_path: Path, adapter: Path) -> None:
    job = train_job(adapter, tmp_path / "out")
    run_job(job)

    refusal(dataclasses.replace(job, labels=LABELS[::-1]))


def test_no_rows_to_train_on_is_an_error(tmp_path: Path, adapter: Path) -> None:
    empty = write_rows(tmp_path / "empty.jsonl", [])

    assert refusal(train_job(adapter, tmp_path / "out", data=empty)).field == "data"


def test_a_malformed_test_set_is_told_before_anything_is_trained(tmp_path: Path, adapter: Path) -> None:
    bad = as_test_set(write_rows(tmp_path / "bad.jsonl", [*PAIRS, ("a", "b", "neutral")]))

    error = refusal(train_job(adapter, tmp_path / "out", evaluate=(bad,)))

    assert (error.field, error.message[:18]) == ("evaluate[0]", "bad.jsonl line 7: ")


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("labels", {"labels": LABELS[::-1]}),
        ("labels", {"labels": (*LABELS, "neutral")}),
        ("seed", {"seed": -1}),
        ("seed", {"seed": True}),
        ("data", {"data": DataFile("/nowhere.jsonl", "0" * 64, 1)}),
        ("evaluate[0]", {"evaluate": (EvaluationFile("key", "/nowhere.jsonl", "0" * 64, 1),)}),
        ("recipe.rank", {"recipe": dataclasses.replace(RECIPE, rank=8)}),
        ("recipe.alpha", {"recipe": dataclasses.replace(RECIPE, alpha=16)}),
        ("recipe.max_length", {"recipe": dataclasses.replace(RECIPE, max_length=161)}),
        ("recipe.max_length", {"recipe": dataclasses.replace(FULL_RECIPE, max_length=161)}),
    ],
)
def test_a_job_that_cannot_succeed_names_the_field(
    tmp_path: Path, adapter: Path, field: str, changes: dict[str, Any]
) -> None:
    assert refusal(train_job(adapter, tmp_path / "out", **changes)).field == field


@pytest.mark.parametrize("kind", ["train", "evaluate"])
def test_a_source_with_another_hash_is_refused(tmp_path: Path, adapter: Path, kind: Any) -> None:
    changes = {"kind": kind, "data": write_rows(tmp_path / "rows.jsonl") if kind == "train" else None}

    job = train_job(adapter, tmp_path / "out", **changes)

    error = refusal(dataclasses.replace(job, source=Source(str(adapter), "0" * 64)))

    assert (error.field, "another sha256 than expected" in error.message) == ("source.artifact", True)


def test_labels_of_an_evaluation_must_be_those_of_the_model(tmp_path: Path, adapter: Path) -> None:
    job = train_job(adapter, tmp_path / "out", kind="evaluate", data=None, labels=LABELS[::-1])

    assert refusal(job).field == "labels"


def test_a_full_source_outside_a_repository_cannot_get_an_adapter(tmp_path: Path, full: Path) -> None:
    elsewhere = shutil.copytree(full, tmp_path / "Not A Name" / "latest")

    error = refusal(train_job(elsewhere, tmp_path / "out"))

    assert (error.field, "<name>/<version>" in error.message) == ("source.artifact", True)


def test_an_artifact_is_replaced_whole_or_stays_as_it_is(tmp_path: Path, full: Path) -> None:
    target = shutil.copytree(full, tmp_path / "artifact")
    before = content(target)

    with pytest.raises(TypeError):
        save(target, load(full).manifest, {"weights.safetensors": b"", "tokenizer.json": None})  # type: ignore[dict-item]

    assert content(target) == before
    assert [path.name for path in tmp_path.iterdir()] == ["artifact"]


def test_single_texts_and_three_labels_are_trained_too(tmp_path: Path) -> None:
    labels = ("good", "bad", "neither")
    source = full_artifact(tmp_path, labels)
    rows = [("a good dog", "good"), ("a bad cat", "bad"), ("a house", "neither")]
    data = write_rows(tmp_path / "single.jsonl", rows)

    result = run_job(train_job(source, tmp_path / "out", labels=labels, data=data, evaluate=(as_test_set(data),)))

    assert len(result.scores[0].predicted) == 3
