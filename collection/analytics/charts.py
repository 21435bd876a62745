"""Vega-Lite specifications that all look alike: an arm has one colour, one dash and one mark everywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# Okabe & Ito's colours, which people of every colour vision tell apart; dashes and marks for print in grey.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [10, 4], [4, 4])
_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")

Encoding = dict[str, Any]


def axis(column: str, title: str, *, kind: str = "quantitative", share: bool = False, **more: Any) -> Encoding:
    """A position. ``kind`` is Vega-Lite's type; shares are in per cent; ``more`` goes to the channel."""
    settings: Encoding = {"field": column, "type": kind, "title": title, **more}
    if share:
        settings["axis"] = {"format": ".0%"} | settings.get("axis", {})
    return settings


def rounds(column: str = "round", title: str = "Round") -> Encoding:
    """A position that is a round's number: whole ticks only."""
    return axis(column, title, axis={"format": "d", "tickMinStep": 1})


def by_series(column: str, title: str, names: Sequence[str]) -> dict[str, Encoding]:
    """Colour, dash and mark of each series, in the order of ``names``: the same order gives the same looks."""
    count = len(names)

    def scale(values: Sequence[Any]) -> Encoding:
        return {"domain": list(names), "range": [values[index % len(values)] for index in range(count)]}

    shared = {"field": column, "type": "nominal", "title": title, "legend": {"symbolOpacity": 1}}
    return {
        "color": shared | {"scale": scale(_COLOURS)},
        "strokeDash": shared | {"scale": scale(_DASHES)},
        "shape": shared | {"scale": scale(_SHAPES)},
    }


def lines(x: Encoding, y: Encoding, series: Mapping[str, Encoding]) -> dict[str, Any]:
    """Lines with points and, in the same colour, the bands of their 95% intervals (columns ``y_low``, ``y_high``)."""
    column = y["field"]
    zero = y | {"scale": {"zero": False} | y.get("scale", {})}
    line = {name: series[name] for name in ("color", "strokeDash") if name in series}
    point = {name: series[name] for name in ("color", "shape") if name in series}
    band = {name: series[name] for name in ("color",) if name in series}
    return {
        "encoding": {"x": x},
        "layer": [
            {
                "mark": {"type": "area", "opacity": 0.15},
                "encoding": {"y": zero | {"field": f"{column}_low"}, "y2": {"field": f"{column}_high"}, **band},
            },
            {
                # A band has no width where there is one point.
                "mark": {"type": "rule", "opacity": 0.4},
                "encoding": {"y": zero | {"field": f"{column}_low"}, "y2": {"field": f"{column}_high"}, **band},
            },
            {"mark": {"type": "line"}, "encoding": {"y": zero, **line}},
            {"mark": {"type": "point", "filled": True, "size": 40, "opacity": 1}, "encoding": {"y": zero, **point}},
        ],
    }


def dots(
    x: Encoding, y: Encoding, series: Mapping[str, Encoding] | None = None, reference: float | None = None
) -> dict[str, Any]:
    """A point a row with the bar of its 95% interval along x (columns ``x_low``, ``x_high``), and perhaps a rule."""
    column = x["field"]
    wide = x | {"scale": {"zero": False} | x.get("scale", {})}
    looks = {name: item for name, item in (series or {}).items() if name in ("color", "shape")}
    bar = {name: item for name, item in looks.items() if name == "color"}
    layers: list[dict[str, Any]] = [
        {
            "mark": {"type": "rule"},
            "encoding": {"x": wide | {"field": f"{column}_low"}, "x2": {"field": f"{column}_high"}, **bar},
        },
        {"mark": {"type": "point", "filled": True, "size": 60, "opacity": 1}, "encoding": {"x": wide, **looks}},
    ]
    if reference is not None:
        rule = {"mark": {"type": "rule", "strokeDash": [4, 4]}, "encoding": {"x": {"datum": reference}, "y": None}}
        layers.insert(0, rule)
    return {"encoding": {"y": y}, "layer": layers}


def heatmap(x: Encoding, y: Encoding, value: Encoding) -> dict[str, Any]:
    """A grid of cells coloured by a value and labelled with it; those without one are left white."""
    format_ = value.get("axis", {}).get("format", ".2f")
    # The lighter part of a scale of one colour: black figures can be read on all of it.
    scale = {"scheme": {"name": "blues", "extent": [0.05, 0.6]}}
    colour = {key: item for key, item in value.items() if key != "axis"} | {"scale": scale}
    text = {"field": value["field"], "type": "quantitative", "format": format_}
    return {
        "transform": [{"filter": f"isValid(datum['{value['field']}'])"}],
        "encoding": {"x": x, "y": y},
        "layer": [
            {"mark": "rect", "encoding": {"color": colour}},
            {"mark": {"type": "text", "color": "black"}, "encoding": {"text": text}},
        ],
    }


def fitted(x: Encoding, y: Encoding, curve: str, coming: str, series: Mapping[str, Encoding]) -> dict[str, Any]:
    """Points with their 95% intervals, the curve through them with its band (columns ``curve``…), and, paler and
    dashed, what it forecasts (columns ``coming``…)."""
    colour = {"color": series["color"]}
    point = {name: series[name] for name in ("color", "shape")}
    column, free = y["field"], y | {"scale": {"zero": False}}

    def band(name: str, opacity: float) -> dict[str, Any]:
        ends = {"y": free | {"field": f"{name}_low"}, "y2": {"field": f"{name}_high"}}
        return {"mark": {"type": "area", "opacity": opacity}, "encoding": ends | colour}

    def line(name: str, dash: Sequence[int]) -> dict[str, Any]:
        mark = {"type": "line", "strokeDash": list(dash), "interpolate": "monotone"}
        return {"mark": mark, "encoding": {"y": free | {"field": name}, **colour}}

    bars = {"y": free | {"field": f"{column}_low"}, "y2": {"field": f"{column}_high"}}
    return {
        "encoding": {"x": x},
        "layer": [
            band(curve, 0.15),
            band(coming, 0.08),
            line(curve, (1, 0)),
            line(coming, (5, 4)),
            {"mark": {"type": "rule", "opacity": 0.35}, "encoding": bars | colour},
            {"mark": {"type": "point", "filled": True, "size": 40, "opacity": 1}, "encoding": {"y": free, **point}},
        ],
    }


def level(value: float) -> dict[str, Any]:
    """A layer: a dashed rule across at a height."""
    mark = {"type": "rule", "strokeDash": [4, 4]}
    return {"mark": mark, "encoding": {"x": None, "y": {"datum": value}}}


def only(spec: dict[str, Any], column: str, value: str) -> dict[str, Any]:
    """The chart of those rows alone that have the value in the column."""
    return spec | {"transform": [{"filter": {"field": column, "equal": value}}]}
