"""What in a free text could tell who somebody is: addresses, numbers, and what this site knows people by. Pure.

A scan finds what has a form, or is known; it cannot find a person described in words.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple

from phonenumbers import Leniency, PhoneNumberMatcher


class Kind(StrEnum):
    """What a finding is."""

    KNOWN = "known to this site"
    EMAIL = "e-mail address"
    URL = "web address"
    IP = "IP address"
    WORKER = "worker id"
    PHONE = "phone number"


class Finding(NamedTuple):
    """A part of a text, from character ``start`` to before ``end``."""

    kind: Kind
    start: int
    end: int


# Where numbers without a country's code are looked for as people write them there: most crowd workers live in the
# first three. Numbers that begin with + and a country's code are found of every country.
REGIONS = ("US", "GB", "IN")
# Shorter ones are found in too many words that mean nobody.
_SHORTEST_KNOWN = 4
_AROUND = 30

_EMAIL = re.compile(r"(?<![\w.+-])[\w.!#$%&'*+/=?^`{|}~-]{1,64}@(?:[\w-]{1,63}\.)+[\w-]*\w")
# With a scheme, beginning with www, or a name with a path: bit.ly/x, but neither and/or nor e.g./i.e.
_URL = re.compile(
    r"\b[a-z][a-z0-9+.-]{1,20}://[^\s<>\"]+|\bwww\.\w[^\s<>\"]*\.[^\s<>\"]+"
    r"|(?<![\w.@/-])(?:[a-z0-9-]{1,63}\.){1,5}(?-i:[a-z]{2,24})/[^\s<>\"]+",
    re.IGNORECASE,
)
_SENTENCE_END = ".,;:!?)]}'\"»”’"
_IP4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?!\w|\.\d)")
_IP6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:(?:\.\d{1,3}){3})?(?![\w:])")
# Prolific's ids; and Mechanical Turk's, of which one in a hundred has no digit and looks like a word in capitals.
_WORKER = re.compile(r"(?<![^\W_])(?:[0-9a-fA-F]{24}|A(?=[A-Z]*\d)[A-Z0-9]{12,14})(?![^\W_])")
_MANY_DIGITS = re.compile(r"\d(?:[\s().+/\-–—]{0,4}\d){6}")
_WORD = re.compile(r"\w+")
# Of each ASCII character the lower-case letter, digit or underscore, or a space.
_ASCII_WORDS = "".join(chr(code).lower() if _WORD.match(chr(code)) else " " for code in range(128))
# One of these is in whatever has a form, or "www".
_ANY_SIGN = re.compile(r"[\d@/:]")


class KnownIdentifiers:
    """What this site knows people by: platform ids, usernames, e-mail addresses, public names.

    Found as whole words, in any case; those of letters alone only as they are written, since many are words too.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._by_first: dict[str, list[str]] = {}
        for value in sorted({value.strip() for value in values}):
            if len(value) >= _SHORTEST_KNOWN and (first := _WORD.search(value)):
                self._by_first.setdefault(first.group().casefold(), []).append(value)

    def find(self, text: str) -> Iterator[tuple[int, int]]:
        """Where in the text one of them stands, from its first character to after its last."""
        # Nearly no text has one: all its words are looked up at once.
        if self._by_first.keys().isdisjoint(_folded(text)):
            return
        for word in _WORD.finditer(text):
            for value in self._by_first.get(word.group().casefold(), ()):
                start = word.start() - value.casefold().find(word.group().casefold())
                end = start + len(value)
                written = text[max(start, 0) : end]
                same = written == value if value.isalpha() else written.casefold() == value.casefold()
                if same and not _goes_on(text, start, end):
                    yield start, end


def scan(text: str, known: KnownIdentifiers, regions: Sequence[str] = REGIONS) -> list[Finding]:
    """What is found in a text, in order; where two kinds overlap, the one that stands first in Kind."""
    found: list[Finding] = []
    for kind, start, end in _candidates(text, known, regions):
        if all(end <= other.start or other.end <= start for other in found):
            found.append(Finding(kind, start, end))
    return sorted(found, key=lambda finding: finding.start)


def masked(text: str, finding: Finding, others: Iterable[Finding] = ()) -> str:
    """The finding and what is around it, to show somebody who decides; of it and of ``others`` one character each."""
    pieces, at = list[str](), max(finding.start - _AROUND, 0)
    last = min(finding.end + _AROUND, len(text))
    pieces.append("…" if at else "")
    for start, end in sorted({(one.start, one.end) for one in (finding, *others)}):
        if end > at and start < last:
            pieces += [text[at : max(start, at)], text[start] if start >= at else "", "•••"]
            at = end
    pieces += [text[at:last], "…" if last < len(text) else ""]
    return "".join(pieces)


def _candidates(text: str, known: KnownIdentifiers, regions: Sequence[str]) -> Iterator[tuple[Kind, int, int]]:
    for start, end in known.find(text):
        yield Kind.KNOWN, start, end
    # Nearly all texts end here.
    if not _ANY_SIGN.search(text) and "www" not in text.casefold():
        return
    if "@" in text:
        yield from ((Kind.EMAIL, *match.span()) for match in _EMAIL.finditer(text))
    if "/" in text or "www." in text.casefold():
        for match in _URL.finditer(text):
            yield Kind.URL, match.start(), match.start() + len(match.group().rstrip(_SENTENCE_END))
    if ":" in text or text.count(".") >= 3:
        for pattern in (_IP4, _IP6):
            yield from ((Kind.IP, *match.span()) for match in pattern.finditer(text) if _is_ip(match.group()))
    yield from ((Kind.WORKER, *match.span()) for match in _WORKER.finditer(text))
    if _MANY_DIGITS.search(text):
        for region in regions:
            for number in PhoneNumberMatcher(text, region, Leniency.STRICT_GROUPING):
                yield Kind.PHONE, number.start, number.end


def _folded(text: str) -> Iterable[str]:
    """The words of a text without their case. Most texts are of ASCII alone, and those take half the time."""
    return text.translate(_ASCII_WORDS).split() if text.isascii() else map(str.casefold, _WORD.findall(text))


def _is_ip(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    # "::" and the like mean nobody.
    return not (address.is_unspecified or address.is_loopback)


def _goes_on(text: str, start: int, end: int) -> bool:
    """Whether a word goes on beyond one end of a part of a text."""
    before, after = text[start - 1 : start], text[end : end + 1]
    return (before.isalnum() and text[start].isalnum()) or (after.isalnum() and text[end - 1].isalnum())
