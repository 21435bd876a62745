"""A table as it is read: cells in words, figures with their n and method. Pages, Markdown and paper lay it out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from collection.analytics.metrics import Estimate
from collection.analytics.sections import Table
from collection.analytics.wording import worded

_NUMBER = re.compile(r"\b(\d+)\b")


@dataclass(frozen=True)
class Said:
    """A cell in words. ``n`` is that of its figure, in words ("n 450"); "" where a column of the row says it."""

    text: str
    n: str = ""


@dataclass(frozen=True)
class Grid:
    """The heads and the rows of a table, of equally many cells; and the methods of its figures, in words."""

    titles: tuple[str, ...]
    rows: tuple[tuple[Said, ...], ...]
    methods: tuple[str, ...]


def grid(table: Table, most: int | None = None) -> Grid:
    """The table, of ``most`` rows at most.

    The n that most columns of figures share row by row, at least two of them or the only one, is a column before the
    first of these, unless a column of counts there is the same: then that is marked. The figures of every other column
    have their n beside them.
    """
    names = [column.name for column in table.columns]
    figures = {name: found for name in names if (found := _figures(table, name))}
    counts = {name: {place: figure.n for place, figure in found.items()} for name, found in figures.items()}
    shared, of_rows = _shared(counts)
    at = min((names.index(name) for name in shared), default=None)
    marked = next((place for place in reversed(range(at or 0)) if _same(table, names[place], of_rows)), None)
    titles = [f"{column.title} (n)" if place == marked else column.title for place, column in enumerate(table.columns)]
    rows = []
    for place, row in enumerate(table.rows[:most]):
        beside = {
            name: f"n {found[place]:,}" for name, found in counts.items() if place in found and name not in shared
        }
        rows.append([Said(worded(row.get(item.name), item.unit), beside.get(item.name, "")) for item in table.columns])
    if at is not None and marked is None:
        titles.insert(at, "n")
        for place, said in enumerate(rows):
            said.insert(at, Said(worded(of_rows.get(place))))
    return Grid(tuple(titles), tuple(map(tuple, rows)), _methods(table, figures))


def _figures(table: Table, name: str) -> dict[int, Estimate]:
    """The figures of a column by the row's place, without cells that say why there is none."""
    cells = ((place, row.get(name)) for place, row in enumerate(table.rows))
    return {place: cell for place, cell in cells if isinstance(cell, Estimate) and cell.value is not None}


def _shared(counts: Mapping[str, Mapping[int, int]]) -> tuple[frozenset[str], Mapping[int, int]]:
    """The columns that share an n in every row, the most there are, and that n by row; nothing if no two do."""
    best: tuple[frozenset[str], Mapping[int, int]] = (frozenset(), {})
    for first in counts:
        names, of_rows = {first}, dict(counts[first])
        for name, found in counts.items():
            if all(of_rows.get(place, n) == n for place, n in found.items()):
                names.add(name)
                of_rows |= found
        if len(names) > len(best[0]):
            best = frozenset(names), of_rows
    return best if len(best[0]) > 1 or len(counts) == 1 else (frozenset(), {})


def _same(table: Table, name: str, of_rows: Mapping[int, int]) -> bool:
    return all(type(cell := table.rows[place].get(name)) is int and cell == n for place, n in of_rows.items())


def _methods(table: Table, figures: Mapping[str, Mapping[int, Estimate]]) -> tuple[str, ...]:
    """How figures and their intervals were made: each method with its columns and how many figures have it, methods
    that differ in a number as one; of a single method only its name, and that only if the table does not say it."""
    alike: dict[tuple[str, ...], tuple[set[str], Counter[str]]] = {}
    for column in table.columns:
        having = Counter(figure.method for figure in figures.get(column.name, {}).values())
        for method in filter(None, having):
            methods, titles = alike.setdefault(tuple(_NUMBER.split(method)[::2]), (set(), Counter()))
            methods.add(method)
            titles[column.title.strip()] += having[method]
    if len(alike) == 1:
        return tuple(method for methods, _ in alike.values() if (method := _ranged(methods)) not in table.method)
    return tuple(
        f"{_ranged(methods)}: {', '.join(titles)} ({titles.total()} figure{'s' * (titles.total() > 1)})"
        for methods, titles in alike.values()
    )


def _ranged(methods: set[str]) -> str:
    """Methods that differ in numbers alone, as one: "over 2 to 5 rounds"."""
    parts = zip(*map(_NUMBER.split, methods), strict=True)
    return "".join(
        part[0] if len(set(part)) == 1 else f"{min(map(int, part))} to {max(map(int, part))}" for part in parts
    )
