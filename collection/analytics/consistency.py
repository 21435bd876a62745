"""Whether the tables of a study hold together: what sections take as given of them, row by row."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from collection.analytics.cells import Fault, impossible_values, marked
from collection.analytics.study import Study

# Columns whose values, together, name a row of the table.
_NAMED_BY: dict[str, list[str]] = {
    "examples": ["key"],
    "attempts": ["key"],
    "votes": ["validator", "example"],
    "versions": ["version", "role"],
    "test_sets": ["test_set"],
    "test_items": ["test_set", "index"],
    "evaluations": ["version", "test_set"],
    "round_scores": ["version", "arm", "round"],
}
# Table, column, and the table with a row of that name. Scores of a round may be of an example that is in no row: an
# imported release may have left it out.
_REFERS_TO = (
    ("test_items", "test_set", "test_sets"),
    ("evaluations", "test_set", "test_sets"),
    ("evaluations", "version", "versions"),
    ("round_scores", "version", "versions"),
)


def faults(study: Study) -> Iterator[Fault]:
    """The rows that cannot be (see ``cells``), or do not fit the others: of the same name as an earlier one; a second
    version that a round trained; of a version or a test set that is in no row; an attempt that became an example that
    is in no row, or is another's; a vote of another arm or round than its example, or of its writer; test items with
    gaps between them; more or fewer predictions than test items, or than examples.

    A vote may be on an example that is in no row: its text was taken back.
    """
    for name, columns in _NAMED_BY.items():
        rows = getattr(study, name)
        # Of people who are not named some two may be two.
        yield from _again(name, rows, columns, rows["validator"] != "" if name == "votes" else None)
    yield from impossible_values(study)
    one_a_round = study.versions["role"] != "curve"
    yield from _again("versions", study.versions, ["role", "arm", "round"], one_a_round)
    # Else training once would pass for training again.
    yield from _again("versions", study.versions, ["seed", "role", "arm", "round"], study.versions["seed"].notna())
    became = study.attempts["example"]
    lost = (became != "") & ~became.isin(study.examples["key"])
    yield from marked("attempts", "example", lost, 'must be the key of a row of examples, or ""')
    yield from _again("attempts", study.attempts, ["example"], became != "")
    for name, column, other in _REFERS_TO:
        there = getattr(study, name)[column].isin(getattr(study, other)[column])
        yield from marked(name, column, ~there, f"must be that of a row of {other}")
    yield from _votes(study)
    places = study.test_items.groupby("test_set")["index"]
    beyond = study.test_items["index"] >= places.transform("size")
    yield from marked("test_items", "index", beyond, "must count the items of its test set from 0, without gaps")
    yield from _scores(study)


def _again(name: str, rows: pd.DataFrame, columns: list[str], among: pd.Series | None = None) -> Iterator[Fault]:
    """The rows, of all or those ``among`` them, with the values of an earlier one in the columns."""
    others = f" in the same {' and '.join(columns[1:])}" if columns[1:] else ""
    again = rows.duplicated(columns) if among is None else rows[columns].where(among).duplicated() & among
    return marked(name, columns[0], again, f"stands in an earlier line too{others}")


def _votes(study: Study) -> Iterator[Fault]:
    """Votes that are not where their example is, or are its writer's own."""
    examples, votes = study.examples.drop_duplicates("key").set_index("key"), study.votes
    there = votes["example"].isin(examples.index)
    for column in ("arm", "round"):
        elsewhere = there & (votes[column] != votes["example"].map(examples[column]))
        yield from marked("votes", column, elsewhere, "must be that of its example")
    named = votes["validator"] != ""
    own = there & named & (votes["validator"] == votes["example"].map(examples["writer"]))
    yield from marked("votes", "validator", own, "must not be the writer of the example")


def _scores(study: Study) -> Iterator[Fault]:
    """More or fewer predictions than what they are of, and examples that a version is scored on twice."""
    items = study.test_items["test_set"].value_counts().to_dict()
    for row, (test_set, predicted) in enumerate(
        zip(study.evaluations["test_set"], study.evaluations["predicted"], strict=True)
    ):
        if len(predicted) != items.get(test_set, 0):
            told = f"must have a label index for each of the {items.get(test_set, 0)} items of its test set"
            yield Fault("evaluations", row, "predicted", told)
    for row, (keys, predicted) in enumerate(
        zip(study.round_scores["examples"], study.round_scores["predicted"], strict=True)
    ):
        if len(predicted) != len(keys):
            told = f"must have a label index for each of the {len(keys)} examples"
            yield Fault("round_scores", row, "predicted", told)
        if len(set(keys)) < len(keys):
            yield Fault("round_scores", row, "examples", "must be different ones")
