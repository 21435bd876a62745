"""The section "cross": models of every arm and round on the examples of every arm and round."""

from __future__ import annotations

from collections.abc import Sequence

from collection.analytics.charts import axis, heatmap
from collection.analytics.cross import NOTHING_SCORED, crossed
from collection.analytics.cross import Cell as Crossed
from collection.analytics.parts import Parts
from collection.analytics.phrases import percent
from collection.analytics.scores import Trained
from collection.analytics.sections import Cell, Chart, Column, Options, Section, Table
from collection.analytics.study import Study
from collection.analytics.two_way import CROSSED

TITLE = "Whose models stand up to whose examples"
WARNING = (
    "Read this with care: examples written to fool a model are chosen to be hard for that very model. A model that "
    "was not the writers' adversary looks better on them than it is, and the adversary looks worse."
)
_METHOD = (
    f"95% intervals: {CROSSED}, on the scale of log odds; rows kept together as the column says. Balanced accuracy: "
    "mean share right over the labels that occur (Brodersen et al. 2010). Shares of labels are counts of these "
    "examples and answers, so without intervals."
)
_SEEN = "no example was left whose writer had not also written what the version was trained on"
_BEFORE = (
    Column("model", "Model"),
    Column("arm", "Arm of the model"),
    Column("round", "Round of the model"),
    Column("on_arm", "Examples of arm"),
    Column("on_round", "Examples of round"),
    Column("accuracy", "Accuracy", "share"),
    Column("balanced", "Balanced accuracy", "share"),
    Column("majority", "Always the commonest label", "share"),
)
_AFTER = (
    Column("left_out", "Left out: same writers as in training", "examples"),
    Column("clustered_by", "Kept together"),
)


def model_name(trained: Trained) -> str:
    """What tables call the versions that stand for an arm and round."""
    return f"{trained.arm}, round {trained.round}" if trained.arm else "base version"


def section(study: Study, options: Options, parts: Parts) -> Section:
    """The section "cross": the matrix, and a heatmap of the last round that all arms have."""
    found = crossed(study, parts)
    if not found:
        why = "No version was scored on the examples of a round yet."
        return Section("cross", TITLE, limits=(why,))
    columns = (
        *_BEFORE,
        *(Column(f"share_{at}", f"Share called {label}", "share") for at, label in enumerate(study.labels)),
        *_AFTER,
    )
    last = _last(study, found)
    charts: tuple[Chart, ...] = ()
    tables = [Table("cross-matrix", TITLE, columns, tuple(_row(item) for item in found), _METHOD, (WARNING,))]
    if any(item.accuracy.value is not None for item in last):
        number = last[0].on_round
        title = f"Models of the round before on the examples of round {number}"
        tables.insert(0, Table("cross-last", title, columns, tuple(_row(item) for item in last), _METHOD, (WARNING,)))
        charts = (_chart(title, number, last),)
    gone = [item for item in found if item.accuracy.value is None]
    seen = sum(item.left_out > 0 for item in gone)
    limits = [
        f"{count} of {len(found)} cells are empty, as {why}."
        for count, why in ((seen, _SEEN), (len(gone) - seen, NOTHING_SCORED))
        if count
    ]
    clear, unclear = _findings(last)
    gist = (WARNING, *clear, *unclear) if clear else tuple(unclear)
    return Section("cross", TITLE, (WARNING, *clear, *unclear), tuple(tables), charts, tuple(limits), gist)


def _row(item: Crossed) -> dict[str, Cell]:
    return {
        "model": model_name(item.trained),
        "arm": item.trained.arm,
        "round": item.trained.round,
        "on_arm": item.on_arm,
        "on_round": item.on_round,
        "accuracy": item.accuracy,
        # Why there is none is said of the accuracy beside it.
        "balanced": None if item.balanced.value is None else item.balanced,
        "majority": item.majority,
        **{f"share_{at}": share for at, share in enumerate(item.said)},
        "left_out": item.left_out,
        "clustered_by": item.clustered_by,
    }


def _last(study: Study, found: Sequence[Crossed]) -> list[Crossed]:
    """The cells of the last round with scores in every arm, for the base version and the versions of the round before.

    A version's own round holds what it was trained on, so the round before is what can be told of every arm alike.
    """
    rounds = [{item.on_round for item in found if item.on_arm == arm} for arm in study.arms]
    common = set.intersection(*rounds) if rounds else set()
    if not common:
        return []
    number = max(common)
    return [item for item in found if item.on_round == number and item.trained.round in (0, number - 1)]


def _chart(title: str, number: int, last: Sequence[Crossed]) -> Chart:
    arms = list(dict.fromkeys(item.on_arm for item in last))
    models = list(dict.fromkeys(model_name(item.trained) for item in last))
    return Chart(
        "cross-last",
        title,
        f"A grid: a row for each model, a column for the examples that writers of each arm wrote in round {number}. "
        "Each cell says which share of them the model gets right. Examples were written against the model of their "
        "own column's arm, so low figures there are what writers strove for.",
        "cross-last",
        {"height": {"step": 40}}
        | heatmap(
            axis("on_arm", f"Examples written in round {number} of", kind="nominal", axis={"labelAngle": 0}, sort=arms),
            axis("model", "Model", kind="nominal", axis={"labelLimit": 220}, sort=models),
            {
                "field": "accuracy",
                "type": "quantitative",
                "title": "Share right",
                "legend": {"format": ".0%"},
                "axis": {"format": ".0%"},
            },
        ),
    )


def _findings(last: Sequence[Crossed]) -> tuple[list[str], list[str]]:
    """For each arm's examples the best and the worst model, where their intervals do not even touch; and on whose
    examples they do, or are about rows of one writer and one context alone."""
    clear, unclear = [], []
    for arm in dict.fromkeys(item.on_arm for item in last):
        known = [item for item in last if item.on_arm == arm and item.accuracy.value is not None]
        if len(known) < 2:
            continue
        ranked = sorted(known, key=lambda item: item.accuracy.value or 0.0)
        worst, best = ranked[0], ranked[-1]
        where = f"On the examples of {arm} in round {best.on_round}"
        if not (best.clustered_by and worst.clustered_by):
            unclear.append(
                f"{where} we cannot tell which model is right more often: one writer's examples of one context say "
                "nothing of others."
            )
        elif (best.accuracy.low or 0.0) > (worst.accuracy.high or 0.0):
            clear.append(
                f"{where} the model of {model_name(best.trained)} is right on {percent(best.accuracy)}, that of "
                f"{model_name(worst.trained)} on {percent(worst.accuracy)}."
            )
        else:
            unclear.append(f"{where} we cannot tell which model is right more often: the intervals overlap.")
    return clear, unclear
