"""Where a figure's n and method stand, on pages, in Markdown and on paper."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from collection.analytics.grids import Grid, grid
from collection.analytics.metrics import Estimate, missing
from collection.analytics.sections import Cell, Column, Section, Table
from collection.analytics.typesetting import source, typeset
from collection.printing import html_of, markdown_of


def figure(n: int, method: str = "Wilson") -> Estimate:
    """A figure from so many things."""
    return Estimate(n, 0.5, 0.25, 0.75, method)


def table(*rows: Mapping[str, Cell], method: str = "m") -> Table:
    """A table with a column for each name in its rows, called by it."""
    names = dict.fromkeys(name for row in rows for name in row)
    return Table("t", "T", tuple(Column(name, name) for name in names), rows, method)


def beside(found: Grid) -> list[list[str]]:
    """What stands beside the cells, row by row."""
    return [[cell.n for cell in row] for row in found.rows]


def test_an_n_that_figures_share_row_by_row_is_one_column_before_them() -> None:
    rows = ({"arm": "a", "mer": figure(9), "vmer": figure(9)}, {"arm": "b", "mer": figure(8), "vmer": figure(8)})
    found = grid(table(*rows))
    assert found.titles == ("arm", "n", "mer", "vmer")
    assert [row[1].text for row in found.rows] == ["9", "8"]
    assert beside(found) == [[""] * 4] * 2


def test_a_column_of_counts_that_says_the_n_is_marked_instead() -> None:
    found = grid(table({"texts": 9, "mer": figure(9)}, {"texts": 8, "mer": figure(8)}))
    assert found.titles == ("texts (n)", "mer")
    assert beside(found) == [["", ""]] * 2


@pytest.mark.parametrize(
    "rows",
    [
        ({"texts": 9, "mer": figure(9)}, {"texts": 7, "mer": figure(8)}),
        ({"texts": 9.0, "mer": figure(9)},),
        ({"texts": True, "mer": figure(1)},),
        ({"mer": figure(9), "texts": 9},),
    ],
    ids=["another number in one row", "an amount", "a flag", "after the figure"],
)
def test_what_is_no_count_of_the_same_things_is_not_taken_for_the_n(rows: tuple[Mapping[str, Cell], ...]) -> None:
    assert "n" in grid(table(*rows)).titles


def test_figures_from_other_numbers_have_their_n_beside_them_in_every_row_of_their_column() -> None:
    found = grid(
        table(
            {"mer": figure(1900), "vmer": figure(1900), "tries": figure(1200)},
            {"mer": figure(7), "vmer": figure(7), "tries": figure(7)},
        )
    )
    assert found.titles == ("n", "mer", "vmer", "tries")
    assert [row[0].text for row in found.rows] == ["1,900", "7"]
    assert beside(found) == [["", "", "", "n 1,200"], ["", "", "", "n 7"]]


def test_where_no_two_columns_share_an_n_every_figure_has_its_own() -> None:
    found = grid(table({"mer": figure(9), "vmer": figure(8)}))
    assert found.titles == ("mer", "vmer")
    assert beside(found) == [["n 9", "n 8"]]


def test_a_cell_that_says_why_there_is_no_figure_has_no_n_and_hides_none() -> None:
    none = missing(0, "no texts")
    found = grid(
        table(
            {"mer": none, "vmer": figure(8), "tries": figure(8)},
            {"mer": figure(9), "vmer": none, "tries": figure(9)},
            {"mer": none, "vmer": none, "tries": none},
        )
    )
    assert [row[0].text for row in found.rows] == ["8", "9", "–"]
    assert beside(found) == [[""] * 4] * 3


def test_a_table_cut_to_its_beginning_is_laid_out_as_the_whole_one() -> None:
    whole = table({"texts": 9, "mer": figure(9)}, {"texts": 9, "mer": figure(8)})
    assert grid(whole, 1).titles == grid(whole).titles == ("texts", "n", "mer")
    assert grid(whole, 1).rows == grid(whole).rows[:1]


def test_each_method_is_told_once_with_its_columns_and_how_many_figures_have_it() -> None:
    found = grid(
        table(
            {"mer": figure(9, "clustered"), "vmer": figure(9, "clustered"), "seconds": figure(9, "order statistics")},
            {"mer": figure(9), "vmer": missing(0, "no texts"), "seconds": figure(9, "order statistics")},
        )
    )
    assert found.methods == (
        "clustered: mer, vmer (2 figures)",
        "Wilson: mer (1 figure)",
        "order statistics: seconds (2 figures)",
    )


def test_methods_that_differ_in_a_number_are_one() -> None:
    rows = [{"gain": figure(9, f"slope over {rounds} rounds (CR2)")} for rounds in (2, 10, 3)]
    assert grid(table(*rows)).methods == ("slope over 2 to 10 rounds (CR2)",)


def test_the_only_method_is_not_told_twice() -> None:
    assert grid(table({"mer": figure(9)}, method="Shares: Wilson.")).methods == ()
    assert grid(table({"mer": figure(9)})).methods == ("Wilson",)
    assert grid(table({"arm": "a"})).methods == ()


def test_pages_markdown_and_paper_tell_every_n_and_method() -> None:
    made = table({"mer": figure(9), "vmer": figure(8, "clustered")})
    section = Section("x", "X", tables=(made,))
    page, paper = html_of("T", [section], {}, {}), "".join(source("T", [section], {}, {}))
    assert "<small>n 9</small>" in page
    assert "<small>n 8</small>" in page
    assert "0.50 [0.25, 0.75], n 9 |" in markdown_of(section)
    assert '"n 9"' in paper
    for told in (page, markdown_of(section), paper):
        assert "How each figure was made" in told
        assert "Wilson: mer (1 figure)" in told
        assert "clustered: vmer (1 figure)" in told
    assert typeset("T", [section], {}, {}).startswith(b"%PDF")


def test_a_single_method_stands_on_the_page_without_anything_to_open() -> None:
    page = html_of("T", [Section("x", "X", tables=(table({"mer": figure(9)}),))], {}, {})
    assert "m Intervals: Wilson." in page
    assert "How each figure was made" not in page
