"""The charts of the section "collection": rounds from left to right, an arm a line."""

from __future__ import annotations

from typing import Any

from annotators.money import minor_per_unit
from collection.analytics import charts
from collection.analytics.sections import Chart
from collection.analytics.study import Study

_ROUND = charts.axis("round", "Round", axis={"tickMinStep": 1, "format": "d"})


def collecting_charts(study: Study) -> list[Chart]:
    """Charts over the tables by round of all arms, and of those that show a model where fooling is meant."""
    every, shown = tuple(study.arms), tuple(arm for arm in study.arms if study.shows_model(arm))
    money = minor_per_unit(study.currency)
    fooling, spending = "collection-fooling-by-round", "collection-spending-by-round"
    made = [
        _chart(study, every, "rejection", "Share of rejected texts by round", "Rejected texts",
               "collection-outcomes-by-round", "rejected", share=True),
        _chart(study, every, "minutes-per-accepted", "Minutes per accepted text, by round",
               "Minutes per accepted text", spending, "seconds_per_accepted", divisor=60),
    ]  # fmt: skip
    if shown:
        made += [
            _chart(study, shown, "vmer", "Share of texts that fooled the model and were accepted, by round",
                   "Validated fooling texts", fooling, "vmer", share=True),
            _chart(study, shown, "tries", "Tries spent per validated fooling text, by round",
                   "Tries per validated fooling text", fooling, "tries_spent"),
            _chart(study, shown, "minutes", "Minutes per validated fooling text, by round",
                   "Minutes per validated fooling text", spending, "seconds_per_validated", divisor=60),
            _chart(study, shown, "cost", "Cost per validated fooling text, by round",
                   f"Cost per validated fooling text ({study.currency})", spending, "cost_per_validated",
                   divisor=money),
        ]  # fmt: skip
    return made


def _chart(
    study: Study,
    arms: tuple[str, ...],
    name: str,
    title: str,
    words: str,
    table: str,
    column: str,
    *,
    share: bool = False,
    divisor: int = 1,
) -> Chart:
    """Lines of a column, perhaps divided to larger units, over rounds. Rows without the figure are left out."""
    looks = charts.by_series("arm", "Arm", list(study.arms))
    for encoding in looks.values():
        encoding["legend"] = {**encoding["legend"], "values": list(arms)}
    spec: dict[str, Any] = charts.lines(_ROUND, charts.axis(column, words, share=share), looks)
    steps: list[dict[str, Any]] = [{"filter": f"isValid(datum.{column})"}]
    if divisor != 1:
        steps += [
            {"calculate": f"isValid(datum.{field}) ? datum.{field} / {divisor} : null", "as": field}
            for field in (column, f"{column}_low", f"{column}_high")
        ]
    return Chart(
        id=f"collection-{name}",
        title=title,
        description=f"{words} in each round, a line for each arm, with the band of its 95% interval.",
        table=table,
        spec=spec | {"transform": steps},
    )
