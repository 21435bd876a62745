"""The tables of the section on data quality, from what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from collection.analytics.metrics import Estimate, missing
from collection.analytics.parts import Parts, digest
from collection.analytics.quality import clustered, diversity, hypothesis_only, overlap, spread, syntax
from collection.analytics.quality.measures import Group, Measured, blocks
from collection.analytics.sections import Cell, Column, Table
from collection.analytics.study import Study

_FIGURES = (
    Column("n", "Accepted examples"),
    Column("words", "Different words"),
    Column("bigrams", "Different bigrams"),
    Column("words_even", "Different words at equal size"),
    Column("bigrams_even", "Different bigrams at equal size"),
    Column("nearest", "Inter-BLEU"),
    Column("of_others", "Inter-BLEU among 20"),
    Column("mean", "BLEU of all pairs"),
    Column("length", "Words a text"),
    Column("grade", "Flesch-Kincaid grade"),
    Column("distance", "Dependency distance"),
    Column("overlap", "Words found in the context", "share"),
    Column("high_overlap", "Texts with a high overlap", "share"),
    Column("entailed", "Entailment among high overlaps", "share"),
    Column("negated", "Texts with a negation", "share"),
    Column("told", "Label told from the text alone", "share"),
    Column("commonest", "Commonest label", "share"),
    Column("above", "Told beyond the commonest label", "share"),
    Column("repeats", "Near-repeats", "share"),
)
_METHOD = (
    "Means and shares: intervals robust to clustering by context and by writer. Different words and bigrams at equal "
    "size: rarefaction (Hurlbert 1971), jackknife over contexts. Inter-BLEU: sentence-BLEU (0 to 100) with the most "
    "similar other text of the label, as in Wallace et al. 2022; among 20: what that would be with 20 others. "
    "Grade: Kincaid et al. 1975. Dependency distance: Liu 2008. Label told from the text alone: logistic regression on "
    "words and bigrams, tested on contexts that it did not see. Near-repeats: Jaccard similarity of 0.8 or more."
)
_BANDS = ((0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, overlap.HIGH), (overlap.HIGH, 1.0))
_TOP = 8
# Part of every key: to be raised whenever figures are worked out in another way.
_CODE = 6


def arms(study: Study, measured: Measured, parts: Parts) -> Table:
    """A row an arm, over all its rounds."""
    groups = [group for group in measured.words if group[1] is None]
    found = _figures(study, measured, groups, parts)
    rows = [{"arm": group[0], **item, **_even(measured, group)} for group, item in found]
    columns = (Column("arm", "Arm"), *_FIGURES, Column("told_even", "The same of equally many examples", "share"))
    return Table("quality-arms", "The texts of each arm", columns, tuple(rows), _METHOD)


def rounds(study: Study, measured: Measured, parts: Parts) -> Table:
    """A row an arm and round."""
    groups = [group for group in measured.words if group[1] is not None]
    rows = [{"arm": group[0], "round": group[1], **item} for group, item in _figures(study, measured, groups, parts)]
    columns = (Column("arm", "Arm"), Column("round", "Round"), *_FIGURES)
    return Table("quality-rounds", "The texts of each round", columns, tuple(rows), _METHOD)


def labels(study: Study, measured: Measured) -> Table:
    """A row an arm and label: what texts of the label are like."""
    columns = (
        Column("arm", "Arm"),
        Column("label", "Label"),
        Column("n", "Accepted examples"),
        Column("share", "Share of the arm", "share"),
        Column("length", "Words a text"),
        Column("high_overlap", "Texts with a high overlap", "share"),
        Column("negated", "Texts with a negation", "share"),
        Column("more_negated", "More than other labels", "share"),
    )
    rows: list[Mapping[str, Cell]] = []
    for arm in study.arms:
        own = measured.group((arm, None))
        for label in study.labels if len(own) else ():
            of = (own["label"] == label).to_numpy()
            part = own[of]
            row = {
                "share": clustered.share(of.astype(float), _clusters(own)),
                "length": clustered.mean(part["length"], _clusters(part)),
                "high_overlap": clustered.share(_high(part), _clusters(part), _NO_CONTEXT),
                "negated": clustered.share(part["negated"], _clusters(part)),
                "more_negated": clustered.difference(own["negated"], of, _clusters(own)),
            }
            rows.append({"arm": arm, "label": label, "n": int(of.sum()), **row})
    method = "Intervals robust to clustering by context and by writer; negations are English words such as not, never."
    return Table("quality-labels", "The texts of each label", columns, tuple(rows), method)


def overlaps(study: Study, measured: Measured) -> Table:
    """A row an arm and band of word overlap: how common it is, and how often it means entailment."""
    columns = (
        Column("arm", "Arm"),
        Column("band", "Words found in the context"),
        Column("share", "Share of the texts", "share"),
        Column("entailed", "Entailment among them", "share"),
    )
    rows: list[Mapping[str, Cell]] = []
    for arm in study.arms:
        own = measured.group((arm, None))
        known = own[own["overlap"].notna()]
        for low, high in _BANDS if len(known) else ():
            # Each band is without its lower bound, as a high overlap is above 90%; the first has the texts at zero.
            inside = (known["overlap"] <= high) & ((known["overlap"] > low) | (low == 0))
            share = clustered.share(inside.astype(float), _clusters(known))
            row = {"share": share, "entailed": _entailed(study, known[inside])}
            rows.append({"arm": arm, "band": f"{low:.0%} to {high:.0%}", **row})
    method = "Share of a text's words that its context has. Intervals robust to clustering by context and by writer."
    return Table("quality-overlap", "Words copied from the context", columns, tuple(rows), method)


def leanings(measured: Measured) -> Table:
    """The words of each arm that lean most to a label."""
    columns = (
        Column("arm", "Arm"),
        Column("word", "Word"),
        Column("label", "Leans to"),
        Column("texts", "Texts of the label"),
        Column("elsewhere", "Other texts"),
        Column("pmi", "PMI in bits, smoothed"),
        Column("z", "z"),
        Column("q", "False discovery rate"),
        Column("clear", "Clear"),
    )
    rows = [
        {
            "arm": arm,
            **{name: getattr(item, name) for name in ("word", "label", "texts", "elsewhere", "pmi", "z", "q")},
            "clear": item.q < 0.05,
        }
        for arm, found in measured.leanings.items()
        for item in found[:_TOP]
    ]
    method = (
        "PMI with 100 added to each count (Gururangan et al. 2018); z: log odds with an informative Dirichlet prior "
        "(Monroe et al. 2008); false discovery rate over all words of the arm in five texts or more (Benjamini & "
        "Hochberg 1995). Clear: below 0.05."
    )
    note = "Texts of one writer count as independent here, so a habit of one writer can look like a leaning."
    return Table("quality-words", "Words that lean to a label", columns, tuple(rows), method, (note,))


def contexts(study: Study, measured: Measured) -> Table:
    """A row an arm: how its examples lie over contexts and labels."""
    columns = (
        Column("arm", "Arm"),
        Column("used", "Contexts with an accepted example"),
        Column("known", "Contexts seen in the study"),
        Column("covered", "Covered", "share"),
        Column("evenness", "Evenness"),
        Column("gini", "Gini"),
        Column("imbalance", "p of equal labels"),
    )
    known = sorted(set(study.examples["context"]) | set(study.attempts["context"]))
    rows: list[Mapping[str, Cell]] = []
    for arm in study.arms:
        own = measured.group((arm, None))
        if len(own):
            found = spread.coverage(own["context"].tolist(), known)
            row: dict[str, Cell] = {"used": found.used, "known": found.known, "covered": found.used / found.known}
            row |= {"evenness": found.evenness, "gini": found.gini}
            rows.append({"arm": arm, **row, "imbalance": spread.imbalance(own["label"].tolist(), study.labels)})
    method = (
        "Counts of all accepted examples, so without intervals. Evenness: Pielou 1966; Gini over all contexts that any "
        "arm has texts on. p of equal labels: Pearson's chi-square."
    )
    return Table("quality-contexts", "Contexts and labels used", columns, tuple(rows), method)


def repeats(study: Study, measured: Measured) -> Table:
    """A row a pair of arms: how many texts of one nearly repeat any of the other."""
    columns = (
        Column("arm", "Arm"),
        Column("other", "Has near-copies in"),
        Column("texts", "Texts"),
        Column("share", "Share", "share"),
    )
    arm = measured.rows["arm"].to_numpy()
    one, other = (np.concatenate(sides) for sides in (measured.pairs, measured.pairs[::-1]))
    used = [name for name in study.arms if (arm == name).any()]
    rows: list[Mapping[str, Cell]] = []
    for left in used:
        for right in used:
            has = np.zeros(len(arm))
            has[one[(arm[one] == left) & (arm[other] == right)]] = 1
            own = measured.group((left, None))
            share = clustered.share(has[own.index], _clusters(own))
            rows.append({"arm": left, "other": right, "texts": int(has.sum()), "share": share})
    method = "Jaccard similarity of character 5-grams, without case and punctuation, of 0.8 or more (Broder 1997)."
    return Table("quality-repeats", "Texts that are nearly the same", columns, tuple(rows), method)


_NO_CONTEXT = "the texts have no context"


def _figures(
    study: Study, measured: Measured, groups: list[Group], parts: Parts
) -> Iterator[tuple[Group, dict[str, Cell]]]:
    """The figures of each group, a part as long as its rows, its words and the number of words at equal size stay."""
    # A round that has just begun goes without a figure, rather than making all rounds' figures those of a few words.
    least = 0.0 if any(number is None for _, number in groups) else 0.5
    sizes = {name: _even_size([spectra[group] for group in groups], least) for name, spectra in _both(measured)}
    for group in groups:
        suffix = "arm" if group[1] is None else "round"
        counted = {name: spectra[group] for name, spectra in _both(measured)}
        repeated = measured.rows[f"repeats_{suffix}"].to_numpy()[measured.places[group]]
        key = digest(_CODE, study.labels, syntax.parser(), sizes, measured.keys[group], repeated)
        stored = parts("quality-figures", key, partial(_plain, study, measured, group, suffix, counted, sizes))
        yield group, {name: Estimate(**item) if isinstance(item, Mapping) else item for name, item in stored.items()}


def _plain(
    study: Study,
    measured: Measured,
    group: Group,
    suffix: str,
    counted: Mapping[str, Sequence[diversity.Spectrum]],
    sizes: Mapping[str, int],
) -> dict[str, Any]:
    """The figures of a group's rows, as plain values."""
    rows = measured.group(group)
    clusters = _clusters(rows)
    commonest = rows["label"] == rows["label"].mode().iloc[0]
    told = rows[f"told_{suffix}"]
    why = hypothesis_only.refusal(rows["label"].tolist(), blocks(rows).tolist())
    found: dict[str, Estimate] = {}
    for name, spectra in counted.items():
        found[name] = diversity.different(spectra)
        found[f"{name}_even"] = diversity.rarefied(spectra, sizes[name])
    for name in ("nearest", "of_others", "mean"):
        too_few = "too few texts of any label to compare"
        found[name] = clustered.mean(rows[f"{name}_{suffix}"], clusters, too_few)
    found["length"] = clustered.mean(rows["length"], clusters)
    found["grade"] = clustered.mean(rows["grade"], clusters, "the texts have no words")
    no_tree = "no text has two words that depend on each other" if syntax.parser() else syntax.MISSING
    found["distance"] = clustered.mean(rows["distance"], clusters, no_tree)
    found["overlap"] = clustered.mean(rows["overlap"], clusters, _NO_CONTEXT)
    found["high_overlap"] = clustered.share(_high(rows), clusters, _NO_CONTEXT)
    found["entailed"] = _entailed(study, rows[rows["overlap"] > overlap.HIGH])
    found["negated"] = clustered.share(rows["negated"], clusters)
    found["told"] = clustered.share(told, clusters, why)
    found["above"] = clustered.mean(told - commonest, clusters, why)
    found["repeats"] = clustered.share(rows[f"repeats_{suffix}"], clusters)
    plain = {name: asdict(item) for name, item in found.items()}
    return {"n": len(rows), "commonest": float(commonest.mean()), **plain}


def _even(measured: Measured, group: Group) -> dict[str, Estimate]:
    rows = measured.group(group)
    few = f"an arm has fewer than {hypothesis_only.FEWEST} examples, or all have one label or one context"
    return {"told_even": clustered.share(rows["told_even_arm"], _clusters(rows), few)}


def _both(measured: Measured) -> tuple[tuple[str, Mapping[Group, Sequence[diversity.Spectrum]]], ...]:
    return ("words", measured.words), ("bigrams", measured.bigrams)


def _even_size(groups: Sequence[Sequence[diversity.Spectrum]], least: float) -> int:
    """The number of words at which groups are compared: the smallest's, of those that have ``least`` times as many as
    the middle one."""
    sizes = [diversity.size(group[0]) for group in groups]
    enough = least * float(np.median(sizes)) if sizes else 0.0
    return diversity.common_size(group for group, count in zip(groups, sizes, strict=True) if count >= enough)


def _clusters(rows: pd.DataFrame) -> list[pd.Series]:
    return [rows["context"], rows["writer"]]


def _high(rows: pd.DataFrame) -> pd.Series:
    return (rows["overlap"] > overlap.HIGH).astype(float).where(rows["overlap"].notna())


def _entailed(study: Study, rows: pd.DataFrame) -> Estimate:
    label = overlap.entailment(study.labels)
    if label is None:
        return missing(len(rows), "no label of this task means entailment")
    return clustered.share((rows["label"] == label).astype(float), _clusters(rows), "no text has such an overlap")
