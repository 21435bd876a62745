"""The section on a study to be: what it will see, what it costs, and the smallest that sees enough."""

from __future__ import annotations

import dataclasses

from collection.analytics import charts
from collection.analytics.metrics import Estimate, missing
from collection.analytics.power import ENOUGH, GRIDS, Design, Power, Smallest, simulate, smallest, varied
from collection.analytics.sections import Cell, Chart, Column, Section, Table

_EFFECTS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4)
# What a design's fields are called.
TITLES = {
    "rounds": "Rounds",
    "quota": "Accepted examples a round and arm",
    "arms": "Arms",
    "adversarial_arms": "Arms that show a model",
    "test_rows": "Rows of the test set",
    "contexts": "Contexts in the test set",
    "icc": "Correlation of differences within a context",
    "seeds": "Training seeds",
    "seed_sd": "S.d. of the error over seeds",
    "base_error": "Error of the arm compared with",
    "reduction": "Share of errors that the other arm saves",
    "full_after": "Examples of an arm at which it saves that share",
    "row_correlation": "Correlation of errors on a row, two arms",
    "seed_correlation": "Correlation of errors on a row, two seeds of an arm",
    "writers": "Writers in an arm",
    "writer_sd": "S.d. of an arm's error if one person wrote it all",
    "base_pay": "Pay of an accepted example",
    "fooling_bonus": "Bonus of one that fooled the model",
    "validation_pay": "Pay of a vote",
    "votes": "Votes for an accepted example",
    "vmer": "Share of accepted examples that fooled the model",
    "currency": "Currency",
}
_METHOD = (
    "{n:,} simulated studies: paired t test over contexts and seeds (two-way variance: Cameron, Gelbach & Miller 2011, "
    "Satterthwaite's degrees of freedom), 5% two-sided; Wilson's interval for the simulation."
)


def plan_section(design: Design, simulations: int = 1000, seed: int = 0, known: str = "") -> Section:
    """What a study of this design will see and cost, under the assumptions that it states. ``known`` is a sentence on
    how the assumed effect lies to what is known of it."""
    found = simulate(design, simulations, seed)
    least = [smallest(design, name, simulations, seed) for name in GRIDS]
    method = _METHOD.format(n=simulations)
    effects = _effects(design, simulations, seed)
    return Section(
        id="power",
        title="What this study will be able to see",
        findings=tuple(_findings(design, found, least, known)),
        tables=(
            _answer(design, found, method),
            _smallest(design, least, method),
            dataclasses.replace(effects, method=method),
            _assumptions(design),
        ),
        charts=(_chart(effects),),
        limits=tuple(_limits(design, found)),
    )


def _findings(design: Design, found: Power, least: list[Smallest], known: str) -> list[str]:
    changed = f"{abs(design.reduction):.0%} {'fewer' if design.reduction > 0 else 'more'} errors"
    saved = f"{changed} ({design.base_error - design.difference:.1%} for {design.base_error:.1%})"
    if design.examples < design.full_after:
        saved += f", as far as {design.examples:,} examples do what {design.full_after:,} are assumed to"
    if design.difference == 0:
        return ["No difference is assumed, so there is none to be seen."]
    sees = f"the study sees it with a probability of {found.power.value:.0%}"
    findings = [f"If one arm ends with {saved}, as is assumed here, {sees}."]
    findings += [known] if known else []
    if (found.power.low or 0.0) >= ENOUGH:
        return findings
    helping = [item for item in least if item.design is not None]
    told = [f"{TITLES[item.varied].lower()} {getattr(item.design, item.varied):,}" for item in helping]
    if told:
        findings.append(f"Each of these alone would reach {ENOUGH:.0%}: {'; '.join(told)}.")
    else:
        findings.append(f"No single change that was tried reaches {ENOUGH:.0%}; it takes several together.")
    return findings


def _limits(design: Design, found: Power) -> list[str]:
    limits = [
        "All of this follows from the assumptions that are listed. The share of errors saved grows with examples up to "
        f"{design.full_after:,} and is not taken to grow further.",
        "The base error is taken to be the same whatever the number of examples.",
    ]
    if design.seeds == 1:
        limits.append("With one training seed the test cannot tell luck in training from a difference.")
    if (found.type_one.low or 0.0) > 0.05:
        limits.append(
            f"Where there is no difference the test would see one {found.type_one.value:.0%} of the time, not 5%: "
            "what moves a whole arm (its writers, a single training seed) does not show in contexts and seeds."
        )
    if design.writer_sd == 0:
        limits.append("Writers are taken to be alike: how far an arm depends on who wrote it is not counted.")
    return limits


def _answer(design: Design, found: Power, method: str) -> Table:
    return Table(
        "power-answer",
        "What the study will see, and what it costs",
        (
            Column("power", "Probability of seeing it", "share"),
            Column("type_one", "Probability of seeing what is not there", "share"),
            Column("width", "Width of the interval of the difference", "share"),
            Column("examples", "Examples in all", "examples"),
            Column("cost", "Annotators' pay", design.currency),
        ),
        (
            {
                "power": found.power,
                "type_one": found.type_one,
                "width": found.width,
                "examples": design.examples * design.arms,
                "cost": _cost(design),
            },
        ),
        method,
    )


def _cost(design: Design) -> float | Estimate:
    """What annotators will earn; missing where the study that the design is from does not tell what it paid."""
    bonus = design.adversarial_arms > 0 and 0 < design.vmer < 1
    unknown = [
        TITLES[name].lower()
        for name, wanted in (("base_pay", True), ("fooling_bonus", bonus), ("validation_pay", design.votes > 0))
        if wanted and design.estimated and name not in design.estimated
    ]
    if unknown:
        return missing(0, f"{' and '.join(unknown)} {'is' if len(unknown) == 1 else 'are'} not known")
    return design.cost


def _smallest(design: Design, least: list[Smallest], method: str) -> Table:
    rows: list[dict[str, Cell]] = [
        {
            "varied": TITLES[item.varied],
            "planned": getattr(design, item.varied),
            "value": None if item.design is None else getattr(item.design, item.varied),
            "power": item.power,
            "cost": None if item.design is None else _cost(item.design),
            "note": "" if item.design is not None else f"Not reached, even at {item.most:,}",
        }
        for item in least
    ]
    return Table(
        "power-smallest",
        f"The least of each that reaches {ENOUGH:.0%}, all else as planned",
        (
            Column("varied", "What is varied"),
            Column("planned", "Planned"),
            Column("value", "Least"),
            Column("power", "Probability of seeing it", "share"),
            Column("cost", "Annotators' pay", design.currency),
            Column("note", "Note"),
        ),
        tuple(rows),
        f"Bisection over a grid, the same random numbers for every design. {method}",
        ("A test set grows by contexts of the same size.",),
    )


def _effects(design: Design, simulations: int, seed: int) -> Table:
    designs = {
        "as planned": design,
        "half the quota": varied(design, "quota", max(1, design.quota // 2)),
        "twice the test rows": varied(design, "test_rows", 2 * design.test_rows),
        "twice the seeds": varied(design, "seeds", 2 * design.seeds),
        "half the seeds": varied(design, "seeds", max(1, design.seeds // 2)),
    }
    rows: tuple[dict[str, Cell], ...] = tuple(
        {
            "design": name,
            "reduction": effect,
            "power": simulate(dataclasses.replace(changed, reduction=effect), simulations, seed).power,
        }
        for name, changed in designs.items()
        for effect in _EFFECTS
    )
    return Table(
        "power-effects",
        "Probability of seeing smaller and larger effects",
        (
            Column("design", "Design"),
            Column("reduction", "Share of errors saved", "share"),
            Column("power", "Probability of seeing it", "share"),
        ),
        rows,
        "",
    )


def _assumptions(design: Design) -> Table:
    rows: tuple[dict[str, Cell], ...] = tuple(
        {
            "assumption": title,
            "value": getattr(design, name),
            "from": "the study" if name in design.estimated else "assumed",
        }
        for name, title in TITLES.items()
    )
    return Table(
        "power-assumptions",
        "What it rests on",
        (Column("assumption", "Assumption"), Column("value", "Value"), Column("from", "From")),
        rows,
        "Shares and rates are from 0 to 1; pay is in the currency's smallest unit.",
    )


def _chart(effects: Table) -> Chart:
    names = list(dict.fromkeys(str(row["design"]) for row in effects.rows))
    spec = charts.lines(
        charts.axis("reduction", "Share of errors saved", share=True),
        charts.axis("power", "Probability of seeing it", share=True, scale={"domain": [0, 1]}),
        charts.by_series("design", "Design", names),
    )
    spec["layer"].append(charts.level(ENOUGH))
    return Chart(
        "power-effects",
        "How large an effect the study can see",
        f"The probability of seeing an effect against its size, a line a design; the dashed line is {ENOUGH:.0%}.",
        "power-effects",
        spec,
    )
