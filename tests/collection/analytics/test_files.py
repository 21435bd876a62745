"""A study as files whose content cannot be analysed: each is refused with its file, line and column."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from collection.analytics.files import StudyFileError, read_study, write_study
from tests.collection.analytics.studies_compare import study

LABELS = "must be label indices from 0 to 1"


def written(folder: Path) -> Path:
    """A folder with a small study: 4 examples, 5 test items."""
    write_study(study(arms={"dynamic": "dynamic"}, rounds=1, quota=4, test_rows=5, test_contexts=5), folder)
    return folder


def refused(folder: Path) -> str:
    with pytest.raises(StudyFileError) as error:
        read_study(folder)
    return str(error.value)


def test_a_study_that_holds_together_is_read(tmp_path: Path) -> None:
    found = read_study(written(tmp_path))
    assert (len(found.examples), len(found.test_items)) == (4, 5)


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("examples", {"seconds": float("inf")}, "seconds must be a finite number or null"),
        ("examples", {"cost": float("nan")}, "cost must be a finite number or null"),
        ("examples", {"key": "dynamic-1-0"}, "key stands in an earlier line too"),
        ("test_items", {"index": 0}, "test_set stands in an earlier line too in the same index"),
        ("evaluations", {"version": "base"}, "version stands in an earlier line too in the same test_set"),
        ("evaluations", {"predicted": [0, 0, 7, 0, 0]}, f"predicted {LABELS}"),
        ("evaluations", {"predicted": [0, 0]}, "predicted must have a label index for each of the 5 items"),
        ("evaluations", {"test_set": "?"}, "predicted must have a label index for each of the 0 items"),
        ("evaluations", {"predicted": "01010"}, "predicted must be a list of label indices"),
        ("round_scores", {"predicted": [0, 0, 0, 2]}, f"predicted {LABELS}"),
        ("round_scores", {"predicted": [0, 0, 0]}, "predicted must have a label index for each of the 4 examples"),
        ("round_scores", {"examples": ["a", "b", "b", "c"]}, "examples must be different ones"),
        ("round_scores", {"examples": "abcd"}, "examples must be a list of keys"),
    ],
)
def test_a_row_that_cannot_be_is_named(tmp_path: Path, name: str, change: dict[str, Any], said: str) -> None:
    path = written(tmp_path) / f"{name}.jsonl"
    first, second, *others = path.read_text(encoding="utf-8").splitlines()
    second = json.dumps(json.loads(second) | change)
    path.write_text("\n".join([first, second, *others]), encoding="utf-8")
    assert refused(tmp_path).startswith(f"{name}.jsonl, line 2: {said}")


def test_a_number_too_large_for_a_number_is_named(tmp_path: Path) -> None:
    path = written(tmp_path) / "examples.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace("60.0", "1e999", 1), encoding="utf-8")
    assert refused(tmp_path) == "examples.jsonl, line 1: seconds must be a finite number or null"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"labels": []}, "labels: must be two or more, each another"),
        ({"labels": ["yes"]}, "labels: must be two or more, each another"),
        ({"labels": ["yes", "yes"]}, "labels: must be two or more, each another"),
        ({"labels": ["yes", 1]}, "labels must be a list of texts"),
        ({"arms": {}}, "arms: must be one or more, each with a name"),
        ({"arms": {"": "static"}}, "arms: must be one or more, each with a name"),
        ({"arms": {"dynamic": "brave"}}, "arms: must each be of a kind, one of non-adversarial, static, dynamic"),
        ({"currency": "euro"}, "currency: must be three capital letters"),
    ],
)
def test_a_study_that_cannot_be_is_named(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    path = written(tmp_path) / "study.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | change), encoding="utf-8")
    assert refused(tmp_path).startswith(f"study.json: {said}")
