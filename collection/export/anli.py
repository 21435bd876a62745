"""Examples in the format of Adversarial NLI 1.0 (Nie et al. 2020): JSON lines by round and split. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO

import orjson

from collection.export.columns import text_column
from collection.export.splits import SPLITS
from collection.schema import TaskSchema

_LETTERS = {"entailment": "e", "neutral": "n", "contradiction": "c"}


def write_anli(rows: Iterable[Mapping[str, Any]], schema: TaskSchema, file: BinaryIO) -> int:
    """Write examples, those in train, dev or test, as ANLI has them. Returns how many there were.

    ``label`` and ``model_label`` are ANLI's letters if all labels of the task are ANLI's, else the labels' names;
    ``emturk`` is the writer's pseudonym, ``reason`` the writer's words on the label and on the model. What this system
    does not know (``genre``, ``tag``, and ``model_label`` where no model was shown) is "", and so is ``context`` for a
    task of one field.
    """
    letters = _LETTERS if _LETTERS.keys() >= set(schema.label_names) else {}
    *before, last = (text_column(item.name) for item in schema.fields)
    count = 0
    for row in rows:
        if row["split"] in SPLITS:
            prediction = row["prediction"] or ""
            converted = {
                "uid": row["id"],
                "context": row[before[0]] if before else "",
                "hypothesis": row[last],
                "label": letters.get(row["label"], row["label"]),
                "model_label": letters.get(prediction, prediction),
                "emturk": row["writer"],
                "genre": "",
                "reason": "\n".join(filter(None, (row["why_label"], row["why_fooled"]))),
                "tag": "",
            }
            file.write(orjson.dumps(converted, option=orjson.OPT_APPEND_NEWLINE))
            count += 1
    return count
