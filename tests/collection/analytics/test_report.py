"""The whole report: what is kept of it gives the same figures as working them out, also after one round more."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
import typst

from collection.analytics.parts import afresh
from collection.analytics.phrases import alike
from collection.analytics.report import BUILDERS, Builder, colophon, sections_of
from collection.analytics.sections import Options
from collection.analytics.typesetting import source
from tests.collection.analytics.kept import Kept
from tests.collection.analytics.studies_compare import study, until, with_table

OPTIONS = Options(draws=100)


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("build", BUILDERS, ids=lambda build: build.__module__.rpartition(".")[2])
def test_sections_with_kept_parts_are_sections_afresh_also_after_one_more_round(build: Builder, seeds: int) -> None:
    made = study(rounds=6, seeds=seeds)
    kept = Kept()
    for last in (5, 6, 6):
        # Each a study of its own: some sections share what they have worked out on one.
        assert (
            build(until(made, last), OPTIONS, kept).to_plain() == build(until(made, last), OPTIONS, afresh).to_plain()
        )


def test_nothing_is_worked_out_again_where_nothing_changed() -> None:
    made, kept = study(rounds=4, seeds=2), Kept()
    sections_of(made, OPTIONS, kept)
    kept.computed.clear()
    sections_of(dataclasses.replace(made), OPTIONS, kept)
    assert kept.computed == []


def test_one_more_round_brings_only_its_own_cells_to_the_matrix() -> None:
    made, kept = study(rounds=4, seeds=2), Kept()
    sections_of(until(made, 3), OPTIONS, kept)
    kept.computed.clear()
    sections_of(made, OPTIONS, kept)
    assert kept.computed.count("cross") == 1


def test_one_more_round_brings_only_the_forecasts_made_before_it() -> None:
    made, kept = study(rounds=9, seeds=2), Kept()
    sections_of(until(made, 8), OPTIONS, kept)
    assert kept.computed.count("foretold") == 2 * len(made.arms)
    kept.computed.clear()
    sections_of(made, OPTIONS, kept)
    assert kept.computed.count("foretold") == len(made.arms)


def test_the_summary_has_every_caution_of_a_test_set_it_speaks_of() -> None:
    made = study(rounds=1, test_sets=("a", "b", "c", "errors"))
    kinds = made.test_sets.assign(kind=["imported", "imported", "adversarial", "imported"])
    summary = sections_of(with_table(made, "test_sets", kinds), OPTIONS)[0]
    claims = [at for at, finding in enumerate(summary.findings) if finding.startswith("c,")]
    caution = [at for at, finding in enumerate(summary.findings) if "errors of one model" in finding]
    assert caution == [min(claims) - 1]
    assert not any("errors of one model" in limit for limit in summary.limits)


def test_what_two_sections_cannot_tell_alike_the_summary_says_once() -> None:
    made = study(rounds=2)
    items = made.test_items.assign(label="entailment")
    sections = sections_of(with_table(made, "test_items", items), OPTIONS)
    told = [limit.partition(": ")[2] for limit in sections[0].limits if ": " in limit]
    assert len(told) == len(set(told))
    first = {section.id: section.limits for section in sections}
    assert set(first["comparison"][:3]) & set(first["diminishing-returns"][:1])


def test_tables_and_charts_have_names_that_files_can_have_whatever_arms_and_test_sets_are_called() -> None:
    made = study(arms={"a/b": "dynamic", "../c": "static"}, rounds=2, quota=20, test_sets=("x/y", "..."))
    for section in sections_of(made, OPTIONS):
        for name in (section.id, *(table.id for table in section.tables), *(chart.id for chart in section.charts)):
            assert re.fullmatch(r"[a-z0-9-]+", name)


def test_the_summary_counts_the_rounds_that_every_arm_has_a_version_of_and_names_gaps() -> None:
    made = study(rounds=4)
    gone = (made.versions["arm"] == "dynamic") & made.versions["round"].isin([2, 3])
    gone |= (made.versions["arm"] == "static") & (made.versions["round"] == 4)
    summary = sections_of(with_table(made, "versions", made.versions[~gone]), OPTIONS)[0]
    assert "1 of 4 planned rounds are trained in every arm." in summary.findings[0]
    assert summary.limits[0] == "dynamic has no version of rounds 2 and 3."


def test_the_summary_says_what_a_test_set_cannot_tell() -> None:
    made = study(rounds=1, test_contexts=1)
    made = with_table(made, "test_items", made.test_items.assign(label="yes"))
    limits = sections_of(made, OPTIONS)[0].limits
    assert any("all rows have the label yes" in limit for limit in limits)
    assert any("all rows are of one context" in limit for limit in limits)


@pytest.mark.parametrize(
    ("rounds", "test_sets"),
    [(1, ("plain", "errors")), (6, ("plain", "errors")), (6, ("plain", "errors", "hard", "old"))],
)
def test_the_summary_has_the_first_page_to_itself(rounds: int, test_sets: tuple[str, ...], tmp_path: Path) -> None:
    made = study(rounds=rounds, seeds=2, test_sets=test_sets)
    summary, *others = sections_of(made, OPTIONS)
    assert len(alike(summary.findings, list(made.arms))) == len(summary.findings)
    report = tmp_path / "report.typ"
    # With nothing behind it there is no break: two pages are the summary's and the colophon's.
    report.write_text("\n".join(source("A study", [summary], {}, colophon(OPTIONS))), encoding="utf-8")
    pages = typst.compile(str(report), root=str(tmp_path), format="png", ppi=10)
    assert isinstance(pages, list)
    assert len(pages) == 2
    assert len(others) == len(BUILDERS)
