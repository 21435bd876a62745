"""The messages that the processes send each other."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelserver.wire import (
    MAX_INPUTS_PER_REQUEST,
    MAX_TEXT_CHARACTERS,
    DataFile,
    EvaluationFile,
    Job,
    ModelRef,
    Recipe,
    Result,
    Score,
    Source,
    TextInput,
    WireError,
    file_sha256,
    infer_request,
    infer_response,
    parse_infer_request,
    parse_infer_response,
    write_json,
)

REF = ModelRef("nli-dynamic", 3)
LABELS = ("entailment", "not_entailment")

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


def answer(**changes: Any) -> dict[str, Any]:
    """A good answer to one input, changed."""
    return infer_response(REF, LABELS, [[0.25, 0.75]]) | changes


def tensor(**changes: Any) -> dict[str, Any]:
    """A good tensor of two texts, changed."""
    return {"name": "text", "datatype": "BYTES", "shape": [2], "data": ["a", "b"]} | changes


@given(st.lists(st.tuples(texts), min_size=1, max_size=5) | st.lists(st.tuples(texts, texts), min_size=1, max_size=5))
def test_a_request_says_what_was_asked(columns: list[tuple[str, ...]]) -> None:
    inputs = [TextInput(item) for item in columns]
    assert parse_infer_request(json.loads(json.dumps(infer_request(inputs)))) == inputs


def refused_field(body: Any) -> str | None:
    """The field for which a request is refused, None if it is read."""
    try:
        parse_infer_request(body)
    except WireError as error:
        return error.field
    return None


@given(json_values)
def test_any_json_that_is_no_request_is_refused_by_name(body: Any) -> None:
    assert refused_field(body) in ("body", "inputs")


@given(json_values, json_values, json_values)
def test_any_tensor_is_read_or_refused_by_name(shape: Any, data: Any, other: Any) -> None:
    body = {"inputs": [{"name": "text", "datatype": "BYTES", "shape": shape, "data": data}, other]}
    assert refused_field(body) in ("text", "text_pair", "inputs")


@pytest.mark.parametrize(
    ("tensors", "field"),
    [
        ([], "inputs"),
        (None, "inputs"),
        ([tensor(), tensor()], "inputs"),
        ([tensor(name="other")], "inputs"),
        ([tensor(name=["text"])], "inputs"),
        ([tensor(datatype="FP32")], "text"),
        ([tensor(shape=[3])], "text"),
        ([tensor(shape=[1, 2])], "text"),
        ([tensor(shape="2")], "text"),
        ([tensor(data=["a", 1])], "text"),
        ([tensor(data=[["a"], ["b"]])], "text"),
        ([tensor(data=[], shape=[0])], "text"),
        ([tensor(data=["a"] * 300, shape=[300])], "text"),
        ([tensor(name="text_pair")], "text"),
        ([tensor(), tensor(name="text_pair", data=["a"], shape=[1])], "text_pair"),
        ([tensor(data=["a", "x" * (MAX_TEXT_CHARACTERS + 1)])], "text"),
        ([tensor(), tensor(name="text_pair", data=["a", "\ud800"])], "text_pair"),
    ],
)
def test_a_wrong_request_is_refused_with_the_field_named(tensors: Any, field: str) -> None:
    with pytest.raises(WireError) as caught:
        parse_infer_request({"inputs": tensors})
    assert caught.value.field == field


def test_inputs_of_a_column_shape_are_taken() -> None:
    assert parse_infer_request({"inputs": [tensor(shape=[2, 1])]}) == [TextInput(("a",)), TextInput(("b",))]


@pytest.mark.parametrize(
    "inputs",
    [[], [TextInput(("a",)), TextInput(("a", "b"))], [TextInput(("a",))] * (MAX_INPUTS_PER_REQUEST + 1)],
)
def test_a_request_that_a_server_would_refuse_is_not_made(inputs: list[TextInput]) -> None:
    with pytest.raises(WireError, match="inputs"):
        infer_request(inputs)


def test_an_answer_says_what_was_predicted() -> None:
    body = infer_response(REF, LABELS, [[0.25, 0.75], [0.5, 0.5]], "request-1")
    predictions = parse_infer_response(json.loads(json.dumps(body)), REF, LABELS, 2)
    assert [prediction.label for prediction in predictions] == ["not_entailment", "entailment"]
    assert predictions[0].probabilities == {"entailment": 0.25, "not_entailment": 0.75}
    assert predictions[0].model == REF
    assert body["outputs"][1]["data"] == ["not_entailment", "entailment"]
    assert body["id"] == "request-1"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ([], "body"),
        (answer(model_name="other"), "model_version"),
        (answer(model_version="4"), "model_version"),
        (answer(outputs=5), "outputs"),
        (answer(outputs=[{"name": ["probabilities"]}]), "outputs"),
        (answer(parameters={"labels": '["not_entailment", "entailment"]'}), "labels"),
        (answer(outputs=[{"name": "probabilities", "shape": [1, 2], "data": [1.0]}]), "probabilities"),
        (answer(outputs=[{"name": "probabilities", "shape": [2, 1], "data": [0.5, 0.5]}]), "probabilities"),
        (answer(outputs=[{"name": "probabilities", "shape": [1, 2], "data": [0.9, 0.9]}]), "probabilities"),
        (answer(outputs=[{"name": "probabilities", "shape": [1, 2], "data": [-0.5, 1.5]}]), "probabilities"),
        (answer(outputs=[{"name": "probabilities", "shape": [1, 2], "data": [float("nan"), 1]}]), "probabilities"),
        (answer(outputs=[{"name": "probabilities", "shape": [1, 2], "data": [10**400, 0]}]), "probabilities"),
        (answer(outputs=[{"name": "probabilities", "shape": [1, 2], "data": ["1", "0"]}]), "probabilities"),
    ],
)
def test_an_answer_that_makes_no_sense_is_refused(body: Any, field: str) -> None:
    with pytest.raises(WireError) as caught:
        parse_infer_response(body, REF, LABELS, 1)
    assert caught.value.field == field


@given(json_values)
def test_any_json_is_an_answer_or_a_wire_error(outputs: Any) -> None:
    with pytest.raises(WireError):
        parse_infer_response(answer(outputs=outputs), REF, LABELS, 1)


def test_an_answer_without_labels_or_version_is_that_of_another_server_of_the_protocol() -> None:
    body = answer()
    del body["parameters"], body["model_version"]
    assert parse_infer_response(body, REF, LABELS, 1)[0].label == "not_entailment"


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a/b", "..", "a b", "a_b", "é", "a" * 101, "a\n"])
def test_a_model_name_is_a_slug(name: str) -> None:
    with pytest.raises(WireError, match="name"):
        ModelRef(name, 0)


def test_a_version_is_not_negative() -> None:
    with pytest.raises(WireError, match="version"):
        ModelRef("a", -1)


@pytest.mark.parametrize("columns", [(), ("a", "b", "c")])
def test_an_input_is_one_text_or_two(columns: tuple[str, ...]) -> None:
    with pytest.raises(WireError, match="texts"):
        TextInput(columns)


def test_a_job_survives_its_file() -> None:
    job = Job(
        kind="train",
        source=Source(artifact="/models/nli/0", manifest_sha256="0" * 64),
        labels=LABELS,
        output="/runs/1",
        seed=7,
        recipe=Recipe(method="full", epochs=1),
        data=DataFile("/data/a.jsonl", "1" * 64, 10),
        evaluate=(EvaluationFile("test", "/data/b.jsonl", "2" * 64, 5),),
    )
    assert Job.from_dict(json.loads(json.dumps(job.to_dict()))) == job


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"kind": "explode"}, "kind"),
        ({"labels": ["one"]}, "labels"),
        ({"labels": ["one", "one"]}, "labels"),
        ({"data": {"path": "a", "sha256": "b", "rows": 1}}, "data"),
        ({"source": {}}, "source.source"),
        ({"source": {"pretrained": "a", "surprise": 1}}, "source.surprise"),
        ({"recipe": {"epochs": 0}}, "recipe.epochs"),
        ({"recipe": {"epochs": 1.5}}, "recipe.epochs"),
        ({"recipe": {"epochs": True}}, "recipe.epochs"),
        ({"recipe": {"learning_rate": float("nan")}}, "recipe.learning_rate"),
        ({"recipe": {"method": "magic"}}, "recipe.method"),
        ({"evaluate": [{"key": "a"}]}, "evaluate[0]"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_wrong_job_is_refused_with_the_field_named(changes: dict[str, Any], field: str) -> None:
    good = {"kind": "import", "source": {"pretrained": "folder"}, "labels": ["a", "b"], "output": "out"}
    assert Job.from_dict(good).kind == "import"
    with pytest.raises(WireError) as caught:
        Job.from_dict(good | changes)
    assert caught.value.field == field


def test_a_result_survives_its_file() -> None:
    result = Result("artifact", "0" * 64, {"train_loss": 0.5}, (Score("test", 2, 0.5, 0.5, (0, 1), (0.9, 0.2)),))
    assert Result.from_dict(json.loads(json.dumps(result.to_dict()))) == result


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Any) -> None:
    target = tmp_path / "job.json"
    write_json(target, {"a": 1})
    before = file_sha256(target)
    with pytest.raises(ValueError, match="JSON"):
        write_json(target, {"a": float("nan")})
    assert file_sha256(target) == before
    assert json.loads(target.read_text()) == {"a": 1}
