"""The whole report on a study: every section, and one page in plain words before them."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from collection.analytics import (
    collecting,
    comparison_section,
    cross_section,
    curves,
    panel,
    returns_section,
    validators,
    writers,
)
from collection.analytics.assumptions import assumptions_of, saved_so_far
from collection.analytics.parts import Parts, afresh
from collection.analytics.phrases import alike, rounds_named
from collection.analytics.power_section import plan_section
from collection.analytics.quality import section as quality_section
from collection.analytics.quality import syntax
from collection.analytics.sections import Options, Section
from collection.analytics.study import Study
from collection.uncollected import uncollected

Builder = Callable[[Study, Options, Parts], Section]


def _next_study(study: Study, options: Options, parts: Parts) -> Section:
    """What another study like this one would be able to see."""
    return plan_section(assumptions_of(study), seed=options.seed, known=saved_so_far(study))


# In the order of the questions: what helps more, and why.
BUILDERS: tuple[Builder, ...] = (
    comparison_section.section,
    curves.section,
    returns_section.section,
    collecting.section,
    validators.section,
    writers.section,
    cross_section.section,
    panel.section,
    quality_section.section,
    _next_study,
)
# Whatever changes a figure of a report is named in its colophon, and parts that others made are not kept.
_PACKAGES = ("whetstone", "numpy", "scipy", "pandas", "statsmodels", "scikit-learn", "sacrebleu")
# How many sentences of a section's gist the first page has at most (None: it is cut already); each section names the
# weightiest first. The scores of single models stand in the learning curves: on the first page they would invite
# comparisons that have no interval.
_REPEATED: dict[str, int | None] = {
    "comparison": None,
    "diminishing-returns": 12,
    "collection": 6,
    "agreement": 4,
    "writers": 4,
    "cross": 4,
    "panel": 4,
    "data-quality": 4,
    "power": 3,
}
# How many of whose limits it has too, the weightiest being first: those of the others are about methods.
_LIMITED = {"comparison": 3, "diminishing-returns": 1, "collection": 1, "cross": 1, "panel": 1}


def sections_of(study: Study, options: Options, parts: Parts = afresh) -> list[Section]:
    """All sections, the summary first."""
    with uncollected():
        found = [build(study, options, parts) for build in BUILDERS]
    return [summary(study, found), *found]


def summary(study: Study, sections: list[Section]) -> Section:
    """One page in plain words: what each section has found first, and what could not be found out."""
    accepted = len(study.accepted)
    arms = ", ".join(f"{arm} ({kind})" if arm != kind else arm for arm, kind in study.arms.items())
    trained = study.versions[study.versions["round"] > 0].groupby("arm")["round"].agg(set)
    rounds = [trained.get(arm, set()) for arm in study.arms]
    everywhere = len(set.intersection(*rounds))
    opening = (
        f"{study.name}: {accepted} accepted examples in {len(study.arms)} arms ({arms}); {everywhere} of "
        f"{study.rounds} planned rounds are trained in every arm."
    )
    test_sets = list(study.test_sets["name"])
    repeated = [
        finding
        for section in sections
        for finding in alike(section.gist or section.findings, list(study.arms), test_sets)[
            : _REPEATED.get(section.id, 0)
        ]
    ]
    limits = [
        f"{arm} has no version of {rounds_named(gaps)}."
        for arm, own in zip(study.arms, rounds, strict=True)
        if (gaps := sorted(set(range(1, max(own, default=0))) - own))
    ]
    # What two sections say alike, the first says, and what a finding says none.
    said = dict[str, str]()
    for item in sections:
        for limit in item.limits[: _LIMITED.get(item.id, 0)]:
            if limit not in repeated:
                said.setdefault(limit, item.title)
    limits += [f"{title}: {limit}" for limit, title in said.items()]
    return Section("summary", "Summary", (opening, *repeated), limits=tuple(limits))


def colophon(options: Options) -> dict[str, Any]:
    """What the figures depend on beside the data: settings and versions of packages."""
    return {
        "bootstrap_draws": options.draws,
        "seed": options.seed,
        "mode": "as released" if options.as_released else "corrected",
        "versions": {name: version(name) for name in _PACKAGES},
        "parser": syntax.parser() or "none",
    }
