"""What became of each text, by arm and by round: what the sections about collecting are made from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from collection.analytics.clustered import Codes
from collection.analytics.effort import effort_of_texts
from collection.analytics.metrics import Estimate
from collection.analytics.parts import shared
from collection.analytics.study import Study

NO_MODEL = Estimate(0, None, None, None, limit="no model shown")
"""What figures about fooling are where writers see no verdict."""


@dataclass(frozen=True)
class Collected:
    """The texts of an arm, which are :func:`texts_with_outcomes`. ``writer`` is a number."""

    arm: str
    shows_model: bool
    texts: pd.DataFrame

    @cached_property
    def judged(self) -> pd.DataFrame:
        """The texts with a verdict."""
        return self.texts[self.texts["judged"]]

    @cached_property
    def decided(self) -> pd.DataFrame:
        """The texts that validators have decided on."""
        return self.texts[self.texts["decided"]]

    @cached_property
    def judged_and_decided(self) -> pd.DataFrame:
        """The texts that vMER is a share of: one that waits has not failed."""
        return self.texts[self.texts["judged"] & self.texts["decided"]]


@dataclass(frozen=True)
class Places:
    """Arms, or rounds of arms, that have texts, in their order: [places], ``rounds`` being None for whole arms.

    ``shown`` tells whose writers see a verdict. ``texts`` and ``attempts`` are the rows of all places, with the number
    of theirs in ``place``.
    """

    arms: tuple[str, ...]
    rounds: tuple[int | None, ...]
    shown: tuple[bool, ...]
    texts: pd.DataFrame
    attempts: pd.DataFrame


@shared
def texts_with_outcomes(study: Study) -> pd.DataFrame:
    """:func:`effort_of_texts` with ``state``, ``tries`` and ``submitted_at``.

    As bool also ``decided`` (by validators), ``judged`` (has a verdict), ``fooling`` and ``validated`` (fooling and
    accepted). ``name`` is the writer's pseudonym, ``writer`` its number and ``context`` that of the
    context, a text without one being its own.
    """
    texts = effort_of_texts(study).rename(columns={"writer": "name"})
    shown = {arm: study.shows_model(arm) for arm in study.arms}
    texts["writer"] = pd.factorize(texts["name"])[0]
    texts["context"] = _numbered(study.examples["context"])
    for column in ("state", "tries", "submitted_at"):
        texts[column] = study.examples[column].array
    texts["decided"] = (texts["state"] != "pending").to_numpy(dtype=bool)
    texts["judged"] = texts["fooled"].notna().to_numpy(dtype=bool) & texts["arm"].map(shown).to_numpy(dtype=bool)
    texts["fooling"] = texts["judged"] & texts["fooled"].fillna(False).to_numpy(dtype=bool)
    texts["validated"] = texts["fooling"] & texts["accepted"]
    return texts


def undecided(texts: pd.DataFrame) -> Iterator[str]:
    """The limit that tells how many of the texts, which have a ``state``, wait for validators; none if none does."""
    waiting = int((texts["state"] == "pending").sum())
    if waiting:
        yield f"{waiting:,} texts are not decided yet; vMER, its trends and comparisons of writers leave them out."


def attempts_with_outcomes(study: Study, texts: pd.DataFrame) -> pd.DataFrame:
    """The judged attempts of rounds that have texts, all of them decided: ``arm``, ``round``, ``writer`` and
    ``context`` (numbers) and ``validated``, 1.0 for those that became a text of ``texts`` that is, else 0.0.

    While texts wait it cannot be told which attempts were in vain, and which are of texts that may be validated yet.
    """
    settled = texts.groupby(["arm", "round"])["decided"].all()
    judged = study.attempts[study.attempts["fooled"].notna()]
    judged = judged[pd.MultiIndex.from_frame(judged[["arm", "round"]]).isin(settled.index[settled])]
    return judged[["arm", "round"]].assign(
        validated=judged["example"].isin(texts.loc[texts["validated"], "key"]).to_numpy(dtype=float),
        writer=pd.factorize(judged["writer"])[0],
        context=_numbered(judged["context"]),
    )


def clusters_of(rows: pd.DataFrame) -> dict[str, Codes]:
    """What texts or attempts with outcomes are clustered by."""
    return {kind: rows[kind].to_numpy() for kind in ("writer", "context")}


def _numbered(contexts: pd.Series) -> Codes:
    codes = pd.factorize(contexts)[0]
    return np.where(contexts == "", len(codes) + np.arange(len(codes)), codes)


def collected(study: Study, texts: pd.DataFrame) -> list[Collected]:
    """Each arm that has texts; ``texts`` are :func:`texts_with_outcomes`."""
    of_arm = dict(list(texts.groupby("arm")))
    return [Collected(arm, study.shows_model(arm), of_arm[arm]) for arm in study.arms if arm in of_arm]


def places(study: Study, texts: pd.DataFrame, attempts: pd.DataFrame, *, by_round: bool) -> Places:
    """Each arm, or each round of each, that has texts; tables are those with outcomes."""
    arms = list(study.arms)
    # An open round may have attempts, and no text yet.
    rounds = 1 + max(rows["round"].to_numpy().max(initial=0) for rows in (texts, attempts))

    def cell(rows: pd.DataFrame) -> Codes:
        arm = pd.Index(arms).get_indexer(rows["arm"])
        return np.asarray(arm * rounds + (rows["round"].to_numpy() if by_round else 0))

    found = np.unique(cell(texts))
    found = found[found >= 0]

    def placed(rows: pd.DataFrame) -> pd.DataFrame:
        place = pd.Index(found).get_indexer(cell(rows))
        return rows.assign(place=place)[place >= 0]

    return Places(
        tuple(arms[at // rounds] for at in found),
        tuple(int(at % rounds) if by_round else None for at in found),
        tuple(study.shows_model(arms[at // rounds]) for at in found),
        placed(texts),
        placed(attempts),
    )
