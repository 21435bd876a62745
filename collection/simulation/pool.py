"""The texts that simulated annotators write: rows of a file of human-written examples."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from collection.importing.jsonl import LabelledRow
from collection.overlap import near_duplicates
from collection.schema import TaskSchema
from collection.texts import fingerprint


@dataclass
class Pool:
    """Rows by the context they were written for (empty for a task without) and by label."""

    schema: TaskSchema
    rows: dict[tuple[str, str], list[LabelledRow]] = field(default_factory=dict)

    @classmethod
    def of(cls, schema: TaskSchema, rows: Iterable[LabelledRow]) -> Pool:
        """A pool of these rows, in their order. Contexts that an experiment takes for the same are one."""
        sorted_in: defaultdict[tuple[str, str], list[LabelledRow]] = defaultdict(list)
        known: dict[str, str] = {}
        for row in rows:
            context = _context(schema, row)
            context = known.setdefault(fingerprint([context]), context)
            sorted_in[context, row.label].append(row)
        return cls(schema, dict(sorted_in))

    @property
    def contexts(self) -> list[str]:
        """The contexts, each once, in the order of the file; none for a task without."""
        return list(dict.fromkeys(context for context, _ in self.rows if context))

    def candidates(self, context: str, label: str) -> Sequence[LabelledRow]:
        """The rows written for a context with a label."""
        return self.rows.get((context, label), ())


def without_test_contexts(
    rows: Sequence[LabelledRow], schema: TaskSchema, tested: Iterable[tuple[str, ...]]
) -> list[LabelledRow]:
    """The rows whose context (whose text, for a task without contexts) is nowhere near one of a test set."""
    column = schema.fields.index(schema.context_field) if schema.context_field else 0
    texts = list(dict.fromkeys(row.texts[column] for row in rows))
    near = near_duplicates(texts, sorted({item[column] for item in tested}))
    dropped = {texts[index] for index in near}
    return [row for row in rows if row.texts[column] not in dropped]


def _context(schema: TaskSchema, row: LabelledRow) -> str:
    return row.texts[schema.fields.index(schema.context_field)] if schema.context_field else ""
