"""The formats of ANLI and of the source study, and where files lie."""

from __future__ import annotations

import io
import json
from typing import Any

from hypothesis import given

from collection.export.anli import write_anli
from collection.export.layout import anli_path, source_study_path, split_path, split_paths, table_path
from collection.export.source_study import write_source_study
from collection.schema import TaskSchema
from tests.collection.export.releases import STUDY
from tests.collection.export.rows import TEXTS, example

TWO = TaskSchema.parse(STUDY["task"]["fields"], STUDY["task"]["labels"])
THREE = TaskSchema.parse(
    STUDY["task"]["fields"], [{"name": name} for name in ("contradiction", "neutral", "entailment")]
)
ONE = TaskSchema.parse([{"name": "label", "source": "writer"}], [{"name": "good"}, {"name": "bad"}])


def lines(write: Any, rows: list[dict[str, Any]], schema: TaskSchema) -> list[dict[str, Any]]:
    file = io.BytesIO()
    count = write(iter(rows), schema, file)
    found = [json.loads(line) for line in file.getvalue().splitlines()]
    assert len(found) == count
    return found


def test_anli_has_its_fields_and_letters() -> None:
    row = example(label="contradiction", prediction="neutral", why_label="Not here.")
    assert lines(write_anli, [row], THREE) == [
        {
            "uid": row["id"],
            "context": row["premise"],
            "hypothesis": row["hypothesis"],
            "label": "c",
            "model_label": "n",
            "emturk": "w0123456789ab",
            "genre": "",
            "reason": "Not here.\nIt has never seen a dog.",
            "tag": "",
        }
    ]


def test_anli_of_other_labels_has_their_names_and_nothing_that_is_not_known() -> None:
    [row] = lines(write_anli, [example(prediction=None, why_fooled="")], TWO)
    assert (row["label"], row["model_label"], row["reason"]) == ("entailment", "", "")


def test_what_is_in_no_split_is_not_in_anli() -> None:
    rows = [example(number, split=split) for number, split in enumerate(("train", "rest", "dev", "test"))]
    assert [row["uid"][-1] for row in lines(write_anli, rows, TWO)] == ["0", "2", "3"]


def test_the_source_study_has_accepted_examples_with_their_rounds() -> None:
    rows = [example(0, round=3), example(1, state="rejected")]
    assert lines(write_source_study, rows, TWO) == [
        {"sentence1": rows[0]["premise"], "sentence2": rows[0]["hypothesis"], "label": "entailment", "round": 3}
    ]


def test_a_task_of_one_field_leaves_the_other_place_empty() -> None:
    row = {**example(label="good"), "text:label": "Fine!"}
    [anli], [study] = lines(write_anli, [row], ONE), lines(write_source_study, [row], ONE)
    assert (anli["context"], anli["hypothesis"]) == ("", "Fine!")
    assert (study["sentence1"], study["sentence2"]) == ("Fine!", "")


@given(TEXTS, TEXTS)
def test_any_text_is_one_line_and_comes_back(premise: str, hypothesis: str) -> None:
    row = example(premise=premise, hypothesis=hypothesis)
    file = io.BytesIO()
    write_anli([row], TWO, file)
    write_source_study([row], TWO, file)
    anli, study = (json.loads(line) for line in file.getvalue().split(b"\n")[:-1])
    assert (anli["context"], anli["hypothesis"]) == (study["sentence1"], study["sentence2"]) == (premise, hypothesis)


def test_paths_are_made_of_slugs_numbers_and_fixed_words() -> None:
    assert table_path("csv", "dynamic") == "csv/dynamic/examples.csv"
    assert table_path("jsonl", "dynamic", "attempts") == "jsonl/dynamic/attempts.jsonl"
    assert split_path("plain", "dev") == "data/plain/dev.parquet"
    assert anli_path("plain", 12, "test") == "anli/plain/R12/test.jsonl"
    assert source_study_path("plain") == "source-study/plain.jsonl"
    files = dict.fromkeys(["data/plain/rest.parquet", "data/plain/train.parquet", "data/other/test.parquet"])
    assert split_paths(files, "plain") == {"train": "data/plain/train.parquet", "rest": "data/plain/rest.parquet"}
