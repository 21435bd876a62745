"""The whole report: what is kept of it gives the same figures as working them out, also after one round more."""

from __future__ import annotations

import pytest

from collection.analytics.parts import afresh
from collection.analytics.report import BUILDERS, Builder, sections_of
from collection.analytics.sections import Options
from tests.collection.analytics.kept import Kept
from tests.collection.analytics.studies_compare import study, until

OPTIONS = Options(draws=100)


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("build", BUILDERS, ids=lambda build: build.__module__.rpartition(".")[2])
def test_sections_with_kept_parts_are_sections_afresh_also_after_one_more_round(build: Builder, seeds: int) -> None:
    made = study(rounds=6, seeds=seeds)
    kept = Kept()
    for last in (5, 6, 6):
        so_far = until(made, last)
        assert build(so_far, OPTIONS, kept).to_plain() == build(so_far, OPTIONS, afresh).to_plain()


def test_nothing_is_worked_out_again_where_nothing_changed() -> None:
    made, kept = study(rounds=4, seeds=2), Kept()
    sections_of(made, OPTIONS, kept)
    kept.computed.clear()
    sections_of(made, OPTIONS, kept)
    assert kept.computed == []


def test_one_more_round_brings_only_its_own_cells_to_the_matrix() -> None:
    made, kept = study(rounds=4, seeds=2), Kept()
    sections_of(until(made, 3), OPTIONS, kept)
    kept.computed.clear()
    sections_of(made, OPTIONS, kept)
    assert [name for name in kept.computed if name.startswith("cross-")] == ["cross-4"]
