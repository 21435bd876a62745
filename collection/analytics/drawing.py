"""Charts as pictures, drawn by Vega-Lite without a browser. For workers: it loads a JavaScript engine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import vl_convert

from collection.analytics.sections import Chart, Section, flat

_SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
# A white ground in dark mode too: colours were chosen for it, and so is paper. Pages and paper give a picture its text
# alternative, so marks have none of their own.
_CONFIG = {
    "aria": False,
    "background": "white",
    "font": "DejaVu Sans, Arial, sans-serif",
    "axis": {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal"},
    "legend": {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "labelLimit": 360},
    "header": {"labelFontSize": 12, "titleFontSize": 12},
    "view": {"stroke": None},
}
_WIDTH, _HEIGHT = 560, 300


@dataclass(frozen=True)
class Picture:
    """A chart, drawn: text and bytes of the two formats."""

    svg: str
    png: bytes


def whole_spec(section: Section, chart: Chart) -> dict[str, Any]:
    """The Vega-Lite specification of a chart with its data."""
    table = section.table(chart.table)
    sizes: Mapping[str, Any] = {} if "facet" in chart.spec else {"width": _WIDTH, "height": _HEIGHT}
    return {
        "$schema": _SCHEMA,
        "description": chart.description,
        "config": _CONFIG,
        "data": {"values": list(flat(table.columns, table.rows))},
        **sizes,
        **chart.spec,
    }


def draw(section: Section, chart: Chart) -> Picture:
    """Draw a chart. Raises ValueError if its specification is none, and KeyError if its section lacks its table."""
    svg = vl_convert.vegalite_to_svg(json.dumps(whole_spec(section, chart), allow_nan=False), vl_version="5.20")
    return Picture(svg, vl_convert.svg_to_png(svg, scale=2))
