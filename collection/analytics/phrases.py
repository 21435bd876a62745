"""Figures in words, for findings."""

from __future__ import annotations

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
