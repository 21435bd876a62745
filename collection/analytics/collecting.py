"""The section "collection": what was collected and accepted, how often it fooled the model, what that took."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import isfinite

import numpy as np
import pandas as pd

from collection.analytics.clustered import FEWEST, Clusters, Numbers, slope
from collection.analytics.collecting_charts import collecting_charts
from collection.analytics.metrics import Estimate, joined, missing
from collection.analytics.metrics import share as wilson
from collection.analytics.outcomes import (
    NO_MODEL,
    Collected,
    Places,
    attempts_with_outcomes,
    clusters_of,
    collected,
    places,
    texts_with_outcomes,
    undecided,
)
from collection.analytics.parts import Parts
from collection.analytics.phrases import figure, percent, points
from collection.analytics.sections import Cell, Column, Options, Section, Table
from collection.analytics.study import Study

# Columns of cells, one a place.
Cells = dict[str, Sequence[Cell]]

_INTERVALS = (
    "Texts of one writer, or on one context, are not independent: intervals are clustered by both (CR2 and "
    "Satterthwaite's degrees of freedom, Bell & McCaffrey 2002; two-way, Cameron, Gelbach & Miller 2011; shares as "
    f"Wilson's with the effective number of texts, Franco et al. 2019). With fewer than {FEWEST} of one kind they are "
    "clustered by the other alone, with so few of both they take texts as independent; it is told."
)
_VALIDATED = 'A "validated fooling" text fooled the model and was accepted by validators.'
_TRIES = "Tries spent are those of rounds whose texts are all decided."
_EFFORT = (
    "Totals over what was collected: active time and pay of writers and of validators together, of rejected texts too; "
    "what an accepted or validated text took is over the texts that are decided. "
    "Time on texts that were never submitted is not measured. " + _VALIDATED
)


def section(study: Study, options: Options, parts: Parts) -> Section:
    """What each arm collected in each round and in total, with trends."""
    texts = texts_with_outcomes(study)
    attempts = attempts_with_outcomes(study, texts)
    total, rounds = (places(study, texts, attempts, by_round=by_round) for by_round in (False, True))
    tables = []
    for name, title, columns, cells, method in (
        ("outcomes", "What became of the texts", _OUTCOMES, _outcomes, _INTERVALS),
        ("fooling", "How often texts fooled the model", _FOOLING, _fooling, f"{_VALIDATED} {_TRIES} {_INTERVALS}"),
        ("spending", "What it took", _spending(study.currency), _spent, f"{_EFFORT} {_INTERVALS}"),
    ):
        tables.append(_table(f"collection-{name}", f"{title}, in total", columns, total, cells, method))
        tables.append(_table(f"collection-{name}-by-round", f"{title}, by round", columns, rounds, cells, method))
    tables.append(_trends(collected(study, texts)))
    gist = tuple(_fooled(tables[2], tables[-1]))
    return Section(
        id="collection",
        title="What was collected, and what it took",
        findings=(*gist, *_times(tables[4])),
        tables=tuple(tables),
        charts=tuple(collecting_charts(study)),
        limits=tuple(_limits(study, texts)),
        gist=gist,
    )


def _table(
    name: str,
    title: str,
    columns: tuple[Column, ...],
    found: Places,
    cells: Callable[[Places], Cells],
    method: str,
) -> Table:
    where: Cells = {"arm": found.arms, "round": found.rounds}
    if not name.endswith("by-round"):
        del where["round"]
    every = where | cells(found)
    rows = tuple(dict(zip(every, row, strict=True)) for row in zip(*every.values(), strict=True))
    first = (Column("arm", "Arm"), Column("round", "Round"))[: len(where)]
    return Table(name, title, first + columns, rows, method)


_OUTCOMES = (
    Column("writers", "Writers"),
    Column("collected", "Collected texts", "examples"),
    Column("accepted", "Accepted", "share"),
    Column("rejected", "Rejected", "share"),
    Column("flagged", "Flagged", "share"),
    Column("pending", "Not decided", "share"),
)


def _outcomes(found: Places) -> Cells:
    texts = found.texts
    clusters, state = _clusters(found, texts), texts["state"].to_numpy()
    cells: Cells = {"writers": clusters.kinds["writer"].distinct.tolist(), "collected": _counts(found, texts)}
    for name in ("accepted", "rejected", "flagged", "pending"):
        cells[name] = clusters.shares((state == name).astype(float))
    return cells


def _clusters(found: Places, rows: pd.DataFrame) -> Clusters:
    return Clusters.within(rows["place"].to_numpy(), len(found.arms), clusters_of(rows))


def _counts(found: Places, rows: pd.DataFrame) -> list[int]:
    """How many of the rows each place has."""
    counts: list[int] = np.bincount(rows["place"], minlength=len(found.arms)).tolist()
    return counts


_FOOLING = (
    Column("judged", "Texts with a verdict", "examples"),
    Column("mer", "Fooled the model (MER)", "share"),
    Column("vmer", "Validated fooling (vMER)", "share"),
    Column("mer_wilson", "MER if texts were independent", "share"),
    Column("vmer_wilson", "vMER if texts were independent", "share"),
    Column("tries_spent", "Tries spent per validated fooling text, lost ones included"),
    Column("tries_of_fooling", "Tries of the validated fooling texts themselves (as in ANLI)"),
)


def _fooling(found: Places) -> Cells:
    """MER and vMER; tries spent in all over successes, and the mean tries of successes (Nie et al. 2020, "Adversarial
    NLI", table 2), which says nothing of slots that never fooled."""
    texts = found.texts[found.texts["judged"]]
    decided, validated = texts[texts["decided"]], texts[texts["validated"]]
    judged = _counts(found, texts)
    cells: Cells = {
        "judged": judged,
        "mer": _clusters(found, texts).shares(texts["fooling"].to_numpy(dtype=float)),
        "vmer": _clusters(found, decided).shares(decided["validated"].to_numpy(dtype=float)),
        "mer_wilson": list(map(wilson, _counts(found, texts[texts["fooling"]]), judged)),
        "vmer_wilson": list(map(wilson, _counts(found, validated), _counts(found, decided))),
        "tries_spent": _tries_spent(found),
        "tries_of_fooling": _per_success(
            found, validated, validated["tries"].to_numpy(float), np.ones(len(validated)), "validated fooling text"
        ),
    }
    return {name: _where_shown(found, column) for name, column in cells.items()}


def _where_shown(found: Places, cells: Sequence[Cell]) -> Sequence[Cell]:
    """The cells of a column about fooling, of places whose writers see a verdict."""
    return [cell if shown else NO_MODEL for shown, cell in zip(found.shown, cells, strict=True)]


def _tries_spent(found: Places) -> list[Estimate]:
    """Attempts over validated fooling texts: the share of attempts that became one, turned over, so at least 1."""
    hits = found.attempts["validated"].to_numpy()
    shares = _clusters(found, found.attempts).shares(hits)
    waiting = _counts(found, found.texts[~found.texts["decided"]])
    counts = _counts(found, found.attempts[hits > 0])
    return [
        _turned_over(share, count, waits > 0, number is not None)
        for share, count, waits, number in zip(shares, counts, waiting, found.rounds, strict=True)
    ]


def _turned_over(share: Estimate, hits: int, waits: bool, one_round: bool) -> Estimate:
    """``waits``: whether the place, ``one_round`` or all of an arm, has texts that are not decided: their rounds are
    left out."""
    if not hits:
        undecided_yet = (
            "its texts are not all decided yet"
            if one_round
            else "texts are not decided yet, and no other round has a validated fooling one"
        )
        return missing(0, undecided_yet if waits else "there is no validated fooling text among the attempts")
    if not (share.value and share.low and share.high):
        return missing(hits, "the share of attempts that became one is not told")
    limit = joined(share.limit, "without rounds that have undecided texts" if waits else "")
    return Estimate(hits, 1 / share.value, 1 / share.high, 1 / share.low, share.method, limit)


def _per_success(found: Places, rows: pd.DataFrame, amounts: Numbers, events: Numbers, what: str) -> list[Estimate]:
    """The amount for each event, where there is any and all amounts of the place are known."""
    known = np.isfinite(amounts)
    ratios = _clusters(found, rows).amounts_per_event(np.where(known, amounts, 0), events)
    counts = np.bincount(rows["place"], weights=events, minlength=len(found.arms)).tolist()
    return [
        missing(0, f"there is no {what}")
        if not count
        else missing(int(count), f"it is not known for {unknown} texts")
        if unknown
        else ratio
        for ratio, count, unknown in zip(ratios, counts, _counts(found, rows[~known]), strict=True)
    ]


def _spending(currency: str) -> tuple[Column, ...]:
    """The columns of time and money, which are of one currency."""
    return (
        Column("writing_hours", "Writing in all", "h"),
        Column("voting_hours", "Validating in all", "h"),
        Column("cost", "Cost in all", currency),
        Column("accepted", "Accepted texts", "examples"),
        Column("seconds_per_accepted", "Time per accepted text", "s"),
        Column("cost_per_accepted", "Cost per accepted text", currency),
        Column("validated", "Validated fooling texts", "examples"),
        Column("seconds_per_validated", "Time per validated fooling text", "s"),
        Column("cost_per_validated", "Cost per validated fooling text", currency),
    )


def _spent(found: Places) -> Cells:
    """Totals over all texts, and amounts for each success over the decided ones: what waits may yet become one."""
    texts, decided = found.texts, found.texts[found.texts["decided"]]
    seconds, cost = (decided["writing_seconds"] + decided["voting_seconds"]).to_numpy(), decided["cost"].to_numpy()
    cells: Cells = {
        "writing_hours": _totals(found, texts["writing_seconds"].to_numpy() / 3600),
        "voting_hours": _totals(found, texts["voting_seconds"].to_numpy() / 3600),
        "cost": _totals(found, texts["cost"].to_numpy()),
    }
    for name, what in (("accepted", "accepted text"), ("validated", "validated fooling text")):
        events = decided[name].to_numpy(dtype=float)
        cells[name] = _counts(found, decided[decided[name]])
        for amount, values in (("seconds", seconds), ("cost", cost)):
            cells[f"{amount}_per_{name}"] = _per_success(found, decided, values, events, what)
    for column in ("validated", "seconds_per_validated", "cost_per_validated"):
        cells[column] = _where_shown(found, cells[column])
    return cells


def _totals(found: Places, amounts: Numbers) -> list[float | None]:
    """The total of each place, None where a part of it is not known."""
    totals = np.bincount(found.texts["place"], weights=amounts, minlength=len(found.arms)).tolist()
    return [total if isfinite(total) else None for total in totals]


def _trends(whole: list[Collected]) -> Table:
    """Straight lines through the rounds of each arm, over texts, by least squares."""
    columns = (
        Column("arm", "Arm"),
        Column("vmer", "Change of the share of validated fooling texts a round", "share"),
        Column("rejected", "Change of the share of rejected texts a round", "share"),
    )
    rows: list[Mapping[str, Cell]] = []
    for group in whole:
        judged, decided = group.judged_and_decided, group.decided
        rejected = decided["state"] == "rejected"
        rows.append(
            {
                "arm": group.arm,
                "vmer": _trend(judged, judged["validated"]) if group.shows_model else NO_MODEL,
                "rejected": _trend(decided, rejected),
            }
        )
    method = f"Least squares of the share on the round's number, over texts. {_INTERVALS}"
    notes = (
        "In an arm whose model does not change a trend is one of texts: practice, other writers or other contexts. "
        "In a dynamic arm it is one of texts and of the model together.",
    )
    return Table("collection-trends", "Trends over rounds", columns, tuple(rows), method, notes)


def _trend(texts: pd.DataFrame, happened: pd.Series) -> Estimate:
    return slope(texts["round"].to_numpy(float), happened.to_numpy(dtype=float), clusters_of(texts))


def _fooled(fooling: Table, trends: Table) -> Iterator[str]:
    """What the totals and the trends say of the arms that show a model."""
    for fooled, trend in zip(fooling.rows, trends.rows, strict=True):
        arm, vmer, change = str(fooled["arm"]), fooled["vmer"], trend["vmer"]
        if isinstance(vmer, Estimate) and vmer.value is not None:
            yield f"In the arm {arm}, of {vmer.n:,} texts {percent(vmer)} fooled the model and were accepted."
        if isinstance(change, Estimate) and change.value is not None:
            yield _told_trend(arm, change)


def _times(spending: Table) -> Iterator[str]:
    """What an accepted text took in each arm."""
    for spent in spending.rows:
        seconds = spent["seconds_per_accepted"]
        if isinstance(seconds, Estimate) and seconds.value is not None:
            unit, divisor = (" minutes", 60) if seconds.value >= 60 else (" seconds", 1)
            yield (
                f"An accepted text of the arm {spent['arm']} took {figure(seconds, unit, 1, times=1 / divisor)} of "
                "writing and validating."
            )


def _told_trend(arm: str, change: Estimate) -> str:
    if change.low is None or change.high is None or change.low <= 0 <= change.high:
        return f"We cannot tell whether validated fooling became more or less frequent over the rounds of {arm}."
    direction = "more" if change.low > 0 else "less"
    return f"Validated fooling became {direction} frequent over the rounds of {arm}: by {points(change)} a round."


def _limits(study: Study, texts: pd.DataFrame) -> Iterator[str]:
    if texts.empty:
        yield "Nothing has been collected yet."
        return
    hidden = [arm for arm in study.arms if not study.shows_model(arm)]
    if hidden:
        yield f"No model is shown in the arm {', '.join(hidden)}: nothing can be said about fooling there."
    shown = texts["arm"].map({arm: study.shows_model(arm) for arm in study.arms}).to_numpy(dtype=bool)
    yield from undecided(texts)
    if not texts["decided"].all():
        yield "Time and cost per accepted, or validated fooling, text are of the decided ones; totals are of all."
    waiting = texts[shown & ~texts["decided"]].groupby("arm")["round"].unique()
    if len(waiting):
        rounds = "; ".join(
            f"{', '.join(map(str, sorted(waiting[arm])))} of {arm}" for arm in study.arms if arm in waiting.index
        )
        yield f"Tries spent per validated fooling text leave out rounds with undecided texts: {rounds}."
    unjudged = int((shown & ~texts["judged"]).sum())
    if unjudged:
        yield f"{unjudged:,} texts have no verdict of a model; figures about fooling leave them out."
    for column, what in (("writing_seconds", "time of writing"), ("voting_seconds", "time of validating")):
        unknown = int(texts[column].isna().sum())
        if unknown:
            yield f"The {what} of {unknown:,} texts is not known; totals that they belong to are not given."
    if texts["cost"].isna().any():
        yield f"The cost of {int(texts['cost'].isna().sum()):,} texts is not known; totals with them are not given."
    few = texts.groupby(["arm", "round"])[["writer", "context"]].nunique() < FEWEST
    independent, alone = int(few.all(axis=1).sum()), int((few.sum(axis=1) == 1).sum())
    if independent:
        yield (
            f"{independent} of {len(few)} rounds had fewer than {FEWEST} writers and contexts: their intervals take "
            "texts as independent, which may make them too narrow."
        )
    if alone:
        which = f"fewer than {FEWEST} writers, or contexts"
        yield f"{alone} of {len(few)} rounds had {which}: their intervals are about these alone."
