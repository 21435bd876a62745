"""A release's folder as other people's tools open it: datasets, pandas, mlcroissant. No network."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import mlcroissant
import pandas as pd
import pytest
import yaml

from collection.export.card import card
from collection.export.croissant import croissant
from collection.export.facts import Facts
from tests.collection.export.releases import STUDY, attempts, examples, release
from tests.collection.export.rows import ATTEMPTS, EXAMPLES

# Of others' code: rdflib under mlcroissant, and mlcroissant under pandas 3.1.
pytestmark = [
    pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.reset_index:pandas.errors.Pandas4Warning"),
]


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No progress bars, and nothing from the hub."""
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    datasets.disable_progress_bars()


def published(folder: Path, *formats: str) -> Facts:
    """A release with its card and its metadata."""
    facts = release(folder, *formats)
    (folder / "README.md").write_text(card(facts), encoding="utf-8")
    (folder / "croissant.json").write_text(json.dumps(croissant(facts)), encoding="utf-8")
    return facts


def loaded(folder: Path, cache: Path, arm: str | None) -> Any:
    return datasets.load_dataset(str(folder), arm, cache_dir=str(cache))


@pytest.mark.parametrize("arm", ["dynamic", "plain", None])
def test_datasets_loads_every_split_of_an_arm(tmp_path: Path, arm: str | None) -> None:
    folder = tmp_path / "release"
    published(folder, "huggingface", "jsonl", "csv")
    found = loaded(folder, tmp_path / "cache", arm)
    expected = examples(arm or "dynamic")
    assert {split: rows.num_rows for split, rows in found.items()} == {"train": 5, "dev": 2, "rest": 1}
    for split, rows in found.items():
        assert list(rows.features) == list(EXAMPLES)
        mine = [row for row in expected if row["split"] == split]
        assert rows["hypothesis"] == [row["hypothesis"] for row in mine]
        assert rows["probabilities"] == [row["probabilities"] for row in mine]
        assert [[vote["label"] for vote in votes] for votes in rows["votes"]] == [
            [vote["label"] for vote in row["votes"]] for row in mine
        ]


def test_datasets_sees_types(tmp_path: Path) -> None:
    published(tmp_path / "release", "huggingface")
    features = loaded(tmp_path / "release", tmp_path / "cache", "plain")["train"].features
    assert features["round"] == datasets.Value("int64")
    assert features["fooled"] == datasets.Value("bool")
    assert features["submitted_at"] == datasets.Value("timestamp[us, tz=UTC]")
    assert features["probabilities"] == dict.fromkeys(("entailment", "not_entailment"), datasets.Value("float64"))
    assert features["votes"].feature["flagged"] == datasets.Value("bool")


def test_pandas_reads_the_parquet_files(tmp_path: Path) -> None:
    published(tmp_path, "parquet", "huggingface")
    whole = pd.read_parquet(tmp_path / "parquet/dynamic/examples.parquet")
    parts = [pd.read_parquet(path) for path in (tmp_path / "data/dynamic").iterdir()]
    assert list(whole.columns) == list(EXAMPLES)
    assert sorted(pd.concat(parts)["id"]) == sorted(whole["id"])
    assert list(pd.read_parquet(tmp_path / "parquet/plain/attempts.parquet").columns) == list(ATTEMPTS)


@pytest.mark.parametrize("format", ["parquet", "jsonl", "csv", "huggingface"])
def test_croissant_is_valid_and_its_records_are_the_rows(
    tmp_path: Path, format: str, caplog: pytest.LogCaptureFixture
) -> None:
    facts = published(tmp_path, format)
    with caplog.at_level(logging.WARNING):
        dataset = mlcroissant.Dataset(jsonld=tmp_path / "croissant.json")
    assert dataset.metadata.issues.errors == dataset.metadata.issues.warnings == set()
    assert caplog.records == []
    sets = {item.id for item in dataset.metadata.record_sets}
    assert sets == {"splits", "dynamic", "plain"} | (
        set() if format == "huggingface" else {"dynamic-attempts", "plain-attempts"}
    )
    assert {item.id: item.sha256 for item in dataset.metadata.file_objects} == {
        path: told["sha256"] for path, told in facts.manifest["files"].items()
    }
    for arm in facts.arms:
        rows = {row["id"]: row for row in examples(arm)}
        records = {record[f"{arm}/id"].decode(): record for record in dataset.records(arm)}
        assert records.keys() == rows.keys()
        for id, record in records.items():
            _check_record(record, rows[id], arm, nested=format != "csv")
        if format != "huggingface":
            found = [record[f"{arm}-attempts/example"].decode() for record in dataset.records(f"{arm}-attempts")]
            assert found == [row["example"] for row in attempts(arm)]


def _check_record(record: dict[str, Any], row: dict[str, Any], arm: str, nested: bool) -> None:
    """Whether a record of mlcroissant's says what the row says."""
    assert record[f"{arm}/split"].decode() == row["split"]
    assert record[f"{arm}/context"] == row["context"]
    assert record[f"{arm}/fooled"] == row["fooled"]
    assert record[f"{arm}/submitted_at"] == pd.Timestamp(row["submitted_at"])
    if nested:
        votes = [vote[f"{arm}/votes/reason"].decode() for vote in record[f"{arm}/votes"]]
        assert votes == [vote["reason"] for vote in row["votes"]]
        shares = [
            record[f"{arm}/probabilities"][f"{arm}/probabilities/{label}"] for label in row["probabilities"] or ()
        ]
        assert shares == list((row["probabilities"] or {}).values())
    else:
        assert json.loads(record[f"{arm}/votes"]) == row["votes"]


def test_labels_with_dashes_are_read_from_croissant(tmp_path: Path) -> None:
    facts = release(tmp_path, "jsonl")
    task = {**STUDY["task"], "labels": [{"name": "non-toxic"}, {"name": "toxic"}]}
    path = tmp_path / "jsonl/dynamic/examples.jsonl"
    text = path.read_text().replace('"not_entailment":', '"non-toxic":').replace('"entailment":', '"toxic":')
    path.write_text(text)
    facts.manifest["files"]["jsonl/dynamic/examples.jsonl"]["sha256"] = hashlib.sha256(text.encode()).hexdigest()
    made = croissant(replace(facts, study={**STUDY, "task": task}))
    (tmp_path / "croissant.json").write_text(json.dumps(made))
    record = next(iter(mlcroissant.Dataset(jsonld=tmp_path / "croissant.json").records("dynamic")))
    assert record["dynamic/probabilities"]["dynamic/probabilities/non-toxic"] == 0.75


def test_without_tables_there_are_files_and_no_records(tmp_path: Path) -> None:
    facts = published(tmp_path)
    assert [item["@id"] for item in croissant(facts)["recordSet"]] == ["splits"]
    assert "configs" not in card(facts).partition("\n---\n")[0]
    assert mlcroissant.Dataset(jsonld=tmp_path / "croissant.json").metadata.issues.warnings == set()


def test_without_a_licence_the_metadata_says_that_none_is_stated(tmp_path: Path) -> None:
    facts = replace(release(tmp_path, "jsonl"), licence="")
    assert croissant(facts)["license"] == "No licence is stated."
    assert "license" not in _front_matter(card(facts))
    assert "No licence is stated" in card(facts)


def _front_matter(text: str) -> dict[str, Any]:
    return yaml.safe_load(text.split("---\n")[1])


def test_the_front_matter_is_that_of_a_dataset_card(tmp_path: Path) -> None:
    assert _front_matter(card(release(tmp_path, "huggingface", "csv"))) == {
        "pretty_name": "Dogs & *cats*: a study",
        "language": ["en"],
        "license": "cc-by-4.0",
        "task_categories": ["text-classification"],
        "task_ids": ["natural-language-inference"],
        "annotations_creators": ["crowdsourced"],
        "language_creators": ["crowdsourced"],
        "size_categories": ["n<1K"],
        "tags": ["croissant", "adversarial", "human-in-the-loop"],
        "configs": [
            {
                "config_name": arm,
                **({"default": True} if arm == "dynamic" else {}),
                "data_files": [
                    {"split": split, "path": f"data/{arm}/{split}.parquet"} for split in ("train", "dev", "rest")
                ],
            }
            for arm in ("dynamic", "plain")
        ],
    }


def test_a_name_cannot_break_out_of_the_card(tmp_path: Path) -> None:
    name = 'A "name": [x](http://y.example) <b>\u2028 # & 👩 \\'
    text = card(replace(release(tmp_path, "huggingface"), study={**STUDY, "name": name}))
    assert _front_matter(text)["pretty_name"] == " ".join(name.split())
    assert "<b>" not in text.partition("\n---\n")[2].replace("\\<b\\>", "")


def test_the_card_says_what_a_reader_must_know(tmp_path: Path) -> None:
    text = card(release(tmp_path, "huggingface", "jsonl"))
    for said in (
        "| `dynamic` | dynamic | 1–2 | 8 | 7 |",
        "| `plain` | 5 | 2 | 0 | 1 |",
        "Adversarial test data favours models that were not its adversary",
        "accepted when 2 of at most 3 agree",
        "No model was shown in `plain`",
        "in `rest`: 1 from train and 0 from dev",
        "The scan found: 2 × e-mail address. The researcher looked at them and let them stand.",
        "whetstone 0.1.0",
        'load_dataset("path/to/this/folder", "dynamic", split="train")',
        "> \\# Be \\<kind\\>",
    ):
        assert said in text, said
    for column in {**EXAMPLES, **ATTEMPTS}:
        assert f"| `{column}` |" in text
