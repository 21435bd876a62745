"""The section on data quality: what it says of known texts, and what it survives."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from collection.analytics.metrics import Estimate
from collection.analytics.parts import afresh
from collection.analytics.quality import syntax
from collection.analytics.quality.section import section
from collection.analytics.sections import Options, Section, flat
from tests.collection.analytics.studies_quality import ARMS, LABELS, example, study, written

WORDS = ("man", "dog", "house", "river", "ship", "king")


def figures(found: Section, table: str) -> list[dict[str, Any]]:
    return [dict(row) for item in found.tables if item.id == table for row in item.rows]


def numbers(plain: object) -> Iterator[float]:
    if isinstance(plain, float):
        yield plain
    elif isinstance(plain, dict):
        for item in plain.values():
            yield from numbers(item)
    elif isinstance(plain, list | tuple):
        for item in plain:
            yield from numbers(item)


@pytest.fixture(scope="module")
def whole() -> Section:
    return section(study(written(60, rounds=3)), Options(), afresh)


def test_without_a_parser_complexity_is_not_measured_and_the_report_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syntax, "parser", lambda: "")
    found = section(study(written(20)), Options(), afresh)
    assert any(syntax.MISSING in limit for limit in found.limits)
    distances = [row["distance"] for row in figures(found, "quality-arms")]
    assert distances
    assert all(item.value is None and syntax.MISSING in item.limit for item in distances)


@pytest.mark.skipif(not syntax.parser(), reason="the extra “syntax” is not installed")
def test_with_a_parser_complexity_is_a_figure_of_every_arm(whole: Section) -> None:
    assert all(row["distance"].value > 0 for row in figures(whole, "quality-arms"))


def test_what_gives_labels_away_is_found_in_its_arm_alone(whole: Section) -> None:
    told = [text for text in whole.findings if "gives the label away" in text]
    assert len(told) == 1
    assert told[0].startswith("In non-adversarial")
    assert any("contradiction have a negation more often" in text for text in whole.findings)
    leaning = [text for text in whole.findings if "lean to a label" in text]
    assert len(leaning) == 1
    assert "“not” (contradiction)" in leaning[0] or "“does” (contradiction)" in leaning[0]


def test_a_classifier_that_tells_no_label_is_said_to_tell_so_many_more_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syntax, "parser", lambda: "")  # the slowest of what this test is not about
    random = np.random.default_rng(1)
    rows = [
        example(
            index, text=f"The {random.choice(WORDS)}.", label=random.choice(LABELS), writer=f"w{index % 60}", context=""
        )
        for index in range(2000)
    ]
    found = section(study(rows, {"dynamic": "dynamic"}), Options(), afresh)
    above = figures(found, "quality-arms")[0]["above"]
    assert above.low < 0 < above.high < 0.05
    said = next(text for text in found.findings if "classifier" in text)
    told = re.fullmatch(r"In dynamic, a simple .* of at most (\d\.\d) percentage points more texts than .*", said)
    assert told
    assert 0 <= float(told[1]) / 100 - above.high <= 0.001


def test_nothing_is_said_of_a_classifier_where_nearly_all_labels_are_the_same() -> None:
    def text(index: int) -> str:
        # A clue that some texts of the common label have too.
        return f"The man sees house {index}.{' A zebra sleeps.' if index % 13 == 0 or index % 25 == 3 else ''}"

    rows = [example(index, label=LABELS[index % 13 == 0], text=text(index)) for index in range(200)]
    found = section(study(rows, {"dynamic": "dynamic"}), Options(), afresh)
    [row] = figures(found, "quality-arms")
    assert row["above"].low < 0 < row["above"].high
    assert row["commonest"] > 0.9
    assert not any("classifier" in text for text in found.findings)


def test_there_is_a_row_an_arm_a_round_and_a_label(whole: Section) -> None:
    assert [row["arm"] for row in figures(whole, "quality-arms")] == list(ARMS)
    assert [(row["arm"], row["round"]) for row in figures(whole, "quality-rounds")] == [
        (arm, number) for arm in ARMS for number in (1, 2, 3)
    ]
    assert len(figures(whole, "quality-labels")) == len(ARMS) * len(LABELS)


def test_every_chart_reads_columns_of_its_table(whole: Section) -> None:
    tables = {table.id: table for table in whole.tables}
    assert len(whole.charts) >= 7
    for chart in whole.charts:
        known = set(next(flat(tables[chart.table].columns, tables[chart.table].rows)))
        fields = json.dumps(chart.spec).split('"field": "')[1:]
        assert {field.split('"')[0] for field in fields} <= known


def test_figures_at_equal_size_do_not_grow_with_the_number_of_texts() -> None:
    arms = {"small": "static", "large": "dynamic"}
    few, many = written(60, arms={"small": "static"}, seed=1), written(600, arms={"large": "static"}, seed=2)
    rows = few + [row | {"key": f"large {row['key']}"} for row in many]
    small, large = figures(section(study(rows, arms), Options(), afresh), "quality-arms")
    assert large["bigrams"].value > 1.3 * small["bigrams"].value
    assert abs(large["bigrams_even"].value - small["bigrams_even"].value) < 0.15 * small["bigrams_even"].value
    assert large["nearest"].value > small["nearest"].value + 3
    assert abs(large["of_others"].value - small["of_others"].value) < 3
    assert large["told_even"].n == small["told_even"].n == 60


def test_as_released_counts_bigrams_by_case_and_words_without() -> None:
    texts = ["The dog runs.", "the dog runs."] * 2
    rows = [example(index, text=text, context_text="the dog runs") for index, text in enumerate(texts)]
    corrected = figures(section(study(rows), Options(), afresh), "quality-arms")[0]
    released = figures(section(study(rows), Options(as_released=True), afresh), "quality-arms")[0]
    assert (corrected["words"].value, corrected["bigrams"].value) == (3, 2)
    # Full stops count; "The dog" and "the dog" are two bigrams.
    assert (released["words"].value, released["bigrams"].value) == (4, 4)
    assert (corrected["high_overlap"].value, released["high_overlap"].value) == (1, 0.5)


def test_one_more_round_makes_only_its_own_parts_anew() -> None:
    kept: dict[tuple[str, str], Any] = {}
    made: list[str] = []

    def parts(name: str, key: str, compute: Callable[[], Any]) -> Any:
        if (name, key) not in kept:
            made.append(name)
            kept[name, key] = json.loads(json.dumps(compute()))
        return kept[name, key]

    rows = written(20, rounds=3)
    before = section(study([row for row in rows if row["round"] < 3]), Options(), parts)
    made.clear()
    assert section(study([row for row in rows if row["round"] < 3]), Options(), parts) == before
    assert made == []
    after = section(study(rows), Options(), parts)
    assert made.count("quality-texts") == len(ARMS)
    assert made.count("quality-diversity") == made.count("quality-likeness") == 2 * len(ARMS)
    assert made.count("quality-pairs") == 1
    assert after == section(study(rows), Options(), afresh)


def test_the_order_of_rows_does_not_matter(whole: Section) -> None:
    rows = written(60, rounds=3)
    assert section(study(rows[::-1]), Options(), afresh) == whole


CASES = {
    "none": [],
    "none accepted": [example(1, state="rejected")],
    "one": [example(1)],
    "one label": [example(index, label=LABELS[0]) for index in range(60)],
    "one writer": [example(index, writer="w") for index in range(60)],
    "one context": [example(index, context="", context_text="") for index in range(60)],
    "one writer and context": [example(index, writer="w", context="") for index in range(60)],
    "one text": [example(index, text="The same.") for index in range(60)],
    "no words": [example(index, text="…") for index in range(60)],
    "one word": [example(index, text="No") for index in range(60)],
    "unequal": [example(index, arm="static" if index else "dynamic", round=1 + (index > 58)) for index in range(60)],
    "another script": [example(index, text="他没有看见河边的房子", context_text="房子") for index in range(60)],
    "unknown label": [example(index, label="neither") for index in range(60)],
}


@pytest.mark.parametrize("as_released", [False, True])
@pytest.mark.parametrize("rows", CASES.values(), ids=CASES.keys())
def test_it_survives(rows: list[dict[str, Any]], as_released: bool) -> None:
    found = section(study(rows), Options(as_released=as_released), afresh)
    assert found.limits
    assert all(math.isfinite(number) for number in numbers(found.to_plain()))
    for table in found.tables:
        for row in table.rows:
            for cell in row.values():
                if isinstance(cell, Estimate) and cell.value is None:
                    assert cell.limit


def test_labels_other_than_of_entailment_are_no_trouble() -> None:
    rows = [example(index, label=("positive", "negative")[index % 2]) for index in range(60)]
    found = section(study(rows, labels=("positive", "negative")), Options(), afresh)
    assert any("No label of this task means entailment" in limit for limit in found.limits)
    assert len(figures(found, "quality-labels")) == 2


def test_repeats_are_counted_in_their_arm_and_across() -> None:
    rows = [example(index) for index in range(10)]
    rows += [example(10, text="A thing that nobody else wrote."), example(11, text="A thing that nobody else wrote")]
    rows += [example(12, text="a thing that nobody else wrote!", arm="static")]
    found = section(study(rows), Options(), afresh)
    counts = {(row["arm"], row["other"]): row["texts"] for row in figures(found, "quality-repeats")}
    assert counts[("static", "dynamic")] == 1
    assert counts[("dynamic", "static")] == 2
    assert counts[("static", "static")] == 0


@pytest.mark.parametrize(("column", "name"), [("writer", "writer"), ("context", "context")])
def test_an_arm_of_one_writer_or_context_is_never_called_apart_and_that_is_said(column: str, name: str) -> None:
    rows = written(60)
    usual = section(study(rows), Options(), afresh)
    assert any("Clearly apart: " in finding for finding in usual.findings)
    assert not any("one writer" in limit or "one context" in limit for limit in usual.limits)
    found = section(study([row | {column: "only"} for row in rows]), Options(), afresh)
    assert not any("Clearly apart: " in finding for finding in found.findings)
    for arm in {row["arm"] for row in rows}:
        assert any(limit.startswith(f"All examples of {arm} are of one {name}, ") for limit in found.limits)
        assert any(said.startswith(f"All examples of {arm} are of one {name}, ") for said in found.gist)
    figure = found.table("quality-arms").rows[0]["length"]
    assert isinstance(figure, Estimate)
    assert f"one {name}" in figure.limit


def test_the_table_of_arms_says_how_to_get_it_as_the_source_study_s_scripts_have_it() -> None:
    rows = written(4)
    notes = section(study(rows), Options(), afresh).table("quality-arms").notes
    assert any(note.endswith("manage.py analyze s --out folder --as-released.") for note in notes)
    assert section(study(rows), Options(as_released=True), afresh).table("quality-arms").notes == ()
