"""The section "agreement": how far validators agree with each other and with writers, and what each of them did."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pandas as pd

from collection.analytics import charts
from collection.analytics.agreement import agreement
from collection.analytics.clustered import FEWEST, Numbers, median, share
from collection.analytics.metrics import Estimate
from collection.analytics.naming import VALIDATORS, busiest_first
from collection.analytics.parts import Parts
from collection.analytics.phrases import percent
from collection.analytics.sections import Cell, Chart, Column, Options, Section, Table
from collection.analytics.study import Study

ALL_ARMS = "all arms"

_AGREEMENT = (
    Column("texts", "Texts with a label vote", "examples"),
    Column("votes", "Label votes"),
    Column("alpha", "Krippendorff's alpha"),
    Column("kappa", "Fleiss' kappa"),
    Column("ac1", "Gwet's AC1"),
    Column("pairwise", "Two votes on a text agree", "share"),
    Column("with_writer", "Votes that name the writer's label", "share"),
    Column("flagged", "Votes that flag", "share"),
)
_METHOD = (
    "Label votes only; votes that flag a text are counted by themselves. Alpha: nominal, Krippendorff 2011. Kappa: "
    "Fleiss 1971, for unequal numbers of votes as in Gwet 2014. AC1: Gwet 2008. Intervals leave out a context at a "
    f"time (CR2, t; shares as Wilson's), or a text where there are fewer than {FEWEST} contexts."
)
_NOTES = (
    "1 is full agreement, 0 what votes at random would give, below 0 is less than that.",
    "Texts on which the first votes differ are asked for more votes: they weigh more in alpha and in the share of "
    "votes that name the writer's label, which makes these lower than if all texts had equally many votes.",
)


def section(study: Study, options: Options, parts: Parts) -> Section:
    """Agreement of each arm and round and in total, and the table of validators."""
    votes = _votes(study)
    whole = [_row(study, arm, votes[votes["arm"] == arm]) for arm in study.arms] if len(study.arms) > 1 else []
    total = Table(
        "agreement-total",
        "Agreement in total",
        (Column("arm", "Arm"), *_AGREEMENT),
        (*whole, _row(study, ALL_ARMS if whole else next(iter(study.arms), ALL_ARMS), votes)),
        _METHOD,
        _NOTES,
    )
    cells = dict(list(votes.groupby(["arm", "round"])))
    by_round = Table(
        "agreement-by-round",
        "Agreement by round",
        (Column("arm", "Arm"), Column("round", "Round"), *_AGREEMENT),
        tuple(
            {"round": int(number)} | _row(study, arm, cells[arm, number])
            for arm in study.arms
            for number in sorted(number for name, number in cells if name == arm)
        ),
        _METHOD,
        _NOTES,
    )
    return Section(
        id="agreement",
        title="How far people agree on the labels",
        findings=tuple(_findings(total.rows)),
        tables=(total, by_round, _validators(study, votes)),
        charts=(_chart(study),),
        limits=tuple(_limits(study, votes)),
        gist=tuple(_findings([row for row in total.rows if row["arm"] == ALL_ARMS])),
    )


def _votes(study: Study) -> pd.DataFrame:
    """The votes with numbers for ``text``, ``context`` and ``label`` (-1: none of the study's), and ``flag`` as 0 or 1.

    ``with_writer`` is 0 or 1, NaN where the text was taken back; ``others`` the share of the other label votes on the
    text that name the same label, NaN where there are none. Without a context a text is its own.
    """
    examples = study.examples.set_index("key")
    votes = study.votes[["example", "arm", "round", "validator", "seconds"]].copy()
    flagged = study.votes["flagged"].fillna(False).to_numpy(dtype=bool)
    label = pd.Categorical(study.votes["label"].where(~flagged), categories=list(study.labels))
    votes["flag"], votes["label"] = flagged.astype(float), label.codes.astype(np.int64)
    votes["text"] = pd.factorize(votes["example"])[0]
    context = votes["example"].map(examples["context"]).fillna("")
    votes["context"] = pd.factorize(context.where(context != "", "\0" + votes["example"].astype(str)))[0]
    written = votes["example"].map(examples["label"])
    votes["with_writer"] = (study.votes["label"] == written).astype(float).where(written.notna())
    named = votes[votes["label"] >= 0]
    counts = _counts(named, len(study.labels), int(votes["text"].max()) + 1 if len(votes) else 0)
    cast, same = counts.sum(axis=1)[named["text"]], counts[named["text"], named["label"]]
    alone = np.full(len(named), np.nan)
    votes["others"] = pd.Series(np.divide(same - 1, cast - 1, out=alone, where=cast > 1), index=named.index)
    return votes


def _counts(named: pd.DataFrame, labels: int, texts: int) -> Numbers:
    """How many votes on each text name each label: [texts, labels]."""
    cell = named["text"].to_numpy() * labels + named["label"].to_numpy()
    return np.bincount(cell, minlength=texts * labels).reshape(texts, labels).astype(float)


def _row(study: Study, arm: str, votes: pd.DataFrame) -> dict[str, Cell]:
    named = votes[votes["label"] >= 0]
    renumbered = named.assign(text=pd.factorize(named["text"])[0])
    contexts = renumbered.drop_duplicates("text")["context"].to_numpy()
    found = agreement(_counts(renumbered, len(study.labels), len(contexts)), contexts)
    return {
        "arm": arm,
        "texts": found.texts,
        "votes": len(named),
        "alpha": found.alpha,
        "kappa": found.kappa,
        "ac1": found.ac1,
        "pairwise": found.pairwise,
        "with_writer": _with_writer(named, "context"),
        "flagged": share(votes["flag"].to_numpy(), votes["context"].to_numpy(), "context"),
    }


def _with_writer(named: pd.DataFrame, by: str) -> Estimate:
    kept = named[named["with_writer"].notna()]
    return share(kept["with_writer"].to_numpy(), kept[by].to_numpy(), by)


def _validators(study: Study, votes: pd.DataFrame) -> Table:
    """A row for each validator, those with the most votes first."""
    columns = (
        Column("validator", "Validator"),
        Column("arm", "Arm"),
        Column("votes", "Votes"),
        Column("others", "Agreement with other validators", "share"),
        Column("with_writer", "Votes that name the writer's label", "share"),
        Column("flagged", "Votes that flag", "share"),
        Column("seconds", "Median time of a vote", "s"),
    )
    rows: list[Mapping[str, Cell]] = []
    for (name, arm), own in votes.groupby(["validator", "arm"], sort=False):
        named = own[own["label"] >= 0]
        paired = named[named["others"].notna()]
        rows.append(
            {
                "validator": str(name),
                "arm": str(arm),
                "votes": len(own),
                "others": share(paired["others"].to_numpy(), paired["text"].to_numpy(), "text"),
                "with_writer": _with_writer(named, "text"),
                "flagged": share(own["flag"].to_numpy(), own["text"].to_numpy(), "text"),
                "seconds": median(own["seconds"].to_numpy(dtype=float)),
            }
        )
    method = (
        "Agreement with others: of the other label votes on the same text, the share that names the same label; the "
        "mean over the validator's votes. Intervals: Wilson's, with the effective number of votes; the median's "
        "between order statistics (Conover 1999)."
    )
    return Table(VALIDATORS, "Validators", columns, busiest_first(VALIDATORS, rows), method)


def _chart(study: Study) -> Chart:
    spec = charts.lines(
        charts.axis("round", "Round", axis={"tickMinStep": 1, "format": "d"}),
        charts.axis("alpha", "Agreement beyond chance (1 is full, 0 is none)"),
        charts.by_series("arm", "Arm", list(study.arms)),
    )
    return Chart(
        id="agreement-alpha",
        title="Agreement of validators beyond chance (Krippendorff's alpha), by round",
        description="Alpha in each round, a line for each arm, with the band of its 95% interval. 1 is full agreement.",
        table="agreement-by-round",
        spec=spec | {"transform": [{"filter": "isValid(datum.alpha)"}]},
    )


def _findings(rows: Iterable[Mapping[str, Cell]]) -> Iterator[str]:
    for row in rows:
        pairwise, alpha, where = row["pairwise"], row["alpha"], row["arm"]
        place = "In all arms together" if where == ALL_ARMS else f"In the arm {where}"
        if isinstance(pairwise, Estimate) and pairwise.value is not None:
            yield f"{place}, two votes on one of {pairwise.n:,} texts agree in {percent(pairwise)} of cases."
        if isinstance(alpha, Estimate) and alpha.low is not None and alpha.high is not None and alpha.low <= 0:
            yield f"{place}, we cannot tell whether validators agree more than votes at random would (alpha)."


def _limits(study: Study, votes: pd.DataFrame) -> Iterator[str]:
    if votes.empty:
        yield "Nobody has voted yet."
        return
    if not (votes["others"].notna()).any():
        yield "No text has two label votes: nothing can be said about agreement between validators."
    unknown = int((~votes["example"].isin(study.examples["key"])).sum())
    if unknown:
        yield f"{unknown:,} votes are on texts that were taken back; whether they name the writer's label is not known."
