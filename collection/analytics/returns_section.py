"""The section on diminishing returns: for each arm and test set the curve, its end, gains, and what comes next."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from collection.analytics import charts
from collection.analytics.fits import FAMILIES, FEWEST_FOR_CURVES, Floats
from collection.analytics.forecasts import AHEAD, coming, foretold
from collection.analytics.gains import FEWEST_OF_ONE_SEED, WINDOW, by_line, gains, last_clear
from collection.analytics.metrics import Estimate, missing, untold
from collection.analytics.parts import Parts, digest
from collection.analytics.returns import Returns, returns_of
from collection.analytics.scores import Tested, tested_sets
from collection.analytics.sections import Cell, Chart, Column, Options, Section, Table
from collection.analytics.series import Series, series_of
from collection.analytics.study import Study
from collection.analytics.two_way import METHOD

_CODE = 7
_ACCURACY_STEP, _TARGETS = 5, 3
_PER = (100, 50, 20, 10, 5, 2, 1)
_FORMULAS = {
    "constant": "c",
    "linear": "c + a·n/1000",
    "power": "floor + a·n^-b",
    "exponential": "floor + a·exp(-n/b)",
}
_BOTH = (Column("test_set", "Test set"), Column("arm", "Arm"))
_GAIN = (
    f"Least-squares slope over the latest {WINDOW} rounds; {METHOD}, or, where one of them has one training seed, "
    f"{by_line('context')}."
)


@dataclass(frozen=True)
class _Told:
    tested: Tested
    series: Series
    returns: Returns
    per: int
    gains: tuple[Estimate, ...]
    hourly_gains: tuple[Estimate, ...]

    @property
    def where(self) -> str:
        """What sentences are about."""
        return f"{self.series.arm} on {self.tested.name}"

    @property
    def row(self) -> dict[str, Cell]:
        return {"test_set": self.tested.name, "arm": self.series.arm}


def section(study: Study, options: Options, parts: Parts) -> Section:
    """Whether more examples still help, and where errors would end, per arm and test set."""
    known, about_sets = tested_sets(study)
    limits = [*about_sets, *filter(None, (tested.warning for tested in known))]
    found = {tested.slug: series_of(study, tested, options.draws, options.seed) for tested in known}
    limits += [f"No trained version was scored on {tested.name} yet." for tested in known if not found[tested.slug]]
    per = _per([series for each in found.values() for series in each])
    told = [_told(tested, series, options, parts, per) for tested in known for series in found[tested.slug]]
    if not len(study.test_items):
        limits.append("There is no test set with rows, and without one errors are not known.")
    limits.extend(_limits(told))
    return Section(
        id="diminishing-returns",
        title="Where returns diminish",
        findings=tuple(sentence for item in told for sentence in (_end(item), _gain(item))),
        tables=_tables(told) if told else (),
        charts=tuple(_charts(told, list(study.arms))),
        limits=tuple(dict.fromkeys([*_of_one_seed(told), *limits])),
        gist=tuple(sentence for item in told for sentence in (_end(item, why=False), _gain(item))),
    )


def _told(tested: Tested, series: Series, options: Options, parts: Parts, per: int) -> _Told:
    by_examples = gains(series.n, tested.errors, series.groups, per)
    by_hours = gains(series.hours, tested.errors, series.groups, 1.0, "hours")
    return _Told(tested, series, _returns(series, options, parts, per), per, tuple(by_examples), tuple(by_hours))


def _returns(series: Series, options: Options, parts: Parts, per: int) -> Returns:
    targets = _targets(float(series.errors[-1]))
    past = _foretold(series, options.seed, parts)
    key = digest(_CODE, options.seed, series.n, series.errors, series.draws, targets, per, past)

    def compute() -> dict[str, Any]:
        return dataclasses.asdict(returns_of(series.n, series.errors, series.draws, targets, options.seed, per, past))

    return Returns.from_plain(parts("returns", key, compute))


def _foretold(series: Series, seed: int, parts: Parts) -> list[list[Estimate]]:
    """The forecasts of each past round. What a round's were a later one does not change: they are a part each."""
    found = []
    for rounds, draws in enumerate(series.past, FEWEST_FOR_CURVES):
        made_of = series.n[:rounds], series.errors[:rounds], draws, coming(series.n, rounds)

        def compute(made_of: tuple[Floats, Floats, Floats, Floats] = made_of) -> list[dict[str, Any]]:
            return [dataclasses.asdict(item) for item in foretold(*made_of, np.random.default_rng(seed))]

        found.append([Estimate(**item) for item in parts("foretold", digest(_CODE, seed, *made_of), compute)])
    return found


def _per(series: Sequence[Series]) -> int:
    """For how many examples gains are given: 100, or fewer where a round of some arm, by the median, has fewer. What so
    many bring has been seen, so that it is no more than there was to gain."""
    steps = [float(np.median(np.diff(each.n, prepend=0.0))) for each in series]
    return next((per for per in _PER if per <= min(steps, default=0.0)), _PER[-1])


def _examples(count: int) -> str:
    return f"{count} example{'s' if count > 1 else ''}"


def _targets(error: float) -> list[float]:
    """The error rates of the next accuracies in whole steps of 5 points."""
    first = int(np.floor((1 - error) * 100 / _ACCURACY_STEP + 1e-9)) + 1
    steps = [_ACCURACY_STEP * step for step in range(first, first + _TARGETS)]
    return [round(1 - step / 100, 2) for step in steps if step < 100]


# --- Words ----------------------------------------------------------------------------------------


def _end(item: _Told, *, why: bool = True) -> str:
    """Where errors would end; if that is not known, ``why`` not."""
    floor = item.returns.floor
    if floor.value is None or floor.low is None or floor.high is None:
        reason = f" ({_why(floor)})" if why else ""
        return f"{item.where}: we cannot tell where errors would end{reason}."
    ends = f"between {floor.low:.1%} and {floor.high:.1%}"
    return f"{item.where}: with ever more examples of this kind, errors would end {ends}, going by the curve so far."


def _gain(item: _Told) -> str:
    """Whether examples still helped at the end."""
    last, clear = item.gains[-1], last_clear(item.gains)
    if last.low is None or last.high is None or last.value is None:
        return f"{item.where}: we cannot tell what more examples bring ({_why(last)})."
    if last.low > 0:
        helped = f"{item.where}: examples still helped at the end"
        left = float(item.series.errors[-1])
        if last.high > left:
            return f"{helped}, but not for long at that rate: {left:.1%} of the test rows are left to gain."
        gain = f"{last.value:.2%} of the test rows ({last.low:.2%} to {last.high:.2%})"
        return f"{helped}; the latest rounds' gain for {_examples(item.per)} was {gain}."
    if last.high < 0:
        return f"{item.where}: errors grew over the latest rounds."
    since = "in any round" if clear is None else f"after round {item.series.rounds[clear]}"
    return f"{item.where}: we cannot tell whether examples still helped {since}: the gain's interval includes zero."


def _why(figure: Estimate) -> str:
    return figure.limit.partition(": ")[2] or figure.limit


def _of_one_seed(told: Sequence[_Told]) -> list[str]:
    """What is to be said first where rounds have one training seed, of all of them in one sentence."""
    single = [item for item in told if item.series.of_one_seed]
    if not single:
        return []
    every = all(len(item.series.of_one_seed) == len(item.series.rounds) for item in single)
    which = "Rounds" if every else "Some rounds"
    if len(single) < len(told):
        which += f" of {', '.join(item.where for item in single)}"
    advice = " Train with three or more seeds to tell it from fewer." if every else ""
    return [
        f"{which} have one training seed: what luck in training does shows only in how rounds scatter about a line or "
        f"curve, so a gain takes {FEWEST_OF_ONE_SEED} rounds.{advice}"
    ]


def _limits(told: Sequence[_Told]) -> list[str]:
    limits = [
        "A floor or forecast holds if collecting goes on as before: the same kinds of writers, contexts and model.",
        "Curves leave out the base version, which had no examples: a power law has no value there.",
    ]
    for item in told:
        where = item.where
        if item.series.left_out:
            rounds = ", ".join(map(str, item.series.left_out))
            limits.append(
                f"{where}: of rounds trained on equally many examples the last stands for all; left out: {rounds}."
            )
        if item.returns.fitted is None:
            limits.append(f"{where}: too few rounds for a curve, {len(item.series.n)}.")
    return limits if told else []


# --- Tables ---------------------------------------------------------------------------------------


def _tables(told: Sequence[_Told]) -> tuple[Table, ...]:
    many = _examples(told[0].per)
    fitted = [(item, item.returns.fitted) for item in told if item.returns.fitted is not None]
    return (
        Table(
            "returns-fits",
            "The curve that predicted later rounds best, and where it ends",
            (
                *_BOTH,
                Column("curve", "Curve"),
                Column("formula", "Error after n examples"),
                Column("floor", "Floor", "share"),
                Column("start", "c", "share"),
                Column("scale", "a"),
                Column("shape", "b"),
                Column("next_gain", f"Fewer errors for the next {many}, by the curve", "share"),
            ),
            tuple(_fit_row(item) for item in told),
            "Weighted least squares; the curve is chosen by predicting later rounds from earlier ones (Tashman 2000). "
            "Floor: every floor under either curve that a likelihood ratio, its null simulated, does not reject.",
            (
                "Intervals of the floor and of the next gain hold all curves that agree with the errors; those of a, b "
                "and c are about the chosen one.",
            ),
        ),
        Table(
            "returns-held-out",
            "How far each curve missed later rounds",
            (
                *_BOTH,
                Column("curve", "Curve"),
                Column("miss", "Typical miss", "share"),
                Column("predictions", "Predictions"),
            ),
            tuple(
                item.row
                | {
                    "curve": FAMILIES[family],
                    "miss": _miss(loss, made.choice.predictions),
                    "predictions": made.choice.predictions,
                }
                for item, made in fitted
                for family, loss in made.choice.losses.items()
            ),
            "Root of the weighted mean square over every fit to the first rounds and every round after them.",
        ),
        Table(
            "returns-gains",
            "What examples and hours brought, round by round",
            (
                *_BOTH,
                Column("round", "Round"),
                Column("examples", "Examples", "examples"),
                Column("gain", f"Fewer errors for {many}", "share"),
                Column("hourly_gain", "Fewer errors for an hour of work", "share"),
            ),
            tuple(
                item.row | {"round": number, "examples": float(count), "gain": gain, "hourly_gain": hourly}
                for item in told
                for number, count, gain, hourly in zip(
                    item.series.rounds, item.series.n, item.gains, item.hourly_gains, strict=True
                )
            ),
            _GAIN + " Hours are of writing and validating.",
            ("Each interval holds by itself with 95%; of twenty, one may be expected to miss.",),
        ),
        Table(
            "returns-errors",
            "Errors, fitted and forecast",
            (
                *_BOTH,
                Column("examples", "Examples", "examples"),
                Column("error", "Error", "share"),
                Column("fitted", "Curve", "share"),
                Column("forecast", "Forecast", "share"),
            ),
            tuple(row for item in told for row in _error_rows(item)),
            "Errors: as in the learning curves. Curve: percentile bootstrap over contexts and training seeds. "
            "Forecast: of what will be measured on the same test rows, from fits to redrawn rounds and the scatter of "
            "a new one, under every curve that a likelihood ratio, its null simulated, does not reject at 1%.",
        ),
        Table(
            "returns-back-test",
            "How often forecasts made before were right",
            (*_BOTH, Column("ahead", "Rounds ahead"), Column("inside", "Inside the interval", "share")),
            tuple(
                item.row | {"ahead": index, "inside": inside}
                for item, made in fitted
                for index, inside in enumerate(made.back_test, start=1)
            ),
            "Each past round forecast from the rounds before it alone, curve chosen anew; Wilson's interval.",
            ("95 of 100 should be inside. Forecasts of one round from different rounds are not independent.",),
        ),
        Table(
            "returns-targets",
            "Examples it would take to reach an accuracy",
            (*_BOTH, Column("accuracy", "Accuracy", "share"), Column("needed", "Examples in all", "examples")),
            tuple(
                item.row | {"accuracy": 1 - error, "needed": needed}
                for item, made in fitted
                for error, needed in made.targets
            ),
            "The chosen curve, solved for n; percentile bootstrap of the fits of all curves that agree.",
        ),
    )


def _miss(loss: float, predictions: int) -> Cell:
    """The root of a mean squared miss, as far as errors can miss each other."""
    typical = float(np.sqrt(loss))
    return typical if typical <= 1 else untold(predictions, "its predictions leave 0% to 100%")


def _fit_row(item: _Told) -> Mapping[str, Cell]:
    made = item.returns.fitted
    if made is None:
        none = missing(len(item.series.n), "too few rounds for a curve")
        return (
            item.row
            | {"curve": "", "formula": "", "floor": item.returns.floor}
            | dict.fromkeys(("start", "scale", "shape", "next_gain"), none)
        )
    family = made.choice.family
    return item.row | {
        "curve": FAMILIES[family],
        "formula": _FORMULAS[family],
        "floor": item.returns.floor,
        "start": made.start,
        "scale": made.scale,
        "shape": made.shape,
        "next_gain": made.next_gain,
    }


def _error_rows(item: _Told) -> list[Mapping[str, Cell]]:
    made = item.returns.fitted
    curve: Sequence[Estimate | None] = made.curve if made is not None else [None] * len(item.series.n)
    rows: list[Mapping[str, Cell]] = [
        item.row | {"examples": float(count), "error": error, "fitted": fitted, "forecast": None}
        for count, error, fitted in zip(item.series.n, item.series.measured, curve, strict=True)
    ]
    if made is not None:
        rows += [
            item.row | {"examples": count, "error": None, "fitted": None, "forecast": estimate}
            for count, estimate in made.forecast
        ]
    return rows


# --- Charts ---------------------------------------------------------------------------------------


def _charts(told: Sequence[_Told], arms: Sequence[str]) -> list[Chart]:
    series = charts.by_series("arm", "Arm", arms)
    many = _examples(told[0].per) if told else ""
    found = []
    for slug, name in dict.fromkeys((item.tested.slug, item.tested.name) for item in told):
        errors = charts.fitted(
            charts.axis("examples", "Examples trained on", axis={"labelOverlap": "greedy", "labelSeparation": 6}),
            charts.axis("error", "Errors on the test set", share=True),
            "fitted",
            "forecast",
            series,
        )
        gains = charts.lines(
            charts.axis("round", "Round"),
            charts.axis("gain", f"Fewer errors for {many}", share=True, axis={"format": ".1%"}),
            series,
        )
        gains["layer"].append(charts.level(0))
        about = f"on {name}, a colour an arm"
        found += [
            Chart(
                f"returns-errors-{slug}",
                f"Errors, curve and forecast: {name}",
                f"Errors against examples {about}: points with 95% intervals, the fitted curve with its band, and "
                f"dashed the next {AHEAD} rounds.",
                "returns-errors",
                charts.only(errors, "test_set", name),
            ),
            Chart(
                f"returns-gains-{slug}",
                f"What {many} brought: {name}",
                f"Gain by round {about}, with 95% bands. Where a band includes the dashed line at zero, we cannot tell "
                "whether more examples still helped.",
                "returns-gains",
                charts.only(gains, "test_set", name),
            ),
        ]
    return found
