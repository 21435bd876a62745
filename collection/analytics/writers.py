"""The section "writers": who did how much of the work, and how much an arm's figures hang on single writers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import ceil

import numpy as np
import pandas as pd

from collection.analytics import charts
from collection.analytics.clustered import Clusters, Codes, medians, share
from collection.analytics.metrics import Estimate, joined, missing
from collection.analytics.metrics import share as wilson
from collection.analytics.naming import WRITERS, busiest_first
from collection.analytics.outcomes import NO_MODEL, Collected, clusters_of, collected, texts_with_outcomes, undecided
from collection.analytics.parts import Parts
from collection.analytics.phrases import percent
from collection.analytics.sections import Cell, Chart, Column, Options, Section, Table
from collection.analytics.study import Study
from collection.analytics.writer_effects import (
    effective_number,
    funnel,
    gini,
    intraclass_correlation,
    practice,
    top_share,
    without_each,
)

_DONE = "counted over all the work that was done, not over a sample of it, and so without an interval"
_UNMOVED, _TIED = "no writer's absence changes it", "several writers' absence gives the same"

AS_OTHERS, MORE, LESS = "like the others", "more than chance explains", "less than chance explains"


def section(study: Study, options: Options, parts: Parts) -> Section:
    """How work is spread over writers, how they differ, and a row for each of them."""
    texts = texts_with_outcomes(study)
    arms = collected(study, texts)
    people = _people(study, texts, arms)
    concentration, effects = _concentration(arms), _effects(arms)
    differ = tuple(_differ(effects))
    return Section(
        id="writers",
        title="Writers, and how much hangs on single ones",
        findings=(*_spread(concentration), *differ),
        tables=(concentration, effects, people),
        charts=tuple(
            _funnel_chart(place, group.arm)
            for place, group in enumerate(arms, start=1)
            if not group.judged_and_decided.empty
        ),
        limits=(*_limits(arms), *undecided(texts)),
        gist=differ,
    )


def _concentration(arms: list[Collected]) -> Table:
    columns = (
        Column("arm", "Arm"),
        Column("writers", "Writers"),
        Column("texts", "Collected texts", "examples"),
        Column("busiest", "By the busiest writer", "share"),
        Column("busiest_tenth", "By the busiest 10% of writers", "share"),
        Column("gini", "Gini coefficient (0: all equally much)"),
        Column("effective", "Equally busy writers who would be as concentrated"),
    )
    rows: list[Mapping[str, Cell]] = []
    for group in arms:
        counts = group.texts["writer"].value_counts().to_numpy(dtype=float)
        n = len(counts)
        figures = {
            "busiest": top_share(counts, 1),
            "busiest_tenth": top_share(counts, ceil(n / 10)),
            "gini": gini(counts),
            "effective": effective_number(counts),
        }
        whole: dict[str, Cell] = {"arm": group.arm, "writers": n, "texts": len(group.texts)}
        rows.append(whole | {name: Estimate(n, value, None, None, limit=_DONE) for name, value in figures.items()})
    method = "Counts of texts. Gini 1912; the last column is one over Herfindahl's index (Laakso & Taagepera 1979)."
    return Table("writers-concentration", "How the work is spread over writers", columns, tuple(rows), method)


def _effects(arms: list[Collected]) -> Table:
    columns = (
        Column("arm", "Arm"),
        Column("fooling_icc", "Part of the differences in validated fooling that lies between writers", "share"),
        Column("accepted_icc", "Part of the differences in acceptance that lies between writers", "share"),
        Column("vmer", "Validated fooling (vMER)", "share"),
        Column("lowest", "vMER, one writer left out: lowest", "share"),
        Column("lowest_without", "Without"),
        Column("highest", "vMER, one writer left out: highest", "share"),
        Column("highest_without", "Without "),
        Column("practice", "Change of vMER with each doubling of a writer's texts, within a round", "share"),
    )
    rows = []
    for group in arms:
        row: dict[str, Cell] = {"arm": group.arm, "accepted_icc": _correlation(group.decided, "accepted")}
        if not group.shows_model:
            row |= dict.fromkeys(("fooling_icc", "vmer", "lowest", "highest", "practice"), NO_MODEL)
        else:
            judged = group.judged_and_decided
            row |= {"fooling_icc": _correlation(judged, "validated"), "practice": _practice(group.judged)}
            row |= {"vmer": share(judged["validated"].to_numpy(float), clusters_of(judged))}
            row |= _influence(judged)
        rows.append(row)
    method = (
        "Part between writers: intraclass correlation within rounds, variance components by Henderson's method 3 "
        "(Searle, Casella & McCulloch 1992), interval from F with Satterthwaite's degrees of freedom (Ukoumunne 2002). "
        "Practice: least squares within a writer's texts of a round, clustered by writer (CR2, t). Left out: the arm's "
        "figure without the writer on whom it hangs most; nobody is named where several tie."
    )
    return Table("writers-effects", "How much writers differ", columns, tuple(rows), method)


def _correlation(texts: pd.DataFrame, column: str) -> Estimate:
    return intraclass_correlation(
        texts[column].to_numpy(dtype=float), texts["writer"].to_numpy(), texts["round"].to_numpy()
    )


def _practice(judged: pd.DataFrame) -> Estimate:
    """In the order of submission; a writer's texts are counted over all rounds of the arm, undecided ones too."""
    ordered = judged.sort_values(["submitted_at", "key"])
    ordered = ordered.assign(ordinal=ordered.groupby("writer").cumcount() + 1)
    counted = ordered[ordered["decided"]]
    return practice(
        counted["validated"].to_numpy(dtype=float),
        counted["ordinal"].to_numpy(dtype=float),
        counted["writer"].to_numpy(),
        counted.groupby(["writer", "round"]).ngroup().to_numpy(),
    )


def _influence(judged: pd.DataFrame) -> dict[str, Cell]:
    """The arm's vMER without the writer whose absence makes it lowest, and highest; nobody is named where several tie,
    as who came first would be chance."""
    names = judged.drop_duplicates("writer").sort_values("writer")["name"].to_numpy()
    left = without_each(judged["validated"].to_numpy(dtype=float), judged["writer"].to_numpy())
    if not np.isfinite(left).any():
        only = missing(len(left), "nothing is left without the only writer")
        return {"lowest": only, "highest": only}
    found: dict[str, Cell] = {}
    for name, value in (("lowest", float(np.nanmin(left))), ("highest", float(np.nanmax(left)))):
        at = np.flatnonzero(left == value)
        alone = len(at) == 1
        why = "" if alone else _UNMOVED if len(at) == len(left) else _TIED
        found[name] = Estimate(len(left), value, None, None, limit=joined(_DONE, why))
        found[f"{name}_without"] = str(names[at[0]]) if alone else None
    return found


def _people(study: Study, texts: pd.DataFrame, arms: list[Collected]) -> Table:
    """A row for each writer of each arm, the busiest first."""
    columns = (
        Column("writer", "Writer"),
        Column("arm", "Arm"),
        Column("texts", "Collected texts", "examples"),
        Column("accepted", "Accepted", "share"),
        Column("judged", "Texts with a verdict, decided", "examples"),
        Column("vmer", "Validated fooling (vMER)", "share"),
        Column("standing", "Validated fooling, compared"),
        Column("arm_vmer", "vMER of the arm", "share"),
        Column("usual_low", "If like the others, from", "share"),
        Column("usual_high", "to", "share"),
        Column("seconds", "Median time of a text", "s"),
        Column("agreed", "Votes of others that name the writer's label", "share"),
    )
    votes = _label_votes(study, texts)
    rows = [row for group in arms for row in _of_arm(group, votes)]
    method = (
        "Shares of texts: Wilson, which takes a writer's texts as independent. Votes: clustered by text (CR2, Wilson). "
        "Times: median, interval between order statistics (Conover 1999). What chance explains: binomial limits in "
        "which 95 of 100 writers would be if all were alike (Spiegelhalter 2005)."
    )
    return Table(WRITERS, "Writers", columns, busiest_first(WRITERS, rows), method)


def _of_arm(group: Collected, votes: pd.DataFrame) -> list[dict[str, Cell]]:
    """The rows of an arm's writers."""
    texts = group.texts
    found, own = np.unique(texts["writer"], return_inverse=True)
    count = len(found)

    def how_many(*flags: str) -> Codes:
        return np.bincount(own[texts[list(flags)].to_numpy(dtype=bool).all(axis=1)], minlength=count)

    on_own = votes[votes["arm"] == group.arm]
    voters = Clusters.within(
        np.searchsorted(found, on_own["writer"]), count, {"text": on_own["text"].to_numpy()}, "votes"
    )
    rows: dict[str, Sequence[Cell]] = {
        "writer": texts.drop_duplicates("writer").sort_values("writer")["name"].astype(str).tolist(),
        "arm": [group.arm] * count,
        "texts": how_many().tolist(),
        "accepted": list(map(wilson, how_many("decided", "accepted").tolist(), how_many("decided").tolist())),
        "seconds": medians(texts["writing_seconds"].to_numpy(dtype=float), own, count),
        "agreed": voters.shares(on_own["agrees"].to_numpy(dtype=float)),
    }
    if group.shows_model:
        compared = _compared(how_many("judged", "decided"), how_many("judged", "decided", "validated"))
    else:
        compared = [{"judged": NO_MODEL, "vmer": NO_MODEL}] * count
    return [
        dict(zip(rows, cells, strict=True)) | beside for *cells, beside in zip(*rows.values(), compared, strict=True)
    ]


def _label_votes(study: Study, texts: pd.DataFrame) -> pd.DataFrame:
    """The label votes on the texts: ``arm`` and ``writer`` of the text, its number ``text``, whether it ``agrees``."""
    votes = study.votes[~study.votes["flagged"].fillna(False).to_numpy(dtype=bool)]
    text = pd.Index(texts["key"]).get_indexer(votes["example"])
    votes, text = votes[text >= 0], text[text >= 0]
    agrees = votes["label"].to_numpy() == study.examples["label"].to_numpy()[text]
    return texts[["arm", "writer"]].iloc[text].assign(text=text, agrees=agrees)


def _compared(judged: Codes, validated: Codes) -> list[dict[str, Cell]]:
    """Each writer's vMER beside the arm's, and the limits within which chance alone would put it; from the texts that
    vMER is a share of, and those of them that are validated [writers]."""
    n, hits = judged.tolist(), validated.tolist()
    rows: list[dict[str, Cell]] = [{"judged": of, "vmer": wilson(hit, of)} for hit, of in zip(hits, n, strict=True)]
    if any(n):
        of_arm = sum(hits) / sum(n)
        lows, highs = (limit.tolist() for limit in funnel(of_arm, np.maximum(judged, 1).astype(float)))
        for row, hit, of, low, high in zip(rows, hits, n, lows, highs, strict=True):
            if of:
                standing = MORE if hit / of > high else LESS if hit / of < low else AS_OTHERS
                row |= {"standing": standing, "arm_vmer": of_arm, "usual_low": low, "usual_high": high}
    return rows


def _funnel_chart(place: int, arm: str) -> Chart:
    x = charts.axis("judged", "Number of the writer's texts")
    y = charts.axis("vmer", "Validated fooling texts of the writer", share=True)
    colours = {"domain": [LESS, AS_OTHERS, MORE], "range": ["#D55E00", "#777777", "#0072B2"]}
    marks = {"domain": [LESS, AS_OTHERS, MORE], "range": ["triangle-down", "circle", "triangle-up"]}
    standing = {"field": "standing", "type": "nominal", "title": "Fools the model"}
    limits = y | {"field": "usual_low"}
    spec = {
        "transform": [{"filter": {"and": [{"field": "arm", "equal": arm}, {"field": "judged", "gt": 0}]}}],
        "encoding": {"x": x},
        "layer": [
            {
                "mark": {"type": "area", "opacity": 0.2, "color": "#777777"},
                "encoding": {"y": limits, "y2": {"field": "usual_high"}},
            },
            {
                "mark": {"type": "line", "strokeDash": [4, 4], "color": "#777777"},
                "encoding": {"y": y | {"field": "arm_vmer"}},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 60, "opacity": 0.8},
                "encoding": {
                    "y": y,
                    "color": standing | {"scale": colours},
                    "shape": standing | {"scale": marks},
                    "tooltip": {"field": "writer", "type": "nominal"},
                },
            },
        ],
    }
    return Chart(
        id=f"writers-funnel-{place}",
        title=f"Writers of the arm {arm}: who differs by more than chance",
        description=(
            "A point a writer: how many texts, and the share of them that fooled the model and were accepted. The "
            "dashed line is the whole arm. In the grey band lie 95 of 100 writers if only chance differs."
        ),
        table=WRITERS,
        spec=spec,
    )


def _spread(concentration: Table) -> Iterator[str]:
    for row in concentration.rows:
        tenth, arm = row["busiest_tenth"], row["arm"]
        if isinstance(tenth, Estimate) and tenth.value is not None and tenth.n > 1:
            yield f"In the arm {arm}, the busiest 10% of its {tenth.n} writers wrote {tenth.value:.0%} of the texts."


def _differ(effects: Table) -> Iterator[str]:
    for row in effects.rows:
        part, arm = row["fooling_icc"], row["arm"]
        if isinstance(part, Estimate) and part.value is not None:
            if part.low is None or part.low <= 0:
                yield f"We cannot tell whether writers of {arm} differ in how often they fool the model."
            else:
                yield (
                    f"Writers of {arm} differ in how often they fool the model: "
                    f"of the differences between texts, {percent(part)} lie between writers."
                )


def _limits(arms: list[Collected]) -> Iterator[str]:
    for group in arms:
        if group.texts["writer"].nunique() == 1:
            yield f"The arm {group.arm} has one writer: the writer's part and the arm's cannot be told apart."
