"""The message catalogues: ``python -m config.messages`` brings them up to the source, ``--check`` says what is wrong.

GNU gettext is not needed. Both files of a language are the same bytes for the same strings and translations: they
have no dates and no line numbers in them.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import sys
from collections.abc import Collection, Iterator, Mapping
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
# Babel's notation: which arguments are the text, its plural and (c) its context.
KEYWORDS: dict[str, Any] = {
    **dict.fromkeys(("_", "gettext", "gettext_lazy", "gettext_noop")),
    **dict.fromkeys(("ngettext", "ngettext_lazy"), (1, 2)),
    **dict.fromkeys(("pgettext", "pgettext_lazy"), ((1, "c"), 2)),
    **dict.fromkeys(("npgettext", "npgettext_lazy"), ((1, "c"), 2, 3)),
}
# %(name)s, %d, {name} and <tag>; a per cent sign that begins none of them counts too.
_PART = re.compile(r"%(?:\(\w*\))?[-#0 +]*\d*(?:\.\d+)?[a-zA-Z%]|%|\{\w*\}|</?[a-z][^<>]*>")
_HEADER = "# {language} translations. Written by python -m config.messages; translations are edited here, by hand."

Found = tuple[int, str, "tuple[str | None, ...]", list[str]]


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


def languages() -> list[str]:
    """The languages that need a catalogue: all but the one the source is written in."""
    return [code for code, _name in settings.LANGUAGES if code != settings.LANGUAGE_CODE]


def po_file(root: Path, language: str) -> Path:
    """Where the translations of a language are; the compiled file is next to it."""
    return root / "collection" / "locale" / to_locale(language) / "LC_MESSAGES" / "django.po"


def extracted(root: Path) -> Catalog:
    """Every string of the source that is translated, with the files it is in."""
    found = Catalog()
    modules = [file for package in ("annotators", "collection") for file in (root / package).rglob("*.py")]
    templates = [
        file for package in ("annotators", "collection") for file in root.glob(f"{package}/templates/**/*.html")
    ]
    for file in sorted(modules + templates):
        name = file.relative_to(root).as_posix()
        if file.suffix == ".py":
            method, source = calls_in_python, file.read_text(encoding="utf-8")
        else:
            # What a template becomes is no program: Babel goes through its tokens, and wants no indentation there.
            method, source = "python", "\n".join(map(str.strip, templatize(file.read_text("utf-8"), name).split("\n")))
        for line, text, _comments, context in extract(method, BytesIO(source.encode()), KEYWORDS):
            found.add(text, locations=[(name, line)], context=context)
    return found


def calls_in_python(
    source: IO[bytes], keywords: Collection[str], comment_tags: Collection[str], options: Mapping[str, Any]
) -> Iterator[Found]:
    """A method of extraction for Babel, whose own one sees no call inside an f-string before Python 3.12."""
    for node in ast.walk(ast.parse(source.read())):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", None))
            if name in keywords:
                yield node.lineno, name, tuple(map(_constant, node.args)), []


def _constant(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def read(file: Path, language: str) -> Catalog:
    """A catalogue as it is; an empty one if there is no such file. Raises PoFileError for what is not one."""
    kept = StableCatalog(
        to_locale(language), header_comment=_HEADER.format(language=dict(settings.LANGUAGES)[language]), fuzzy=False
    )
    if file.exists():
        with file.open("rb") as opened:
            stored = read_po(opened, to_locale(language), abort_invalid=True)
        for message in stored:
            if message.id:
                kept[message.id] = message
        kept.obsolete = stored.obsolete
    return kept


def updated(kept: Catalog, source: Catalog) -> Catalog:
    """The strings of the source with the translations of those that have one. What was changed by a single letter
    has none: nothing is guessed."""
    new = StableCatalog(kept.locale_identifier, header_comment=kept.header_comment, fuzzy=False)
    for message in source:
        if message.id:
            old = kept.get(message.id, message.context)
            same = old is not None and old.id == message.id
            fresh = new.add(message.id, locations=message.locations, context=message.context)
            if old is not None and same:
                fresh.string, fresh.user_comments = old.string, old.user_comments
                fresh.flags |= old.flags & {"fuzzy"}
    return new


def as_po(catalog: Catalog) -> bytes:
    """The file that people edit."""
    file = BytesIO()
    write_po(file, catalog, width=0, include_lineno=False, sort_by="message", ignore_obsolete=True)
    return file.getvalue()


def as_mo(catalog: Catalog) -> bytes:
    """The file that is read when the service runs."""
    file = BytesIO()
    write_mo(file, catalog)
    return file.getvalue()


def update(root: Path) -> Iterator[str]:
    """Bring the catalogues up to the source and compile them; yields what a translator wants to know."""
    source = extracted(root)
    for language in languages():
        file = po_file(root, language)
        kept = read(file, language)
        new = updated(kept, source)
        file.parent.mkdir(parents=True, exist_ok=True)
        for path, content in ((file, as_po(new)), (file.with_suffix(".mo"), as_mo(new))):
            if not path.exists() or path.read_bytes() != content:
                path.write_bytes(content)
        for gone in _missing(kept, new):
            yield f"{language}: gone: {_shown(gone)}, which was {gone.string!r}"
        yield from (f"{language}: {problem}" for problem in _problems(new, source))
        yield f"{language}: {len(new)} strings in {file.relative_to(root)}"


def check(root: Path) -> Iterator[str]:
    """Yield what is wrong with the catalogues."""
    source = extracted(root)
    for language in languages():
        file = po_file(root, language)
        try:
            kept = read(file, language)
        except PoFileError as error:
            yield f"{language}: {file.relative_to(root)} cannot be read: {error}"
            continue
        yield from (f"{language}: {problem}" for problem in _problems(kept, source))
        compiled = file.with_suffix(".mo")
        if not compiled.exists() or compiled.read_bytes() != as_mo(kept):
            yield f"{language}: {compiled.relative_to(root)} is not what {file.name} compiles to"


def _problems(kept: Catalog, source: Catalog) -> Iterator[str]:
    for message in _missing(source, kept):
        yield f"not in the catalogue: {_shown(message)} of {', '.join(sorted({name for name, _ in message.locations}))}"
    for message in [*_missing(kept, source), *kept.obsolete.values()]:
        yield f"no longer in the source: {_shown(message)}"
    for message in kept:
        if not message.id:
            continue
        ids, strings = _forms(message.id), _forms(message.string)
        if message.fuzzy:
            yield f"fuzzy: {_shown(message)}"
        if not all(strings) or len(strings) != (kept.num_plurals if message.pluralizable else 1):
            yield f"not translated: {_shown(message)}"
        else:
            for index, string in enumerate(strings):
                # The first form of many languages may do without the number; the others stand for the plural.
                if _parts(string) not in [_parts(text) for text in (ids if index == 0 else ids[-1:])]:
                    yield f"placeholders or tags differ: {_shown(message)}, {string!r}"


def _missing(wanted: Catalog, having: Catalog) -> list[Message]:
    """The messages of one catalogue that another one does not have with the same plural."""
    found = []
    for message in wanted:
        other = having.get(message.id, message.context) if message.id else message
        if other is None or other.id != message.id:
            found.append(message)
    return found


def _parts(text: str) -> list[str]:
    """What a translation must have like its source: placeholders without a name as often, all others at all."""
    found = [part for part in _PART.findall(text) if part != "%%"]
    return sorted({part for part in found if part[1:2] == "(" or part[0] == "{"}) + sorted(
        part for part in found if part[1:2] != "(" and part[0] != "{"
    )


def _forms(texts: str | list[str] | tuple[str, ...]) -> tuple[str, ...]:
    return (texts,) if isinstance(texts, str) else tuple(texts)


def _shown(message: Message) -> str:
    return repr(_forms(message.id)[0]) + (f" ({message.context})" if message.context else "")


def main(arguments: list[str], root: Path = ROOT) -> int:
    """The exit status: 1 if ``--check`` finds something wrong."""
    parser = argparse.ArgumentParser(prog="python -m config.messages", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; say what is wrong")
    if not parser.parse_args(arguments).check:
        print(*update(root), sep="\n")
        return 0
    problems = list(check(root))
    print(*problems, sep="\n", end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    sys.exit(main(sys.argv[1:]))
