"""What a written text must be like, and when two texts are the same to a reader. Pure."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise

from django.utils.translation import gettext as _

from collection.errors import Invalid

# Invisible characters that change what is seen or compared: directional overrides and isolates (the marks
# U+200E/F and right-to-left letters are fine), zero-width space, word joiner, byte-order mark, soft hyphen, letters
# that show as nothing (Hangul fillers, the Braille blank), invisible operators, annotation marks, and tags, in which
# a whole hidden text can be written. The joiners U+200C/D and U+180E stay: Persian, Hindi, emoji and Mongolian are
# written with them.
_BLANK = "\u2800"
_INVISIBLE = frozenset(
    f"{_BLANK}\u200b\ufeff\u00ad\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0"
    + "".join(
        chr(code)
        for first, last in ((0x202A, 0x202E), (0x2060, 0x206F), (0xFFF9, 0xFFFB), (0xE0000, 0xE007F))
        for code in range(first, last + 1)
    )
)
# The flags of England, Scotland, Wales and the like: a black flag with its region in a few tags.
_FLAG = re.compile("\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f")
# Each chooses a form of the character before it, and shows as nothing itself. Writers need the two that choose between
# emoji and text, after a symbol or one of the few other characters that have both forms; all others could hide a text.
_EMOJI_OR_TEXT = frozenset("\ufe0e\ufe0f")
_SELECTORS = frozenset(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
_ALSO_EMOJI = frozenset("0123456789#*\u203c\u2049\u2139\u3030")
# Parts no word in a comparison; the Braille blank is a space there.
_UNSEEN = (_INVISIBLE - {_BLANK}) | _SELECTORS | frozenset(map(chr, range(0x180B, 0x1810)))
# The longest reason for a flag or a vote, in characters.
MAX_REASON = 500
# Texts are nearly the same from this Jaccard similarity of their sets of grams on, each of so many characters.
NEARLY = 0.8
GRAM = 5
_BREAKS = frozenset("\n\t\r")
# In a text of letters, digits, marks and spaces alone: the marks with nothing before them that they could stand on.
_LONE_MARKS = re.compile(r"(?<!\S)[^\w\s]+")


class _Compared(dict[int, str]):
    """What ``str.translate`` makes of each character for a comparison, worked out when it is first met."""

    def __missing__(self, code: int) -> str:
        character, category = chr(code), unicodedata.category(chr(code))
        if category == "Cf" or character in _UNSEEN:
            # Nothing to a reader: it must not part a word, or a copy with a joiner in it would be no copy.
            self[code] = ""
        else:
            # Marks are letters to a reader: many scripts write their vowels with them.
            self[code] = character if category[0] in "LNM" else " "
        return self[code]


_COMPARED = _Compared()


def check_text(field: str, text: object, *, min_length: int = 1, max_length: int, as_found: bool = False) -> str:
    """The text in Unicode's composed form (NFC), without space around it. Lengths count characters.

    Raises Invalid naming ``field`` for what is not a string, empty, too short or too long, or has control,
    invisible or half (surrogate) characters in it. ``as_found`` is for texts of files: published data sets have
    wrongly decoded (C1 control) and invisible characters in them, and a test set is not to be changed or cut.
    """
    if not isinstance(text, str):
        raise Invalid(field, _("Must be a text."), "not_text")
    # Before anything else: normalising a text of megabytes is work an attacker should not be given.
    if len(text) > 4 * max_length + 100:
        raise Invalid(field, _too_long(max_length, len(text)), "too_long")
    composed = unicodedata.normalize("NFC", text)
    for before, character in pairwise(" " + _FLAG.sub("", composed)):
        category = unicodedata.category(character)
        if category == "Cs":
            raise Invalid(field, _("The text has half a character in it; please type it anew."), "surrogate")
        if category == "Cc" and character not in _BREAKS and not (as_found and character > "\x7f"):
            message = _("The text has a control character (%(code)s) in it.")
            raise Invalid(field, message % {"code": _code(character)}, "control")
        hidden = character in _INVISIBLE or (character in _SELECTORS and not _chooses_form(character, before))
        if hidden and not as_found:
            message = _("The text has an invisible character (%(code)s) in it.")
            raise Invalid(field, message % {"code": _code(character)}, "invisible")
    cleaned = composed.strip()
    if not any(unicodedata.category(character)[0] in "LNPS" for character in cleaned):
        raise Invalid(field, _("Please write something."), "empty")
    if len(cleaned) < min_length:
        message = _("At least %(wanted)d characters, please; this has %(found)d.")
        raise Invalid(field, message % {"wanted": min_length, "found": len(cleaned)}, "too_short")
    if len(cleaned) > max_length:
        raise Invalid(field, _too_long(max_length, len(cleaned)), "too_long")
    return cleaned


def _chooses_form(selector: str, before: str) -> bool:
    symbol = before > "\x7f" and unicodedata.category(before)[0] == "S"
    return selector in _EMOJI_OR_TEXT and (symbol or before in _ALSO_EMOJI)


def _too_long(most: int, found: int) -> str:
    return _("At most %(wanted)d characters, please; this has %(found)d.") % {"wanted": most, "found": found}


def _code(character: str) -> str:
    return f"U+{ord(character):04X}"


def same_form(text: str) -> str:
    """The text as it is compared: without case, accents of compatibility, punctuation, spacing and what is not seen."""
    seen = unicodedata.normalize("NFKC", text).casefold().translate(_COMPARED)
    # Case folding takes some letters apart, and what stood between a letter and its mark is gone.
    composed = unicodedata.normalize("NFKC", seen)
    # A spacing accent is punctuation ("it´s"), though NFKC makes it a space and a mark.
    return " ".join(_LONE_MARKS.sub("", composed).split())


def padded(text: str) -> str:
    """The text as it is compared, between four spaces: even a text of one letter has a 5-gram then."""
    return f"    {same_form(text) or text}    "


def grams(whole: str) -> set[str]:
    """The character 5-grams of a padded text: texts are nearly the same or not by how many they share."""
    return {whole[start : start + GRAM] for start in range(len(whole) - GRAM + 1)}


def fingerprint(texts: Sequence[str]) -> str:
    """A sha256 that is the same for texts which differ only in case, punctuation or spacing.

    A text of punctuation alone is compared as it stands.
    """
    forms = [same_form(text) or text.strip() for text in texts]
    return hashlib.sha256("\x1f".join(forms).encode()).hexdigest()
