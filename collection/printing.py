"""A report for reading and for further work elsewhere: one HTML page with everything in it, Markdown, tables as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.template.loader import render_to_string
from django.utils.safestring import mark_safe

from collection.analytics.grids import Grid, Said, grid
from collection.analytics.sections import Column, Section, Table, flat

# What a spreadsheet would run as a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class TableShown:
    """A table ready to be laid out. ``left_out`` counts the rows that a page does without; the table's CSV has them."""

    table: Table
    grid: Grid
    left_out: int = 0


def shown(table: Table, most: int | None = None) -> TableShown:
    """A table in words, of ``most`` rows at most."""
    found = grid(table, most)
    return TableShown(table, found, len(table.rows) - len(found.rows))


def csv_of(table: Table) -> str:
    """A table as CSV for spreadsheets and programs: an estimate has a column for each of its parts."""
    rows = list(flat(table.columns, table.rows))
    # Rows may have an estimate where others have none.
    names = list(dict.fromkeys(name for column in table.columns for name in _names(column, rows)))
    written = io.StringIO(newline="")
    writer = csv.DictWriter(written, names, restval="")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _safe(value) for name, value in row.items()})
    return written.getvalue()


def markdown_of(section: Section) -> str:
    """A section as Markdown, without its charts."""
    lines = [f"# {section.title}", "", *(f"- {finding}" for finding in section.findings), ""]
    for item in map(shown, section.tables):
        titles = item.grid.titles
        rows = [titles, ["---"] * len(titles), *(list(map(_in_line, row)) for row in item.grid.rows)]
        lines += [f"## {item.table.title}", "", *map(_markdown_row, rows), "", item.table.method, ""]
        if item.grid.methods:
            lines += ["How each figure was made:", "", *(f"- {method}" for method in item.grid.methods), ""]
        lines += [line for note in (item.table.caution, *item.table.notes) if note for line in (note, "")]
    if section.limits:
        lines += ["## What could not be found out", "", *(f"- {limit}" for limit in section.limits), ""]
    return "\n".join(lines)


def html_of(
    title: str, sections: Sequence[Section], pictures: Mapping[tuple[str, str], str], colophon: Mapping[str, Any]
) -> str:
    """The whole report as one page that needs nothing else; ``pictures`` are SVG texts by section and chart."""
    return render_to_string(
        "collection/report_print.html",
        {"title": title, "sections": [laid_out(item, pictures) for item in sections], "colophon": colophon},
    )


def plain_of(study: str, sections: Sequence[Section], colophon: Mapping[str, Any]) -> dict[str, Any]:
    """The whole report as plain values, ready for JSON; ``study`` is its slug."""
    return {"study": study, "colophon": colophon, "sections": [item.to_plain() for item in sections]}


def laid_out(section: Section, pictures: Mapping[tuple[str, str], str], most: int | None = None) -> dict[str, Any]:
    """What the templates show of a section; of each chart its drawing, where there is one, of tables ``most`` rows."""
    return {
        "section": section,
        "tables": [shown(table, most) for table in section.tables],
        "charts": [
            # Drawn by ourselves from figures; Vega-Lite escapes the names in it.
            {"chart": chart, "svg": mark_safe(pictures.get((section.id, chart.id), ""))}  # noqa: S308
            for chart in section.charts
        ],
    }


def _in_line(cell: Said) -> str:
    return f"{cell.text}, {cell.n}" if cell.n else cell.text


def _markdown_row(cells: Sequence[str]) -> str:
    escaped = (cell.replace("|", "\\|").replace("\n", " ") for cell in cells)
    return f"| {' | '.join(escaped)} |"


def _names(column: Column, rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield column.name
    parts = [f"{column.name}_{part}" for part in ("low", "high", "n", "method", "limit")]
    if any(parts[0] in row for row in rows):
        yield from parts


def _safe(value: Any) -> Any:
    """A text that begins like a formula gets an apostrophe before it, as OWASP advises ("CSV Injection")."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
