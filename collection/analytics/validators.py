"""The section "agreement": how far validators agree with each other and with writers, and what each of them did."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from collection.analytics import charts
from collection.analytics.agreement import Votes, agreements
from collection.analytics.clustered import FEWEST, Clusters, Codes, Numbers, medians
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
    "Fleiss 1971, for unequal numbers of votes as in Gwet 2014. AC1: Gwet 2008. Texts with one vote count in none of "
    "them. Intervals leave out a context at a time and a validator at a time (CR2, t; shares as Wilson's; Cameron, "
    f"Gelbach & Miller 2011), or a text at a time where there are fewer than {FEWEST} contexts."
)
_NOTES = (
    "1 is full agreement, 0 what votes at random would give, below 0 is less than that.",
    "Texts on which the first votes differ are asked for more votes: they weigh more in alpha and in the share of "
    "votes that name the writer's label, which makes these lower than if all texts had equally many votes.",
)


def section(study: Study, options: Options, parts: Parts) -> Section:
    """Agreement of each arm and round and in total, and the table of validators."""
    votes, arms = _votes(study), list(study.arms)
    votes = votes[votes["arm"].isin(arms)]
    of_arm = pd.Categorical(votes["arm"], categories=arms).codes.astype(np.intp)
    whole = _rows(study, votes, of_arm, arms) if len(arms) > 1 else []
    everything = _rows(study, votes, np.zeros(len(votes), dtype=np.intp), [arms[0] if len(arms) == 1 else ALL_ARMS])
    total = Table(
        "agreement-total",
        "Agreement in total",
        (Column("arm", "Arm"), *_AGREEMENT),
        (*whole, *everything),
        _METHOD,
        _NOTES,
    )
    rounds = int(votes["round"].max()) + 1 if len(votes) else 1
    places, of_place = np.unique(of_arm * rounds + votes["round"].to_numpy(), return_inverse=True)
    in_rounds = _rows(study, votes, of_place, [arms[place // rounds] for place in places])
    by_round = Table(
        "agreement-by-round",
        "Agreement by round",
        (Column("arm", "Arm"), Column("round", "Round"), *_AGREEMENT),
        tuple({"round": int(place % rounds)} | row for place, row in zip(places, in_rounds, strict=True)),
        _METHOD,
        _NOTES,
    )
    return Section(
        id="agreement",
        title="How far people agree on the labels",
        findings=tuple(_findings(total.rows)),
        tables=(total, by_round, _validators(votes)),
        charts=(_chart(study),),
        limits=tuple(_limits(study, votes)),
        gist=tuple(_findings([row for row in total.rows if row["arm"] == ALL_ARMS])),
    )


def _votes(study: Study) -> pd.DataFrame:
    """The votes with numbers for ``text``, ``person``, ``context`` and ``label`` (-1: none of the study's), and
    ``flag`` as 0 or 1.

    ``with_writer`` is 0 or 1, NaN where the text was taken back; ``others`` the share of the other label votes on the
    text that name the same label, NaN where there are none. Without a context a text is its own.
    """
    examples = study.examples.set_index("key")
    votes = study.votes[["example", "arm", "round", "validator", "seconds"]].copy()
    flagged = study.votes["flagged"].fillna(False).to_numpy(dtype=bool)
    given = pd.Index(study.labels).get_indexer(study.votes["label"].where(~flagged))
    votes["flag"], votes["label"] = flagged.astype(float), given
    votes["text"], votes["person"] = (pd.factorize(votes[name])[0] for name in ("example", "validator"))
    # As objects: of no text at all the contexts that are not known would be numbers.
    context = votes["example"].map(examples["context"]).astype(object).fillna("")
    votes["context"] = pd.factorize(context.where(context != "", "\0" + votes["example"].astype(str)))[0]
    written = votes["example"].map(examples["label"])
    votes["with_writer"] = (study.votes["label"] == written).astype(float).where(written.notna())
    named = votes[votes["label"] >= 0]
    text, label = named["text"].to_numpy(), named["label"].to_numpy()
    counts = _counts(text, label, len(study.labels), int(votes["text"].max()) + 1 if len(votes) else 0)
    cast, same = counts.sum(axis=1)[text], counts[text, label]
    alone = np.full(len(named), np.nan)
    votes["others"] = pd.Series(np.divide(same - 1, cast - 1, out=alone, where=cast > 1), index=named.index)
    return votes


def _counts(text: Codes, label: Codes, labels: int, texts: int) -> Numbers:
    """How many votes, of a ``text`` and ``label`` each, on each text name each label: [texts, labels]."""
    return np.bincount(text * labels + label, minlength=texts * labels).reshape(texts, labels).astype(float)


def _rows(study: Study, votes: pd.DataFrame, groups: Codes, arms: Sequence[str]) -> list[dict[str, Cell]]:
    """A row for each group of votes, ``groups`` [votes] being their numbers and ``arms`` [groups] what they are of."""
    count, named = len(arms), votes["label"].to_numpy() >= 0
    own, of_named = votes[named], groups[named]
    # A text for each group that it has votes of.
    texts, text = np.unique(of_named * (len(votes) + 1) + own["text"].to_numpy(), return_inverse=True)
    contexts, of_text = np.zeros((2, len(texts)), dtype=np.intp)
    contexts[text], of_text[text] = own["context"], of_named
    given = Votes(text, own["label"].to_numpy(), own["person"].to_numpy())
    counts = _counts(given.text, given.label, len(study.labels), len(texts))
    found = agreements(counts, contexts, of_text, count, given)
    with_writer = _shares(own, "with_writer", of_named, count, ("context", "validator"))
    flagged = _shares(votes, "flag", groups, count, ("context", "validator"))
    cast = np.bincount(of_named, minlength=count).tolist()
    return [
        {
            "arm": arm,
            "texts": each.texts,
            "votes": label_votes,
            "alpha": each.alpha,
            "kappa": each.kappa,
            "ac1": each.ac1,
            "pairwise": each.pairwise,
            "with_writer": agrees,
            "flagged": flags,
        }
        for arm, each, label_votes, agrees, flags in zip(arms, found, cast, with_writer, flagged, strict=True)
    ]


def _shares(votes: pd.DataFrame, column: str, groups: Codes, count: int, kinds: Sequence[str]) -> list[Estimate]:
    """The mean of a column in each group, over the votes of which it is known, clustered by ``kinds``."""
    values = votes[column].to_numpy()
    known = ~np.isnan(values)
    codes = {kind: votes[_CODES[kind]].to_numpy()[known] for kind in kinds}
    return Clusters.within(groups[known], count, codes, "votes").shares(values[known])


# What votes are clustered by → the column that has its number.
_CODES = {"context": "context", "validator": "person", "text": "text"}


def _validators(votes: pd.DataFrame) -> Table:
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
    people = votes[["validator", "arm"]].drop_duplicates()
    groups, count = votes.groupby(["validator", "arm"], sort=False).ngroup().to_numpy(), len(people)
    named = votes["label"].to_numpy() >= 0
    figures = {
        "votes": np.bincount(groups, minlength=count).tolist(),
        "others": _shares(votes[named], "others", groups[named], count, ("text",)),
        "with_writer": _shares(votes[named], "with_writer", groups[named], count, ("text",)),
        "flagged": _shares(votes, "flag", groups, count, ("text",)),
        "seconds": medians(votes["seconds"].to_numpy(dtype=float), groups, count),
    }
    rows: list[dict[str, Cell]] = [
        {"validator": str(name), "arm": str(arm)} | dict(zip(figures, cells, strict=True))
        for name, arm, *cells in zip(people["validator"], people["arm"], *figures.values(), strict=True)
    ]
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
