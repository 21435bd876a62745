"""A report on paper: sections as a PDF, set by Typst. For workers."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import typst

from collection.analytics.grids import Said, grid
from collection.analytics.sections import Section, Table

# Landscape, as tables of a study are wide.
# Without ligatures, which would print the two dashes of a command's option as one.
_HEAD = """#set page(paper: "a4", margin: (x: 1.8cm, y: 1.6cm), numbering: "1 / 1", flipped: true)
#set text(size: 9pt, lang: "en", font: ("New Computer Modern", "Libertinus Serif"), ligatures: false)
#set par(justify: false)
#set table(stroke: 0.4pt + luma(180), inset: 3pt)
#show table: set text(size: 6.5pt)
#show table.cell.where(y: 0): strong
#show table.cell.where(y: 0): set text(hyphenate: true)
#show figure: set block(breakable: true)
"""
# Of letters in points; how many characters a line of the usual size has, and how many lines a page under its title.
_USUAL, _LEAST = 9.0, 6.0
_LINE, _LINES = 165, 36
# Longer tables are for programs: paper has their beginning.
_MOST_ROWS = 120


def typeset(
    title: str, sections: Sequence[Section], pictures: Mapping[tuple[str, str], str], colophon: Mapping[str, Any]
) -> bytes:
    """The report as a PDF, of the same content always the same bytes.

    ``pictures`` are the charts as SVG texts, by section and id; one that is missing is left out.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for (section, slug), picture in pictures.items():
            (folder / f"{section}.{slug}.svg").write_text(picture, encoding="utf-8")
        report = folder / "report.typ"
        report.write_text("\n".join(source(title, sections, pictures, colophon)), encoding="utf-8")
        return bytes(typst.compile(str(report), root=str(folder)))


def source(
    title: str, sections: Sequence[Section], pictures: Mapping[tuple[str, str], str], colophon: Mapping[str, Any]
) -> Iterator[str]:
    """The lines of the report in Typst's markup."""
    yield _HEAD
    yield f"#set document(title: {_text(title)}, date: none)"
    yield f'#align(center, text(size: 16pt, weight: "bold", {_text(title)}))'
    for section in sections:
        if section is sections[0]:
            yield f"#set text(size: {_size(section)}pt)"
        yield f"#heading(level: 1, {_text(section.title)})"
        yield from (f"#list.item({_text(item)})" for item in section.findings)
        for chart in section.charts:
            if (section.id, chart.id) in pictures:
                path = _text(f"{section.id}.{chart.id}.svg")
                picture = f"image({path}, width: 70%, alt: {_text(chart.description)})"
                yield f"#figure({picture}, caption: {_text(chart.title)}, kind: image)"
        for table in section.tables:
            yield from _table(table)
        if section.limits:
            yield f"#heading(level: 2, outlined: false, {_text('What could not be found out')})"
            yield from (f"#list.item({_text(item)})" for item in section.limits)
        if section is sections[0]:
            # The summary, by itself.
            yield "#pagebreak(weak: true)"
            yield f"#set text(size: {_USUAL}pt)"
    yield f"#heading(level: 1, {_text('How this was computed')})"
    yield from (f"#list.item({_text(f'{name}: {value}')})" for name, value in _plain(colophon))


def _size(summary: Section) -> float:
    """The size of letters in points that keeps a summary on its page."""
    lines = sum(1 + len(item) // _LINE for item in (*summary.findings, *summary.limits))
    shrunk = _USUAL * math.sqrt(_LINES / max(lines, 1))
    return max(_LEAST, min(_USUAL, round(shrunk, 1)))


def _table(table: Table) -> Iterator[str]:
    yield f"#heading(level: 2, outlined: false, {_text(table.title)})"
    found = grid(table, _MOST_ROWS)
    yield f"#table(columns: {len(found.titles)}, table.header({', '.join(map(_text, found.titles))}),"
    yield from (", ".join(map(_cell, row)) + "," for row in found.rows)
    yield ")"
    if len(table.rows) > _MOST_ROWS:
        cut = f"The first {_MOST_ROWS} of {len(table.rows)} rows; all are in the CSV file of this table."
        yield f"#text(size: 7.5pt, {_text(cut)})\n"
    yield f'#text(size: 7.5pt, style: "italic", {_text(table.method)})'
    made = f"How each figure was made: {'; '.join(found.methods)}." if found.methods else ""
    yield from (f"#list.item(text(size: 7.5pt, {_text(note)}))" for note in (made, table.caution, *table.notes) if note)


def _cell(cell: Said) -> str:
    return f"{_text(cell.text)} + [ ] + text(fill: luma(90), box({_text(cell.n)}))" if cell.n else _text(cell.text)


def _plain(colophon: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in colophon.items():
        if isinstance(value, Mapping):
            yield name.replace("_", " "), ", ".join(f"{key} {item}" for key, item in value.items())
        else:
            yield name.replace("_", " "), str(value)


def _text(text: str) -> str:
    """A Typst string literal: nothing that somebody wrote is read as markup."""
    return json.dumps(text, ensure_ascii=False)
