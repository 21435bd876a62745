"""Sections as plain values, as words, as pictures and on paper."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from collection.analytics import charts
from collection.analytics.drawing import draw
from collection.analytics.metrics import Estimate, missing, share
from collection.analytics.parts import digest
from collection.analytics.sections import Chart, Column, Section, Table, flat
from collection.analytics.typesetting import source, typeset
from collection.analytics.wording import worded
from collection.printing import html_of, markdown_of

ROWS = tuple(
    {"arm": arm, "round": number, "mer": share(number, 9) if number < 3 else missing(0, "no texts")}
    for arm in ("static", "dynamic")
    for number in (1, 2, 3)
)
COLUMNS = (Column("arm", "Arm"), Column("round", "Round"), Column("mer", "MER", "share"))
TABLE = Table("mer", "MER #1 *by* round", COLUMNS, ROWS, 'Wilson "1927" \\ #panic()', ("a note",))
SPEC = charts.lines(
    charts.axis("round", "Round"),
    charts.axis("mer", "MER", share=True),
    charts.by_series("arm", "Arm", ["static", "dynamic"]),
)
CHART = Chart("mer-by-round", "MER by round", "MER rises.", "mer", SPEC)
SECTION = Section(
    "collection", "Collection $x$", ("It <b>rises</b>. #panic()",), (TABLE,), (CHART,), ("not enough data",)
)


def test_a_section_comes_back_from_json_as_it_was() -> None:
    assert Section.from_plain(json.loads(json.dumps(SECTION.to_plain()))) == SECTION


def test_a_flat_row_has_each_part_of_an_estimate() -> None:
    first = next(flat(COLUMNS, ROWS))
    assert (first["arm"], first["mer_n"], first["mer_method"], first["mer_limit"]) == ("static", 9, "Wilson", "")
    assert first["mer_low"] < first["mer"] < first["mer_high"]


@pytest.mark.parametrize(
    ("cell", "unit", "said"),
    [
        (Estimate(9, 0.5, 0.25, 0.75), "share", "50.0% [25.0, 75.0]"),
        (Estimate(9, 0.5, None, None, limit="one row"), "share", "50.0%"),
        (missing(0, "no texts"), "share", "not enough data: no texts"),
        (1234, "examples", "1,234"),
        (1234.5, "USD", "12.35 USD"),
        (1234.5, "JPY", "1,234 JPY"),
        (1234.0, "KWD", "1.234 KWD"),
        (90.4, "s", "90 s"),
        (0.123456, "", "0.123"),
        (123.456, "", "123"),
        (999.6, "", "1,000"),
        (123_456.7, "", "123,457"),
        (1e-9, "", "<0.001"),
        (-1e-9, "", ">-0.001"),
        (0.0, "", "0"),
        (-0.0, "share", "0.0%"),
        (0.4, "USD", "<0.01 USD"),
        (0.02, "s", "<0.1 s"),
        (Estimate(9, 0.0012, 0.0002, 0.0031), "share", "0.12% [0.02, 0.31]"),
        (Estimate(9, 0.0002, 0.00003, 0.0004), "share", "0.020% [0.003, 0.040]"),
        (Estimate(9, -0.000003, -0.02, 0.02), "share", ">-0.1% [-2.0, 2.0]"),
        (Estimate(9, 0.4, 0.0004, 0.97), "share", "40.0% [<0.1, 97.0]"),
        (Estimate(9, 0.01, 0.0, 0.03), "share", "1.0% [0.0, 3.0]"),
        (Estimate(9, 0.01, 0.01, 0.01), "share", "1.0% [1.0, 1.0]"),
        (Estimate(9, 0.5, 0.5, 0.5), "", "0.500 [0.500, 0.500]"),
        (Estimate(9, 12.5, 12.5, 12.5), "s", "12 s [12, 12]"),
        (Estimate(9, 4.0, 3.0, None), "", "4 [3, no limit]"),
        (Estimate(9, 4.0, None, 7.0), "examples", "4 [no limit, 7]"),
        (Estimate(9, 0.45, 0.3, None), "", "0.45 [0.30, no limit]"),
        (Estimate(9, 0.5, 0.5, None), "share", "50.0% [50.0, no limit]"),
        (Estimate(9, 0.721, 0.512, 0.864), "", "0.72 [0.51, 0.86]"),
        (Estimate(9, 12.34, 10.12, 14.5), "", "12.3 [10.1, 14.5]"),
        (Estimate(9, 3.0, 2.0, 7.0), "", "3 [2, 7]"),
        (Estimate(9, 1234.5, 1200.0, 1300.0), "USD", "12.35 USD [12.00, 13.00]"),
        (None, "", "–"),
        ("static", "", "static"),
        (True, "", "yes"),
    ],
)
def test_figures_are_worded_with_unit_and_interval(cell: object, unit: str, said: str) -> None:
    assert worded(cell, unit) == said  # type: ignore[arg-type]


def test_what_shown_figures_lack_stands_once_under_their_table_on_pages_in_markdown_and_on_paper() -> None:
    limits = ("one seed", "one seed; one context", "one seed")
    rows = tuple({"mer": Estimate(9, 0.5, 0.25, 0.75, limit=limit)} for limit in limits)
    section = Section("x", "X", tables=(Table("t", "T", COLUMNS, (*rows, {"mer": missing(0, "no texts")}), "m"),))
    said = "Take care: one seed; one context (1 of 3 figures)."
    assert section.tables[0].caution == said
    assert markdown_of(section).count(said) == 1
    assert html_of("T", [section], {}, {}).count(said) == 1
    assert "".join(source("T", [section], {}, {})).count(said) == 1
    plain = Table("t", "T", COLUMNS, ({"mer": missing(0, "no texts")},), "m")
    assert plain.caution == ""
    assert "Take care" not in markdown_of(Section("x", "X", tables=(plain,)))


def test_a_chart_is_drawn_from_its_table_also_where_figures_are_missing() -> None:
    picture = draw(SECTION, CHART)
    assert picture.svg.startswith("<svg")
    assert "dynamic" in picture.svg
    assert picture.png.startswith(b"\x89PNG")


def test_marks_have_no_words_of_their_own_as_the_picture_has_a_text_alternative() -> None:
    assert "aria-label=" not in draw(SECTION, CHART).svg


def test_a_chart_without_its_table_is_refused() -> None:
    with pytest.raises(KeyError):
        draw(SECTION, Chart("x", "X", "x", "nothing", SPEC))


def test_what_people_wrote_is_never_markup_on_paper() -> None:
    pictures = {("collection", "mer-by-round"): "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>"}
    pdf = typeset("Study #panic() $", [SECTION], pictures, {"seed": 0, "versions": {"numpy": "2"}})
    assert pdf.startswith(b"%PDF")
    assert b"CreationDate" not in pdf, "the same report is the same file"


def test_a_long_table_is_cut_on_paper_and_says_so() -> None:
    rows = tuple({"arm": "static", "round": number, "mer": None} for number in range(500))
    long = Section("x", "X", tables=(Table("t", "T", COLUMNS, rows, "m"),))
    short = Section("x", "X", tables=(Table("t", "T", COLUMNS, rows[:120], "m"),))
    assert "The first 120 of 500 rows" in "".join(source("x", [long], {}, {}))
    assert "The first" not in "".join(source("x", [short], {}, {}))
    assert len(typeset("x", [long], {}, {})) < 1.2 * len(typeset("x", [short], {}, {}))


def test_digests_tell_values_arrays_and_frames_apart() -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    assert digest(frame, np.arange(3), "x") == digest(frame.copy(), np.arange(3), "x")
    others = [
        (frame.iloc[::-1],),
        (frame.rename(columns={"a": "c"}),),
        (np.arange(3.0),),
        ("1",),
        (1,),
        ("a", "b"),
        ("ab",),
    ]
    assert len({digest(*other) for other in [(frame,), (np.arange(3),), *others]}) == len(others) + 2
