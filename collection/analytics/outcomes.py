"""What became of each text, by arm and by round: what the sections about collecting are made from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from collection.analytics.effort import effort_of_texts
from collection.analytics.metrics import Estimate
from collection.analytics.study import Study

NO_MODEL = Estimate(0, None, None, None, limit="no model shown")
"""What figures about fooling are where writers see no verdict."""


@dataclass(frozen=True)
class Collected:
    """Texts and judged attempts of an arm or of one of its rounds. ``writer`` is a number, of each frame's own.

    ``texts`` are :func:`texts_with_outcomes`; ``attempts`` say with ``validated`` whether they became one that is.
    """

    arm: str
    round: int | None
    shows_model: bool
    texts: pd.DataFrame
    attempts: pd.DataFrame

    @property
    def judged(self) -> pd.DataFrame:
        """The texts with a verdict."""
        return self.texts[self.texts["judged"]]

    @property
    def decided(self) -> pd.DataFrame:
        """The texts that validators have decided on."""
        return decided(self.texts)

    @property
    def judged_and_decided(self) -> pd.DataFrame:
        """The texts that vMER is a share of: one that waits has not failed."""
        return self.decided[self.decided["judged"]]


def texts_with_outcomes(study: Study) -> pd.DataFrame:
    """:func:`effort_of_texts` with ``state``, ``tries`` and ``submitted_at``.

    As bool also ``judged`` (has a verdict), ``fooling`` and ``validated`` (fooling and accepted). ``name`` is the
    writer's pseudonym and ``writer`` its number.
    """
    texts = effort_of_texts(study).rename(columns={"writer": "name"})
    shown = {arm: study.shows_model(arm) for arm in study.arms}
    texts["writer"] = pd.factorize(texts["name"])[0]
    for column in ("state", "tries", "submitted_at"):
        texts[column] = study.examples[column].to_numpy()
    texts["judged"] = texts["fooled"].notna().to_numpy(dtype=bool) & texts["arm"].map(shown).to_numpy(dtype=bool)
    texts["fooling"] = texts["judged"] & texts["fooled"].fillna(False).to_numpy(dtype=bool)
    texts["validated"] = texts["fooling"] & texts["accepted"]
    return texts


def decided(texts: pd.DataFrame) -> pd.DataFrame:
    """Those of the texts, which have a ``state``, that validators have decided on."""
    return texts[texts["state"] != "pending"]


def undecided(texts: pd.DataFrame) -> Iterator[str]:
    """The limit that tells how many of the texts, which have a ``state``, wait for validators; none if none does."""
    waiting = len(texts) - len(decided(texts))
    if waiting:
        yield f"{waiting:,} texts are not decided yet; vMER, its trends and comparisons of writers leave them out."


def collected(study: Study, texts: pd.DataFrame, *, by_round: bool) -> Iterator[Collected]:
    """Each arm, or each round of each, that has texts; ``texts`` are :func:`texts_with_outcomes`."""
    judged = study.attempts[study.attempts["fooled"].notna()]
    attempts = judged[["arm", "round"]].assign(
        validated=judged["example"].isin(texts.loc[texts["validated"], "key"]).to_numpy(dtype=float),
        writer=pd.factorize(judged["writer"])[0],
    )
    keys = ["arm", "round"] if by_round else ["arm"]
    groups, tried = dict(list(texts.groupby(keys))), dict(list(attempts.groupby(keys)))
    for arm in study.arms:
        for key in sorted(key for key in groups if key[0] == arm):
            number = int(key[1]) if by_round else None
            yield Collected(arm, number, study.shows_model(arm), groups[key], tried.get(key, attempts.iloc[:0]))
