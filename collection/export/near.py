"""Finding texts that are nearly the same as one of many, a million texts against a hundred thousand.

Exact, not sampled: what could be a near-duplicate at all is found by its prefix, then compared. Two sets of which at
least ``o`` members are shared have ``k`` of them among the first ``size - o + k`` of each, in any one order of all
members; with the rarest first few other sets have. Chaudhuri, Ganti, Kaushik (2006), "A primitive operator for
similarity joins in data cleaning"; with k > 1: Wang, Li, Feng (2012), "Can we beat the prefix filtering?".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from collection.texts import GRAM, NEARLY, grams, padded

_CHUNK = 1_000
# Every text has five grams, of which a near-duplicate shares four.
_SHARED = 4
# How often a gram occurs is counted by some of its bits: what falls together only seems more frequent.
_BUCKETS = 1 << 22
# So many pairs of texts are looked at in one go.
_PAIRS = 300_000
_PRIME = np.uint64(0x9E3779B97F4A7C15)


Ints = NDArray[np.int64]


class _Grams(NamedTuple):
    """The distinct grams of some texts, as hashes, text by text; ``sizes`` is how many each text has."""

    rows: Ints
    hashes: NDArray[np.uint64]
    sizes: Ints


class NearTexts:
    """Texts in which near-duplicates of other texts are looked up: Jaccard similarity of 5-grams at least NEARLY."""

    def __init__(self, texts: Iterable[tuple[str, str]]) -> None:
        """``texts`` are ids and texts; of those that are the same to a reader the one with the first id is kept."""
        self._places: dict[str, int] = {}
        self._ids: list[str] = []
        for id, text in sorted(texts):
            if self._places.setdefault(padded(text), len(self._ids)) == len(self._ids):
                self._ids.append(id)
        self._wholes = list(self._places)
        self._counts = np.zeros(_BUCKETS, dtype=np.int32)
        sizes = [np.zeros(0, dtype=np.int64)]
        for chunk in _chunks(self._wholes):
            found = _grams(chunk)
            np.add.at(self._counts, _bucket(found.hashes), 1)
            sizes.append(found.sizes)
        self._sizes = np.concatenate(sizes)
        self._shared = _least_shared(self._sizes)
        hashes, places = [np.zeros(0, dtype=np.uint64)], [np.zeros(0, dtype=np.int32)]
        for start, chunk in enumerate(_chunks(self._wholes)):
            rows, kept = self._prefixes(_grams(chunk))
            hashes.append(kept)
            places.append((rows + start * _CHUNK).astype(np.int32))
        known = np.concatenate(hashes)
        order = np.argsort(known, kind="stable")
        self._known, self._known_places = known[order], np.concatenate(places)[order]

    def find(self, texts: Iterable[str]) -> Iterator[str | None]:
        """For each text the id of one that is nearly the same, the first of those by id; None if there is none.

        One that is the same to a reader comes before all others. It takes 40 to 80 µs a text, and milliseconds where
        most texts are alike but for a few characters.
        """
        for chunk in _chunks(texts):
            wholes = [padded(text) for text in chunk]
            places = [self._places.get(whole) for whole in wholes]
            others = [row for row, place in enumerate(places) if place is None]
            if others and self._ids:
                for row, place in self._near([wholes[row] for row in others]):
                    places[others[row]] = place
            yield from (None if place is None else self._ids[place] for place in places)

    def _near(self, wholes: Sequence[str]) -> Iterator[tuple[int, int]]:
        found = _grams(wholes)
        shared = _least_shared(found.sizes)
        rows, hashes = self._prefixes(found)
        first = np.searchsorted(self._known, hashes, "left")
        many = np.searchsorted(self._known, hashes, "right") - first
        done, at, own = -1, -1, set[str]()
        for part in _parts(rows, many):
            texts, places = self._pairs(rows[part], first[part], many[part])
            fits = (_at_least(found.sizes[texts]) <= self._sizes[places]) & (
                _at_least(self._sizes[places]) <= found.sizes[texts]
            )
            keys, times = np.unique(texts[fits] * len(self._ids) + places[fits], return_counts=True)
            texts, places = np.divmod(keys, len(self._ids))
            enough = times >= np.minimum(shared[texts], self._shared[places])
            for row, place in zip(texts[enough].tolist(), places[enough].tolist(), strict=True):
                if row == done:
                    continue
                if row != at:
                    at, own = row, grams(wholes[row])
                other = grams(self._wholes[place])
                both = len(own & other)
                if both / (len(own) + len(other) - both) >= NEARLY:
                    done = row
                    yield row, place

    def _pairs(self, rows: Ints, first: Ints, many: Ints) -> tuple[Ints, Ints]:
        """Each text of ``rows`` with each place that has the same gram in its prefix."""
        before = np.cumsum(many) - many
        at = np.arange(many.sum()) + np.repeat(first - before, many)
        return np.repeat(rows, many), self._known_places[at].astype(np.int64)

    def _prefixes(self, found: _Grams) -> tuple[Ints, NDArray[np.uint64]]:
        order = np.lexsort((found.hashes, self._counts[_bucket(found.hashes)], found.rows))
        starts = np.cumsum(found.sizes) - found.sizes
        rank = np.arange(len(order)) - starts[found.rows]
        length = found.sizes - _at_least(found.sizes) + _least_shared(found.sizes)
        kept = order[rank < length[found.rows]]
        return found.rows[kept], found.hashes[kept]


def _parts(rows: Ints, many: Ints) -> Iterator[slice]:
    """Cuts between texts, such that each part has _PAIRS pairs or only one text."""
    ends = np.append(np.flatnonzero(np.diff(rows)) + 1, len(rows))
    totals = np.cumsum(many)[ends - 1] if len(rows) else np.zeros(0, dtype=np.int64)
    start, text, before = 0, 0, 0
    while start < len(rows):
        text = max(int(np.searchsorted(totals, before + _PAIRS, "right")), text + 1)
        yield slice(start, int(ends[text - 1]))
        start, before = int(ends[text - 1]), int(totals[text - 1])


def _chunks(items: Iterable[str]) -> Iterator[list[str]]:
    waiting = iter(items)
    while chunk := list(islice(waiting, _CHUNK)):
        yield chunk


def _grams(wholes: Sequence[str]) -> _Grams:
    codes = np.frombuffer("".join(wholes).encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint64)
    lengths = np.array([len(whole) for whole in wholes], dtype=np.int64)
    rows = np.repeat(np.arange(len(wholes)), lengths)
    hashes = np.zeros(max(len(codes) - GRAM + 1, 0), dtype=np.uint64)
    for offset in range(GRAM):
        hashes = (hashes ^ codes[offset : offset + len(hashes)]) * _PRIME
    hashes ^= hashes >> np.uint64(32)
    # Not those that begin in one text and end in the next.
    within = np.cumsum(lengths)[rows] - np.arange(len(rows)) >= GRAM
    rows, hashes = rows[within], hashes[within[: len(hashes)]]
    order = np.lexsort((hashes, rows))
    rows, hashes = rows[order], hashes[order]
    first = np.ones(len(rows), dtype=bool)
    first[1:] = (np.diff(rows) != 0) | (hashes[1:] != hashes[:-1])
    rows = rows[first]
    return _Grams(rows, hashes[first], np.bincount(rows, minlength=len(wholes)))


def _bucket(hashes: NDArray[np.uint64]) -> Ints:
    buckets: Ints = np.bitwise_and(hashes, np.uint64(_BUCKETS - 1)).astype(np.int64)
    return buckets


def _at_least(sizes: Ints) -> Ints:
    """How many grams a text of so many shares with every near-duplicate; also how many that one has at least."""
    least: Ints = np.ceil(NEARLY * sizes - 1e-9).astype(np.int64)
    return least


def _least_shared(sizes: Ints) -> Ints:
    return np.minimum(_at_least(sizes), _SHARED)
