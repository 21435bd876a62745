"""Artifacts of a tiny random model, made by the training jobs themselves, and the files those need."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from modelserver.training import jobs
from modelserver.training.progress import ProgressFile
from modelserver.wire import DataFile, EvaluationFile, Job, Recipe, Result, Source, file_sha256
from tests.tiny_model import make_tiny_model

LABELS = ("entailment", "not_entailment")
PAIRS = (
    ("A man runs in the park.", "A man runs.", "entailment"),
    ("A woman sleeps in the house.", "A woman eats.", "not_entailment"),
    ("The dog plays with a red ball.", "The dog plays.", "entailment"),
    ("A child eats in the street.", "The child sleeps.", "not_entailment"),
    ("The big cat sleeps on the blue house.", "A cat is in the park.", "not_entailment"),
    ("A man and a woman are in the street.", "A woman is in the street.", "entailment"),
)
RECIPE = Recipe(epochs=2, batch_size=2, learning_rate=1e-3, max_length=64, rank=4, alpha=8)


def write_rows(path: Path, rows: Sequence[tuple[str, ...]] = PAIRS) -> DataFile:
    """A data file of rows of one or two texts and a label."""
    lines = [json.dumps({"id": str(at), "texts": row[:-1], "label": row[-1]}) for at, row in enumerate(rows)]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return DataFile(str(path), file_sha256(path), len(lines))


def as_test_set(file: DataFile, key: str = "test") -> EvaluationFile:
    """The same file as one to score."""
    return EvaluationFile(key, file.path, file.sha256, file.rows)


def run_job(job: Job) -> Result:
    """Run a job in this process, its output folder made first."""
    Path(job.output).mkdir(parents=True, exist_ok=True)
    return jobs.run(job, ProgressFile(Path(job.output)))


def full_artifact(root: Path, labels: Sequence[str] = LABELS, seed: int = 0) -> Path:
    """A full artifact at ``<root>/tiny/0``, as it lies in a model repository."""
    pretrained = make_tiny_model(root / f"pretrained-{seed}", labels, seed)
    job = Job("import", Source(pretrained=str(pretrained)), tuple(labels), str(root / "import"), threads=1)
    run_job(job)
    target = root / "tiny" / "0"
    target.parent.mkdir(exist_ok=True)
    return (root / "import" / "artifact").rename(target)


def adapter_artifact(root: Path, source: Path, version: int = 1, recipe: Recipe = RECIPE, seed: int = 0) -> Path:
    """An adapter trained from ``source`` on a few pairs, at ``<root>/tiny/<version>``."""
    data = write_rows(root / "rows.jsonl")
    output = root / f"out-{version}"
    run_job(Job("train", Source(str(source)), LABELS, str(output), seed, recipe, data, threads=1))
    return (output / "artifact").rename(root / "tiny" / str(version))
