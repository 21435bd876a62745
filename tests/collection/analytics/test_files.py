"""A study as files whose content cannot be analysed: each is refused with its file, line and column."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from collection.analytics.consistency import faults
from collection.analytics.files import StudyFileError, read_study, write_study
from collection.analytics.study import Study
from tests.collection.analytics.studies_collecting import awkward_studies, collected_study
from tests.collection.analytics.studies_compare import study, with_table
from tests.collection.analytics.studies_quality import example
from tests.collection.analytics.studies_quality import study as text_study
from tests.collection.analytics.studies_returns import curved_study

LABELS = "must be label indices from 0 to 1"
BASE = {"arm": "", "round": 0, "role": "base"}


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
        ("examples", {"submitted_at": "9999-12-31T23:59:59-12:00"}, "submitted_at must be a time with its zone, in"),
        ("examples", {"submitted_at": "0001-01-01T00:00:00+12:00"}, "submitted_at must be a time with its zone, in"),
        ("examples", {"text": "\ud800 x"}, "text must be a text without lone surrogates"),
        ("round_scores", {"examples": ["\udfff"]}, "examples must be a list of keys"),
        ("examples", {"round": 2**63 - 1}, "round must be from 1 to 1"),
        ("examples", {"round": 0}, "round must be from 1 to 1"),
        ("votes", {"round": 2}, "round must be from 1 to 1"),
        ("versions", {"round": 0}, "round must be from 1 to 1, or 0 of a base version"),
        ("examples", {"state": "lost"}, "state must be one of pending, accepted, rejected, flagged"),
        ("examples", {"state": "retracted"}, "state must be one of pending, accepted, rejected, flagged"),
        *((name, {"arm": "lost"}, "arm must be one of dynamic") for name in ("examples", "votes", "round_scores")),
        ("versions", {"arm": "lost"}, 'arm must be one of dynamic, or "" of a base version'),
        ("versions", {"arm": ""}, 'arm must be one of dynamic, or "" of a base version'),
        ("test_items", {"index": 5}, "index must count the items of its test set from 0, without gaps"),
        ("votes", {"example": "dynamic-1-0"}, "validator stands in an earlier line too in the same example"),
        ("examples", {"key": "dynamic-1-0"}, "key stands in an earlier line too"),
        ("test_items", {"index": 0}, "test_set stands in an earlier line too in the same index"),
        ("evaluations", {"version": "base"}, "version stands in an earlier line too in the same test_set"),
        ("evaluations", {"predicted": [0, 0, 7, 0, 0]}, f"predicted {LABELS}"),
        ("evaluations", {"predicted": [0, 0]}, "predicted must have a label index for each of the 5 items"),
        ("evaluations", {"test_set": "?"}, "test_set must be that of a row of test_sets"),
        ("evaluations", {"version": "lost"}, "version must be that of a row of versions"),
        ("round_scores", {"version": "lost"}, "version must be that of a row of versions"),
        ("versions", {"role": "lost"}, "role must be one of curve, loop, base"),
        ("versions", {"version": "base", "role": "base"}, "version stands in an earlier line too in the same role"),
        ("versions", BASE | {"version": "b"}, "role stands in an earlier line too in the same arm and round"),
        ("versions", {"rows": -1}, "rows must be a whole number from 0"),
        ("examples", {"label": "maybe"}, "label must be one of yes, no"),
        ("examples", {"tries": 0}, "tries must not be below 1"),
        *((name, {"seconds": -0.5}, "seconds must not be below 0") for name in ("examples", "votes")),
        *((name, {"cost": -1.0}, "cost must not be below 0") for name in ("examples", "votes")),
        *((name, {"seconds": 1e12}, "seconds must not be above 1,000,000,000") for name in ("examples", "votes")),
        ("votes", {"label": "maybe"}, 'label must be one of yes, no, or "" of a flag'),
        ("votes", {"label": ""}, 'flagged must be true where label is "", and false where it is not'),
        ("votes", {"flagged": True}, 'flagged must be true where label is "", and false where it is not'),
        ("votes", {"flagged": None}, 'flagged must be true where label is "", and false where it is not'),
        ("votes", {"validator": "dynamic writer 1.1"}, "validator must not be the writer of the example"),
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


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("attempts", {"arm": "lost"}, "line 1: arm must be one of plain, static, dynamic"),
        ("attempts", {"label": "maybe"}, "line 1: label must be one of entailment, not_entailment"),
        ("attempts", {"index": 0}, "line 1: index must not be below 1"),
        ("attempts", {"confidence": -0.1}, "line 1: confidence must be a probability, from 0 to 1"),
        ("attempts", {"confidence": 1.1}, "line 1: confidence must be a probability, from 0 to 1"),
        ("attempts", {"example": "lost"}, 'line 1: example must be the key of a row of examples, or ""'),
        ("attempts", {"example": "plain-1-0"}, "line 2: example stands in an earlier line too"),
        ("votes", {"arm": "static"}, "line 1: arm must be that of its example"),
        ("votes", {"round": 1}, "line 7: round must be that of its example"),
    ],
)
def test_what_no_attempt_and_no_vote_can_have_is_named(
    tmp_path: Path, name: str, changes: dict[str, Any], said: str
) -> None:
    given = collected_study(rounds=2, texts=3)
    write_study(with_table(given, name, getattr(given, name).assign(**changes)), tmp_path)
    assert refused(tmp_path) == f"{name}.jsonl, {said}"


def test_a_second_version_that_a_round_trained_is_named(tmp_path: Path) -> None:
    given = study(arms={"dynamic": "dynamic"}, rounds=2, quota=4, test_rows=5, test_contexts=5)
    versions = given.versions.assign(round=given.versions["round"].replace(2, 1))
    write_study(with_table(given, "versions", versions), tmp_path)
    said = "role stands in an earlier line too in the same arm and round"
    assert refused(tmp_path) == f"versions.jsonl, line 3: {said}"


def test_a_version_trained_with_the_seed_of_another_is_no_second_seed(tmp_path: Path) -> None:
    given = study(arms={"dynamic": "dynamic"}, rounds=1, quota=4, seeds=2, test_rows=5, test_contexts=5)
    write_study(with_table(given, "versions", given.versions.assign(seed=7)), tmp_path)
    said = "seed stands in an earlier line too in the same role and arm and round"
    assert refused(tmp_path) == f"versions.jsonl, line 4: {said}"


def test_items_of_a_test_set_that_is_in_no_row_are_named(tmp_path: Path) -> None:
    given = study(arms={"dynamic": "dynamic"}, rounds=1, quota=4, test_rows=5, test_contexts=5)
    write_study(with_table(given, "test_items", given.test_items.assign(test_set="lost")), tmp_path)
    assert refused(tmp_path) == "test_items.jsonl, line 1: test_set must be that of a row of test_sets"


def test_what_is_not_known_and_what_is_rounded_is_read(tmp_path: Path) -> None:
    given = collected_study(rounds=1, texts=3)
    confidence = [None, *[1.0004] * (len(given.attempts) - 1)]
    given = with_table(given, "attempts", given.attempts.assign(confidence=confidence))
    for name in ("examples", "votes"):
        given = with_table(given, name, getattr(given, name).assign(seconds=np.nan, cost=np.nan))
    nobody = {"examples": "writer", "votes": "validator"}
    for name, column in nobody.items():
        given = with_table(given, name, getattr(given, name).assign(**{column: ""}))
    write_study(given, tmp_path)
    found = read_study(tmp_path)
    assert found.attempts["confidence"].max() == 1.0004
    assert found.examples["cost"].isna().all()


def test_a_version_of_the_loop_that_is_one_of_the_curve_too_is_read(tmp_path: Path) -> None:
    given = study(arms={"dynamic": "dynamic"}, rounds=1, quota=4, test_rows=5, test_contexts=5)
    both = pd.concat([given.versions, given.versions[1:].assign(role="curve")], ignore_index=True)
    write_study(with_table(given, "versions", both), tmp_path)
    assert read_study(tmp_path).versions["role"].tolist() == ["base", "loop", "curve"]


def test_a_vote_on_a_text_that_was_taken_back_is_read(tmp_path: Path) -> None:
    path = written(tmp_path) / "votes.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace("dynamic-1-0", "gone"), encoding="utf-8")
    assert "gone" in read_study(tmp_path).votes["example"].tolist()


MISSING = [made for name, made in awkward_studies().items() if "lacks" not in name]


@pytest.mark.parametrize(
    "made",
    [*MISSING, curved_study(rounds=3), text_study([example(0), example(1)]), study(seeds=2)],
)
def test_what_is_missing_from_a_study_is_no_fault_of_its_tables(made: Study) -> None:
    assert list(faults(made)) == []


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
        ({"name": "\ud800"}, "name must have no lone surrogates"),
        ({"labels": ["yes", "\ud800"]}, "labels must have no lone surrogates"),
        ({"arms": {"\ud800": "static"}}, "arms must have no lone surrogates"),
        ({"rounds": 0}, "rounds must be from 1 to 1,000,000"),
        ({"rounds": 2**63}, "rounds must be from 1 to 1,000,000"),
        ({"quota": -5}, "quota must be from 1 to 1,000,000"),
        ({"quorum": 0}, "quorum must be from 1 to 1,000,000"),
    ],
)
def test_a_study_that_cannot_be_is_named(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    path = written(tmp_path) / "study.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | change), encoding="utf-8")
    assert refused(tmp_path).startswith(f"study.json: {said}")
