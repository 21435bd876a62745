"""What a written text must be like, and when two texts are the same to a reader. Pure."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence

from django.utils.translation import gettext as _

from collection.errors import Invalid

# Invisible characters that change what is seen or compared: directional overrides and isolates (the marks
# U+200E/F and right-to-left letters are fine), zero-width space, word joiner, byte-order mark. The joiners
# U+200C/D stay: Persian, Hindi and emoji are written with them.
_INVISIBLE = frozenset("\u200b\u2060\ufeff" + "".join(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A)))))
# The longest reason for a flag or a vote, in characters.
MAX_REASON = 500
_BREAKS = frozenset("\n\t\r")
_NOT_WORD = re.compile(r"[\W_]+")


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
    for character in text:
        category = unicodedata.category(character)
        if category == "Cs":
            raise Invalid(field, _("The text has half a character in it; please type it anew."), "surrogate")
        if category == "Cc" and character not in _BREAKS and not (as_found and character > "\x7f"):
            message = _("The text has a control character (%(code)s) in it.")
            raise Invalid(field, message % {"code": _code(character)}, "control")
        if character in _INVISIBLE and not as_found:
            message = _("The text has an invisible character (%(code)s) in it.")
            raise Invalid(field, message % {"code": _code(character)}, "invisible")
    cleaned = unicodedata.normalize("NFC", text).strip()
    if not any(unicodedata.category(character)[0] in "LNPS" for character in cleaned):
        raise Invalid(field, _("Please write something."), "empty")
    if len(cleaned) < min_length:
        message = _("At least %(wanted)d characters, please; this has %(found)d.")
        raise Invalid(field, message % {"wanted": min_length, "found": len(cleaned)}, "too_short")
    if len(cleaned) > max_length:
        raise Invalid(field, _too_long(max_length, len(cleaned)), "too_long")
    return cleaned


def _too_long(most: int, found: int) -> str:
    return _("At most %(wanted)d characters, please; this has %(found)d.") % {"wanted": most, "found": found}


def _code(character: str) -> str:
    return f"U+{ord(character):04X}"


def same_form(text: str) -> str:
    """The text as it is compared: without case, accents of compatibility, punctuation and spacing."""
    return _NOT_WORD.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()


def fingerprint(texts: Sequence[str]) -> str:
    """A sha256 that is the same for texts which differ only in case, punctuation or spacing.

    A text of punctuation alone is compared as it stands.
    """
    forms = [same_form(text) or text.strip() for text in texts]
    return hashlib.sha256("\x1f".join(forms).encode()).hexdigest()
