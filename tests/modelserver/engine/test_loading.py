from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import safetensors.torch
import torch
from peft import PeftModel
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from modelserver.artifacts import ArtifactError, manifest_sha256, read_manifest, write_manifest
from modelserver.engine import packages
from modelserver.engine.loading import encoder_folder, load
from modelserver.wire import TextInput, WireError
from tests.modelserver.tiny_artifacts import LABELS, PAIRS, adapter_artifact, full_artifact

INPUTS = [TextInput(pair[:2]) for pair in PAIRS]
torch.set_num_threads(1)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A full artifact at tiny/0 and an adapter on it at tiny/1."""
    root = tmp_path_factory.mktemp("repository")
    adapter_artifact(root, full_artifact(root))
    return root


@pytest.fixture
def own(repository: Path, tmp_path: Path) -> Path:
    """A copy of the repository that a test may spoil."""
    return shutil.copytree(repository, tmp_path / "own")


def spoil(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def rewrite(folder: Path, content: bytes) -> None:
    """Put other weights into an artifact and let its manifest vouch for them."""
    manifest = read_manifest(folder)
    (folder / "weights.safetensors").write_bytes(content)
    files = {**manifest.files, "weights.safetensors": hashlib.sha256(content).hexdigest()}
    write_manifest(folder, dataclasses.replace(manifest, files=files))


def test_a_full_artifact_answers_as_the_model_it_was_made_of(repository: Path) -> None:
    folder = repository / "pretrained-0"
    theirs = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    batch = AutoTokenizer.from_pretrained(folder)(*zip(*(item.texts for item in INPUTS), strict=True), padding=True)
    expected = theirs(**{name: torch.tensor(rows) for name, rows in batch.items()}).logits.softmax(dim=-1)

    model = load(repository / "tiny" / "0", manifest_sha256(repository / "tiny" / "0"))

    torch.testing.assert_close(torch.tensor(model.probabilities(model.encode(INPUTS))), expected)
    assert model.labels == LABELS


def test_a_merged_adapter_answers_as_the_adapter_beside_its_encoder(repository: Path) -> None:
    merged = load(repository / "tiny" / "1")
    apart = load(repository / "tiny" / "1", trainable=True)
    untrained = load(repository / "tiny" / "0")
    encodings = merged.encode(INPUTS)

    answers = torch.tensor(merged.probabilities(encodings))

    torch.testing.assert_close(answers, torch.tensor(apart.probabilities(encodings)))
    assert not torch.allclose(answers, torch.tensor(untrained.probabilities(encodings)), atol=1e-4)
    assert isinstance(apart.network, PeftModel)
    assert not isinstance(merged.network, PeftModel)


def test_rows_are_in_order_and_padding_changes_nothing(repository: Path) -> None:
    model = load(repository / "tiny" / "1")
    encodings = model.encode(INPUTS)

    together = model.probabilities(encodings)

    alone = [model.probabilities([encoding])[0] for encoding in encodings]
    torch.testing.assert_close(torch.tensor(together), torch.tensor(alone))
    assert [sum(row) for row in together] == pytest.approx([1.0] * len(INPUTS))


def test_no_inputs_have_no_answers(repository: Path) -> None:
    assert load(repository / "tiny" / "0").probabilities([]) == []


def test_single_texts_are_answered_too(repository: Path) -> None:
    model = load(repository / "tiny" / "0")

    assert len(model.probabilities(model.encode([TextInput(("a good dog",))]))[0]) == 2


def test_a_served_model_takes_no_gradients_and_knows_its_size(repository: Path) -> None:
    served = load(repository / "tiny" / "1")
    trainable = load(repository / "tiny" / "1", trainable=True)

    assert not any(weight.requires_grad for weight in served.network.parameters())
    assert any(weight.requires_grad for weight in trainable.network.parameters())
    assert not served.network.training
    weights = (repository / "tiny" / "0" / "weights.safetensors").stat().st_size
    assert served.size_bytes == pytest.approx(weights, rel=0.2)


def test_threads_may_load_and_predict_at_the_same_time(repository: Path) -> None:
    folders = [repository / "tiny" / str(at % 2) for at in range(8)]
    expected = [load(folder).probabilities(load(folder).encode(INPUTS)) for folder in folders[:2]]

    def answer(folder: Path) -> list[list[float]]:
        model = load(folder)
        return model.probabilities(model.encode(INPUTS))

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(answer, folders))

    assert answers == expected * 4


def test_the_part_that_may_not_be_cut_is_named(repository: Path) -> None:
    model = load(repository / "tiny" / "1")

    with pytest.raises(WireError) as caught:
        model.encode([TextInput(("a man", "runs " * 100))])

    assert caught.value.field == "text_pair"


def test_another_manifest_than_expected_is_refused(repository: Path) -> None:
    with pytest.raises(ArtifactError, match="another sha256 than expected"):
        load(repository / "tiny" / "1", manifest_sha256(repository / "tiny" / "0"))


@pytest.mark.parametrize("name", ["0/weights.safetensors", "0/tokenizer.json", "1/weights.safetensors"])
def test_a_changed_file_of_the_adapter_or_of_its_encoder_is_refused(own: Path, name: str) -> None:
    spoil(own / "tiny" / name)

    with pytest.raises(ArtifactError, match="another sha256"):
        load(own / "tiny" / "1")


def test_an_adapter_without_its_encoder_is_refused(own: Path) -> None:
    shutil.rmtree(own / "tiny" / "0")

    with pytest.raises(ArtifactError, match="no manifest"):
        load(own / "tiny" / "1")


def test_an_adapter_whose_encoder_was_replaced_is_refused(own: Path) -> None:
    manifest = read_manifest(own / "tiny" / "0")
    write_manifest(own / "tiny" / "0", dataclasses.replace(manifest, max_length=10))

    with pytest.raises(ArtifactError, match="another sha256 than expected"):
        load(own / "tiny" / "1")


def test_an_adapter_on_an_adapter_is_refused(own: Path) -> None:
    manifest = read_manifest(own / "tiny" / "1")
    encoder = {"model": {"name": "tiny", "version": 1}, "manifest_sha256": manifest_sha256(own / "tiny" / "1")}
    shutil.copytree(own / "tiny" / "1", own / "tiny" / "2")
    write_manifest(own / "tiny" / "2", dataclasses.replace(manifest, encoder=encoder))

    with pytest.raises(ArtifactError, match="must be a full artifact"):
        load(own / "tiny" / "2")


@pytest.mark.parametrize("version", ["0", "1"])
def test_weights_that_are_pickled_are_refused(own: Path, version: str, tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(1)}, tmp_path / "pickle")
    rewrite(own / "tiny" / version, (tmp_path / "pickle").read_bytes())

    with pytest.raises(ArtifactError, match="not safetensors"):
        load(own / "tiny" / version)


@pytest.mark.parametrize("version", ["0", "1"])
@pytest.mark.parametrize("change", ["missing", "extra", "misshapen"])
def test_weights_that_do_not_fit_are_refused(own: Path, version: str, change: str) -> None:
    folder = own / "tiny" / version
    tensors = safetensors.torch.load((folder / "weights.safetensors").read_bytes())
    name = next(iter(sorted(tensors)))
    if change == "missing":
        del tensors[name]
    elif change == "extra":
        tensors["stowaway.weight"] = torch.zeros(1)
    else:
        tensors[name] = torch.zeros(1, 1)
    rewrite(folder, safetensors.torch.save(tensors))

    with pytest.raises(ArtifactError, match=r"lack|do not fit"):
        load(folder)


@pytest.mark.parametrize(
    "config",
    [
        {"model_type": "no-such-model"},
        {"model_type": "vit"},
        {"hidden_size": 32},
        {"model_type": "bert", "hidden_size": "many"},
        {"model_type": "bert", "quantization_config": {"quant_method": "bitsandbytes"}},
    ],
)
def test_a_config_that_is_no_text_classifier_is_refused(own: Path, config: dict[str, object]) -> None:
    folder = own / "tiny" / "0"
    write_manifest(folder, dataclasses.replace(read_manifest(folder), config=config))

    with pytest.raises(ArtifactError, match="model of type"):
        load(folder)


def test_a_pointer_to_code_in_the_config_is_ignored(own: Path, tmp_path: Path) -> None:
    folder = own / "tiny" / "0"
    manifest = read_manifest(folder)
    auto_map = {"AutoModelForSequenceClassification": "modeling.Evil"}
    (folder / "modeling.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    write_manifest(folder, dataclasses.replace(manifest, config={**manifest.config, "auto_map": auto_map}))

    assert load(folder).labels == LABELS
    assert not (tmp_path / "ran").exists()


def test_an_encoder_lies_where_the_repository_keeps_it(repository: Path) -> None:
    manifest = read_manifest(repository / "tiny" / "1")

    assert encoder_folder(repository / "tiny" / "1", manifest) == repository / "tiny" / "0"
    assert encoder_folder(repository / "tiny" / "0", read_manifest(repository / "tiny" / "0")) is None


class TestPackagedEncoder:
    def test_what_is_not_known_is_refused(self) -> None:
        with pytest.raises(ArtifactError, match="not one this version knows"):
            packages.read_packaged("os", packages.WEIGHTS)

    def test_a_package_that_is_not_installed_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        absent = packages.PackagedEncoder("no_such_package_here", "model", {})
        monkeypatch.setitem(packages.PACKAGED_ENCODERS, "absent", absent)

        with pytest.raises(ArtifactError, match="not installed"):
            packages.read_packaged("absent", packages.WEIGHTS)

    def test_changed_and_missing_files_are_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = tmp_path / "spoilt_encoder" / "model"
        folder.mkdir(parents=True)
        (folder.parent / "__init__.py").write_text("raise SystemExit('the package must not be run')")
        (folder / packages.CONFIG).write_text(json.dumps({"model_type": "bert"}))
        hashes = {packages.CONFIG: "0" * 64, packages.WEIGHTS: "0" * 64}
        monkeypatch.syspath_prepend(tmp_path)
        spoilt = packages.PackagedEncoder("spoilt_encoder", "model", hashes)
        monkeypatch.setitem(packages.PACKAGED_ENCODERS, "spoilt", spoilt)

        with pytest.raises(ArtifactError, match="another sha256"):
            packages.read_packaged("spoilt", packages.CONFIG)
        with pytest.raises(ArtifactError, match="has no file"):
            packages.read_packaged("spoilt", packages.WEIGHTS)
