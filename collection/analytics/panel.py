"""The frozen panel: versions that never change, on every round, to tell a change of texts from one of models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from collection.analytics.charts import axis, by_series, lines, rounds
from collection.analytics.contrasts import contrast
from collection.analytics.cross import Cell as Crossed
from collection.analytics.cross import crossed
from collection.analytics.cross_section import model_name
from collection.analytics.metrics import Estimate, untold
from collection.analytics.outcomes import undecided
from collection.analytics.parts import Parts
from collection.analytics.phrases import points, rounds_named, sure_sign
from collection.analytics.sections import Cell, Chart, Column, Options, Section, Table
from collection.analytics.study import Study
from collection.analytics.two_way import (
    CROSSED,
    Floats,
    Rates,
    cluster_indices,
    cluster_sums,
    crossed_ratios,
    jackknife_over,
    level,
    ways_of,
)

TITLE = "Did the texts change, or the models?"
_FROZEN, _LOOP = "base version, which never changes", "model of the loop"
_WHERE_ONE = "of one kind alone, or of rows, where there is one of a kind."
_METHOD = f"{jackknife_over('context', 'writer', seeds=False)}; {_WHERE_ONE}"
_OF_VERSIONS = f"{CROSSED}; {_WHERE_ONE}"
_TREND = f"Slope of a straight line through the rounds, rounds weighing the same; {_METHOD}"
_FEWEST = 3  # rounds: a line through two points has a slope, but says nothing of a trend
# A round with less often shows no spread at all, and in a line through rounds that weigh the same it weighs like any
# other: with one text in the first of five rounds, 99 of 100 trends of nothing were taken for a change.
_FEWEST_TEXTS, _FEWEST_CLUSTERS = 20, 3


@dataclass(frozen=True)
class Trends:
    """Change a round in an arm: of the share of the base version's rows that fooled the model shown, of the base
    version's error, and of the first less the second."""

    arm: str
    rounds: int
    loop: Estimate | None
    panel: Estimate
    difference: Estimate | None


def members(found: Sequence[Crossed]) -> list[Crossed]:
    """The cells of those versions that were scored on every round that any version was scored on."""
    everywhere = {(item.on_arm, item.on_round) for item in found}
    places: dict[tuple[str, int], set[tuple[str, int]]] = {}
    for item in found:
        places.setdefault((item.trained.arm, item.trained.round), set()).add((item.on_arm, item.on_round))
    return [item for item in found if places[item.trained.arm, item.trained.round] == everywhere]


@dataclass(frozen=True)
class Answered:
    """Texts of an arm with what they did to both models, for each of ``rounds`` on whose accepted examples the base
    version was scored. ``hits`` out of ``rows`` [rounds, 3, texts] are the base version's errors, the same examples
    that fooled the model shown, and vMER (validated fooled over decided). Where a model is shown, all of texts with its
    verdict. ``kinds`` are the context and the writer of each text.

    vMER falls with the share of texts that are accepted, of which the base version's error, over accepted ones, knows
    nothing: the two cannot be held against each other.
    """

    arm: str
    rounds: tuple[int, ...]
    hits: Floats
    rows: Floats
    kinds: Mapping[str, NDArray[np.object_]]

    def level(self, place: int, figure: int) -> Estimate:
        """A figure of one round; intervals keep together what that round has several of."""
        return level(self._rates(np.array([place]), np.array([figure])), 0)

    @cached_property
    def enough(self) -> NDArray[np.bool_]:
        """Whether a trend can be taken from each of the rounds: of a kind of which the arm has several, the round needs
        several too, else it shows nothing of how far texts of others would differ."""
        rows = self.rows[:, 0]
        used = rows.any(axis=0)
        found: NDArray[np.bool_] = rows.sum(axis=1) >= _FEWEST_TEXTS
        for values in self.kinds.values():
            clusters, lonely = cluster_indices(values[used])
            if not lonely:
                found &= (cluster_sums(rows[:, used], clusters) > 0).sum(axis=1) >= _FEWEST_CLUSTERS
        return found

    @property
    def left_out(self) -> list[int]:
        """The rounds that no trend is taken from."""
        return [number for number, enough in zip(self.rounds, self.enough.tolist(), strict=True) if not enough]

    def trends(self, *, shown: bool) -> Trends | None:
        """The slopes by round, of the loop's models too where these are ``shown``; None for fewer rounds than a trend
        needs."""
        places = np.flatnonzero(self.enough)
        if len(places) < _FEWEST:
            return None
        numbers = np.array(self.rounds, dtype=float)[places]
        centred = numbers - numbers.mean()
        slope = centred / (centred**2).sum()
        found, nothing = self._rates(places, np.array([0, 1])), np.zeros_like(slope)
        panel, loop = np.stack([slope, nothing], axis=1).ravel(), np.stack([nothing, slope], axis=1).ravel()
        n = int(self.rows[places, 0].sum())
        of_panel, of_loop, apart = (
            replace(contrast(found, weights)[0], n=n) for weights in (panel, loop, loop - panel)
        )
        if not shown:
            return Trends(self.arm, len(places), None, of_panel, None)
        if np.array_equal(self.hits[places, 0], self.hits[places, 1]):
            apart = untold(n, "both models said the same of every text, so nothing lies between them")
        return Trends(self.arm, len(places), of_loop, of_panel, apart)

    def _rates(self, places: NDArray[np.int64], figures: NDArray[np.int64]) -> Rates:
        """These figures of these rounds, as groups in the order of rounds and then of figures."""
        chosen = np.ix_(places, figures)
        rows = self.rows[chosen].reshape(len(places) * len(figures), -1)
        used = rows.any(axis=0)
        hits = self.hits[chosen].reshape(rows.shape)
        kinds = {name: values[used] for name, values in self.kinds.items()}
        found = crossed_ratios(hits[:, used], rows[:, used], np.arange(len(rows)), ways_of(rows[:, used], kinds))
        return replace(found, of_versions=False)


def answered(study: Study, arm: str) -> Answered | None:
    """The texts of an arm with what they did to both models; None if the base version was scored in no round."""
    bases = set(study.versions.loc[study.versions["role"] == "base", "version"])
    wrong: dict[str, float] = {}
    label_of = dict(zip(study.examples["key"], study.examples["label"], strict=True))
    scores = study.round_scores[study.round_scores["version"].isin(bases) & (study.round_scores["arm"] == arm)]
    for keys, predicted in zip(scores["examples"], scores["predicted"], strict=True):
        for key, said in zip(keys, np.asarray(predicted).tolist(), strict=True):
            wrong[key] = float(study.labels[said] != label_of.get(key))
    own = study.examples[study.examples["arm"] == arm]
    accepted, decided = ((own["state"] == "accepted").to_numpy(), (own["state"] != "pending").to_numpy())
    judged = own["fooled"].notna().to_numpy(dtype=bool) | (not study.shows_model(arm))
    error = own["key"].map(wrong).to_numpy(dtype=float)
    # A label that the task lacks no version can give.
    known = ~np.isnan(error) & accepted & judged & own["label"].isin(study.labels).to_numpy()
    numbers = sorted(set(own["round"].to_numpy()[known].tolist()))
    if not numbers:
        return None
    fooled = own["fooled"].fillna(False).to_numpy(dtype=bool) & accepted
    of_round = own["round"].to_numpy() == np.array(numbers)[:, None]
    hits = np.stack([known * np.nan_to_num(error) * of_round, fooled & known & of_round, fooled & of_round], axis=1)
    rows = np.stack([known & of_round, known & of_round, decided & judged & of_round], axis=1).astype(float)
    kinds = {name: own[name].to_numpy(dtype=object) for name in ("context", "writer")}
    return Answered(arm, tuple(numbers), hits, rows, kinds)


def section(study: Study, options: Options, parts: Parts) -> Section:
    """The section "panel": errors of versions that never change, and their trend beside that of the loop's models."""
    frozen = members(crossed(study, parts))
    by_arm = {arm: made for arm in study.arms if (made := answered(study, arm)) is not None}
    if not by_arm:
        why = "The base version was not scored on the examples of any round, so there is no model that stayed the same."
        return Section("panel", TITLE, limits=(why,))
    tried = [item.trends(shown=study.shows_model(arm)) for arm, item in by_arm.items()]
    found = [item for item in tried if item is not None]
    limits = [_OF_TEXTS] if found else []
    limits += [
        f"The trend of {arm} leaves out {rounds_named(item.left_out)}: a round with fewer than {_FEWEST_TEXTS} "
        f"accepted texts that were scored, or with fewer than {_FEWEST_CLUSTERS} writers or contexts where an arm has "
        "several, shows too little of how far other texts would differ."
        for arm, item in by_arm.items()
        if item.left_out
    ]
    limits += [
        f"{arm} has fewer than {_FEWEST} rounds that a trend can be taken from, so there is no trend to tell."
        for arm in by_arm
        if arm not in {item.arm for item in found}
    ]
    shown = study.examples["arm"].isin([arm for arm in by_arm if study.shows_model(arm)])
    limits.extend(undecided(study.examples[shown]))
    return Section(
        "panel",
        TITLE,
        tuple(_finding(study, item) for item in found),
        (
            Table("panel-and-loop", TITLE, _BESIDE, tuple(_beside_rows(study, by_arm)), _METHOD, (_VMER,)),
            Table(
                "panel-trend", "Change from round to round", _TRENDS, tuple(_trend_row(item) for item in found), _TREND
            ),
            Table(
                "frozen-panel",
                "Versions that were scored on every round",
                _PANEL,
                tuple(map(_panel_row, frozen)),
                _OF_VERSIONS,
            ),
        ),
        tuple(_chart(study, place, arm) for place, arm in enumerate(by_arm, start=1)),
        tuple(limits),
        tuple(_finding(study, item) if _tells(item) else _UNKNOWN.format(item.arm) for item in found),
    )


_OF_TEXTS = (
    "A change of texts may be one of who writes, of how they write, of the contexts that they write on or of what "
    "validators accept: the panel does not tell these apart."
)
_VMER = (
    "The base version's figure is its share of errors on the round's accepted examples, the loop's is the share of the "
    "same examples that fooled the model shown. vMER is examples that fooled the model shown and that validators "
    "confirmed, over all that are decided: it changes with the share that is accepted too, so no trend is taken of it."
)
_BESIDE = (
    Column("arm", "Arm"),
    Column("round", "Round"),
    Column("model", "Model"),
    Column("share", "Fooled, of the accepted", "share"),
    Column("vmer", "vMER, of all that are decided", "share"),
)
_TRENDS = (
    Column("arm", "Arm"),
    Column("rounds", "Rounds"),
    Column("loop", "Share of the same examples that fooled the model of the loop, change a round", "share"),
    Column("panel", "Error of the base version, change a round", "share"),
    Column("difference", "First less second", "share"),
)
_PANEL = (
    Column("model", "Model"),
    Column("on_arm", "Examples of arm"),
    Column("on_round", "Examples of round"),
    Column("error", "Error", "share"),
    Column("clustered_by", "Kept together"),
)


def _beside_rows(study: Study, by_arm: Mapping[str, Answered]) -> Iterator[dict[str, Cell]]:
    for arm, found in by_arm.items():
        for place, number in enumerate(found.rounds):
            of_round: dict[str, Cell] = {"arm": arm, "round": number}
            yield of_round | {"model": _FROZEN, "share": found.level(place, 0)}
            if study.shows_model(arm):
                yield of_round | {"model": _LOOP, "share": found.level(place, 1), "vmer": found.level(place, 2)}


def _trend_row(item: Trends) -> dict[str, Cell]:
    return {
        "arm": item.arm,
        "rounds": item.rounds,
        "loop": item.loop,
        "panel": item.panel,
        "difference": item.difference,
    }


def _panel_row(item: Crossed) -> dict[str, Cell]:
    return {
        "model": model_name(item.trained),
        "on_arm": item.on_arm,
        "on_round": item.on_round,
        "error": item.error,
        "clustered_by": item.clustered_by,
    }


_UNKNOWN = "In {} we cannot tell whether texts became harder or easier for the base version, which never changes."


def _tells(item: Trends) -> bool:
    """Whether anything about an arm is known."""
    return any(sure_sign(figure) for figure in (item.panel, item.loop, item.difference) if figure is not None)


def _finding(study: Study, item: Trends) -> str:
    texts = {
        1: f"In {item.arm} the base version, which never changes, was wrong more and more often from round to round",
        0: f"In {item.arm} we cannot tell whether the base version, which never changes, was wrong more or less often",
        -1: f"In {item.arm} the base version, which never changes, was wrong less and less often from round to round",
    }[sure_sign(item.panel)]
    start = f"{texts} ({points(item.panel)} a round)"
    if item.loop is None or item.difference is None:
        return f"{start}. No model was shown there, so any change is one of texts."
    if study.arms[item.arm] == "static":
        return f"{start}. The loop of {item.arm} held that same model, so any change is one of texts."
    loop = {1: "rose", 0: "may have stayed the same", -1: "fell"}[sure_sign(item.loop)]
    beside = f"the share of the same texts that fooled the model of the loop {loop} ({points(item.loop)} a round)"
    apart = sure_sign(item.difference)
    if apart == 0:
        return f"{start}; {beside}. We cannot tell a change of the models from a change of the texts."
    if apart < 0:
        return f"{start}; {beside}. Against the model that never changes the loop's models became harder to fool."
    return f"{start}; {beside}. Against the model that never changes the loop's models became easier to fool."


def _chart(study: Study, place: int, arm: str) -> Chart:
    names = [_FROZEN, _LOOP] if study.shows_model(arm) else [_FROZEN]
    share = axis("share", "Share of accepted examples that fool the model", share=True)
    return Chart(
        f"panel-{place}",
        f"{arm}: a model that never changes beside the model of the loop",
        f"By round of {arm}: which share of the accepted examples fools the base version, which never changes, "
        "and which share fooled the model that writers saw, with bands of the 95% intervals. If both move alike, "
        "texts changed.",
        "panel-and-loop",
        {"transform": [{"filter": {"field": "arm", "equal": arm}}]}
        | lines(rounds(), share, by_series("model", "Model", names)),
    )
