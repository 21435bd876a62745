"""What two releases differ in, counted by example."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest

from collection import releases
from collection.errors import Conflict, Invalid
from collection.export import difference as comparing
from collection.export.choices import Choices
from collection.export.difference import Side, difference
from collection.export.splits import SplitPlan
from collection.models import Example, Validation
from tests.collection import released

PATH = "jsonl/static/examples.jsonl"


def row(id: str, at: int = 0, **values: Any) -> dict[str, Any]:
    """An example."""
    shown = {"round": 1, "submitted_at": f"2026-01-01T00:00:{at:02}.000000Z", "split": "train", "text": "t"}
    return {"id": id, **shown, "writer": "w1", "votes": [{"id": "v", "validator": "w2", "label": "a"}], **values}


def side(*rows: dict[str, Any], formats: tuple[str, ...] = ("jsonl",), size: int = 7) -> Side:
    """A release with these examples, read in chunks of that many bytes."""
    content = b"".join(json.dumps(item).encode() + b"\n" for item in rows)

    def opened(path: str) -> Iterator[bytes]:
        assert path == PATH
        yield from (content[at : at + size] for at in range(0, len(content), size))

    choices = Choices(("static",), {"static": (1,)}, ("accepted",), False, formats, SplitPlan(), False)
    return Side(choices, {PATH: {"sha256": str(hash(content))}}, opened)


def test_examples_are_matched_by_id_and_compared_without_people() -> None:
    former = side(row("a"), row("b", 1), row("c", 2), row("d", 3), row("f", 5))
    votes = [{"id": "v", "validator": "w9", "label": "b"}]
    latter = side(
        row("a", writer="w8"),
        row("c", 2, text="other"),
        row("d", 3, split="test"),
        row("e", 4),
        row("f", 5, votes=votes, split="rest"),
    )
    found = difference(former, latter).examples["static"]
    assert found is not None
    assert (found.added.first, found.removed.first, found.changed.first) == (["e"], ["b"], ["c", "f"])
    assert {sides: ids.first for sides, ids in found.moved.items()} == {
        ("train", "test"): ["d"],
        ("train", "rest"): ["f"],
    }


def test_of_many_only_the_first_are_named_and_all_are_counted() -> None:
    with mock.patch.object(comparing, "MOST_NAMED", 2):
        found = difference(side(), side(*(row(str(index), index) for index in range(5)))).examples["static"]
    assert found is not None
    assert (found.added.count, found.added.first) == (5, ["0", "1"])


def test_what_lacks_json_lines_is_compared_by_files_alone() -> None:
    former, latter = side(row("a")), side(row("a"), formats=("csv",))
    other = Side(latter.choices, {"csv/static/examples.csv": {"sha256": "1"}}, latter.open)
    found = difference(former, other)
    assert found.examples == {"static": None}
    assert (found.files_added, found.files_removed) == (("csv/static/examples.csv",), (PATH,))
    assert found.settings == {"formats": (["jsonl"], ["csv"])}


@pytest.mark.django_db
def test_two_releases_of_the_same_data_differ_in_nothing_but_their_people() -> None:
    experiment = released.study()
    found = releases.difference(released.built(experiment), released.built(experiment))
    assert (found.settings, found.files_added, found.files_removed) == ({}, (), ())
    for examples in found.examples.values():
        assert examples is not None
        assert (examples.added.count, examples.removed.count, examples.changed.count) == (0, 0, 0)
        assert examples.moved == {}


@pytest.mark.django_db
def test_an_erased_example_is_removed_and_a_later_vote_is_a_change() -> None:
    experiment = released.study()
    before = released.built(experiment)
    gone, voted = Example.objects.filter(arm__slug="static").order_by("pk")
    Example.objects.filter(pk=gone.pk).update(state="retracted")
    Validation.objects.filter(example=voted).update(reason="A second thought.")
    found = releases.difference(before, released.built(experiment)).examples["static"]
    assert found is not None
    assert (found.removed.first, found.changed.first) == ([str(gone.key)], [str(voted.key)])


@pytest.mark.django_db
def test_releases_of_two_studies_and_unfinished_ones_are_not_compared() -> None:
    experiment = released.study()
    one, other = released.built(experiment), released.built(released.study("other"))
    with pytest.raises(Invalid, match="same experiment"):
        releases.difference(one, other)
    with pytest.raises(Conflict, match="waits for a worker"):
        releases.difference(one, releases.ask(experiment, {}))
