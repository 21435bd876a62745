"""Figures in words, for findings."""

from __future__ import annotations

import re
from collections.abc import Sequence

from collection.analytics.metrics import Estimate


def percent(estimate: Estimate) -> str:
    """A share and its interval: "26% (95% interval 12% to 38%)"; "" where it is missing."""
    if estimate.value is None:
        return ""
    ends = [f"{end:.0%}" if end is not None else "no limit" for end in (estimate.low, estimate.high)]
    return f"{estimate.value:.0%} (95% interval {ends[0]} to {ends[1]})"


def points(estimate: Estimate) -> str:
    """A difference of shares and its interval in percentage points; "" where it is missing."""
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return ""
    return (
        f"{estimate.value * 100:+.1f} percentage points "
        f"(95% interval {estimate.low * 100:+.1f} to {estimate.high * 100:+.1f})"
    )


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
