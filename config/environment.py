"""Reading settings from environment variables: typed, and loud about what is missing or wrong.

A blank variable counts as not set: in an env file ``NAME=`` is how a line is left open.
"""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured


def text(name: str, default: str) -> str:
    """A text; the default if the variable is not set."""
    return _value(name) or default


def required(name: str, why: str, least: int = 1) -> str:
    """A text that must be set, of at least so many characters."""
    value = _value(name) or ""
    if len(value) < least:
        raise ImproperlyConfigured(f"{name} must be set ({why}), with at least {least} characters.")
    return value


def whole(name: str, default: int, low: int, high: int) -> int:
    """A whole number between two bounds."""
    value = _value(name) or str(default)
    if not re.fullmatch(r"-?[0-9]{1,18}", value) or not low <= int(value) <= high:
        raise ImproperlyConfigured(f"{name} must be a whole number from {low} to {high}, not {value!r}.")
    return int(value)


def seconds(name: str, default: float, low: float = 0.05, high: float = 86400) -> float:
    """A time in seconds."""
    value = _value(name) or str(default)
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not low <= number <= high:
        raise ImproperlyConfigured(f"{name} must be a number of seconds from {low} to {high}, not {value!r}.")
    return number


def switch(name: str, default: bool) -> bool:
    """1 or 0."""
    return choice(name, "1" if default else "0", ("0", "1")) == "1"


def choice(name: str, default: str, allowed: tuple[str, ...]) -> str:
    """One of a few words."""
    value = _value(name) or default
    if value not in allowed:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(allowed)}, not {value!r}.")
    return value


def words(name: str, default: tuple[str, ...] = ()) -> list[str]:
    """A list, its items parted by commas, with or without space around them."""
    value = _value(name)
    return list(default) if value is None else [item.strip() for item in value.split(",") if item.strip()]


def required_words(name: str, why: str) -> list[str]:
    """A list that must be set, of at least one item."""
    found = words(name)
    if not found:
        raise ImproperlyConfigured(f"{name} must be set ({why}).")
    return found


def kept_secret(file: Path) -> str:
    """A secret made once and kept in a file that only its owner can read."""
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file.read_text(encoding="ascii")
    with os.fdopen(descriptor, "w", encoding="ascii") as opened:
        secret = secrets.token_urlsafe(50)
        opened.write(secret)
    return secret


def _value(name: str) -> str | None:
    value = os.environ.get(name, "")
    return value if value.strip() else None
