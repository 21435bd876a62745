from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelserver.artifacts import (
    ArtifactError,
    Manifest,
    manifest_sha256,
    read_manifest,
    read_verified,
    verify_files,
    write_manifest,
)
from modelserver.wire import ModelRef

SHA = "0" * 64
ADAPTER = {"rank": 4, "alpha": 8, "dropout": 0.1, "target_modules": ["query"], "modules_to_save": ["classifier"]}
FULL = Manifest(
    kind="full",
    files={"weights.safetensors": SHA, "tokenizer.json": SHA},
    labels=("yes", "no"),
    max_length=128,
    config={"model_type": "bert"},
)
ADAPTED = Manifest(
    kind="adapter",
    files={"weights.safetensors": SHA},
    labels=("yes", "no"),
    max_length=128,
    config={"model_type": "bert"},
    encoder={"model": {"name": "base", "version": 0}, "manifest_sha256": SHA},
    adapter=ADAPTER,
)


def plain(manifest: Manifest, **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(json.dumps(manifest.to_dict()))
    return values | changes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "weights.safetensors").write_bytes(b"weights")
    (tmp_path / "tokenizer.json").write_bytes(b"{}")
    files = {name: hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in FULL.files}
    write_manifest(tmp_path, dataclasses.replace(FULL, files=files))
    return tmp_path


def test_what_was_written_is_read_back(folder: Path) -> None:
    manifest = read_manifest(folder, manifest_sha256(folder))

    assert manifest == dataclasses.replace(FULL, files=manifest.files)
    verify_files(folder, manifest)
    assert read_verified(folder, manifest, "weights.safetensors") == b"weights"


def test_equal_manifests_are_equal_bytes_whatever_the_order_of_their_keys(tmp_path: Path) -> None:
    one = write_manifest(tmp_path, dataclasses.replace(FULL, config={"a": 1, "model_type": "bert"}))
    other = write_manifest(tmp_path, dataclasses.replace(FULL, config={"model_type": "bert", "a": 1}))

    assert one == other == manifest_sha256(tmp_path)


def test_a_manifest_of_another_hash_is_refused(folder: Path) -> None:
    with pytest.raises(ArtifactError, match="another sha256"):
        read_manifest(folder, SHA)


def test_a_folder_without_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"no manifest\.json"):
        read_manifest(tmp_path)
    with pytest.raises(ArtifactError, match=r"no manifest\.json"):
        manifest_sha256(tmp_path)


@pytest.mark.parametrize("content", ["", "[", "[]", "{}", "[" * 100_000, '{"format": 2}'])
def test_a_manifest_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(content)

    with pytest.raises(ArtifactError):
        read_manifest(tmp_path)


def test_an_endless_manifest_is_not_read_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes(b" " * 2_000_000)

    with pytest.raises(ArtifactError, match="larger than"):
        read_manifest(tmp_path)


def test_a_changed_file_is_refused_by_name(folder: Path) -> None:
    manifest = read_manifest(folder)
    (folder / "tokenizer.json").write_bytes(b"{ }")

    with pytest.raises(ArtifactError, match=r"tokenizer\.json has another sha256"):
        verify_files(folder, manifest)
    with pytest.raises(ArtifactError, match=r"tokenizer\.json has another sha256"):
        read_verified(folder, manifest, "tokenizer.json")


def test_a_missing_file_is_refused_by_name(folder: Path) -> None:
    manifest = read_manifest(folder)
    (folder / "weights.safetensors").unlink()

    with pytest.raises(ArtifactError, match=r"weights\.safetensors is missing"):
        verify_files(folder, manifest)
    with pytest.raises(ArtifactError, match=r"weights\.safetensors is missing"):
        read_verified(folder, manifest, "weights.safetensors")


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "../weights.safetensors", "a/b.json", "a\\b.json", "/etc/passwd.txt", ".hidden.json"),
        *("manifest.json", "pytorch_model.bin", "model.pkl", "model.pt", "code.py", "a.json\n", "x" * 200 + ".json"),
    ],
)
def test_file_names_that_lead_elsewhere_or_hold_code_are_refused(name: str) -> None:
    with pytest.raises(ArtifactError, match=r"file name|refused"):
        Manifest.from_dict(plain(FULL, files={**FULL.files, name: SHA}))


@pytest.mark.parametrize(
    ("manifest", "changes"),
    [
        (FULL, {"format": 2}),
        (FULL, {"surprise": 1}),
        (FULL, {"kind": "pickle"}),
        (FULL, {"files": {"weights.safetensors": SHA}}),
        (FULL, {"files": {"weights.safetensors": "0", "tokenizer.json": SHA}}),
        (FULL, {"files": []}),
        (FULL, {"labels": ["one"]}),
        (FULL, {"labels": ["one", "one"]}),
        (FULL, {"labels": ["one", 2]}),
        (FULL, {"max_length": True}),
        (FULL, {"max_length": 0}),
        (FULL, {"config": None}),
        (FULL, {"adapter": ADAPTER}),
        (ADAPTED, {"files": {"tokenizer.json": SHA}}),
        (ADAPTED, {"encoder": None}),
        (ADAPTED, {"encoder": {"package": "p"}}),
        (ADAPTED, {"encoder": {"package": "p", "sha256": "short"}}),
        (ADAPTED, {"encoder": {"model": {"name": "../up", "version": 0}, "manifest_sha256": SHA}}),
        (ADAPTED, {"encoder": {"model": {"name": "base", "version": -1}, "manifest_sha256": SHA}}),
        (ADAPTED, {"encoder": {"model": {"name": "base", "version": "0"}, "manifest_sha256": SHA}}),
        (ADAPTED, {"encoder": {"model": "base/0", "manifest_sha256": SHA}}),
        (ADAPTED, {"adapter": None}),
        (ADAPTED, {"adapter": {**ADAPTER, "rank": "4"}}),
        (ADAPTED, {"adapter": {**ADAPTER, "target_modules": "query"}}),
        (ADAPTED, {"adapter": {"rank": 4}}),
    ],
)
def test_a_malformed_manifest_is_refused(manifest: Manifest, changes: dict[str, Any]) -> None:
    assert Manifest.from_dict(plain(manifest)) == manifest

    with pytest.raises(ArtifactError):
        Manifest.from_dict(plain(manifest, **changes))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from([FULL, ADAPTED]), st.dictionaries(st.sampled_from(sorted(FULL.to_dict())), JSON, min_size=1))
def test_whatever_stands_in_a_manifest_it_is_read_or_refused(manifest: Manifest, changes: dict[str, Any]) -> None:
    values = plain(manifest, **changes)
    try:
        read = Manifest.from_dict(values)
    except ArtifactError:
        return
    assert json.loads(json.dumps(read.to_dict())) == values


def test_only_an_adapter_on_another_model_names_one() -> None:
    packaged = dataclasses.replace(ADAPTED, encoder={"package": "some-package", "sha256": SHA})

    assert ADAPTED.encoder_ref == ModelRef("base", 0)
    assert packaged.encoder_ref is None
    assert FULL.encoder_ref is None
    assert Manifest.from_dict(plain(packaged)) == packaged
