"""Data quality: what the texts of each arm and round are like, and whether they give their labels away."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations

from collection.analytics import charts
from collection.analytics.metrics import Estimate
from collection.analytics.parts import Parts
from collection.analytics.phrases import figure, percent
from collection.analytics.quality import syntax, tables
from collection.analytics.quality.clustered import clearly_apart, single
from collection.analytics.quality.measures import measure
from collection.analytics.quality.overlap import entailment
from collection.analytics.sections import Chart, Options, Section, Table
from collection.analytics.study import Study

_TITLE = "Data quality"
# Column of the table of rounds → title of its chart, title of its axis, whether it is a share, what it means.
_BY_ROUND = {
    "words_even": ("Different words", "Different words in equally many", False, "More means a richer vocabulary."),
    "bigrams_even": ("Different bigrams", "Different bigrams in equally many", False, "More means richer phrasing."),
    "of_others": ("Inter-BLEU", "BLEU with the nearest of 20 others", False, "Less means fewer texts are alike."),
    "length": ("Length", "Words a text", False, "More means longer texts."),
    "grade": ("Readability", "Flesch-Kincaid grade", False, "More means harder to read."),
    "distance": ("Complexity", "Mean dependency distance", False, "More means more complex sentences."),
    "above": (
        "Labels told from the text alone",
        "Labels told beyond the commonest label",
        True,
        "Above zero, texts give their labels away without their contexts.",
    ),
}
# Column of the table of arms → what is compared, in words, and whether it is a share.
_COMPARED = {
    "words_even": ("different words in equally many words", False),
    "bigrams_even": ("different bigrams in equally many", False),
    "of_others": ("likeness of texts (BLEU with the nearest of 20 others)", False),
    "length": ("words a text", False),
    "grade": ("Flesch-Kincaid grade", False),
    "distance": ("mean dependency distance", False),
    "high_overlap": ("share of texts nearly all of whose words are in the context", True),
    "negated": ("share of texts with a negation", True),
    "repeats": ("share of texts that nearly repeat an earlier one", True),
}
_AS_RELEASED = (
    "With the quirks of the source study's scripts, for comparison with its tables: manage.py analyze {slug} --out "
    "folder --as-released."
)
_ROOM = 0.1  # share of texts with another label than the commonest, below which telling labels is no feat


def section(study: Study, options: Options, parts: Parts) -> Section:
    """The section ``data-quality``, about accepted examples; those whose texts were erased are none here."""
    erased = study.examples["text"] == ""
    study = replace(study, examples=study.examples[~erased])
    if study.accepted.empty:
        return Section("data-quality", _TITLE, limits=("There are no accepted examples yet.",))
    measured = measure(study, options, parts)
    arms, labels = tables.arms(study, measured, parts), tables.labels(study, measured)
    words = tables.leanings(measured)
    if not options.as_released:
        arms = replace(arms, notes=(*arms.notes, _AS_RELEASED.format(slug=study.slug)))
    found = [arms, tables.rounds(study, measured, parts), labels, tables.overlaps(study, measured), words]
    found += [tables.contexts(study, measured), tables.repeats(study, measured)]
    shown = tuple(table for table in found if table.rows)
    of_arms = (*_told(arms), *_negations(labels), *_words(study, words))
    alone = _alone(study)
    apart, unclear = _comparisons(arms, [arm for arm in study.arms if arm not in alone])
    findings = (*of_arms, *apart, *unclear)
    untold = [*alone.values()] or ["No measure of the texts sets arms clearly apart."]
    gist = (*of_arms, *(apart or untold if unclear else apart))
    drawn = tuple(_charts(study, shown))
    limits = (*alone.values(), *_limits(study, options, int(erased.sum())))
    return Section("data-quality", _TITLE, findings, shown, drawn, limits, gist)


def _told(arms: Table) -> Iterator[str]:
    """What a classifier of the text alone finds out, arm by arm."""
    for row in arms.rows:
        told, above, commonest = row["told"], row["above"], row["commonest"]
        assert isinstance(told, Estimate)
        assert isinstance(above, Estimate)
        assert isinstance(commonest, float)
        if told.value is None or above.value is None or above.low is None or above.high is None:
            continue
        if above.low > 0:
            yield (
                f"In {row['arm']}, the text alone gives the label away in part: a classifier that never sees the "
                f"context is right in {percent(told)} of texts; always saying the commonest label would be "
                f"right in {commonest:.0%}."
            )
        elif above.high < 0.05:
            # Where nearly all texts have the same label, no classifier could do more.
            if 1 - commonest >= _ROOM:
                most = math.ceil(max(above.high, 0.0) * 1000) / 10
                yield (
                    f"In {row['arm']}, a simple classifier of the text alone tells the label of at most {most:.1f} "
                    "percentage points more texts than always saying the commonest label does."
                )
        else:
            yield f"We cannot tell whether texts of {row['arm']} give their labels away without the context."


def _negations(labels: Table) -> Iterator[str]:
    for row in labels.rows:
        more = row["more_negated"]
        if isinstance(more, Estimate) and more.value is not None and more.low is not None and more.low > 0:
            yield (
                f"In {row['arm']}, texts labelled {row['label']} have a negation more often than others: by "
                f"{percent(more)} of texts."
            )


def _words(study: Study, words: Table) -> Iterator[str]:
    for arm in study.arms:
        clear = [row for row in words.rows if row["arm"] == arm and row["clear"]]
        if clear:
            named = ", ".join(f"“{row['word']}” ({row['label']})" for row in clear[:3])
            yield f"In {arm}, some words lean to a label more than chance allows: {named}."


def _alone(study: Study) -> dict[str, str]:
    """What is to be said of each arm whose accepted examples are all of one writer or one context."""
    found = {}
    accepted = study.accepted
    for arm in study.arms:
        own = accepted[accepted["arm"] == arm]
        of = [name for name in ("writer", "context") if single(own[name])]
        if of:
            found[arm] = (
                f"All examples of {arm} are of one {' and one '.join(of)}, so nothing tells how far others would "
                f"differ: {arm} is not called apart from other arms."
            )
    return found


def _comparisons(arms: Table, comparable: Sequence[str]) -> tuple[list[str], list[str]]:
    """In what arms' intervals lie apart, of those that are ``comparable``; and a sentence about all in which they do
    not, if there is any."""
    told, unclear = [], []
    for column, (name, share) in _COMPARED.items():
        known = [(row["arm"], item) for row in arms.rows if isinstance(item := row[column], Estimate)]
        known = [(arm, item) for arm, item in known if item.low is not None]
        sure = [item for item in known if item[0] in comparable]
        apart = [pair for pair in combinations(sure, 2) if clearly_apart(pair[0][1], pair[1][1])]
        if apart:
            figures = ", ".join(f"{arm} {percent(item) if share else figure(item)}" for arm, item in known)
            which = "; ".join(f"{pair[0][0]} and {pair[1][0]}" for pair in apart)
            told.append(f"{name[0].upper()}{name[1:]}: {figures}. Clearly apart: {which}.")
        if len(known) > 1 and not apart:
            unclear.append(name)
    return told, [f"We cannot tell whether arms differ in: {'; '.join(unclear)}."] if unclear else []


def _charts(study: Study, shown: Sequence[Table]) -> Iterator[Chart]:
    known = {table.id: table for table in shown}
    series = charts.by_series("arm", "Arm", list(study.arms))
    # Named one by one: with few rounds, ticks would else stand between them too.
    ticks = {"values": sorted({int(str(row["round"])) for row in known["quality-rounds"].rows}), "format": "d"}
    for column, (title, axis, share, meaning) in _BY_ROUND.items():
        if _any(known["quality-rounds"], column):
            x = charts.axis("round", "Round", axis=ticks, scale={"zero": False, "nice": False})
            spec = charts.lines(x, charts.axis(column, axis, share=share), series)
            says = f"{axis}, by round, a line an arm with bands of 95% intervals. {meaning}"
            yield Chart(f"quality-{column.replace('_', '-')}", f"{title} by round", says, "quality-rounds", spec)
    for column, title in (("negated", "Texts with a negation"), ("high_overlap", "Texts with a high overlap")):
        if _any(known["quality-labels"], column):
            y = charts.axis("label", "Label", kind="nominal", sort=list(study.labels))
            spec = charts.dots(charts.axis(column, title, share=True), y, series)
            spec["encoding"]["yOffset"] = {"field": "arm", "sort": list(study.arms)}
            says = f"{title}, by label, a point an arm with bars of 95% intervals. Apart, they are a clue to the label."
            yield Chart(f"quality-{column.replace('_', '-')}", f"{title} by label", says, "quality-labels", spec)


def _any(table: Table, column: str) -> bool:
    return any(isinstance(item := row[column], Estimate) and item.value is not None for row in table.rows)


def _limits(study: Study, options: Options, erased: int) -> Iterator[str]:
    if erased:
        yield f"The words of {erased} submitted texts were erased: they are not in these figures."
    yield (
        "Readability, negations and complexity are made for English; for texts in another language they mean nothing. "
        "The study does not say what language its texts are in."
    )
    if not syntax.parser():
        yield f"Complexity of sentences is not measured: {syntax.MISSING}."
    if entailment(study.labels) is None:
        yield "No label of this task means entailment, so what a high overlap says about labels is not counted."
    if options.as_released:
        yield (
            "As in the source study's scripts: words are lower-cased but bigrams are not and punctuation counts; "
            "inter-BLEU is of the first 1,001 shuffled texts whose labels are not shuffled along; overlap is above 90% "
            "of tokens as written, without full stops. Tokens are split by rules close to, but not those of, "
            "NLTK, whose model of sentences does not install from a package registry."
        )
