"""The message catalogues: complete, compiled, and the check that says so when they are not."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client
from django.utils import translation

from config import messages

TEMPLATE = """{% load i18n %}
    <p title="{% translate 'Hello' %}">{% blocktranslate count n=n %}{{ n }} <b>text</b>{% plural %}{{ n }} <b>texts</b>
{% endblocktranslate %}</p>
  <p>{% blocktranslate with who=user.name %}
50 % for {{ who }}{% endblocktranslate %} {{ x|default:_("None") }} {# {% translate "No" %} #}</p>
"""
MODULE = """
from django.utils.translation import gettext as _, gettext_noop, ngettext, pgettext
said = f"{_('In an f-string')} {len('no')}"
later = gettext_noop("For " "later")
some = ngettext("%(n)d file", "%(n)d files", 3), pgettext("month", "May"), _(said), _("{name} is here")
"""
GERMAN = {
    "Hello": "Hallo",
    "%(n)s <b>text</b>": ("%(n)s <b>Text</b>", "%(n)s <b>Texte</b>\n"),
    "\n50 %% for %(who)s": "\n50 %% für %(who)s",
    "None": "Keine",
    "In an f-string": "In einem f-String",
    "For later": "Für später",
    "%(n)d file": ("%(n)d Datei", "%(n)d Dateien"),
    "May": "Mai",
    "{name} is here": "{name} ist hier",
}


def translate(root: Path) -> None:
    """Translate the small program, and compile that."""
    file = messages.po_file(root, "de")
    catalog = messages.read(file, "de")
    for message in messages._messages(catalog):
        message.string = GERMAN[messages._forms(message.id)[0]]
    file.write_bytes(messages.as_po(catalog))
    file.with_suffix(".mo").write_bytes(messages.as_mo(catalog))


def edit(root: Path, old: str, new: str) -> None:
    """Change the catalogue as somebody would by hand, and compile it."""
    file = messages.po_file(root, "de")
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1
    file.write_text(text.replace(old, new), encoding="utf-8")
    file.with_suffix(".mo").write_bytes(messages.as_mo(messages.read(file, "de")))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small program with a complete catalogue."""
    for file, text in (("collection/templates/a.html", TEMPLATE), ("annotators/b.py", MODULE)):
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).write_text(text, encoding="utf-8")
    list(messages.update(tmp_path))
    translate(tmp_path)
    return tmp_path


def test_every_string_is_translated() -> None:
    problems = list(messages.check(messages.ROOT))
    assert problems == [], "run python -m config.messages, and translate what it names"


def test_the_pages_show_these_translations_and_not_those_of_another_application() -> None:
    for language in messages.languages():
        catalog = messages.read(messages.po_file(messages.ROOT, language), language)
        with translation.override(language):
            for message in messages._messages(catalog):
                if message.pluralizable:
                    assert translation.ngettext(*message.id, 1) == message.string[0]
                elif not message.context:
                    assert translation.gettext(message.id) == message.string


@pytest.mark.parametrize(
    ("asked", "language", "button"), [("de", "de", "Anmelden"), ("en", "en", "Log in"), ("fr", "en", "Log in")]
)
def test_a_page_is_in_the_language_asked_for(asked: str, language: str, button: str) -> None:
    page = Client().get("/login/", headers={"accept-language": asked}).content.decode()
    assert f'<html lang="{language}"' in page
    assert f">{button}</button>" in page


def test_every_way_to_mark_a_string_is_found(root: Path) -> None:
    found = {messages._forms(message.id)[0] for message in messages._messages(messages.extracted(root))}
    assert found == GERMAN.keys()
    assert list(messages.check(root)) == []


def test_the_files_stay_as_they_are_until_something_changes(root: Path) -> None:
    file = messages.po_file(root, "de")
    before = file.read_bytes(), file.with_suffix(".mo").read_bytes()
    module = root / "annotators" / "b.py"
    module.write_text(f"# a line more\n{MODULE}", encoding="utf-8")
    assert messages.main([], root) == 0
    assert (file.read_bytes(), file.with_suffix(".mo").read_bytes()) == before


def test_a_changed_string_loses_its_translation_and_is_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module = root / "annotators" / "b.py"
    module.write_text(MODULE.replace("is here", "was here"), encoding="utf-8")
    assert messages.main([], root) == 0
    said = capsys.readouterr().out
    assert "taken out: '{name} is here', translated as '{name} ist hier'" in said
    assert "not translated: '{name} was here'" in said
    assert messages.main(["--check"], root) == 1


def test_a_string_that_is_missing_or_no_longer_used_is_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "annotators" / "b.py").write_text(MODULE.replace("later", "ever"), encoding="utf-8")
    assert messages.main(["--check"], root) == 1
    assert capsys.readouterr().out.splitlines() == [
        "de: not in the catalogue: 'For ever' of annotators/b.py",
        "de: no longer in the source: 'For later'",
    ]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('msgid "Hello"', '#, fuzzy\nmsgid "Hello"', "fuzzy: 'Hello'"),
        ('msgstr "Hallo"', 'msgstr ""', "not translated: 'Hello'"),
        ('msgstr[1] "%(n)d Dateien"', 'msgstr[1] ""', "not translated: '%(n)d file'"),
        ('msgstr[1] "%(n)d Dateien"', 'msgstr[1] "%(m)d Dateien"', "placeholders or tags differ: '%(n)d file'"),
        ('"{name} ist hier"', '"{Name} ist hier"', "placeholders or tags differ: '{name} is here'"),
        ('"%(n)s <b>Text</b>"', '"%(n)s <b>Text<b>"', "placeholders or tags differ: '%(n)s <b>text</b>'"),
        ('"50 %% für %(who)s"', '"50 % für %(who)s"', "placeholders or tags differ"),
        ('msgid "Hello"', '#~ msgid "Gone"\n#~ msgstr "Fort"\n\nmsgid "Hello"', "no longer in the source: 'Gone'"),
    ],
)
def test_the_check_names_what_is_wrong(
    root: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, said: str
) -> None:
    edit(root, old, new)
    assert messages.main(["--check"], root) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"de: {said}")


def test_a_compiled_file_that_is_old_or_not_there_is_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compiled = messages.po_file(root, "de").with_suffix(".mo")
    compiled.write_bytes(compiled.read_bytes().replace(b"Hallo", b"Hollo"))
    assert messages.main(["--check"], root) == 1
    compiled.unlink()
    assert messages.main(["--check"], root) == 1
    assert capsys.readouterr().out.count("django.mo is not what django.po compiles to") == 2


def test_a_damaged_catalogue_is_not_written_over(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = messages.po_file(root, "de")
    file.write_text("msgid is gone", encoding="utf-8")
    assert messages.main([], root) == messages.main(["--check"], root) == 1
    assert "cannot be read" in capsys.readouterr().out
    assert file.read_text(encoding="utf-8") == "msgid is gone"
