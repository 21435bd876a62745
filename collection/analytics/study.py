"""A study as tables: all that analytics reads, whether it comes from a database or from exported files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import pandas as pd

from collection.analytics.sections import is_currency
from collection.states import ArmKind

# Column → kind. ``flag`` may be missing (no model was shown), ``number`` may be NaN (not known), ``labels`` is an array
# of label indices in the order of the rows that were scored, ``keys`` a tuple of example keys.
EXAMPLES = {
    "key": "text",
    "arm": "text",
    "round": "count",
    "writer": "text",
    "context": "text",
    "context_text": "text",
    "text": "text",
    "label": "text",
    "state": "text",
    "fooled": "flag",
    "prediction": "text",
    "tries": "count",
    "seconds": "number",
    "cost": "number",
    "submitted_at": "time",
}
ATTEMPTS = {
    "key": "text",
    "example": "text",
    "arm": "text",
    "round": "count",
    "writer": "text",
    "context": "text",
    "index": "count",
    "text": "text",
    "label": "text",
    "prediction": "text",
    "fooled": "flag",
    "confidence": "number",
    "created_at": "time",
}
VOTES = {
    "example": "text",
    "arm": "text",
    "round": "count",
    "validator": "text",
    "label": "text",
    "flagged": "flag",
    "seconds": "number",
    "cost": "number",
    "voted_at": "time",
}
VERSIONS = {"version": "text", "arm": "text", "round": "count", "seed": "count", "rows": "count", "role": "text"}
TEST_SETS = {"test_set": "text", "name": "text", "kind": "text"}
TEST_ITEMS = {"test_set": "text", "index": "count", "context": "text", "label": "text"}
EVALUATIONS = {"version": "text", "test_set": "text", "predicted": "labels"}
ROUND_SCORES = {"version": "text", "arm": "text", "round": "count", "examples": "keys", "predicted": "labels"}

TABLES: Mapping[str, Mapping[str, str]] = {
    "examples": EXAMPLES,
    "attempts": ATTEMPTS,
    "votes": VOTES,
    "versions": VERSIONS,
    "test_sets": TEST_SETS,
    "test_items": TEST_ITEMS,
    "evaluations": EVALUATIONS,
    "round_scores": ROUND_SCORES,
}


@dataclass(frozen=True, eq=False)
class Study:
    """One experiment. Arms are slug → kind (non-adversarial, static, dynamic), in their order; labels in theirs.

    ``examples``: what was submitted and not retracted. ``text`` is what was written (fields joined by a line break; ""
    where it was erased since),
    ``context`` names the context ("" where the task has none), ``tries`` counts the texts up to this one, ``seconds``
    is active time of writing, ``cost`` what its writer earned, in minor units of ``currency``. ``fooled`` is empty and
    ``prediction`` "" where no model is shown.

    ``attempts``: every text put forward, numbered from 1 by ``index`` within its slot; ``example`` is the key of the
    example that it became, or "". ``confidence`` is the probability that the model gave to the writer's label.

    ``votes``: those that count; ``label`` is "" where the text was flagged instead.

    ``versions``: ``role`` is ``base`` (arm "", round 0), ``loop`` (what the round trained) or ``curve`` (trained
    beside the loop on equally many examples in every arm, with several seeds); one that is both has a row of each.
    ``rows`` is what it was trained on.

    ``test_items``: ``context`` names the cluster of a row, ``label`` its gold label, ``index`` its place from 0.
    ``evaluations``: ``predicted`` has a label index an item, in the order of ``index``. ``round_scores``: a version on
    the accepted examples of an arm's round, ``examples`` naming them in the order of ``predicted``.
    """

    name: str
    slug: str
    context_field: str
    labels: tuple[str, ...]
    arms: Mapping[str, str]
    rounds: int
    quota: int
    quorum: int
    currency: str
    examples: pd.DataFrame
    attempts: pd.DataFrame
    votes: pd.DataFrame
    versions: pd.DataFrame
    test_sets: pd.DataFrame
    test_items: pd.DataFrame
    evaluations: pd.DataFrame
    round_scores: pd.DataFrame

    def __post_init__(self) -> None:
        """Raise ValueError, naming table and column, if a table lacks one; naming the field, for labels and arms that
        no study has, and for a currency that is none. Rows are not looked at: see ``consistency``."""
        if not is_currency(self.currency):
            raise ValueError("currency: must be three capital letters (ISO 4217)")
        if len(set(self.labels)) < max(2, len(self.labels)):
            raise ValueError("labels: must be two or more, each another")
        if not self.arms or "" in self.arms:
            raise ValueError("arms: must be one or more, each with a name")
        kinds = [kind.value for kind in ArmKind]
        if not all(kind in kinds for kind in self.arms.values()):
            raise ValueError(f"arms: must each be of a kind, one of {', '.join(kinds)}")
        for item in fields(self):
            for column in TABLES.get(item.name, ()):
                if column not in getattr(self, item.name).columns:
                    raise ValueError(f"{item.name}.{column}: the column is missing")

    @property
    def accepted(self) -> pd.DataFrame:
        """The accepted examples, in the order of submission."""
        kept = self.examples[self.examples["state"] == "accepted"]
        return kept.sort_values("submitted_at", kind="stable")

    def shows_model(self, arm: str) -> bool:
        """Whether writers of the arm see a verdict."""
        return self.arms[arm] != ArmKind.NON_ADVERSARIAL


_DTYPES = {"text": "object", "count": "int64", "number": "float64", "flag": "boolean", "time": "datetime64[us, UTC]"}


def table(name: str, rows: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    """Rows as the named table of a study, each column with the type of its kind; also of no rows at all.

    Raises ValueError, naming table and column, if a column is missing or a value does not fit.
    """
    columns = TABLES[name]
    made = {}
    for column, kind in columns.items():
        try:
            values = [row[column] for row in rows]
            made[column] = pd.Series(values, dtype=_DTYPES.get(kind, "object"))
        except KeyError:
            raise ValueError(f"{name}.{column}: the column is missing") from None
        except (TypeError, ValueError) as error:
            raise ValueError(f"{name}.{column}: {error}") from None
    return pd.DataFrame(made, columns=list(columns))
