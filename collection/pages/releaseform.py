"""The form for a new release: what it offers, and the choices that it says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django.http import QueryDict

from collection.errors import Invalid
from collection.export.choices import FORMATS, STATES, Offer
from collection.export.splits import METHODS
from collection.numbers import natural

FORMAT_TITLES = {
    "jsonl": "JSON lines (can be imported again, to the byte)",
    "csv": "CSV, safe to open in a spreadsheet",
    "parquet": "Parquet, typed",
    "huggingface": "a Hugging Face dataset, for datasets.load_dataset",
    "anli": "as the files of ANLI",
    "source-study": "as the source study: sentence1, sentence2, label, round",
}
METHOD_TITLES = {
    "none": "none: all is train",
    "fooling": "dev and test of validated examples that fooled the model, as ANLI has them",
    "stratified": "dev and test with each label and prediction alike, as DynaSent has them",
}
_DEFAULTS = "states=accepted&formats=jsonl&formats=huggingface&method=none&dev=10&test=10&seed=0&contexts=on"
_RANGE = re.compile(r"\s*([0-9]{1,6})\s*(?:[-–]\s*([0-9]{1,6})\s*)?")
_PERCENT = re.compile(r"[0-9]{1,2}([.,][0-9]{1,6})?")


def defaults(offer: Offer) -> QueryDict:
    """The form as it comes: all arms, all rounds that are done."""
    given = QueryDict(_DEFAULTS, mutable=True)
    given.setlist("arms", [arm for arm, rounds in offer.rounds.items() if any(rounds.values())])
    return given


def shown(offer: Offer, given: QueryDict) -> dict[str, Any]:
    """The form for its template: what is offered, and whether it is chosen."""

    def boxes(name: str, titles: Mapping[str, str]) -> list[tuple[str, str, bool]]:
        chosen = given.getlist(name)
        return [(value, title, value in chosen) for value, title in titles.items()]

    over = sorted({number for arm in offer.rounds.values() for number, done in arm.items() if done})
    return {
        "arms": boxes("arms", {arm: arm for arm in offer.rounds}),
        "states": boxes("states", {str(state): str(state) for state in STATES}),
        "formats": boxes("formats", {name: FORMAT_TITLES[name] for name in FORMATS}),
        "methods": boxes("method", {name: METHOD_TITLES[name] for name in METHODS}),
        "has_contexts": offer.has_contexts,
        "over": over,
        "given": given,
    }


def said(offer: Offer, given: QueryDict) -> dict[str, Any]:
    """The choices, as ``releases.ask`` takes them. Raises Invalid naming what cannot be read."""
    method = given.get("method", "none")
    splits: dict[str, Any] = {"method": method, "seed": _whole("seed", given.get("seed", ""))}
    if method != "none":
        splits |= {name: _share(name, given.get(name, "")) for name in ("dev", "test")}
        splits["contexts"] = offer.has_contexts and "contexts" in given
    return {
        **{name: given.getlist(name) for name in ("arms", "states", "formats")},
        "rounds": _rounds(offer, given.get("rounds", "")),
        "attempts": "attempts" in given,
        "test_items": "test_items" in given,
        "splits": splits,
    }


def _rounds(offer: Offer, text: str) -> list[int] | None:
    """The numbers of ``1-3, 5``; None where nothing is said."""
    if not text.strip():
        return None
    offered = {number for arm in offer.rounds.values() for number in arm}
    found: set[int] = set()
    for part in text.split(","):
        match = _RANGE.fullmatch(part)
        if match is None:
            raise Invalid("rounds", "Must be numbers like 1-3, 5; nothing for all that are done.")
        low, high = int(match[1]), int(match[2] or match[1])
        if not (low in offered and high in offered and low <= high):
            raise Invalid("rounds", f"There are no rounds {part.strip()!r}.")
        found |= {number for number in offered if low <= number <= high}
    return sorted(found)


def _share(name: str, text: str) -> float:
    if not _PERCENT.fullmatch(text.strip()):
        raise Invalid(f"splits.{name}", "Must be a percentage from 0 to below 100.")
    return float(text.strip().replace(",", ".")) / 100


def _whole(name: str, text: str) -> int:
    if (number := natural(text, 10)) is None:
        raise Invalid(f"splits.{name}", "Must be a whole number.")
    return number
