"""Amounts of money: whole minor units (cents) of one currency, never floating point."""

from __future__ import annotations

import re
from dataclasses import dataclass

CURRENCY = re.compile(r"[A-Z]{3}")
# ISO 4217 currencies whose minor unit is not a hundredth.
_EXPONENTS = {"BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "OMR": 3, "TND": 3, "LYD": 3} | dict.fromkeys(
    ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"), 0
)


def minor_per_unit(currency: str) -> int:
    """How many minor units make one of the currency: 100 of most."""
    return int(10 ** _EXPONENTS.get(currency, 2))


@dataclass(frozen=True)
class Money:
    """``minor`` units of ``currency`` (ISO 4217). Raises ValueError for what is not a whole amount of a currency."""

    minor: int
    currency: str

    def __post_init__(self) -> None:
        if isinstance(self.minor, bool) or not isinstance(self.minor, int):
            raise ValueError("amount: must be a whole number of minor units")
        if not isinstance(self.currency, str) or not CURRENCY.fullmatch(self.currency):
            raise ValueError("currency: must be three capital letters (ISO 4217)")

    def __add__(self, other: Money) -> Money:
        if self.currency != other.currency:
            raise ValueError(f"currency: cannot add {other.currency} to {self.currency}")
        return Money(self.minor + other.minor, self.currency)

    def __str__(self) -> str:
        digits = _EXPONENTS.get(self.currency, 2)
        sign, units = ("-" if self.minor < 0 else ""), abs(self.minor)
        if digits == 0:
            return f"{sign}{units} {self.currency}"
        whole, part = divmod(units, 10**digits)
        return f"{sign}{whole}.{part:0{digits}d} {self.currency}"
