"""Numbers that people and clients type. Pure."""

from __future__ import annotations


def natural(text: str, digits: int) -> int | None:
    """The number that a text of at most so many digits spells; None for any other text, such as digits of other
    scripts, a sign or space."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= digits else None
