from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertForMaskedLM,
    BertModel,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    PretrainedConfig,
    PreTrainedModel,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from modelserver.artifacts import manifest_sha256, read_manifest, verify_files
from modelserver.engine.loading import load
from modelserver.training.importing import label_order
from modelserver.wire import Job, Recipe, Result, Source, TextInput, WireError
from tests.modelserver.tiny_artifacts import (
    LABELS,
    PAIRS,
    RECIPE,
    adapter_artifact,
    as_test_set,
    full_artifact,
    run_job,
    write_rows,
)
from tests.tiny_model import make_tiny_model, make_tiny_tokenizer

INPUTS = [TextInput(pair[:2]) for pair in PAIRS]


def run_import(source: Path | str, output: Path, labels: Sequence[str] = LABELS, max_length: int = 128) -> Result:
    job = Job(
        kind="import",
        source=Source(pretrained=str(source)),
        labels=tuple(labels),
        output=str(output),
        recipe=Recipe(max_length=max_length),
        threads=1,
    )
    return run_job(job)


def refusal(source: Path | str, output: Path, labels: Sequence[str] = LABELS) -> WireError:
    with pytest.raises(WireError) as caught:
        run_import(source, output, labels)
    assert not (output / "artifact").exists()
    assert not (output / "result.json").exists()
    return caught.value


def answers(folder: Path) -> list[list[float]]:
    model = load(folder)
    return model.probabilities(model.encode(INPUTS))


def test_an_import_is_whole_scored_and_says_nothing_of_where_it_was(tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path / "pretrained", LABELS)
    output = tmp_path / "out"
    test_set = as_test_set(write_rows(tmp_path / "rows.jsonl"))
    job = Job("import", Source(pretrained=str(folder)), LABELS, str(output), evaluate=(test_set,), threads=1)

    result = run_job(job)

    manifest = read_manifest(output / "artifact", result.manifest_sha256)
    verify_files(output / "artifact", manifest)
    assert (manifest.kind, manifest.labels, manifest.max_length) == ("full", LABELS, 128)
    assert str(tmp_path) not in (output / "artifact" / "manifest.json").read_text()
    assert result.scores[0].rows == len(PAIRS)
    assert "new_head" not in result.metrics
    assert Result.from_dict(json.loads((output / "result.json").read_text())) == result


def test_the_head_is_put_in_the_order_of_the_labels(tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path / "pretrained", ["Not-Entailment", "ENTAILMENT"])
    run_import(folder, tmp_path / "out")
    reference = full_artifact(tmp_path)  # the same weights with the labels in our order

    ours = torch.tensor(answers(tmp_path / "out" / "artifact"))

    torch.testing.assert_close(ours, torch.tensor(answers(reference)).flip(1))


def test_labels_without_names_are_taken_by_position_and_that_is_told(tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path / "pretrained", ["LABEL_0", "LABEL_1"])

    result = run_import(folder, tmp_path / "out")

    assert result.metrics["labels_by_position"] == 1
    assert answers(tmp_path / "out" / "artifact") == answers(full_artifact(tmp_path))


@pytest.mark.parametrize(
    ("names", "labels", "order"),
    [
        (["b", "a"], ["a", "b"], [1, 0]),
        (["CONTRADICTION", "Neutral", "entailment"], ["entailment", "neutral", "contradiction"], [2, 1, 0]),
        (["not entailment", "entailment"], ["entailment", "not_entailment"], [1, 0]),
        (["LABEL_0", "LABEL_1"], ["a", "b"], None),
        (["positive", "negative"], ["a", "b"], None),
    ],
)
def test_labels_are_matched_by_name(names: list[str], labels: list[str], order: list[int] | None) -> None:
    assert label_order(names, labels) == order


def test_labels_that_match_in_part_are_refused() -> None:
    with pytest.raises(WireError, match="labels: the base model's labels are entailment, other"):
        label_order(["entailment", "other"], LABELS)


def test_another_number_of_labels_is_refused(tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path / "pretrained", ["entailment", "neutral", "contradiction"])

    error = refusal(folder, tmp_path / "out")

    assert (error.field, error.message) == ("labels", "the base model answers with 3 labels, the task has 2")


@pytest.mark.parametrize("architecture", [BertModel, BertForMaskedLM])
def test_a_bare_encoder_gets_a_new_head_from_the_seed(tmp_path: Path, architecture: type[PreTrainedModel]) -> None:
    folder = make_tiny_model(tmp_path / "pretrained", LABELS)
    encoder = architecture.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    encoder.save_pretrained(folder)
    labels = ("one", "two", "three")

    results = [run_import(folder, tmp_path / name, labels) for name in ("first", "second")]

    assert results[0].metrics["new_head"] == 1
    assert results[0].manifest_sha256 == results[1].manifest_sha256
    assert load(tmp_path / "first" / "artifact").network.config.num_labels == 3


@pytest.mark.parametrize(
    ("config", "architecture", "longest"),
    [
        (RobertaConfig(type_vocab_size=1, max_position_embeddings=66), RobertaForSequenceClassification, 65),
        (DistilBertConfig(max_position_embeddings=64), DistilBertForSequenceClassification, 64),
    ],
)
def test_models_without_segment_ids_are_imported_trained_and_served(
    tmp_path: Path, config: PretrainedConfig, architecture: type[PreTrainedModel], longest: int
) -> None:
    folder = tmp_path / "pretrained"
    tokenizer = make_tiny_tokenizer()
    tokenizer.save_pretrained(folder)
    small = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    small |= {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64} if config.model_type == "distilbert" else {}
    values = config.to_dict() | small | {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    torch.manual_seed(0)
    architecture(type(config).from_dict(values)).save_pretrained(folder)
    theirs = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    batch = AutoTokenizer.from_pretrained(folder)(*zip(*(item.texts for item in INPUTS), strict=True), padding=True)
    expected = theirs(torch.tensor(batch["input_ids"]), torch.tensor(batch["attention_mask"])).logits.softmax(-1)

    run_import(folder, tmp_path / "out")
    (tmp_path / "tiny").mkdir()
    imported = (tmp_path / "out" / "artifact").rename(tmp_path / "tiny" / "0")

    torch.testing.assert_close(torch.tensor(answers(imported)), expected)
    assert read_manifest(imported).max_length == longest
    assert answers(adapter_artifact(tmp_path, imported)) != answers(imported)


def test_a_vocabulary_file_alone_is_made_a_tokenizer_file(tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path / "pretrained", LABELS)
    vocabulary = make_tiny_tokenizer().get_vocab()
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=lambda piece: vocabulary[piece])))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"}))

    run_import(folder, tmp_path / "out")

    assert answers(tmp_path / "out" / "artifact") == answers(full_artifact(tmp_path))


class TestRefused:
    def test_an_unknown_hub_id(self, tmp_path: Path) -> None:
        error = refusal("no-such/model-anywhere", tmp_path / "out")

        assert error.field == "base_model"
        assert error.message.startswith("'no-such/model-anywhere' is no folder here, nor in the hub's cache")

    def test_a_name_that_is_no_hub_id(self, tmp_path: Path) -> None:
        assert refusal("no/such/folder at all", tmp_path / "out").field == "base_model"

    def test_pickled_weights(self, tmp_path: Path) -> None:
        folder = make_tiny_model(tmp_path / "pretrained", LABELS)
        (folder / "model.safetensors").rename(folder / "pytorch_model.bin")

        error = refusal(folder, tmp_path / "out")

        assert error.field == "base_model"
        assert "pickled weights are refused" in error.message

    def test_a_folder_without_a_model(self, tmp_path: Path) -> None:
        error = refusal(tmp_path, tmp_path / "out")

        assert (error.field, "no config.json" in error.message) == ("base_model", True)

    def test_a_model_that_is_code(self, tmp_path: Path) -> None:
        folder = make_tiny_model(tmp_path / "pretrained", LABELS)
        config = json.loads((folder / "config.json").read_text())
        config |= {"model_type": "homemade", "auto_map": {"AutoConfig": "modeling.Config"}}
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "modeling.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")

        assert refusal(folder, tmp_path / "out").field == "base_model"
        assert not (tmp_path / "ran").exists()

    def test_damaged_weights(self, tmp_path: Path) -> None:
        folder = make_tiny_model(tmp_path / "pretrained", LABELS)
        (folder / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{broken}")

        assert refusal(folder, tmp_path / "out").field == "base_model"

    def test_an_encoder_with_missing_weights(self, tmp_path: Path) -> None:
        folder = make_tiny_model(tmp_path / "pretrained", LABELS)
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))

        error = refusal(folder, tmp_path / "out")

        assert error.field == "base_model"
        assert "lack bert.encoder.layer.2" in error.message

    def test_a_folder_without_a_tokenizer(self, tmp_path: Path) -> None:
        folder = make_tiny_model(tmp_path / "pretrained", LABELS)
        (folder / "tokenizer.json").unlink()
        (folder / "tokenizer_config.json").unlink()

        assert refusal(folder, tmp_path / "out").field == "base_model"

    def test_a_tokenizer_of_another_model(self, tmp_path: Path) -> None:
        folder = make_tiny_model(tmp_path / "pretrained", LABELS)
        tokenizer = make_tiny_tokenizer()
        tokenizer.add_tokens(["more", "words"])
        tokenizer.save_pretrained(folder)

        assert "more tokens than its model knows" in refusal(folder, tmp_path / "out").message


def test_a_hub_that_cannot_be_reached_is_worth_another_try(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise OSError("We couldn't connect to the hub") from LocalEntryNotFoundError("no connection")

    monkeypatch.setattr("modelserver.training.importing.is_offline_mode", lambda: False)
    monkeypatch.setattr(AutoModelForSequenceClassification, "from_pretrained", unreachable)

    with pytest.raises(OSError, match="couldn't connect"):
        run_import("some/model", tmp_path / "out")


class TestArtifactOfOurs:
    def run(self, source: Path, output: Path, labels: Sequence[str] = LABELS, sha256: str = "") -> Result:
        job = Job("import", Source(str(source), sha256), tuple(labels), str(output), recipe=RECIPE, threads=1)
        return run_job(job)

    def test_is_copied_byte_for_byte(self, tmp_path: Path, full: Path) -> None:
        source = shutil.copytree(full, tmp_path / "own")
        (source / "README.md").write_text("not named in the manifest")
        text = (source / "manifest.json").read_text()
        (source / "manifest.json").write_text(json.dumps(json.loads(text)))

        result = self.run(source, tmp_path / "out")

        copied = {path.name: path.read_bytes() for path in (tmp_path / "out" / "artifact").iterdir()}
        assert copied == {path.name: path.read_bytes() for path in source.iterdir() if path.name != "README.md"}
        assert result.manifest_sha256 == manifest_sha256(source)

    def test_with_labels_in_another_order_is_refused(self, tmp_path: Path, full: Path) -> None:
        with pytest.raises(WireError, match="labels: the base model answers entailment, not_entailment"):
            self.run(full, tmp_path / "out", LABELS[::-1])

    def test_that_needs_another_artifact_is_refused(self, tmp_path: Path, adapter: Path) -> None:
        with pytest.raises(WireError, match=r"base_model: 1: it needs tiny/0 beside it"):
            self.run(adapter, tmp_path / "out")

    def test_with_another_hash_is_refused(self, tmp_path: Path, full: Path) -> None:
        with pytest.raises(WireError, match=r"base_model: 0: manifest\.json has another sha256"):
            self.run(full, tmp_path / "out", sha256="0" * 64)

    def test_with_a_changed_file_is_refused(self, tmp_path: Path, full: Path) -> None:
        source = shutil.copytree(full, tmp_path / "own")
        (source / "weights.safetensors").write_bytes(b"other")

        with pytest.raises(WireError, match=r"base_model: own: weights\.safetensors has another sha256"):
            self.run(source, tmp_path / "out")
        assert not (tmp_path / "out" / "artifact").exists()
