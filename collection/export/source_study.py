"""Examples as Wallace, Williams, Jia and Kiela (2022) released theirs: JSON lines, one file an arm. Pure.

Theirs (facebookresearch/dadc-limit) are called ``dynamic-adversarial-with-rounds.jsonl`` and the like, and are what the
scripts of that repository read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO

import orjson

from collection.export.columns import text_column
from collection.schema import TaskSchema
from collection.states import ExampleState


def write_source_study(rows: Iterable[Mapping[str, Any]], schema: TaskSchema, file: BinaryIO) -> int:
    """Write the accepted examples as ``sentence1``, ``sentence2``, ``label``, ``round``. Returns how many there were.

    The task's fields in their order; ``sentence2`` is "" for a task of one field.
    """
    columns = [text_column(item.name) for item in schema.fields]
    count = 0
    for row in rows:
        if row["state"] == ExampleState.ACCEPTED:
            first, second = (*(row[column] for column in columns), "")[:2]
            converted = {"sentence1": first, "sentence2": second, "label": row["label"], "round": row["round"]}
            file.write(orjson.dumps(converted, option=orjson.OPT_APPEND_NEWLINE))
            count += 1
    return count
