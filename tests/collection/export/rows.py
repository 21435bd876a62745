"""Rows of releases, made by hypothesis and by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from collection.export.columns import OPTIONAL, VOTE, Kind, attempt_columns, example_columns

FIELDS, LABELS = ("premise", "hypothesis"), ("entailment", "not_entailment")
EXAMPLES, ATTEMPTS = example_columns(FIELDS), attempt_columns(FIELDS)

# Everything that a file in UTF-8 can hold, and often what formats stumble over.
TRICKY = st.sampled_from(
    [
        *(
            "",
            "'",
            "''",
            "=1+1",
            "'=1",
            "+1",
            "-1",
            "@x",
            "\t",
            "\r",
            "\n",
            "\r\n",
            "a\rb\nc\r\n",
            '"',
            '""',
            'a,"b"\n',
            ",",
        ),
        *(" ", "null", "NULL", "NaN", "true", "0", "\ufeff", "\u2028", "\x85", "\x00", "\x1f", "é", "e\u0301", "＝1"),
        *("👩\u200d👧", "\U0010ffff"),
    ]
)
TEXTS = st.one_of(TRICKY, st.text(), st.lists(TRICKY).map("".join))
_TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1)).map(
    lambda time: f"{time.isoformat(timespec='microseconds')}Z"
)
_FLOATS = st.floats(allow_nan=False, allow_infinity=False)
_SHARES = st.dictionaries(st.sampled_from(LABELS), _FLOATS).map(
    lambda shares: {label: shares[label] for label in LABELS if label in shares}
)
_PLAIN: dict[Kind, st.SearchStrategy[Any]] = {
    "text": TEXTS,
    "count": st.integers(0, 2**63 - 1),
    "flag": st.booleans(),
    "number": _FLOATS,
    "time": _TIMES,
    "shares": _SHARES,
}
_VOTES = st.lists(
    st.tuples(*(_PLAIN[kind] for kind in VOTE.values())).map(lambda cells: dict(zip(VOTE, cells, strict=True))),
    max_size=3,
)


def rows_of(columns: dict[str, Kind]) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Lists of rows with these columns; in each row some cells are any that its columns can hold."""
    plain = {"text": "", "count": 0, "flag": False, "number": 0.0, "time": "2026-01-01T00:00:00.000000Z", "votes": []}
    first = {column: None if column in OPTIONAL else plain[kind] for column, kind in columns.items()}
    cells = [
        st.tuples(st.just(column), st.none() | value if column in OPTIONAL else value)
        for column, kind in columns.items()
        for value in [_VOTES if kind == "votes" else _PLAIN[kind]]
    ]
    changed = st.lists(st.one_of(cells), max_size=8).map(lambda drawn: first | dict(drawn))
    return st.lists(changed, max_size=3)


def example(number: int = 0, **changed: Any) -> dict[str, Any]:
    """A plausible example."""
    moment = datetime(2026, 1, 1, 12, 0, 0, 120_000 + number % 800_000, tzinfo=UTC).isoformat()[:26] + "Z"
    row = {
        "id": f"00000000-0000-4000-8000-{number:012d}",
        "arm": "dynamic",
        "round": 1,
        "split": "train",
        "context": number % 10,
        "premise": f"A man number {number} walks his dog in the park.",
        "hypothesis": f"Somebody number {number} is outside, with an animal.",
        "label": "entailment",
        "state": "accepted",
        "writer": "w0123456789ab",
        "assignment": f"10000000-0000-4000-8000-{number:012d}",
        "attempt": f"20000000-0000-4000-8000-{number:012d}",
        "try": 0,
        "model_version": "30000000-0000-4000-8000-000000000000",
        "prediction": "not_entailment",
        "probabilities": {"entailment": 0.25, "not_entailment": 0.75},
        "fooled": True,
        "latency_ms": 12.5,
        "leased_at": moment,
        "attempted_at": moment,
        "judged_at": moment,
        "why_label": "",
        "why_fooled": "It has never seen a dog.",
        "ruling": "",
        "submitted_at": moment,
        "decided_at": moment,
        "votes": [vote(number)],
    }
    assert list(row) == list(EXAMPLES)
    return row | changed


def vote(number: int = 0, **changed: Any) -> dict[str, Any]:
    """A plausible vote."""
    moment = "2026-01-02T00:00:00.000001Z"
    return {
        "id": f"40000000-0000-4000-8000-{number:012d}",
        "validator": "wba9876543210",
        "label": "entailment",
        "flagged": False,
        "reason": "",
        "asked_at": moment,
        "voted_at": moment,
        "settled_at": moment,
    } | changed
