"""What two releases of one study differ in: settings, files, and examples one by one. Both are read side by side.

People have other pseudonyms in every release: examples are compared without them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from collection.export.choices import Choices
from collection.export.layout import CARD, CROISSANT, MANIFEST, table_path
from collection.export.rows import Row

# The ids that are named of each kind; all are counted.
MOST_NAMED = 1_000
# Told by the checksum of the whole, and other in every release.
_ABOUT = (MANIFEST, CARD, CROISSANT)


@dataclass(frozen=True)
class Side:
    """One of the releases; ``open`` gives a file's content in chunks."""

    choices: Choices
    files: Mapping[str, Mapping[str, Any]]
    open: Callable[[str], Iterator[bytes]]


@dataclass
class Ids:
    """Ids of examples: how many, and the first of them."""

    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, id: str) -> None:
        """One more."""
        self.count += 1
        if self.count <= MOST_NAMED:
            self.first.append(id)


@dataclass(frozen=True)
class Examples:
    """What became of an arm's examples. ``moved`` counts those in another split, by the two splits' names; an example
    whose split alone is another one is in ``moved`` and not ``changed``."""

    added: Ids
    removed: Ids
    changed: Ids
    moved: Mapping[tuple[str, str], Ids]


@dataclass(frozen=True)
class Difference:
    """What is another way in the latter of two releases.

    ``settings`` are the choices that differ, each with its two values. ``examples`` are by arm, and None for an arm
    that one of the releases does not have as JSON lines.
    """

    settings: Mapping[str, tuple[Any, Any]]
    files_added: tuple[str, ...]
    files_removed: tuple[str, ...]
    files_changed: tuple[str, ...]
    examples: Mapping[str, Examples | None]


def difference(former: Side, latter: Side) -> Difference:
    """Compare two releases of one study; of each no more than a row is in memory at a time."""
    before, after = former.choices.to_plain(), latter.choices.to_plain()
    old, new = (set(side.files) - set(_ABOUT) for side in (former, latter))
    arms = dict.fromkeys((*former.choices.arms, *latter.choices.arms))
    return Difference(
        settings={name: (before[name], after[name]) for name in before if before[name] != after[name]},
        files_added=tuple(sorted(new - old)),
        files_removed=tuple(sorted(old - new)),
        files_changed=tuple(
            sorted(path for path in old & new if former.files[path]["sha256"] != latter.files[path]["sha256"])
        ),
        examples={arm: _examples(former, latter, table_path("jsonl", arm)) for arm in arms},
    )


def _examples(former: Side, latter: Side, path: str) -> Examples | None:
    if path not in former.files or path not in latter.files:
        return None
    added, removed, changed, moved = Ids(), Ids(), Ids(), dict[tuple[str, str], Ids]()
    for old, new in _side_by_side(_rows(former.open(path)), _rows(latter.open(path))):
        if old is None and new is not None:
            added.add(new["id"])
        elif new is None and old is not None:
            removed.add(old["id"])
        elif old is not None and new is not None:
            if _plain(old) != _plain(new):
                changed.add(new["id"])
            if old["split"] != new["split"]:
                moved.setdefault((old["split"], new["split"]), Ids()).add(new["id"])
    return Examples(added, removed, changed, moved)


def _side_by_side(old: Iterator[Row], new: Iterator[Row]) -> Iterator[tuple[Row | None, Row | None]]:
    """The rows of two files that are sorted alike, those with the same id together."""
    one, other = next(old, None), next(new, None)
    while one is not None or other is not None:
        if other is None or (one is not None and _place(one) < _place(other)):
            yield one, None
            one = next(old, None)
        elif one is None or _place(other) < _place(one):
            yield None, other
            other = next(new, None)
        else:
            yield one, other
            one, other = next(old, None), next(new, None)


def _place(row: Row) -> tuple[int, str, str]:
    return row["round"], row["submitted_at"], row["id"]


def _plain(row: Row) -> Row:
    """A row without its split and people."""
    votes = [{name: value for name, value in vote.items() if name != "validator"} for vote in row["votes"]]
    return {name: value for name, value in row.items() if name not in ("split", "writer")} | {"votes": votes}


def _rows(chunks: Iterable[bytes]) -> Iterator[Row]:
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield orjson.loads(line)
