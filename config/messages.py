"""The message catalogues: ``python -m config.messages`` brings them up to the source, ``--check`` says what is wrong.

GNU gettext is not needed. Both files of a language are the same bytes for the same strings and translations: they
have no dates and no line numbers in them.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import PoFileError, read_po, write_po
from django.conf import settings
from django.utils.translation import to_locale
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("annotators", "collection")
# In Babel's notation: which arguments are the text, its plural and, marked c, its context.
KEYWORDS: dict[str, Any] = {
    **dict.fromkeys(("_", "gettext", "gettext_lazy", "gettext_noop")),
    **dict.fromkeys(("ngettext", "ngettext_lazy"), (1, 2)),
    **dict.fromkeys(("pgettext", "pgettext_lazy"), ((1, "c"), 2)),
    **dict.fromkeys(("npgettext", "npgettext_lazy"), ((1, "c"), 2, 3)),
}
# %(name)s and {name}; then %d, tags, and a per cent sign that begins nothing.
_NAMED = re.compile(r"%\(\w*\)[-#0 +]*\d*(?:\.\d+)?[a-zA-Z]|\{\w*\}")
_OTHER = re.compile(r"%[-#0 +]*\d*(?:\.\d+)?[a-zA-Z]|%|</?[a-z][^<>]*>")


class StableCatalog(Catalog):
    """A catalogue whose header has nothing in it that changes by itself."""

    mime_headers = property(
        lambda self: [
            ("Language", self.locale_identifier),
            ("Plural-Forms", self.plural_forms),
            ("MIME-Version", "1.0"),
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Transfer-Encoding", "8bit\n"),
        ]
    )

    def __init__(self, language: str) -> None:
        name = dict(settings.LANGUAGES)[language]
        header = f"# {name}: the strings are put here by python -m config.messages, their translations by people."
        super().__init__(to_locale(language), header_comment=header, fuzzy=False)


def languages() -> list[str]:
    """The languages that need a catalogue: all but the one the source is written in."""
    return [code for code, _name in settings.LANGUAGES if code != settings.LANGUAGE_CODE]


def po_file(root: Path, language: str) -> Path:
    """Where the translations into a language are; the compiled file is next to it."""
    return root / "collection" / "locale" / to_locale(language) / "LC_MESSAGES" / "django.po"


def extracted(root: Path) -> Catalog:
    """Every string of the source that is to be translated, with the files it is in."""
    found = Catalog()
    for package in PACKAGES:
        for file in sorted([*root.glob(f"{package}/**/*.py"), *root.glob(f"{package}/templates/**/*.html")]):
            name = file.relative_to(root).as_posix()
            source, method = file.read_text(encoding="utf-8"), _calls
            if file.suffix == ".html":
                source, method = _as_calls(source, name), "python"
            for line, text, _comments, context in extract(method, BytesIO(source.encode()), KEYWORDS):
                found.add(text, locations=[(name, line)], context=context)
    return found


def _as_calls(template: str, name: str) -> str:
    # What comes of a template is no program, but Babel goes by its tokens; indentation would be tokens too.
    return "\n".join(line.strip() for line in templatize(template, name).split("\n"))


# Any: Babel declares for such a function the arguments and results of another one.
def _find_calls(source: IO[bytes], keywords: Collection[str], *_: object, options: Mapping[str, Any]) -> Iterator[Any]:
    """A method of extraction: before Python 3.12 Babel's own sees no call inside an f-string."""
    for node in ast.walk(ast.parse(source.read())):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", None))
            if name in keywords:
                texts = (item.value if isinstance(item, ast.Constant) else None for item in node.args)
                yield node.lineno, name, tuple(text if isinstance(text, str) else None for text in texts), []


_calls: Any = _find_calls


def read(file: Path, language: str) -> Catalog:
    """The catalogue as it is; an empty one if there is no file. Raises PoFileError for a file that is not one."""
    kept = StableCatalog(language)
    if file.exists():
        with file.open("rb") as opened:
            stored = read_po(opened, kept.locale_identifier, abort_invalid=True)
        for message in _messages(stored):
            kept[message.id] = message
        kept.obsolete = stored.obsolete
    return kept


def updated(kept: Catalog, source: Catalog, language: str) -> Catalog:
    """The strings of the source, with the translations of those that have one; nothing is guessed."""
    new = StableCatalog(language)
    for message in _messages(source):
        fresh = new.add(message.id, locations=message.locations, context=message.context)
        old = kept.get(message.id, message.context)
        if old is not None and old.id == message.id:
            fresh.string, fresh.user_comments = old.string, old.user_comments
            fresh.flags |= old.flags & {"fuzzy"}
    return new


def as_po(catalog: Catalog) -> bytes:
    """The file that people edit."""
    file = BytesIO()
    write_po(file, catalog, width=0, include_lineno=False, sort_output=True, ignore_obsolete=True)
    return file.getvalue()


def as_mo(catalog: Catalog) -> bytes:
    """The file that the service reads."""
    file = BytesIO()
    write_mo(file, catalog)
    return file.getvalue()


def update(root: Path) -> Iterator[str]:
    """Bring the catalogues up to the source and compile them; yields what a translator wants to know."""
    source = extracted(root)
    for language in languages():
        file = po_file(root, language)
        kept = read(file, language)
        new = updated(kept, source, language)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(as_po(new))
        file.with_suffix(".mo").write_bytes(as_mo(new))
        for gone in [*_lacking(new, kept), *kept.obsolete.values()]:
            yield f"{language}: taken out: {_shown(gone)}, translated as {gone.string!r}"
        yield from (f"{language}: {problem}" for problem in _problems(new, source))
        yield f"{language}: {len(new)} strings in {file.relative_to(root)}"


def check(root: Path) -> Iterator[str]:
    """Yield what is wrong with the catalogues."""
    source = extracted(root)
    for language in languages():
        file = po_file(root, language)
        kept = read(file, language)
        yield from (f"{language}: {problem}" for problem in _problems(kept, source))
        compiled = file.with_suffix(".mo")
        if not compiled.exists() or compiled.read_bytes() != as_mo(kept):
            yield f"{language}: {compiled.relative_to(root)} is not what {file.name} compiles to"


def _problems(kept: Catalog, source: Catalog) -> Iterator[str]:
    for message in _lacking(kept, source):
        yield f"not in the catalogue: {_shown(message)} of {', '.join(sorted({name for name, _ in message.locations}))}"
    for message in [*_lacking(source, kept), *kept.obsolete.values()]:
        yield f"no longer in the source: {_shown(message)}"
    for message in _messages(kept):
        texts, translations = _forms(message.id), _forms(message.string)
        if message.fuzzy:
            yield f"fuzzy: {_shown(message)}"
        if not all(translations) or len(translations) != (kept.num_plurals if message.pluralizable else 1):
            yield f"not translated: {_shown(message)}"
            continue
        for index, translation in enumerate(translations):
            # The first form may stand for the singular or, in some languages, for every number there is.
            if _parts(translation) not in map(_parts, texts if index == 0 else texts[-1:]):
                yield f"placeholders or tags differ: {_shown(message)}, translated as {translation!r}"


def _messages(catalog: Iterable[Message]) -> Iterator[Message]:
    """Its messages without the header."""
    return (message for message in catalog if message.id)


def _lacking(having: Catalog, wanted: Catalog) -> list[Message]:
    """What a catalogue does not have of another one, or has with another plural."""
    pairs = ((message, having.get(message.id, message.context)) for message in _messages(wanted))
    return [message for message, other in pairs if other is None or other.id != message.id]


def _parts(text: str) -> tuple[set[str], list[str]]:
    """What a translation must have like its source: each named placeholder, and everything else as often."""
    text = text.replace("%%", "")
    return set(_NAMED.findall(text)), sorted(_OTHER.findall(_NAMED.sub("", text)))


def _forms(texts: str | Iterable[str] | None) -> list[str]:
    return [texts or ""] if isinstance(texts, str | None) else list(texts)


def _shown(message: Message) -> str:
    return repr(_forms(message.id)[0]) + (f" ({message.context})" if message.context else "")


def main(arguments: list[str], root: Path = ROOT) -> int:
    """The exit status: 1 if ``--check`` finds something wrong, or if a catalogue cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m config.messages", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, and say what is wrong")
    checking = parser.parse_args(arguments).check
    lines = check(root) if checking else update(root)
    wrong = False
    try:
        for line in lines:
            print(line)
            wrong = checking
    except (PoFileError, UnicodeDecodeError) as error:
        print(f"a catalogue cannot be read: {error}")
        return 1
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
