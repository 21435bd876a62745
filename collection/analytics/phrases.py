"""Figures in words, for findings."""

from __future__ import annotations

import re
from collections.abc import Sequence

from collection.analytics.metrics import Estimate
from collection.analytics.numerals import decimals, digits


def percent(estimate: Estimate, least: int = 0) -> str:
    """A share and its interval, with so many decimals or more: "26% (95% interval 12% to 38%)"; "" where it is
    missing."""
    return figure(estimate, "%", least, times=100)


def figure(estimate: Estimate, unit: str = "", least: int = 0, *, times: float = 1) -> str:
    """A figure, ``times`` as large and with its unit, and its interval: "0.4 (95% interval 0.1 to 3.0)"; "" where it is
    missing."""
    if estimate.value is None:
        return ""
    if estimate.low is None and estimate.high is None:
        return f"{digits(estimate.value * times, least)}{unit} (no interval can be given)"
    ends = [None if end is None else end * times for end in (estimate.low, estimate.high)]
    places = decimals((end for end in ends if end is not None), least)
    low, high = ("no limit" if end is None else f"{digits(end, places)}{unit}" for end in ends)
    return f"{digits(estimate.value * times, places)}{unit} (95% interval {low} to {high})"


def points(estimate: Estimate) -> str:
    """A difference of shares and its interval in percentage points; "" where it is missing."""
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return ""
    parts = [100 * part for part in (estimate.value, estimate.low, estimate.high)]
    value, low, high = (digits(part, decimals(parts[1:], 1), signed=True) for part in parts)
    return f"{value} percentage points (95% interval {low} to {high})"


def rounds_named(numbers: Sequence[int]) -> str:
    """Rounds by their numbers, of which there is one at least: "rounds 2, 3 and 7"."""
    if len(numbers) == 1:
        return f"round {numbers[0]}"
    return f"rounds {', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"


def sure_sign(estimate: Estimate) -> int:
    """1 or -1 if the whole interval lies above or below 0; 0 if we cannot tell."""
    if estimate.low is None or estimate.high is None:
        return 0
    return int(estimate.low > 0) - int(estimate.high < 0)


# What a sentence says of its own arm alone, so that two of them are no longer true as one.
_FIGURE = re.compile(r"\d\s*(?:%|texts\b|points\b|percentage\b)")


def alike(sentences: Sequence[str], arms: Sequence[str], others: Sequence[str] = ()) -> list[str]:
    """The sentences, each once; those that cannot tell the same of several arms as one: "We cannot tell how a and b
    end." A sentence is of an arm if it names that arm alone, and once; one with figures is left as it is, and so is
    one that names an arm whose name is in one of ``others``, the names of test sets: it may be about that."""
    plain = [arm for arm in arms if not any(_naming([arm]).search(other) for other in others)]
    named = _naming(arms)
    found: dict[tuple[str, ...], list[str]] = {}
    for sentence in sentences:
        of = named.findall(sentence)
        folded = (
            len(of) == 1 and of[0] in plain and "we cannot tell" in sentence.lower() and not _FIGURE.search(sentence)
        )
        around = tuple(named.split(sentence)) if folded else (sentence,)
        found.setdefault(around, []).extend(of if folded else ())
    return [_joined(of).join(around) if of else around[0] for around, of in found.items()]


def _naming(names: Sequence[str]) -> re.Pattern[str]:
    """Any of the names as whole words; nothing if there are none."""
    return re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, names))})(?![\w-])" if names else r"(?!)")


def _joined(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
