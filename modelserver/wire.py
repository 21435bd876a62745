"""What the web process, the worker, the model server and the training process say to each other.

Standard library only: every process imports this module, whatever else it has installed.
The inference messages are those of the Open Inference Protocol v2 (KServe, Triton, MLServer),
https://github.com/kserve/open-inference-protocol; the training messages are files of one job's folder.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

MODEL_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,98}[a-z0-9])?")
SHA256 = re.compile(r"[0-9a-f]{64}")
SURROGATE = re.compile("[\ud800-\udfff]")

MAX_INPUTS_PER_REQUEST = 256
MAX_TEXT_CHARACTERS = 20_000
INPUT_NAMES = ("text", "text_pair")
# Servers round probabilities: one may be larger than 1 by as much, and so may the sum of a row be off.
ROUNDING = 1e-3

T = TypeVar("T")
JobKind = Literal["import", "train", "evaluate"]
Method = Literal["full", "adapter"]


class WireError(ValueError):
    """A message that does not say what it must; ``field`` names the part that is wrong."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


@dataclass(frozen=True, order=True)
class ModelRef:
    """One immutable model version: ``name`` is a slug, ``version`` counts from 0."""

    name: str
    version: int

    def __post_init__(self) -> None:
        if not MODEL_NAME.fullmatch(self.name):
            raise WireError("name", f"{self.name!r} is not a model name (lower-case letters, digits and inner dashes)")
        if self.version < 0:
            raise WireError("version", "must be 0 or more")

    def __str__(self) -> str:
        return f"{self.name}/{self.version}"


@dataclass(frozen=True)
class TextInput:
    """One input of the model: a single text, or a pair of which the first (the context) may be truncated.

    Raises WireError naming ``text`` or ``text_pair`` for what is too long or is no text (half a surrogate pair).
    """

    texts: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.texts) not in (1, 2):
            raise WireError("texts", f"needs 1 or 2 texts, not {len(self.texts)}")
        for name, text in zip(INPUT_NAMES, self.texts, strict=False):
            if len(text) > MAX_TEXT_CHARACTERS:
                raise WireError(name, f"is longer than {MAX_TEXT_CHARACTERS} characters")
            if SURROGATE.search(text):
                raise WireError(name, "holds half of a surrogate pair, which is no character")


@dataclass(frozen=True)
class Prediction:
    """What one model version says of one input; ``probabilities`` has one entry a label and sums to 1."""

    model: ModelRef
    label: str
    probabilities: dict[str, float]


# --- Open Inference Protocol v2 -------------------------------------------------------------------


def infer_request(inputs: Sequence[TextInput], request_id: str = "") -> dict[str, Any]:
    """The body of ``POST /v2/models/{name}/versions/{version}/infer`` for inputs of one shape.

    Raises WireError if there are no inputs, too many, or single texts mixed with pairs.
    """
    if not 1 <= len(inputs) <= MAX_INPUTS_PER_REQUEST:
        raise WireError("inputs", f"needs 1 to {MAX_INPUTS_PER_REQUEST} inputs, not {len(inputs)}")
    widths = {len(item.texts) for item in inputs}
    if len(widths) != 1:
        raise WireError("inputs", "single texts and pairs cannot share a request")
    names = INPUT_NAMES[: widths.pop()]
    tensors = [
        {"name": name, "datatype": "BYTES", "shape": [len(inputs)], "data": [item.texts[column] for item in inputs]}
        for column, name in enumerate(names)
    ]
    body: dict[str, Any] = {"inputs": tensors}
    if request_id:
        body["id"] = request_id
    return body


def parse_infer_request(body: object) -> list[TextInput]:
    """The inputs of an inference request. Raises WireError naming the tensor that is wrong."""
    if not isinstance(body, dict):
        raise WireError("body", "must be a JSON object")
    tensors = body.get("inputs")
    if not isinstance(tensors, list) or not tensors:
        raise WireError("inputs", "must be a non-empty list of tensors")
    columns: dict[str, list[str]] = {}
    for tensor in tensors:
        if not isinstance(tensor, dict) or not isinstance(tensor.get("name"), str):
            raise WireError("inputs", "each tensor must be an object with a name")
        name = tensor["name"]
        if name not in INPUT_NAMES or name in columns:
            raise WireError(
                "inputs",
                f"unexpected tensor {name[:40]!r}; a model takes 'text' and, for pairs, 'text_pair', once each",
            )
        if tensor.get("datatype") != "BYTES":
            raise WireError(name, "datatype must be BYTES")
        data = tensor.get("data")
        if not isinstance(data, list) or not all(isinstance(text, str) for text in data):
            raise WireError(name, "data must be a flat list of strings")
        if tensor.get("shape") not in ([len(data)], [len(data), 1]):
            raise WireError(name, "shape must be [n] or [n, 1] with n the number of texts in data")
        columns[name] = data
    if "text" not in columns:
        raise WireError("text", "is missing")
    if not 1 <= len(columns["text"]) <= MAX_INPUTS_PER_REQUEST:
        raise WireError("text", f"needs 1 to {MAX_INPUTS_PER_REQUEST} texts, not {len(columns['text'])}")
    if len({len(data) for data in columns.values()}) != 1:
        raise WireError("text_pair", "must be as long as text")
    ordered = [columns[name] for name in INPUT_NAMES if name in columns]
    return [TextInput(texts) for texts in zip(*ordered, strict=True)]


def infer_response(
    model: ModelRef, labels: Sequence[str], probabilities: Sequence[Sequence[float]], request_id: str = ""
) -> dict[str, Any]:
    """The answer to an inference request; ``probabilities`` has shape [inputs, labels]."""
    best = [labels[max(range(len(labels)), key=row.__getitem__)] for row in probabilities]
    body: dict[str, Any] = {
        "model_name": model.name,
        "model_version": str(model.version),
        "parameters": {"labels": json.dumps(list(labels))},
        "outputs": [
            {
                "name": "probabilities",
                "datatype": "FP32",
                "shape": [len(probabilities), len(labels)],
                "data": [float(value) for row in probabilities for value in row],
            },
            {"name": "label", "datatype": "BYTES", "shape": [len(best)], "data": best},
        ],
    }
    if request_id:
        body["id"] = request_id
    return body


def parse_infer_response(body: object, model: ModelRef, labels: Sequence[str], count: int) -> list[Prediction]:
    """The predictions in an inference response.

    The caller's ``labels`` name the columns, so any server of the protocol will do; one that states its labels must
    state the same. Raises WireError unless the response is of exactly that model version, of ``count`` rows, each a
    probability distribution over the labels.
    """
    if not isinstance(body, dict):
        raise WireError("body", "must be a JSON object")
    answered = (body.get("model_name"), str(body.get("model_version", model.version)))
    if answered != (model.name, str(model.version)):
        raise WireError("model_version", f"asked {model}, answered {answered[0]}/{answered[1]}")
    parameters = body.get("parameters")
    stated = parameters.get("labels") if isinstance(parameters, dict) else None
    if stated is not None and stated != json.dumps(list(labels)):
        raise WireError("labels", f"{model} has other labels than {list(labels)}")
    outputs = body.get("outputs")
    if not isinstance(outputs, list):
        raise WireError("outputs", "must be a list of tensors")
    tensor = next((item for item in outputs if isinstance(item, dict) and item.get("name") == "probabilities"), None)
    if tensor is None:
        raise WireError("outputs", "has no tensor 'probabilities'")
    data = tensor.get("data")
    if tensor.get("shape") != [count, len(labels)] or not isinstance(data, list) or len(data) != count * len(labels):
        raise WireError("probabilities", f"must have shape [{count}, {len(labels)}]")
    predictions = []
    for start in range(0, len(data), len(labels)):
        row = data[start : start + len(labels)]
        if not all(isinstance(value, (int, float)) and 0 <= value <= 1 + ROUNDING for value in row):
            raise WireError("probabilities", "must be numbers between 0 and 1")
        if abs(sum(row) - 1) > ROUNDING:
            raise WireError("probabilities", "must sum to 1 in each row")
        best = max(range(len(row)), key=row.__getitem__)
        predictions.append(
            Prediction(model, labels[best], {name: float(value) for name, value in zip(labels, row, strict=True)})
        )
    return predictions


# --- Training jobs --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recipe:
    """How a version is trained. ``method`` is ``adapter`` (LoRA, the encoder frozen) or ``full`` fine-tuning.

    ``warmup`` is a share of the steps; ``max_length`` counts tokens, and only the context is truncated to it.
    """

    method: Method = "adapter"
    epochs: int = 3
    batch_size: int = 16
    learning_rate: float = 2e-4
    weight_decay: float = 0.01
    warmup: float = 0.1
    max_gradient_norm: float = 1.0
    max_length: int = 128
    rank: int = 16
    alpha: int = 32
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if self.method not in ("adapter", "full"):
            raise WireError("method", "must be 'adapter' or 'full'")
        bounds: dict[str, tuple[float, float]] = {
            "epochs": (1, 1000),
            "batch_size": (1, 4096),
            "learning_rate": (0, 1),
            "weight_decay": (0, 1),
            "warmup": (0, 1),
            "max_gradient_norm": (0, 1000),
            "max_length": (8, 8192),
            "rank": (1, 1024),
            "alpha": (1, 4096),
            "dropout": (0, 0.9),
        }
        for name, (low, high) in bounds.items():
            value = getattr(self, name)
            wants_int = isinstance(type(self).__dataclass_fields__[name].default, int)
            if isinstance(value, bool) or not isinstance(value, int if wants_int else (int, float)):
                raise WireError(name, "must be a whole number" if wants_int else "must be a number")
            # What is no number at all is not between them either.
            if not low <= value <= high:
                raise WireError(name, f"must be between {low} and {high}")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """A recipe from plain values, defaults for what is missing. Raises WireError naming the field."""
        return _from_dict(cls, values)


@dataclass(frozen=True)
class DataFile:
    """A JSONL file of labelled rows ``{"id", "texts": [...], "label"}``, with its sha256 and number of rows."""

    path: str
    sha256: str
    rows: int


@dataclass(frozen=True)
class EvaluationFile:
    """A test set to score: ``key`` names it in the result, the file has the rows of a DataFile."""

    key: str
    path: str
    sha256: str
    rows: int


@dataclass(frozen=True)
class Source:
    """Where a job's model comes from: an ``artifact`` folder on this machine with the sha256 of its manifest, or
    ``pretrained``: a local folder or hub id for AutoModelForSequenceClassification (import jobs only)."""

    artifact: str = ""
    manifest_sha256: str = ""
    pretrained: str = ""

    def __post_init__(self) -> None:
        if bool(self.artifact) == bool(self.pretrained):
            raise WireError("source", "needs either an artifact folder or a pretrained model")


@dataclass(frozen=True)
class Job:
    """One run of ``python -m modelserver.training``, as written to its ``job.json``.

    import: make an artifact of ``source``. train: fine-tune ``source`` on ``data`` by ``recipe`` and ``seed``.
    evaluate: score ``source``. Every kind scores its model on the files of ``evaluate`` at the end.
    """

    kind: JobKind
    source: Source
    labels: tuple[str, ...]
    output: str
    seed: int = 0
    recipe: Recipe = field(default_factory=Recipe)
    data: DataFile | None = None
    evaluate: tuple[EvaluationFile, ...] = ()
    threads: int = 0

    def __post_init__(self) -> None:
        if self.kind not in ("import", "train", "evaluate"):
            raise WireError("kind", "must be import, train or evaluate")
        if len(self.labels) < 2 or len(set(self.labels)) != len(self.labels):
            raise WireError("labels", "needs at least two different labels")
        if (self.kind == "train") != (self.data is not None):
            raise WireError("data", "is needed by a train job, and only there")
        if self.source.pretrained and self.kind != "import":
            raise WireError("source", "only an import job takes a pretrained model")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """A job from plain values. Raises WireError naming the field."""
        prepared = dict(values)
        nested = {"source": Source, "recipe": Recipe, "data": DataFile}
        for name, kind in nested.items():
            if prepared.get(name) is not None:
                prepared[name] = _from_dict(kind, prepared[name], prefix=f"{name}.")
        prepared["evaluate"] = tuple(
            _from_dict(EvaluationFile, item, prefix=f"evaluate[{index}].")
            for index, item in enumerate(prepared.get("evaluate") or ())
        )
        prepared["labels"] = tuple(prepared.get("labels") or ())
        return _from_dict(cls, prepared)


@dataclass(frozen=True)
class Progress:
    """How far a job is: ``step`` of ``steps`` in ``phase``; ``loss`` is the mean of the last steps, ``eta_s`` seconds.

    ``curve`` holds (step, loss) points, at most 200, for the loss curve.
    """

    phase: Literal["starting", "training", "evaluating", "saving", "done"]
    step: int = 0
    steps: int = 0
    loss: float | None = None
    eta_s: float | None = None
    curve: tuple[tuple[int, float], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class Score:
    """One model on one test set: ``predicted`` has a label index a row, in the file's order; ``confidence`` the
    probability of the gold label. ``accuracy`` and ``balanced_accuracy`` (mean recall over the labels that occur)
    are shares of 1."""

    key: str
    rows: int
    accuracy: float
    balanced_accuracy: float
    predicted: tuple[int, ...]
    confidence: tuple[float, ...]


@dataclass(frozen=True)
class Result:
    """What a finished job leaves in ``result.json``; ``artifact`` is the folder's name below ``output``, or empty.

    ``metrics`` holds train_loss, train_seconds, evaluate_seconds, examples_per_second and such, all numbers.
    """

    artifact: str = ""
    manifest_sha256: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    scores: tuple[Score, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """A result from plain values. Raises WireError naming the field."""
        prepared = dict(values)
        prepared["scores"] = tuple(
            _from_dict(
                Score,
                {**item, "predicted": tuple(item["predicted"]), "confidence": tuple(item["confidence"])},
                prefix=f"scores[{index}].",
            )
            for index, item in enumerate(prepared.get("scores") or ())
        )
        return _from_dict(cls, prepared)


PROGRESS_FILE = "progress.json"
RESULT_FILE = "result.json"
ERROR_FILE = "error.json"  # {"field": ..., "message": ...}: a job that cannot succeed by being run again


def _from_dict(cls: type[T], values: Mapping[str, Any], prefix: str = "") -> T:
    if not isinstance(values, Mapping):
        raise WireError(prefix.rstrip(".") or "body", "must be an object")
    known = {item.name for item in dataclasses.fields(cls)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - known)
    if unknown:
        raise WireError(prefix + unknown[0], "is not a known field")
    try:
        return cls(**values)
    except WireError as error:
        raise WireError(prefix + error.field, error.message) from None
    except TypeError as error:
        raise WireError(prefix.rstrip(".") or "body", str(error)) from None


# --- Files ----------------------------------------------------------------------------------------


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a JSON file so that a reader sees the old content or the new, never a part, also after a crash."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(values, file, ensure_ascii=False, allow_nan=False, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def file_sha256(path: Path) -> str:
    """The sha256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
