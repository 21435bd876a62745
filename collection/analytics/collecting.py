"""The section "collection": what was collected and accepted, how often it fooled the model, what that took."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pandas as pd

from collection.analytics.clustered import FEWEST, Codes, Numbers, amount_per_event, share, slope
from collection.analytics.collecting_charts import collecting_charts
from collection.analytics.metrics import Estimate, missing
from collection.analytics.metrics import share as wilson
from collection.analytics.outcomes import NO_MODEL, Collected, collected, texts_with_outcomes, undecided
from collection.analytics.parts import Parts
from collection.analytics.phrases import figure, percent, points
from collection.analytics.sections import Cell, Column, Options, Section, Table
from collection.analytics.study import Study

_INTERVALS = (
    f"Texts of one writer are not independent: with at least {FEWEST} writers intervals are clustered by writer (CR2 "
    "and Satterthwaite's degrees of freedom, Bell & McCaffrey 2002; shares as Wilson's with the effective number of "
    f"texts, Franco et al. 2019). With fewer than {FEWEST} they take texts as independent, which is told."
)
_VALIDATED = 'A "validated fooling" text fooled the model and was accepted by validators.'
_EFFORT = (
    "Totals over what was collected: active time and pay of writers and of validators together, of rejected texts too. "
    "Time on texts that were never submitted is not measured. " + _VALIDATED
)


def section(study: Study, options: Options, parts: Parts) -> Section:
    """What each arm collected in each round and in total, with trends."""
    texts = texts_with_outcomes(study)
    whole, rounds = list(collected(study, texts, by_round=False)), list(collected(study, texts, by_round=True))
    tables = []
    for name, title, columns, cells, method in (
        ("outcomes", "What became of the texts", _OUTCOMES, _outcomes, _INTERVALS),
        ("fooling", "How often texts fooled the model", _FOOLING, _fooling, f"{_VALIDATED} {_INTERVALS}"),
        ("spending", "What it took", _spending(study.currency), _spent, f"{_EFFORT} {_INTERVALS}"),
    ):
        tables.append(_table(f"collection-{name}", f"{title}, in total", columns, whole, cells, method))
        tables.append(_table(f"collection-{name}-by-round", f"{title}, by round", columns, rounds, cells, method))
    tables.append(_trends(whole))
    gist = tuple(_fooled(whole, tables[2], tables[-1]))
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
    groups: list[Collected],
    cells: Callable[[Collected], dict[str, Cell]],
    method: str,
) -> Table:
    first = (Column("arm", "Arm"), *((Column("round", "Round"),) if name.endswith("by-round") else ()))
    rows = tuple({column.name: getattr(group, column.name) for column in first} | cells(group) for group in groups)
    return Table(name, title, first + columns, rows, method)


_OUTCOMES = (
    Column("writers", "Writers"),
    Column("collected", "Collected texts", "examples"),
    Column("accepted", "Accepted", "share"),
    Column("rejected", "Rejected", "share"),
    Column("flagged", "Flagged", "share"),
    Column("pending", "Not decided", "share"),
)


def _outcomes(group: Collected) -> dict[str, Cell]:
    writers = group.texts["writer"].to_numpy()
    state = group.texts["state"].to_numpy()
    counts: dict[str, Cell] = {"writers": len(np.unique(writers)), "collected": len(state)}
    return counts | {
        name: share((state == name).astype(float), writers, "writer")
        for name in ("accepted", "rejected", "flagged", "pending")
    }


_FOOLING = (
    Column("judged", "Texts with a verdict", "examples"),
    Column("mer", "Fooled the model (MER)", "share"),
    Column("vmer", "Validated fooling (vMER)", "share"),
    Column("mer_wilson", "MER if texts were independent", "share"),
    Column("vmer_wilson", "vMER if texts were independent", "share"),
    Column("tries_spent", "Tries spent per validated fooling text, lost ones included"),
    Column("tries_of_fooling", "Tries of the validated fooling texts themselves (as in ANLI)"),
)


def _fooling(group: Collected) -> dict[str, Cell]:
    """MER and vMER; tries spent in all over successes, and the mean tries of successes (Nie et al. 2020, "Adversarial
    NLI", table 2), which says nothing of slots that never fooled."""
    if not group.shows_model:
        return {column.name: NO_MODEL for column in _FOOLING}
    texts, decided = group.judged, group.judged_and_decided
    fooling, validated = texts["fooling"].to_numpy(dtype=float), decided["validated"].to_numpy(dtype=float)
    kept = texts[texts["validated"]]
    return {
        "judged": len(texts),
        "mer": share(fooling, texts["writer"].to_numpy(), "writer"),
        "vmer": share(validated, decided["writer"].to_numpy(), "writer"),
        "mer_wilson": wilson(int(fooling.sum()), len(texts)),
        "vmer_wilson": wilson(int(validated.sum()), len(decided)),
        "tries_spent": _tries_spent(group.attempts),
        "tries_of_fooling": _per_success(
            kept["tries"].to_numpy(float), np.ones(len(kept)), kept["writer"].to_numpy(), "validated fooling text"
        ),
    }


def _tries_spent(attempts: pd.DataFrame) -> Estimate:
    """Attempts over validated fooling texts: the share of attempts that became one, turned over, so at least 1."""
    hits = attempts["validated"].to_numpy()
    if not hits.any():
        return missing(0, "there is no validated fooling text among the attempts")
    found = share(hits, attempts["writer"].to_numpy(), "writer")
    if not (found.value and found.low and found.high):
        return missing(int(hits.sum()), "the share of attempts that became one is not told")
    return Estimate(int(hits.sum()), 1 / found.value, 1 / found.high, 1 / found.low, found.method, found.limit)


def _per_success(amounts: Numbers, events: Numbers, writers: Codes, what: str) -> Estimate:
    if not events.any():
        return missing(0, f"there is no {what}")
    if not np.isfinite(amounts).all():
        return missing(int(events.sum()), f"it is not known for {np.count_nonzero(~np.isfinite(amounts))} texts")
    return amount_per_event(amounts, events, writers, "writer")


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


def _spent(group: Collected) -> dict[str, Cell]:
    texts = group.texts
    writers, seconds = texts["writer"].to_numpy(), (texts["writing_seconds"] + texts["voting_seconds"]).to_numpy(float)
    cost = texts["cost"].to_numpy(dtype=float)
    found: dict[str, Cell] = {
        "writing_hours": _known(texts["writing_seconds"].sum(skipna=False) / 3600),
        "voting_hours": _known(texts["voting_seconds"].sum(skipna=False) / 3600),
        "cost": _known(cost.sum()),
    }
    for name, what in (("accepted", "accepted text"), ("validated", "validated fooling text")):
        events = texts[name].to_numpy(dtype=float)
        shown = group.shows_model or name == "accepted"
        found[name] = int(events.sum()) if shown else NO_MODEL
        for amount, values in (("seconds", seconds), ("cost", cost)):
            found[f"{amount}_per_{name}"] = _per_success(values, events, writers, what) if shown else NO_MODEL
    return found


def _known(total: float) -> float | None:
    return float(total) if np.isfinite(total) else None


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
        "In an arm whose model does not change a trend is the writers': their practice, or other people writing. "
        "In a dynamic arm it is theirs and the model's together.",
    )
    return Table("collection-trends", "Trends over rounds", columns, tuple(rows), method, notes)


def _trend(texts: pd.DataFrame, happened: pd.Series) -> Estimate:
    return slope(texts["round"].to_numpy(float), happened.to_numpy(dtype=float), texts["writer"].to_numpy(), "writer")


def _fooled(whole: list[Collected], fooling: Table, trends: Table) -> Iterator[str]:
    """What the totals and the trends say of the arms that show a model."""
    for group, fooled, trend in zip(whole, fooling.rows, trends.rows, strict=True):
        vmer, change = fooled["vmer"], trend["vmer"]
        if isinstance(vmer, Estimate) and vmer.value is not None:
            yield (f"In the arm {group.arm}, of {vmer.n:,} texts {percent(vmer)} fooled the model and were accepted.")
        if isinstance(change, Estimate) and change.value is not None:
            yield _told_trend(group.arm, change)


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
    unjudged = int((shown & ~texts["judged"]).sum())
    if unjudged:
        yield f"{unjudged:,} texts have no verdict of a model; figures about fooling leave them out."
    for column, what in (("writing_seconds", "time of writing"), ("voting_seconds", "time of validating")):
        unknown = int(texts[column].isna().sum())
        if unknown:
            yield f"The {what} of {unknown:,} texts is not known; totals that they belong to are not given."
    if texts["cost"].isna().any():
        yield f"The cost of {int(texts['cost'].isna().sum()):,} texts is not known; totals with them are not given."
    writers = texts.groupby(["arm", "round"])["writer"].nunique()
    few = int((writers < FEWEST).sum())
    if few:
        yield (
            f"{few} of {len(writers)} rounds had fewer than {FEWEST} writers: their intervals take texts as "
            "independent, which may make them too narrow."
        )
