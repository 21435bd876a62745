"""Learning curves: how good each arm's models are, against rounds, examples, hours and money."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import numpy as np

from annotators.money import minor_per_unit
from collection.analytics.charts import axis, by_series, lines, rounds
from collection.analytics.effort import Effort, effort_of_texts, efforts
from collection.analytics.metrics import Estimate
from collection.analytics.parts import Parts
from collection.analytics.phrases import percent
from collection.analytics.scores import BASE, Tested, Trained, seeds_limits, tested_sets
from collection.analytics.sections import Cell, Chart, Column, Options, Section, Table
from collection.analytics.study import Study
from collection.analytics.two_way import METHOD

TITLE = "How models improve from round to round"
INTERVALS = (
    f"95% intervals: {METHOD}, Howe's degrees of freedom, on the scale of log odds. Rows of one "
    "context are kept together."
)
_ROUGH = 0.01  # rounds whose arms differ by less than a hundredth in examples are called equal


def _unknown(study: Study) -> list[str]:
    """Of how many texts of an arm the time, or the pay, of writing or of votes is not known."""
    texts = effort_of_texts(study)
    seconds = texts["writing_seconds"] + texts["voting_seconds"]
    limits = []
    for taken, what, total in ((seconds, "active time", "hours are"), (texts["cost"], "pay", "cost is")):
        unknown = texts.loc[taken.isna(), "arm"].value_counts(sort=False)
        for arm, count in unknown.reindex(list(study.arms)).dropna().items():
            limits.append(
                f"The {what} of {count:,.0f} texts of {arm}, or of votes on them, is not known: its {total} not given "
                "from the first round with such a one on."
            )
    return limits


def unequal(counts: Collection[float]) -> bool:
    """Whether numbers of examples lie so far apart that what was trained on them is not compared on equal terms."""
    return max(counts) - min(counts) > _ROUGH * max(counts)


SIZES = {
    "equal": "by construction",
    "matched": "equal by matched subsampling",
    "mixed": "equal in number; some versions are those of the loop, others were trained beside it",
    "unequal": (
        "compare along the axis of examples, where lines between points are interpolated and say nothing that was "
        "measured"
    ),
}
"""Whether arms were trained on equally many examples, and how that came to be."""


def sizes(trained: tuple[Trained, ...], number: int) -> str:
    """Which of SIZES is true of the arms' versions of a round; "" where fewer than two arms have one."""
    there = [item for item in trained if item.round == number]
    if len({item.arm for item in there}) < 2:
        return ""
    if unequal([item.examples for item in there]):
        return "unequal"
    beside = [item.role == "curve" for item in there]
    return "matched" if all(beside) else "mixed" if any(beside) else "equal"


def sizes_notes(rows: Iterable[Mapping[str, Cell]]) -> tuple[str, ...]:
    """What the column ``sizes`` of a table's rows means, for notes under the table."""
    said = {row["sizes"] for row in rows}
    return tuple(f"Examples across arms, {word}: {meaning}." for word, meaning in SIZES.items() if word in said)


def section(study: Study, options: Options, parts: Parts) -> Section:
    """The section "learning-curves": curves of every arm on every test set, with effort and predicted labels."""
    tested, limits = tested_sets(study)
    spent = efforts(study)
    rows = [row for item in tested for row in _curve_rows(study, item, spent)]
    shares = [row for item in tested for row in _share_rows(study, item)]
    if not rows:
        return Section("learning-curves", TITLE, limits=tuple(limits))
    limits += [*filter(None, (item.warning for item in tested)), *seeds_limits(tested), *_unknown(study)]
    return Section(
        "learning-curves",
        TITLE,
        findings=tuple(sentence for item in tested for sentence in _findings(study, item)),
        tables=(
            Table("learning-curve", TITLE, _columns(study), tuple(rows), INTERVALS, _notes(tested, rows)),
            Table(
                "predicted-shares",
                "Which labels the models give",
                _SHARE_COLUMNS,
                tuple(shares),
                INTERVALS,
                ("A model that gives one label more often can gain accuracy without telling labels apart any better.",),
            ),
        ),
        charts=tuple(chart for item in tested for chart in _charts(study, item, spent)),
        limits=tuple(limits),
    )


def _columns(study: Study) -> tuple[Column, ...]:
    return (
        Column("test_set", "Test set"),
        Column("arm", "Arm"),
        Column("round", "Round"),
        Column("role", "Version"),
        Column("seeds", "Training seeds"),
        Column("examples", "Trained on", "examples"),
        Column("validated", "Validated so far", "examples"),
        Column("hours", "Annotators' hours so far", "h"),
        Column("cost", "Cost so far", study.currency),
        Column("accuracy", "Accuracy", "share"),
        Column("error", "Error", "share"),
        Column("balanced", "Balanced accuracy", "share"),
        Column("majority", "Always the commonest label", "share"),
        Column("sizes", "Examples across arms"),
    )


_SHARE_COLUMNS = (
    Column("test_set", "Test set"),
    Column("arm", "Arm"),
    Column("round", "Round"),
    Column("label", "Label"),
    Column("share", "Share of rows given the label", "share"),
    Column("gold", "Share of rows with it as gold label", "share"),
)


def _notes(tested: list[Tested], rows: list[dict[str, Cell]]) -> tuple[str, ...]:
    notes = [
        "Every arm starts from the same base version (round 0), which has learned from none of the arm's examples.",
        "Balanced accuracy is the mean, over labels, of the share of a label's rows that are right: a model that "
        "always gives one label scores no more than 1 over the number of labels.",
    ]
    roles = {item.role for found in tested for item in found.trained} - {BASE}
    if roles == {"curve", "loop"}:
        notes.append(
            "Some rounds are shown by versions trained beside the loop (curve), the others by those of the loop itself."
        )
    return (*notes, *sizes_notes(rows))


def _points(study: Study, tested: Tested) -> list[tuple[str, int, int]]:
    """Arm, round and group of every point, the start of every arm included."""
    return [
        (arm, number, group)
        for arm in study.arms
        for number in tested.rounds(arm)
        if (group := tested.index(arm, number)) is not None
    ]


def _curve_rows(study: Study, tested: Tested, spent: Mapping[tuple[str, int], Effort]) -> list[dict[str, Cell]]:
    rows: list[dict[str, Cell]] = []
    for arm, number, group in _points(study, tested):
        item, taken = tested.trained[group], spent[arm, number]
        rows.append(
            {
                "test_set": tested.name,
                "arm": arm,
                "round": number,
                "role": item.role,
                "seeds": len(item.versions),
                "examples": 0 if number == 0 else item.examples,
                "validated": taken.accepted,
                "hours": taken.hours,
                "cost": taken.cost,
                "majority": tested.majority,
                "sizes": sizes(tested.trained, number),
                "accuracy": tested.accuracy.levels[group],
                "error": tested.errors.levels[group],
                "balanced": tested.balanced.levels[group],
            }
        )
    return rows


def _share_rows(study: Study, tested: Tested) -> list[dict[str, Cell]]:
    gold = np.bincount(tested.gold, minlength=len(study.labels)) / len(tested.gold)
    rows: list[dict[str, Cell]] = []
    for at, label in enumerate(study.labels):
        said = tested.said[at]
        rows.extend(
            {
                "test_set": tested.name,
                "arm": arm,
                "round": number,
                "label": label,
                "share": said.levels[group],
                "gold": float(gold[at]),
            }
            for arm, number, group in _points(study, tested)
        )
    return rows


def _findings(study: Study, tested: Tested) -> list[str]:
    """For each arm, what its last version scores, and whether that is more than always giving one label."""
    found = []
    for arm in study.arms:
        last = max((number for number in tested.rounds(arm) if number), default=0)
        group = tested.index(arm, last)
        if group is None or not last:
            continue
        accuracy = tested.accuracy.levels[group]
        if accuracy.value is None or accuracy.low is None or accuracy.high is None:
            continue
        found.append(
            f"{tested.name}: after round {last} the model of {arm} is right on {percent(accuracy, 1)} of rows, "
            f"{_beside_majority(tested, accuracy)}."
        )
    return found


def _beside_majority(tested: Tested, accuracy: Estimate) -> str:
    """Whether an accuracy with an interval is more than always giving the commonest label would score."""
    if tested.only_label:
        return f"all of which have the label {tested.only_label}"
    assert accuracy.low is not None
    assert accuracy.high is not None
    start = (
        "which is more"
        if accuracy.low > tested.majority
        else "which is less"
        if accuracy.high < tested.majority
        else "and we cannot tell whether that is more"
    )
    return f"{start} than always giving the commonest label would score ({tested.majority:.1%})"


def _charts(study: Study, tested: Tested, spent: Mapping[tuple[str, int], Effort]) -> list[Chart]:
    arms = by_series("arm", "Arm", list(study.arms))
    only = {"filter": {"field": "test_set", "equal": tested.name}}
    paid = {"calculate": f"datum.cost / {minor_per_unit(study.currency)}", "as": "cost"}
    y = axis("accuracy", "Share of rows that are right", share=True)
    points = [spent[arm, number] for arm, number, _ in _points(study, tested) if number]
    axes = [
        (rounds(), "by round", True),
        (axis("examples", "Examples trained on"), "by examples", True),
        (
            axis("hours", "Annotators' active hours, writing and voting"),
            "by hours",
            any(item.hours for item in points),
        ),
        (
            axis("cost", f"Cost so far ({study.currency})"),
            "by cost",
            any(item.cost for item in points),
        ),
    ]
    made = [
        Chart(
            f"accuracy-{tested.slug}-{x['field']}",
            f"{tested.name}: accuracy {words}",
            f"A line for each arm: the share of rows of {tested.name} that its models get right, {words}, with the "
            "band of the 95% interval. All lines start from the same base version.",
            "learning-curve",
            {"transform": [only, paid], **lines(x, y, arms)},
        )
        for x, words, known in axes
        if known
    ]
    labels = study.labels[:1] if len(study.labels) == 2 else study.labels
    for at, label in enumerate(labels, start=1):
        of_label = {"filter": {"field": "label", "equal": label}}
        share = axis("share", f"Share of rows called “{label}”", share=True)
        made.append(
            Chart(
                f"share-{tested.slug}-{at}",
                f"{tested.name}: how often models say “{label}”",
                f"A line for each arm: the share of rows of {tested.name} to which its models give the label {label}, "
                f"by round, with the band of the 95% interval. {_gold_words(tested, at - 1)}",
                "predicted-shares",
                {"transform": [only, of_label], **lines(rounds(), share, arms)},
            )
        )
    return made


def _gold_words(tested: Tested, label: int) -> str:
    return f"The gold label is {tested.labels[label]} for {float((tested.gold == label).mean()):.1%} of rows."
