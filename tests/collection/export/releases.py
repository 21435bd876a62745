"""Folders of small releases, written by the product's own writers."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import orjson

from collection.export.facts import Facts
from collection.export.layout import ATTEMPTS, EXAMPLES, split_path, table_path
from collection.export.parquet import write_parquet
from collection.export.sheets import write_csv
from tests.collection.export import rows

STUDY: dict[str, Any] = {
    "slug": "dogs",
    "name": "Dogs & *cats*: a study",
    "task": {
        "slug": "nli",
        "name": "Natural language inference",
        "fields": [
            {"name": "premise", "title": "Premise", "source": "context"},
            {"name": "hypothesis", "title": "Hypothesis", "source": "writer"},
        ],
        "labels": [
            {"name": "entailment", "title": "Entailment", "means": "certainly true"},
            {"name": "not_entailment", "title": "No entailment", "means": "not certainly true"},
        ],
        "instructions": "Write a sentence.\n\n# Be <kind>",
        "guidelines": "",
    },
    "settings": {
        "rounds": 2,
        "quota": 4,
        "quorum": 2,
        "max_validations": 3,
        "max_tries": 5,
        "label_policy": "assigned",
        "base_model": "bert",
        "start_from": "base",
    },
    "arms": [
        {"slug": "dynamic", "kind": "dynamic", "position": 0},
        {"slug": "plain", "kind": "non-adversarial", "position": 1},
    ],
}


def examples(arm: str) -> list[dict[str, Any]]:
    """Eight examples in two rounds and three splits; those of the arm ``plain`` saw no model."""
    shown = arm == "dynamic"
    verdict = {} if shown else dict.fromkeys(("model_version", "prediction", "probabilities", "fooled", "latency_ms"))
    if not shown:
        verdict["judged_at"] = None
    splits = ("train", "train", "dev", "rest", "train", "train", "dev", "train")
    return [
        rows.example(
            number,
            arm=arm,
            round=1 + number // 4,
            split=split,
            votes=[rows.vote(2 * number), rows.vote(2 * number + 1, label="", flagged=True, reason="odd")][
                : number % 3
            ],
            state="rejected" if split == "rest" else "accepted",
            context=None if number == 5 else number,
            **verdict,
        )
        for number, split in enumerate(splits)
    ]


def attempts(arm: str) -> list[dict[str, Any]]:
    """As many attempts, each an example's."""
    made = []
    for row in examples(arm):
        cells = {**row, "id": row["attempt"], "example": row["id"], "state": "judged"}
        made.append({column: cells[column] for column in rows.ATTEMPTS})
    return made


def release(folder: Path, *formats: str) -> Facts:
    """A release with both arms in these formats, without card and metadata; what these are made of is returned."""
    files: dict[str, dict[str, Any]] = {}
    counts = {}
    for arm in ("dynamic", "plain"):
        table = examples(arm)
        found = Counter((row["round"], row["state"], row["split"]) for row in table)
        names = ("round", "state", "split", "examples")
        counts[arm] = [dict(zip(names, (*key, count), strict=True)) for key, count in sorted(found.items())]
        for format in formats:
            if format == "huggingface":
                for split in sorted({row["split"] for row in table}):
                    _write(folder, split_path(arm, split), [row for row in table if row["split"] == split], files)
            else:
                _write(folder, table_path(format, arm, EXAMPLES), table, files)
                _write(folder, table_path(format, arm, ATTEMPTS), attempts(arm), files)
    manifest = {
        "format": "whetstone-release/1",
        "study": {"slug": "dogs", "name": STUDY["name"], "state": "finished"},
        "number": 3,
        "as_of": "2026-02-01T00:00:00.000000Z",
        "choices": {"formats": list(formats), "states": ["accepted", "rejected"], "attempts": True},
        "code": {"whetstone": "0.1.0"},
        "counts": counts,
        "files": files,
    }
    splits = {
        "method": "fooling",
        "dev": 0.1,
        "test": 0.1,
        "contexts": False,
        "seed": 7,
        "arms_without_model": ["plain"],
        "near_duplicates": {"similarity": 0.8, "moved": {"train": 1, "dev": 0}, "pairs": []},
    }
    privacy = {"found": {"e-mail address": 2}, "decision": "accepted", "left_out": {"examples": 0}}
    return Facts(manifest, STUDY, splits, privacy, licence="cc-by-4.0")


def _write(folder: Path, path: str, table: list[dict[str, Any]], files: dict[str, dict[str, Any]]) -> None:
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    columns = rows.ATTEMPTS if "attempts" in path else rows.EXAMPLES
    with target.open("wb") as file:
        if path.endswith(".csv"):
            write_csv(table, columns, file)
        elif path.endswith(".parquet"):
            write_parquet(table, columns, rows.LABELS, file)
        else:
            file.writelines(orjson.dumps(row) + b"\n" for row in table)
    content = target.read_bytes()
    files[path] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "rows": len(table)}
