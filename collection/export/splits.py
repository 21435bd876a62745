"""Which examples of a release are for training, development and test: drawn once, and not moved by later data.

A writer, and a context where that is asked for, is drawn to a side by a hash of a seed and its key, so that what is
collected later changes nothing of it. ``fooling`` as ANLI (Nie et al. 2020): writers of dev and test give what
fooled the model. ``stratified`` as DynaSent (Potts et al. 2021): of theirs, equally many of each label and prediction.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import tee
from typing import Any, NamedTuple

from collection.errors import Invalid
from collection.export.near import NearTexts
from collection.texts import NEARLY

METHODS = ("none", "fooling", "stratified")
SPLITS = ("train", "dev", "test")
# In none of the three.
REST = "rest"
MOST_PAIRS = 1_000
_DRAWS = 1 << 64


@dataclass(frozen=True)
class SplitPlan:
    """How examples are divided; ``dev`` and ``test`` are shares of the writers (with ``contexts``, of those too)."""

    method: str = "none"
    dev: float = 0.1
    test: float = 0.1
    contexts: bool = False
    seed: int = 0

    @classmethod
    def parse(cls, value: Mapping[str, Any], field: str = "splits") -> SplitPlan:
        """A plan from plain values; what is not given is as above. Raises Invalid naming ``field.<part>``."""
        for name in value:
            if name not in cls.__dataclass_fields__:
                raise Invalid(f"{field}.{name}", "There is no such setting of splits.", "unknown_field")
        plan = cls(**value)
        if plan.method not in METHODS:
            raise Invalid(f"{field}.method", f"Must be one of: {', '.join(METHODS)}.")
        for name in ("dev", "test"):
            share = getattr(plan, name)
            if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 0.5:
                raise Invalid(f"{field}.{name}", "Must be a number from 0 to 0.5.")
        if plan.dev + plan.test >= 1:
            raise Invalid(f"{field}.test", "With dev it must leave something for training: their sum must be below 1.")
        if not isinstance(plan.contexts, bool):
            raise Invalid(f"{field}.contexts", "Must be true or false.")
        if isinstance(plan.seed, bool) or not isinstance(plan.seed, int) or not 0 <= plan.seed < 1 << 63:
            raise Invalid(f"{field}.seed", "Must be a whole number from 0 to 2^63 - 1.")
        return plan

    def side(self, draw: str) -> str:
        """Where a draw falls: train, dev or test."""
        drawn = int(draw, 16) / _DRAWS
        if drawn < self.test:
            return "test"
        return "dev" if drawn < self.test + self.dev else "train"


class Item(NamedTuple):
    """An example as far as it matters here; draws as `draw` makes them, ``text`` what its writer wrote."""

    id: str
    arm: str
    round: int
    writer_draw: str
    context_draw: str | None
    label: str
    prediction: str | None
    fooled: bool | None
    accepted: bool
    text: str


def draw(kind: str, seed: int, key: bytes) -> str:
    """The draw of a ``writer``, ``context`` or ``example`` by its key: 16 hexadecimal digits of an HMAC-SHA256."""
    return hmac.new(f"{kind}:{seed}".encode(), key, hashlib.sha256).hexdigest()[:16]


class _Held(NamedTuple):
    arm: str
    text: str


class _Near(NamedTuple):
    was: str
    near: str
    side: str


_Cell = tuple[str, str]
_Stratum = tuple[str, int, str]


class Splits:
    """The split of every example that was divided. Only what is an exception to its draw is kept in memory."""

    def __init__(self, plan: SplitPlan, items: Iterable[Item]) -> None:
        """As `divide`."""
        self.plan = plan
        # Not among the first of their cells; and near-duplicates.
        self._left_out: set[str] = set()
        self._moved: dict[str, _Near] = {}
        self._counts: dict[str, Counter[str]] = defaultdict(Counter)
        self._strata: list[dict[str, Any]] = []
        self._without_model: set[str] = set()
        held = self._draw(items)
        if any(held.values()):
            self._move_near(items, held)

    def of(self, item: Item) -> str:
        """The item's split: train, dev, test or rest."""
        if item.id in self._left_out or item.id in self._moved:
            return REST
        return self._drawn(item)

    def summary(self) -> dict[str, Any]:
        """How it was divided and what came of it, as plain values, for splits.json."""
        moved = Counter(found.was for found in self._moved.values())
        pairs = [
            {"id": id, "was": found.was, "near": found.near, "in": found.side}
            for id, found in sorted(self._moved.items())
        ]
        return {
            "method": self.plan.method,
            "dev": self.plan.dev,
            "test": self.plan.test,
            "contexts": self.plan.contexts,
            "seed": self.plan.seed,
            "counts": {
                arm: {split: counts[split] for split in (*SPLITS, REST)} for arm, counts in sorted(self._counts.items())
            },
            "arms_without_model": sorted(self._without_model),
            "strata": self._strata,
            "near_duplicates": {
                "similarity": NEARLY,
                "moved": {split: moved[split] for split in ("train", "dev")},
                "pairs": pairs[:MOST_PAIRS],
            },
        }

    def _drawn(self, item: Item) -> str:
        if not item.accepted:
            return REST
        if self.plan.method == "none":
            return "train"
        side = self.plan.side(item.writer_draw)
        if self.plan.contexts and item.context_draw is not None and self.plan.side(item.context_draw) != side:
            return REST
        # Where no model was shown there is nothing to tell them by.
        if side != "train" and self.plan.method == "fooling" and item.fooled is False:
            return REST
        return side

    def _draw(self, items: Iterable[Item]) -> dict[str, dict[str, _Held]]:
        """What is in dev and test, as drawn and, where it is so wanted, evenly of each cell."""
        held: dict[str, dict[str, _Held]] = {"dev": {}, "test": {}}
        strata: dict[_Stratum, dict[_Cell, list[tuple[str, str]]]] = {}
        for item in items:
            drawn = self._drawn(item)
            self._counts[item.arm][drawn] += 1
            if item.accepted and item.fooled is None:
                self._without_model.add(item.arm)
            if drawn in held:
                held[drawn][item.id] = _Held(item.arm, item.text)
                if self.plan.method == "stratified":
                    order = draw("example", self.plan.seed, item.id.encode())
                    stratum = strata.setdefault((item.arm, item.round, drawn), {})
                    stratum.setdefault((item.label, item.prediction or ""), []).append((order, item.id))
        for (arm, round, side), cells in sorted(strata.items()):
            each = min(map(len, cells.values()))
            for members in cells.values():
                for _, id in sorted(members)[each:]:
                    del held[side][id]
                    self._left_out.add(id)
                    self._count_out(arm, side)
            named = [{"label": label, "prediction": prediction} for label, prediction in sorted(cells)]
            self._strata.append({"arm": arm, "round": round, "split": side, "each": each, "cells": named})
        return held

    def _move_near(self, items: Iterable[Item], held: Mapping[str, Mapping[str, _Held]]) -> None:
        # Near is also what is itself moved from dev: what was moved because of it does not come back when test grows.
        test, dev = (NearTexts((id, own.text) for id, own in held[side].items()) for side in ("test", "dev"))
        mine = held["dev"]
        for (id, own), near in zip(mine.items(), test.find(own.text for own in mine.values()), strict=True):
            self._move(id, own.arm, "dev", test=near)
        # The three go through the same examples, a chunk apart at most.
        train, for_test, for_dev = tee((item for item in items if self._drawn(item) == "train"), 3)
        both = test.find(item.text for item in for_test), dev.find(item.text for item in for_dev)
        for item, in_test, in_dev in zip(train, *both, strict=True):
            self._move(item.id, item.arm, "train", test=in_test, dev=in_dev)

    def _move(self, id: str, arm: str, was: str, **near: str | None) -> None:
        for side, other in near.items():
            if other is not None:
                self._moved[id] = _Near(was, other, side)
                self._count_out(arm, was)
                return

    def _count_out(self, arm: str, side: str) -> None:
        self._counts[arm][side] -= 1
        self._counts[arm][REST] += 1


def divide(items: Iterable[Item], plan: SplitPlan) -> Splits:
    """Divide examples, given in any order. ``items`` is gone through twice: no iterator that is used up by once.

    In memory are the texts of dev and test, and some hundred bytes of each example that is moved out of a split.
    """
    if iter(items) is items:
        raise TypeError("the examples are gone through twice, and an iterator can be gone through once")
    return Splits(plan, items)
