"""A release as it was built and fetched, opened by other people's tools. No network."""

from __future__ import annotations

from pathlib import Path

import datasets
import mlcroissant
import pandas as pd
import pytest

from collection import releases
from collection.export.choices import FORMATS
from tests.collection import released

pytestmark = [
    pytest.mark.django_db,
    # Of others' code: rdflib under mlcroissant, and mlcroissant under pandas 3.1.
    pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.reset_index:pandas.errors.Pandas4Warning"),
]


def test_the_folder_opens_in_datasets_pandas_and_mlcroissant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    datasets.disable_progress_bars()
    splits = {"method": "stratified", "dev": 0.3, "test": 0.3}
    release = released.built(released.study(each=4), formats=list(FORMATS), attempts=True, splits=splits)
    assert release.state == "done", release.problem
    folder = tmp_path / "release"
    for path, content in released.everything(release).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    for arm in release.choices["arms"]:
        rows = {row["id"]: row for row in released.rows(release, f"jsonl/{arm}/examples.jsonl")}
        loaded = datasets.load_dataset(str(folder), arm, cache_dir=str(tmp_path / "cache"))
        assert {split: set(found["id"]) for split, found in loaded.items()} == {
            split: {row["id"] for row in rows.values() if row["split"] == split}
            for split in {row["split"] for row in rows.values()}
        }
        frame = pd.read_parquet(folder / f"parquet/{arm}/examples.parquet")
        assert list(frame["id"]) == list(rows)
        assert frame["submitted_at"].dt.tz is not None
    described = mlcroissant.Dataset(jsonld=folder / "croissant.json")
    assert described.metadata.issues.errors == described.metadata.issues.warnings == set()
    assert len(list(described.records("dynamic"))) == 4
    assert {item.id for item in described.metadata.file_objects} == {
        item.path for item in releases.files_of(release) if item.path not in ("release.json", "croissant.json")
    }
