"""Rounds whose texts become harder for the version that never changes, or for the loop's models, as is known.

Texts hang together as in the cases of ``cross``. Both models answer the same texts: what is hard for the one is mostly
hard for the other, but every model finds contexts of its own hard. Contexts are the same in all rounds; writers stay,
or are new in each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import norm

from benchmarks.coverage_cases import Case, Covered, holds
from benchmarks.coverage_cases.cross import Texts
from collection.analytics.metrics import Estimate
from collection.analytics.panel import answered
from collection.analytics.phrases import sure_sign
from collection.analytics.study import TABLES, Study

_ARM, _MIDDLE, _OF_MODEL = "dynamic", 0.35, 0.3
_DEFAULTS = {"text": "", "count": 1, "number": 60.0, "flag": False, "time": pd.Timestamp("2026-01-01", tz="UTC")}
_NONE = {name: pd.DataFrame(columns=list(columns)) for name, columns in TABLES.items()}


@dataclass(frozen=True)
class World:
    """Rounds of an arm, and how fast the errors of both models change from one to the next. Of the first
    round's texts ``in_first`` are accepted, of other rounds' all."""

    texts: Texts
    rounds: int = 8
    stay: bool = False
    base: float = 0.01
    loop: float = -0.01
    in_first: int | None = None

    def draw(self, random: np.random.Generator) -> Study:
        """The rounds, every text of them scored by the base version."""
        context, writer, score = self.texts.draw(random, self.rounds, stay=self.stay)
        at = np.repeat(np.arange(self.rounds), self.texts.texts)
        spread = float(np.sqrt(self.texts.variance + _OF_MODEL**2 + 1))
        models = (np.zeros_like(at), at + 1)
        own = random.normal(0, _OF_MODEL, (self.rounds + 1, self.texts.contexts))
        wrong, fooled = (
            spread * norm.ppf(_MIDDLE + slope * (at - at.mean())) + score + own[model, context] + noise > 0
            for slope, model, noise in zip(
                (self.base, self.loop), models, random.normal(0, 1, (2, len(at))), strict=True
            )
        )
        keys = np.array([f"text {index}" for index in range(len(at))], dtype=object)
        examples = {
            "key": keys,
            "arm": _ARM,
            "round": at + 1,
            "writer": writer.astype(str).astype(object),
            "context": context.astype(str).astype(object),
            "label": "no",
            "state": np.where((at > 0) | (np.arange(len(at)) < (self.in_first or len(at))), "accepted", "rejected"),
            "fooled": pd.array(fooled, dtype="boolean"),
        }
        scores = [
            {
                "version": "base",
                "arm": _ARM,
                "round": number + 1,
                "examples": tuple(keys[at == number]),
                "predicted": wrong[at == number].astype(np.int64),
            }
            for number in range(self.rounds)
        ]
        version = {"version": "base", "arm": "", "round": 0, "seed": 0, "rows": 1000, "role": "base"}
        texts = pd.DataFrame({name: _DEFAULTS[kind] for name, kind in TABLES["examples"].items()} | examples)
        some = {"examples": texts, "versions": pd.DataFrame([version]), "round_scores": pd.DataFrame(scores)}
        return Study(
            name="Made up",
            slug="made-up",
            context_field="premise",
            labels=("no", "yes"),
            arms={_ARM: "dynamic"},
            rounds=self.rounds,
            quota=self.texts.texts,
            quorum=1,
            currency="EUR",
            **(_NONE | some),
        )


def panel(world: World) -> Case:
    """Errors of the base version in the first round, the changes a round of it and of the loop's models, and the one
    less the other."""

    def case(random: np.random.Generator) -> Covered:
        study = world.draw(random)
        found = answered(study, _ARM)
        assert found is not None
        told = found.trends(shown=True)
        assert told is not None
        assert told.loop is not None
        assert told.difference is not None
        first = _MIDDLE - world.base * (world.rounds - 1) / 2
        changes: dict[str, tuple[Estimate, float]] = {
            "change of the base version": (told.panel, world.base),
            "change of the loop's models": (told.loop, world.loop),
            "one less the other": (told.difference, world.loop - world.base),
        }
        intervals = {"base version in the first round": holds(found.level(0, 0), first)}
        intervals |= {name: holds(figure, truth) for name, (figure, truth) in changes.items()}
        alarms = {name: sure_sign(figure) != 0 for name, (figure, truth) in changes.items() if truth == 0}
        return Covered(intervals, alarms)

    return case


def _worlds() -> dict[str, Case]:
    made: dict[str, Case] = {}
    for contexts, writers in ((10, 8), (100, 8), (100, 20)):
        texts = Texts(contexts=contexts, writers=writers, texts=100)
        size = f"{contexts} contexts, {writers}"
        made[f"{size} new writers a round"] = panel(World(texts))
        made[f"{size} writers who stay"] = panel(World(texts, stay=True))
        made[f"{size} new writers a round, no change"] = panel(World(texts, base=0.0, loop=0.0))
    for count in (1, 25):
        few = World(texts, rounds=5, base=0.0, loop=0.0, in_first=count)
        made[f"{size} new writers a round, {count} accepted in the first, no change"] = panel(few)
    return made


CASES: dict[str, Case] = _worlds()
