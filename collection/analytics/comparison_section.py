"""The section "comparison": tables, charts and findings about every two arms on every test set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from collection.analytics.charts import axis, by_series, dots, lines, rounds
from collection.analytics.comparison import Compared, Pair, area, compare, overtaking, pairs
from collection.analytics.contrasts import contrast
from collection.analytics.curves import sizes, sizes_notes, unequal
from collection.analytics.paired import Crossover, holm
from collection.analytics.parts import Parts
from collection.analytics.phrases import percent, points, sure_sign
from collection.analytics.quality.clustered import single
from collection.analytics.scores import Tested, seeds_limits, tested_sets
from collection.analytics.sections import Cell, Chart, Column, Options, Section, Table
from collection.analytics.study import Study
from collection.analytics.two_way import METHOD

TITLE = "Which way of collecting gives better models"
_HOLM = "p adjusted: Holm (1979), over all rows of this table."
_TESTS = (
    f"Difference and p: {METHOD} (Welch's degrees of freedom), paired by test row, rows of one context kept "
    f"together. Fewer errors: 1 less the ratio of error rates, on the scale of logarithms. {_HOLM}"
)
_AREA = f"Trapezoid rule between the points, over the examples that both curves cover; {METHOD}. {_HOLM}"
_DRAWN = "The first round from which one side stays ahead; percentiles of a two-way bootstrap of contexts and seeds."
_NOTES = (
    "Differences are those of the first arm less those of the arm it is held against.",
    "McNemar's tests are given where each side is a single version. They take rows as independent, which rows of one "
    "context are not; with several training seeds only the two-way p is given.",
)
_MOST_GIST = 12  # sentences on the first page, which is one page
Row = dict[str, Cell]


def section(study: Study, options: Options, parts: Parts) -> Section:
    """The section "comparison": differences, errors spared, areas and overtakings of every pair on every test set."""
    tested, limits = tested_sets(study)
    found = [pair for item in tested for pair in pairs(item, tuple(study.arms))]
    if len(study.arms) < 2:
        limits.append("The experiment has one arm, so there is nothing to compare.")
    elif tested and not found:
        limits.append("No round has scored versions of two arms yet, so there is nothing to compare.")
    if not found:
        return Section("comparison", TITLE, limits=tuple(limits))
    # Once: of a study they are filtered and sorted anew each time.
    accepted = study.accepted
    # First, as the first page has the first.
    limits = [
        _about(accepted, found, seeds_limits([item for item in tested if any(pair.tested is item for pair in found)])),
        *limits,
    ]
    compared = [item for pair in found for item in compare(pair)]
    last = [item for item in compared if item.round == item.pair.rounds[-1]]
    crossings = [overtaking(pair, options, parts) for pair in found]
    last_rows, area_rows = _last_rows(study, last), _area_rows(last)
    findings, gist = list[str](), list[list[str]]()
    for of_set in tested:
        # Before the claims, so that no cut parts these from it.
        warnings = [of_set.warning] if of_set.warning else []
        findings, claims = findings + warnings, list[str]()
        for item, row, crossing in zip(last, last_rows, crossings, strict=True):
            if item.pair.tested is of_set:
                arms = (item.pair.arm, item.pair.reference)
                alone = [arm for arm in arms if single(_writers(accepted, arm, item.round))]
                claims.append(_after(item, row["p_adjusted"], len(last), alone))
                findings += [claims[-1], *([] if alone else _overtaken(item, row["p_adjusted"], crossing))]
        gist += [[*warnings, *claims]] if claims else []
    crossed = [_crossing_row(item, crossing) for item, crossing in zip(last, crossings, strict=True)]
    beside = [row for item in tested for row in _beside_rows(item, last)]
    notes = (*_NOTES, *sizes_notes(last_rows))
    return Section(
        "comparison",
        TITLE,
        tuple(findings),
        (
            Table("comparison-last", "After the last round that both have", _LAST, tuple(last_rows), _TESTS, notes),
            Table("comparison-beside", "What accuracy is made of", _beside(study), tuple(beside), METHOD),
            Table("comparison-by-round", "Round by round", _BY_ROUND, tuple(_by_round_rows(compared)), _TESTS),
            Table("comparison-areas", "The whole curve, by examples", _AREAS, tuple(area_rows), _AREA),
            Table("comparison-crossovers", "Who overtakes whom", _CROSSINGS, tuple(crossed), _DRAWN),
        ),
        tuple(_charts(tested, last)),
        tuple(limits),
        _first_page(gist),
    )


def _writers(accepted: pd.DataFrame, arm: str, number: int) -> pd.Series:
    """Who wrote the accepted examples that an arm had collected by that round, one a row."""
    return accepted.loc[(accepted["arm"] == arm) & (accepted["round"] <= number), "writer"]


def _about(accepted: pd.DataFrame, found: Sequence[Pair], seeds: Sequence[str]) -> str:
    """What no interval here is about, with what is to be said of ``seeds``: that a way of collecting was tried once."""
    last = dict[str, int]()
    for pair in found:
        for arm in (pair.reference, pair.arm):
            last[arm] = max(last.get(arm, 0), pair.rounds[-1])
    counts = [f"{arm} by {_people(_writers(accepted, arm, number))}" for arm, number in last.items()]
    once = f"Each arm was collected once ({', '.join(counts)}): "
    if seeds:
        return " ".join([f"{once}no interval is about collecting again with other writers.", *seeds])
    return (
        f"{once}intervals are about other test rows and training again, not about collecting again with other writers."
    )


def _people(names: pd.Series) -> str:
    if names.empty or (names == "").any():
        return "an unknown number of writers"
    return f"{names.nunique()} writer{'' if names.nunique() == 1 else 's'}"


def _first_page(by_set: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """What fits on the first page of the sentences about each test set: whole test sets, the beginning of the first at
    least, and how many sentences are left out."""
    shown = list(by_set[0][:_MOST_GIST])
    for sentences in by_set[1:]:
        if len(shown) + len(sentences) > _MOST_GIST:
            break
        shown += sentences
    left = sum(map(len, by_set)) - len(shown)
    rest = [f"Further findings on arms and test sets ({left}) stand under “{TITLE}”."] if left else []
    return (*shown, *rest)


_PAIR = (
    Column("test_set", "Test set"),
    Column("arm", "Arm"),
    Column("reference", "Held against"),
    Column("pair", "Pair"),
)
_P = (Column("p", "p"), Column("p_adjusted", "p adjusted"))
_BY_ROUND = (
    *_PAIR,
    Column("round", "Round"),
    Column("difference", "Difference in accuracy", "share"),
    *_P,
    Column("fewer", "Fewer errors", "share"),
    Column("balanced_difference", "Difference in balanced accuracy", "share"),
)
_LAST = (
    *_BY_ROUND,
    Column("arm_only", "Rows only the arm gets right"),
    Column("reference_only", "Rows only the other gets right"),
    Column("mcnemar_exact", "p, McNemar exact"),
    Column("mcnemar_mid_p", "p, McNemar mid-p"),
    Column("sizes", "Examples across arms"),
)
_AREAS = (
    *_PAIR,
    Column("examples_from", "From", "examples"),
    Column("examples_to", "To", "examples"),
    Column("arm_height", "Mean accuracy of the arm", "share"),
    Column("reference_height", "Mean accuracy of the other", "share"),
    Column("difference", "Difference", "share"),
    *_P,
)
_CROSSINGS = (
    *_PAIR,
    Column("overtakes", "Which overtakes"),
    Column("round", "From round"),
    Column("draws", "Draws that saw it happen", "share"),
)


def _names(item: Compared) -> Row:
    pair = item.pair
    return {"test_set": pair.tested.name, "arm": pair.arm, "reference": pair.reference, "pair": pair.name}


def _by_round_rows(compared: Sequence[Compared]) -> list[Row]:
    adjusted = holm([item.p for item in compared])
    return [
        {
            **_names(item),
            "round": item.round,
            "difference": item.difference,
            "p": item.p,
            "p_adjusted": p_adjusted,
            "fewer": item.fewer,
            "balanced_difference": item.balanced,
        }
        for item, p_adjusted in zip(compared, adjusted, strict=True)
    ]


def _last_rows(study: Study, last: Sequence[Compared]) -> list[Row]:
    rows = _by_round_rows(last)
    for item, row in zip(last, rows, strict=True):
        sides = {item.pair.arm, item.pair.reference}
        both = tuple(trained for trained in item.pair.tested.trained if trained.arm in sides)
        row["sizes"] = sizes(both, item.round)
        if item.mcnemar is not None:
            row |= {
                "arm_only": item.mcnemar.first_only,
                "reference_only": item.mcnemar.second_only,
                "mcnemar_exact": item.mcnemar.exact,
                "mcnemar_mid_p": item.mcnemar.mid_p,
            }
    return rows


def _beside(study: Study) -> tuple[Column, ...]:
    return (
        Column("test_set", "Test set"),
        Column("arm", "Arm"),
        Column("round", "Round"),
        Column("accuracy", "Accuracy", "share"),
        Column("balanced", "Balanced accuracy", "share"),
        Column("majority", "Always the commonest label", "share"),
        *(Column(f"share_{at}", f"Share called {label}", "share") for at, label in enumerate(study.labels)),
    )


def _beside_rows(tested: Tested, last: Sequence[Compared]) -> list[Row]:
    """What every arm's version of a last common round scores, with how often it gives each label."""
    ours = [item for item in last if item.pair.tested is tested]
    groups = sorted({group for item in ours for group in item.pair.groups(item.round)})
    return [
        {
            "test_set": tested.name,
            "arm": tested.trained[group].arm,
            "round": tested.trained[group].round,
            "accuracy": tested.accuracy.levels[group],
            "balanced": tested.balanced.levels[group],
            "majority": tested.majority,
            **{f"share_{at}": tested.said[at].levels[group] for at in range(len(tested.labels))},
        }
        for group in groups
    ]


def _area_rows(last: Sequence[Compared]) -> list[Row]:
    areas = [(item, found) for item in last if (found := area(item.pair)) is not None]
    adjusted = holm([found.p for _, found in areas])
    return [
        {
            **_names(item),
            "examples_from": found.low,
            "examples_to": found.high,
            "arm_height": found.arm,
            "reference_height": found.reference,
            "difference": found.difference,
            "p": found.p,
            "p_adjusted": p_adjusted,
        }
        for (item, found), p_adjusted in zip(areas, adjusted, strict=True)
    ]


def _crossing_row(item: Compared, crossing: Crossover) -> Row:
    sides = {1: item.pair.arm, -1: item.pair.reference, 0: "no crossover seen"}
    return {
        **_names(item),
        "overtakes": sides[crossing.overtakes],
        "round": crossing.round,
        "draws": crossing.share,
    }


def _after(item: Compared, p_adjusted: Cell, count: int, alone: Sequence[str]) -> str:
    """Which of a pair is better after a round, with its caution if it needs one; not where examples of one or both,
    which are ``alone``, are of one writer."""
    pair, sign = item.pair, sure_sign(item.difference)
    where = f"{pair.tested.name}, after round {item.round}{_sizes(item)}"
    if sign == 0:
        return (
            f"{where}: we cannot tell whether {pair.arm} or {pair.reference} gives the better model; the difference in "
            f"accuracy is {points(item.difference)}."
        )
    if not _stands(item, p_adjusted):
        return (
            f"{where}: the difference in accuracy ({pair.name}) is {points(item.difference)}. "
            f"Alone that would be a difference, but among {count} comparisons it may be chance (p = {p_adjusted:.2g})."
        )
    if alone:
        return (
            f"{where}: the difference in accuracy ({pair.name}) is {points(item.difference)}. All examples collected "
            f"in {' and all of '.join(alone)} are of one writer, so nothing tells how far others would differ: the "
            "two arms are not called apart."
        )
    return _clear(item, sign, where) + _prior_shift(item, sign)


def _stands(item: Compared, p_adjusted: Cell) -> bool:
    """Whether the difference is clear, also among all comparisons."""
    return sure_sign(item.difference) != 0 and isinstance(p_adjusted, float) and p_adjusted <= 0.05


def _sizes(item: Compared) -> str:
    """On how many examples each side was trained, if not on equally many."""
    own, other = (item.pair.tested.trained[group].examples for group in item.pair.groups(item.round))
    if not unequal((own, other)):
        return ""
    return f" (trained on {own:,.0f} examples of {item.pair.arm} and {other:,.0f} of {item.pair.reference})"


def _overtaken(item: Compared, p_adjusted: Cell, crossing: Crossover) -> list[str]:
    """Who overtook whom, if the lead after the last round stands and the interval of the round lies within the common
    rounds: more than 95 of 100 draws then saw it happen, and so few had it lead from the first or end behind."""
    pair, figure = item.pair, crossing.round
    if figure.value is None or figure.low is None or figure.high is None or figure.low <= pair.rounds[0]:
        return []
    # Where arms do not differ, chance makes one overtake the other somewhere in one of six comparisons.
    if not _stands(item, p_adjusted) or sure_sign(item.difference) != crossing.overtakes:
        return []
    ahead, behind = (pair.arm, pair.reference)[:: crossing.overtakes]
    return [
        f"{pair.tested.name}: {ahead} stays ahead of {behind} from round {figure.value:.0f} on "
        f"(95% interval: from round {figure.low:.0f} to round {figure.high:.0f})."
    ]


def _clear(item: Compared, sign: int, where: str) -> str:
    errors = item.fewer
    if sure_sign(errors) == sign > 0:
        arm, reference = item.pair.arm, item.pair.reference
        return f"{where}: the model of {arm} made {percent(errors)} fewer errors than that of {reference}."
    better, worse = (item.pair.arm, item.pair.reference)[::sign]
    return (
        f"{where}: the model of {better} is the better one, that of {worse} the worse; the difference in accuracy "
        f"({item.pair.name}) is {points(item.difference)}."
    )


def _prior_shift(item: Compared, sign: int) -> str:
    """A warning, to stand behind the claim, if the gain goes with another share of predicted labels and balanced
    accuracy does not follow, or cannot tell."""
    tested = item.pair.tested
    if tested.only_label:
        return (
            f" Take care: all rows of {tested.name} have the label “{tested.only_label}”. A model that gives it more "
            "often is better there without telling labels apart any better."
        )
    if sure_sign(item.balanced) == sign:
        return ""
    weights = item.pair.weights(item.round)
    shifts = [(label, contrast(said, weights)[0]) for label, said in zip(tested.labels, tested.said, strict=True)]
    sure = [(label, shift) for label, shift in shifts if sure_sign(shift) > 0]
    if not sure:
        return ""
    label, shift = sure[0]
    return (
        f" Take care: the gain in accuracy goes with saying “{label}” more or less often ({item.pair.name}: "
        f"{points(shift)}), and balanced accuracy does not follow ({points(item.balanced)}). The model may have "
        "learned how common labels are rather than how to tell them apart."
    )


def _charts(tested: Sequence[Tested], last: Sequence[Compared]) -> list[Chart]:
    series = list(dict.fromkeys(item.pair.name for item in last))
    looks = by_series("pair", "Pair", series)
    # The axis names the pairs already, and rows need room to breathe.
    tall, named = {"height": {"step": 40}}, {name: item | {"legend": None} for name, item in looks.items()}
    place = axis("pair", "", kind="nominal", axis={"labelLimit": 260}, sort=series)
    made = []
    for item in tested:
        ours = [found for found in last if found.pair.tested is item]
        if not ours:
            continue
        only = {"transform": [{"filter": {"field": "test_set", "equal": item.name}}]}
        difference = axis("difference", "Difference in accuracy (right of 0: the first is better)", share=True)
        made.append(
            Chart(
                f"difference-{item.slug}",
                f"{item.name}: difference after the last common round",
                f"For each pair of arms a point with the bar of its 95% interval: accuracy on {item.name} of the first "
                "less that of the second. Where the bar crosses the line at 0 we cannot tell which is better.",
                "comparison-last",
                only | tall | dots(difference, place, named, 0),
            )
        )
        if any(found.fewer.value is not None for found in ours):
            fewer = axis("fewer", "Fewer errors than the second (left of 0: more errors)", share=True)
            made.append(
                Chart(
                    f"fewer-errors-{item.slug}",
                    f"{item.name}: errors spared after the last common round",
                    f"For each pair of arms a point with the bar of its 95% interval: by which share the first made "
                    f"fewer errors on {item.name} than the second.",
                    "comparison-last",
                    only | tall | dots(fewer, place, named, 0),
                )
            )
        if any(len(found.pair.rounds) > 1 for found in ours):
            by_round = axis("difference", "Difference in accuracy (above 0: the first is better)", share=True)
            made.append(
                Chart(
                    f"difference-by-round-{item.slug}",
                    f"{item.name}: difference by round",
                    f"A line for each pair of arms with the band of its 95% interval: accuracy on {item.name} of the "
                    "first less that of the second after each round. Crossing 0 is overtaking.",
                    "comparison-by-round",
                    only | _with_zero(lines(rounds(), by_round, looks)),
                )
            )
    return made


def _with_zero(spec: dict[str, Any]) -> dict[str, Any]:
    """The chart with a dashed line where there is no difference."""
    rule = {"mark": {"type": "rule", "strokeDash": [4, 4]}, "encoding": {"x": None, "y": {"datum": 0}}}
    return spec | {"layer": [rule, *spec["layer"]]}
