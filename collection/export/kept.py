"""The rows of all parts that a release keeps: less what is left out for what was found in it, and divided."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from collection.export.parts import Parts, Table
from collection.export.rows import BATCH, Reading, Row
from collection.export.splits import Item, SplitPlan, Splits, divide, draw
from collection.models import Round
from collection.states import ExampleState


@dataclass
class LeftOut:
    """The examples, attempts and contexts that are left out: ids and positions."""

    examples: set[str] = field(default_factory=set)
    attempts: set[str] = field(default_factory=set)
    contexts: set[int] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.examples or self.attempts or self.contexts)

    def has(self, table: Table, row: Row) -> bool:
        """Whether a row is left out."""
        return row["id"] in getattr(self, table) or row["context"] in self.contexts


def left_out(parts: Parts, rounds: Sequence[Round], tables: Sequence[Table], contexts: set[int]) -> LeftOut:
    """What to leave out: every row in which the scan has found something, and all that is about these contexts."""
    left = LeftOut(contexts=contexts)
    for round_ in rounds:
        for table in tables:
            ids: set[str] = getattr(left, table)
            if parts.note(round_).found:
                ids.update(row["id"] for found, row in parts.rows(round_, table) if found)
            if contexts and table == "examples":
                # An attempt must not name an example that went with its context.
                ids.update(row["id"] for _, row in parts.rows(round_, table) if row["context"] in contexts)
    return left


class Kept:
    """The rows that are kept, in the order of the files. ``draws`` are the writers' by pseudonym."""

    def __init__(
        self, parts: Parts, rounds: Sequence[Round], reading: Reading, left: LeftOut, draws: Mapping[str, str]
    ) -> None:
        self._parts = parts
        self._rounds = rounds
        self._context = reading.context_column
        self._written = [column for column in reading.columns if column != reading.context_column]
        self.left = left
        self._draws = draws
        self._plan = SplitPlan()
        self._splits: Splits | None = None

    def divide(self, plan: SplitPlan, beat: Callable[[], None]) -> Splits:
        """Divide the examples; without a method they have their splits already, and are not read for it."""
        self._plan = plan
        if plan.method == "none":
            return divide([], plan)
        self._splits = divide(_Items(self, beat), plan)
        return self._splits

    def is_whole(self, round_: Round) -> bool:
        """Whether the rows of a part are kept as they stand in its file."""
        return self._splits is None and not self.left and not self._parts.note(round_).found

    def rows(self, round_: Round, table: Table) -> Iterator[Row]:
        """The rows of a part."""
        for _, row in self._parts.rows(round_, table):
            if self.left.has(table, row):
                continue
            if table == "attempts":
                if row["example"] in self.left.examples:
                    row["example"] = None
            elif self._splits is not None:
                row["split"] = self._splits.of(self._item(row))
            yield row

    def items(self, beat: Callable[[], None]) -> Iterator[Item]:
        """What is divided."""
        for round_ in self._rounds:
            for index, (_, row) in enumerate(self._parts.rows(round_, "examples")):
                if index % BATCH == 0:
                    beat()
                if not self.left.has("examples", row):
                    yield self._item(row)

    def _item(self, row: Row) -> Item:
        # By its text and not its position: contexts that come later move others.
        context = None if self._context is None else row[self._context].encode()
        drawn = None if context is None or not self._plan.contexts else draw("context", self._plan.seed, context)
        return Item(
            id=row["id"],
            arm=row["arm"],
            round=row["round"],
            writer_draw=self._draws[row["writer"]],
            context_draw=drawn,
            label=row["label"],
            prediction=row["prediction"],
            fooled=row["fooled"],
            accepted=row["state"] == ExampleState.ACCEPTED,
            text="\n".join(row[column] for column in self._written),
        )


@dataclass(frozen=True)
class _Items:
    """The items of what is kept, as often as they are gone through."""

    kept: Kept
    beat: Callable[[], None]

    def __iter__(self) -> Iterator[Item]:
        return self.kept.items(self.beat)
