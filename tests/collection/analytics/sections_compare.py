"""Sections that compare arms and models, as tests make them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from collection.analytics import comparison_section, cross_section, curves, panel
from collection.analytics.parts import afresh
from collection.analytics.sections import Options, Section
from collection.analytics.study import Study

OPTIONS = Options(draws=200)
SECTIONS: dict[str, Callable[..., Section]] = {
    "learning-curves": curves.section,
    "comparison": comparison_section.section,
    "cross": cross_section.section,
    "panel": panel.section,
}


def made(name: str, given: Study) -> Section:
    """A section about a study, nothing kept."""
    return SECTIONS[name](given, OPTIONS, afresh)


def rows(section: Section, name: str) -> list[dict[str, Any]]:
    """The rows of one of its tables; none if it lacks that."""
    return [dict(row) for item in section.tables if item.id == name for row in item.rows]
