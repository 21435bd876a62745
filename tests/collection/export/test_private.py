"""What a scan of free texts finds, and what it must not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collection.export.private import Finding, Kind, KnownIdentifiers, masked, scan

NOBODY = KnownIdentifiers()
KNOWN = KnownIdentifiers(
    [
        "anna.berg",
        "5f1c0ab2",
        "Mark",
        "sim-007",
        "Zoë Müller",
        "joe@lab.example",
        "hope",
        "@nightowl",
        "al",
        " ",
        "Straße 9",
    ]
)


def found(text: str, known: KnownIdentifiers = NOBODY) -> list[tuple[str, str]]:
    return [(finding.kind.name, text[finding.start : finding.end]) for finding in scan(text, known)]


@pytest.mark.parametrize(
    ("text", "kind", "part"),
    [
        ("Write to jane.doe+nli@mail.example.org, please.", "EMAIL", "jane.doe+nli@mail.example.org"),
        ("(jörg@müller.de)", "EMAIL", "jörg@müller.de"),
        ("See https://example.org/a?b=1.", "URL", "https://example.org/a?b=1"),
        ("He reads www.example.org daily.", "URL", "www.example.org"),
        ("It is at bit.ly/3xYz, he said", "URL", "bit.ly/3xYz"),
        ("My host is 192.168.13.77.", "IP", "192.168.13.77"),
        ("on 2001:db8::ff00:42:8329 now", "IP", "2001:db8::ff00:42:8329"),
        ("my id is 5f43a1b2c3d4e5f6a7b8c9d0", "WORKER", "5f43a1b2c3d4e5f6a7b8c9d0"),
        ("id_5f43a1b2c3d4e5f6a7b8c9d0.", "WORKER", "5f43a1b2c3d4e5f6a7b8c9d0"),
        ("worker A1B2C3D4E5F6G7", "WORKER", "A1B2C3D4E5F6G7"),
        ("Call (212) 736-5000 today", "PHONE", "(212) 736-5000"),
        ("Call 2127365000 today", "PHONE", "2127365000"),
        ("Ring 020 7946 0958.", "PHONE", "020 7946 0958"),
        ("Whatsapp 98765 43210", "PHONE", "98765 43210"),
        ("Ruf +49 30 901820 an", "PHONE", "+49 30 901820"),
    ],
)
def test_what_has_the_form_of_an_address_or_a_number_is_found(text: str, kind: str, part: str) -> None:
    assert found(text) == [(kind, part)]


@pytest.mark.parametrize(
    "text",
    [
        "In 1998 2,500 people lived there; in 2004 it was 3,100.",
        "The war lasted from 1939-1945, the other from 1914 to 1918.",
        "It happened on 2019-05-12 at 14:30:00, or 12/05/2019.",
        "The population was 1,234,567 in 2010 and 1 234 568 in 2011.",
        "Pi is 3.14159265358979 and the score was 10-9, 8-7, 6-5.",
        "He earned $12,500,000.00 between 2001 and 2010.",
        "Version 1.2.3 came before 1.2.4; see section 4.2.1.1.5 too.",
        "ISBN 978-3-16-148410-0 is a book.",
        "The ratio is 1:2:3 and std::vector and a::z.",
        "x5f43a1b2c3d4e5f6a7b8c9d0 and 5f43a1b2c3d4e5f6a7b8c9d0e1 are other things",
        "AN ACKNOWLEDGEMENT OF THE ADMINISTRATION",
        "ANTIDISESTABLISHMENT1 and A1B2C3D4E5F6G7H8 are too long; A1B2 is short",
        "He and/or she, e.g./i.e. the U.S./U.K. at 5 @ 3 and a@b.",
        "St.Louis/Paris, 24/7, w/o; he said:no.and yes.",
        "",
    ],
)
def test_ordinary_texts_with_numbers_have_nothing_in_them(text: str) -> None:
    assert found(text, KNOWN) == []


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("by Anna.Berg, who", "Anna.Berg"),
        ("5F1C0AB2", "5F1C0AB2"),
        ("I am Mark.", "Mark"),
        ("(sim-007)", "sim-007"),
        ("ZOË MÜLLER wrote it", "ZOË MÜLLER"),
        ("from joe@lab.example", "joe@lab.example"),
        ("hi @nightowl!", "@nightowl"),
        ("in Straße 9", "Straße 9"),
    ],
)
def test_what_the_site_knows_people_by_is_found_as_whole_words(text: str, part: str) -> None:
    assert found(text, KNOWN) == [("KNOWN", part)]


@pytest.mark.parametrize(
    "text", ["anna bergen", "anna.bergen", "joanna.berg", "a mark", "Marks", "sim-0071", "Hope", "al"]
)
def test_parts_of_words_and_other_words_are_not_what_the_site_knows(text: str) -> None:
    assert found(text, KNOWN) == []


@given(st.text(st.characters(codec="ascii"), max_size=20), st.text(st.characters(codec="ascii"), max_size=20))
def test_the_same_is_known_in_texts_with_and_without_other_alphabets(before: str, after: str) -> None:
    text = f"{before}Kim_Lee-7{after}"
    found, beside = ([*KnownIdentifiers(["kim_lee-7"]).find(each)] for each in (text, f"{text} é"))
    assert found == beside


def test_several_are_found_in_order_and_none_twice() -> None:
    text = "joe@lab.example or https://x.example/joe@lab.example or 5f43a1b2c3d4e5f6a7b8c9d0"
    kinds = [kind for kind, _ in found(text, KNOWN)]
    assert kinds == ["KNOWN", "KNOWN", "WORKER"]


def test_an_excerpt_shows_what_is_around_and_one_character_of_what_was_found() -> None:
    text = (
        "This is a long text about a dog. Write to jane@mail.example or to joe@mail.example if the dog should be lost."
    )
    first, second = scan(text, NOBODY)
    assert masked(text, first, [second]) == "…ng text about a dog. Write to j••• or to j••• if the…"
    assert masked("jane@mail.example", Finding(Kind.EMAIL, 0, 17)) == "j•••"


@given(st.text(max_size=80), st.lists(st.tuples(st.integers(0, 80), st.integers(1, 20)), min_size=1, max_size=4))
def test_nothing_that_was_found_is_in_an_excerpt(text: str, spans: list[tuple[int, int]]) -> None:
    findings = [Finding(Kind.KNOWN, start, start + 2) for start, _ in spans if start + 2 <= len(text)]
    marked = "".join("#" if any(f.start < at < f.end for f in findings) else "." for at in range(len(text)))
    hidden = "".join(chr(0xE000) if mark == "#" else "." for mark in marked)
    for finding in findings:
        assert chr(0xE000) not in masked(hidden, finding, findings)


@given(st.text(max_size=300))
def test_any_text_can_be_scanned(text: str) -> None:
    for finding in scan(text, KNOWN):
        assert 0 <= finding.start < finding.end <= len(text)
        assert masked(text, finding)
