"""What may be written, when two texts are the same, and what a task may be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collection.demo.tasks import TASKS
from collection.errors import Invalid
from collection.experiments import create_task
from collection.models import Task
from collection.schema import TaskSchema
from collection.texts import check_text, fingerprint, same_form

PAIR = [
    {"name": "premise", "source": "context", "title": "Text"},
    {"name": "hypothesis", "source": "writer", "max_length": 50},
]
LABELS = [{"name": "yes"}, {"name": "no"}]
ENGLAND = "\U0001f3f4" + "".join(chr(0xE0000 + ord(letter)) for letter in "gbeng") + "\U000e007f"


@given(st.text() | st.text(st.sampled_from("1❤a\u0338\ufe0e\ufe0f\u1fef\u2adc")))
def test_whatever_is_let_through_can_be_stored_and_is_let_through_again(text: str) -> None:
    try:
        cleaned = check_text("text", text, max_length=100)
    except Invalid:
        return
    assert cleaned.encode()
    assert "\x00" not in cleaned
    assert 1 <= len(cleaned) <= 100
    assert check_text("text", cleaned, max_length=100) == cleaned


def test_texts_in_other_scripts_and_emoji_are_fine() -> None:
    for text in ("هذا كلب", "می‌خواهم", "कुत्ता है", "犬がいる", "a family 👨‍👩‍👧", "déjà vu", "two\nlines"):
        assert check_text("text", text, max_length=50)
    for text in (f"go {ENGLAND}!", "ᠭᠠᠯᠠᠪ\u180eᠠ", "ᠠ\u180bᠨ"):
        assert check_text("text", text, max_length=50)


@pytest.mark.parametrize(
    "emoji",
    [
        *("❤\ufe0f", "❤\ufe0e", "👩\u200d❤\ufe0f\u200d👨", "🕵🏽\u200d♂\ufe0f", "🏳\ufe0f\u200d🌈"),
        *("1\ufe0f\u20e3", "#\ufe0f\u20e3", "*\ufe0e", "©\ufe0f", "↔\ufe0f", "‼\ufe0f", "ℹ\ufe0f", "〰\ufe0f"),
    ],
)
def test_emoji_are_written_as_they_are_typed(emoji: str) -> None:
    assert check_text("text", f"a dog {emoji} {emoji}", max_length=50) == f"a dog {emoji} {emoji}"


@pytest.mark.parametrize(
    "hidden",
    [
        *("\u00ad", "\u034f", "\u115f", "\u17b4", "\u2061", "\u206a", "\u2800", "\u3164", "\uffa0", "\ufff9"),
        "\U000e0001",
        "".join(chr(0xE0000 + ord(letter)) for letter in "hidden"),
        ENGLAND[1:],
        f"{ENGLAND[:-1]}{ENGLAND[1:]}",
        *("\ufe0f", " \ufe0e", "❤\ufe0f\ufe0e", "1\ufe0f\ufe0f", "\u2adc\ufe0f", "\ufe00", "❤\ufe01", "葛\U000e0100"),
        "".join(chr(0xE0100 + ord(letter) - 16) for letter in "hidden"),
    ],
)
def test_what_shows_as_nothing_is_refused_of_writers_and_taken_from_files(hidden: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_text("text", f"a{hidden}b", max_length=50)
    assert refused.value.code == "invisible"
    assert check_text("text", f"a{hidden}b", max_length=50, as_found=True)


def test_texts_of_files_are_taken_with_odd_characters_but_not_with_nul() -> None:
    assert check_text("text", "costs \x80 5\u200b", max_length=50, as_found=True)
    with pytest.raises(Invalid, match="control"):
        check_text("text", "a\x00b", max_length=50, as_found=True)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("A dog!", "a  dog", True),
        ("Ａ dog", "a dog", True),
        ("a dog", "a cat", False),
        ("!!!", "???", False),
        ("!!!", "!!!", True),
        *((f"a d{unseen}og", "a dog", True) for unseen in ("\u200b", "\u200d", "\u00ad", "\ufe0f", "\U000e0101")),
        ("cafe\u200d\u0301", "café", True),
        ("ΐ", "ΐ".upper(), True),
        ("it´s", "it's", True),
        ("a\u2800dog", "a dog", True),
        ("की", "का", False),
        ("snake_case", "snake case", True),
    ],
)
def test_fingerprints_see_through_case_punctuation_and_spacing(one: str, other: str, same: bool) -> None:
    assert (fingerprint([one]) == fingerprint([other])) is same


@given(st.text())
def test_the_compared_form_of_a_compared_form_is_itself(text: str) -> None:
    assert same_form(same_form(text)) == same_form(text)


def test_texts_do_not_run_into_each_other_in_a_fingerprint() -> None:
    assert fingerprint(["a b", "c"]) != fingerprint(["a", "b c"])


def test_the_context_is_put_in_its_place() -> None:
    schema = TaskSchema.parse(PAIR, LABELS)
    assert schema.check_texts({"hypothesis": " A pet. "}, "A dog.") == ("A dog.", "A pet.")
    turned = TaskSchema.parse(list(reversed(PAIR)), LABELS)
    assert turned.check_texts({"hypothesis": "A pet."}, "A dog.") == ("A pet.", "A dog.")


@pytest.mark.parametrize("fields", [PAIR, list(reversed(PAIR))])
def test_a_copy_of_the_context_is_refused_wherever_it_stands(fields: list[dict[str, str]]) -> None:
    schema = TaskSchema.parse(fields, LABELS)
    with pytest.raises(Invalid) as refused:
        schema.check_texts({"hypothesis": "a DOG"}, "A dog.")
    assert (refused.value.field, refused.value.code) == ("hypothesis", "copied")


def test_single_sentences_and_many_labels_are_a_task_too() -> None:
    schema = TaskSchema.parse([{"name": "text", "source": "writer"}], [{"name": name} for name in ("a", "b", "c")])
    assert schema.context_field is None
    assert schema.check_texts({"text": "Fine."}, None) == ("Fine.",)


@pytest.mark.parametrize(
    ("fields", "labels", "named"),
    [
        ([], LABELS, "fields"),
        ("premise", LABELS, "fields"),
        ([*PAIR, {"name": "third", "source": "writer"}], LABELS, "fields"),
        ([{"name": "premise", "source": "context"}], LABELS, "fields"),
        ([{"name": "Premise", "source": "writer"}], LABELS, "fields[0].name"),
        ([{"name": "text", "source": "nobody"}], LABELS, "fields[0].source"),
        ([{"name": "text", "source": "writer", "max_length": 0}], LABELS, "fields[0].max_length"),
        ([{"name": "text", "source": "writer", "max_length": True}], LABELS, "fields[0].max_length"),
        ([{"name": "text", "source": "writer", "min_length": 9, "max_length": 5}], LABELS, "fields[0].min_length"),
        ([PAIR[1], PAIR[1]], LABELS, "fields"),
        (PAIR, [{"name": "yes"}], "labels"),
        (PAIR, [{"name": "yes"}, {"name": "yes"}], "labels"),
        (PAIR, [{"name": "yes"}, {}], "labels[1].name"),
    ],
)
def test_what_is_no_task_is_named(fields: object, labels: object, named: str) -> None:
    with pytest.raises(Invalid) as refused:
        TaskSchema.parse(fields, labels)
    assert refused.value.field == named


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("field", "value"),
    [("name", ""), ("name", "n" * 101), ("instructions", "x" * 10_001), ("guidelines", "x" * 10_001), ("name", "a\0b")],
)
def test_a_task_has_a_name_and_bounded_instructions(field: str, value: str) -> None:
    with pytest.raises(Invalid) as refused:
        create_task("other", **{**TASKS["nli"], field: value})
    assert refused.value.field == field
    assert Task.objects.count() == 0
