"""Filters, pages and single examples of an experiment, as researchers browse them."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import signing
from django.db import connection
from django.test.utils import CaptureQueriesContext

from collection import assignment, submission
from collection.adjudication import adjudicate
from collection.browsing import (
    FILTERS,
    ExampleFilter,
    Page,
    example_detail,
    page_of_examples,
    parse_filter,
)
from collection.errors import Invalid, NotYours
from collection.models import Example, Experiment, Validation
from collection.pseudonyms import people_called, pseudonym
from tests import factories

pytestmark = pytest.mark.django_db


def keys(page: Page) -> list[uuid.UUID]:
    """The keys of a page's rows."""
    return [row.key for row in page.rows]


def queries(act: Callable[[], Any]) -> int:
    """How many queries an act takes."""
    with CaptureQueriesContext(connection) as captured:
        act()
    return len(captured)


def everything(experiment: Experiment, wanted: ExampleFilter, **settings: int) -> list[uuid.UUID]:
    """All keys, page after page."""
    cursor, found = None, []
    for _ in range(100):
        page = page_of_examples(experiment, wanted, cursor, **settings)
        found += keys(page)
        cursor = page.next
        if cursor is None:
            return found
    raise AssertionError("the pages do not end")


@pytest.fixture
def experiment() -> Experiment:
    """A running experiment in which two votes of at most three decide."""
    return factories.running(quota=50)


@pytest.fixture
def ten(experiment: Experiment) -> list[Example]:
    """Ten examples in two arms, newest first; those of an experiment beside it lie between them."""
    other = factories.running("other", quota=50)
    made = []
    for number in range(10):
        made.append(factories.written(experiment, "static" if number % 2 else "dynamic"))
        factories.written(other)
    return made[::-1]


class TestFilters:
    def test_are_parsed(self) -> None:
        given = {
            "arm": "dynamic", "round": "3", "state": "flagged", "fooled": "true", "disagreement": "false",
            "writer": "0123456789", "label": "entailment", "text": " Two dogs ",
        }  # fmt: skip
        parsed = parse_filter(given)
        assert set(given) == set(FILTERS)
        assert vars(parsed) == {**given, "round": 3, "fooled": True, "disagreement": False, "text": "Two dogs"}

    def test_that_are_empty_are_none(self) -> None:
        assert parse_filter(dict.fromkeys(FILTERS, "")) == ExampleFilter()

    @pytest.mark.parametrize(
        "name",
        ["annotator", "state__in", "arm__experiment", "text__regex", "annotator__user__password", "__", "", "pk"],
    )
    def test_of_any_other_name_are_refused(self, name: str) -> None:
        with pytest.raises(Invalid) as refused:
            parse_filter({name: "1"})
        assert (refused.value.field, refused.value.code) == (name, "unknown_filter")

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("arm", "a b"), ("arm", "x" * 31), ("round", "0"), ("round", "-1"), ("round", "1e3"), ("round", "9" * 5000),
            ("round", "٣"), ("state", "unheard"), ("fooled", "yes"), ("fooled", "None"), ("disagreement", "2"),
            ("writer", "0123"), ("writer", "ABCDEF0123"), ("writer", "0123456789\n"), ("label", "<b>"),
            ("text", "x" * 201),
        ],
    )  # fmt: skip
    def test_with_a_bad_value_are_refused_by_name(self, name: str, value: str) -> None:
        with pytest.raises(Invalid) as refused:
            parse_filter({name: value})
        assert refused.value.field == name

    def test_an_arm_or_a_label_of_no_experiment_or_another_is_refused(self, experiment: Experiment) -> None:
        with pytest.raises(Invalid, match="arm"):
            page_of_examples(experiment, ExampleFilter(arm="other"))
        with pytest.raises(Invalid, match="label"):
            page_of_examples(experiment, ExampleFilter(label="other"))

    def test_each_finds_what_it_says(self, experiment: Experiment) -> None:
        fooling = factories.written(experiment, "dynamic")
        plain = factories.written(experiment, "non-adversarial")
        adjudicate(experiment, plain.key, User.objects.create(username="expert"), "rejected", "not a sentence")

        def found(**wanted: Any) -> list[uuid.UUID]:
            return everything(experiment, ExampleFilter(**wanted))

        assert found(arm="dynamic") == [fooling.key]
        assert found(round=1) == [plain.key, fooling.key]
        assert found(round=1, arm="dynamic") == [fooling.key]
        assert found(round=2) == found(round=1, state="accepted") == []
        assert found(state="rejected") == [plain.key]
        assert found(fooled=True) == [fooling.key]
        # Where no model is shown, none was fooled, and none was not.
        assert found(fooled=False) == []
        assert found(writer=pseudonym(experiment, plain.annotator)) == [plain.key]
        assert found(writer=pseudonym(experiment, plain.annotator), state="pending") == []
        assert found(writer=pseudonym(experiment, plain.annotator), round=2) == []
        assert found(writer=pseudonym(experiment, plain.annotator), round=1, arm="dynamic") == []
        assert found(writer="0" * 10) == []
        assert found(label=fooling.label) == [item.key for item in (plain, fooling) if item.label == fooling.label]

    def test_disagreement_is_of_votes_that_count(self, experiment: Experiment) -> None:
        agreed, split, flagged, early = (factories.written(experiment) for _ in range(4))

        def vote(example: Example, *labels: str, counts: bool = True) -> None:
            for label in labels:
                at = example.submitted_at
                Validation.objects.create(
                    example=example, annotator=factories.person(), state="voted", label=label, flagged=not label,
                    reason="" if label else "spam", expires_at=at, voted_at=at, settled_at=at if counts else None,
                )  # fmt: skip

        vote(agreed, *["entailment"] * 2)
        vote(split, "entailment", "not_entailment")
        vote(flagged, "")
        vote(early, "entailment")
        vote(early, "not_entailment", counts=False)
        assert everything(experiment, ExampleFilter(disagreement=True)) == [flagged.key, split.key]
        assert everything(experiment, ExampleFilter(disagreement=False)) == [early.key, agreed.key]
        rows = {row.key: (row.votes, row.flags) for row in page_of_examples(experiment, ExampleFilter()).rows}
        assert rows[split.key] == ({"entailment": 1, "not_entailment": 1}, 0)
        assert rows[flagged.key] == ({}, 1)
        assert rows[early.key] == ({"entailment": 1}, 0)


class TestSearch:
    @pytest.mark.parametrize("text", ["GRÜSSE", "grüße", "gru\u0308sse", "SSE AUS", "100% \\ _a", '"quoted"', "dogs."])
    def test_finds_parts_of_a_text_in_any_case_and_form(self, experiment: Experiment, text: str) -> None:
        writer = factories.member_of(experiment, "non-adversarial")
        held = assignment.claim(experiment, writer)
        made = factories.attempted(held, factories.fooled(held), 'Grüße aus "quoted" 100% \\ _a.')
        example = submission.submit(held.key, writer, made.key)
        factories.written(experiment)
        found = everything(experiment, ExampleFilter(text=text))
        # The context, which has dogs, is one of an example's texts.
        assert (len(found) == 2) if text == "dogs." else (found == [example.key])

    @pytest.mark.parametrize("text", ["%", "dogs.Something", "dogs., ", '", "', "\\u"])
    def test_finds_nothing_between_texts_and_no_patterns(self, experiment: Experiment, text: str) -> None:
        factories.written(experiment)
        assert everything(experiment, ExampleFilter(text=text)) == []

    def test_stops_after_a_number_of_examples_and_goes_on(self, experiment: Experiment, ten: list[Example]) -> None:
        wanted = ExampleFilter(text=Example.objects.get(pk=ten[-1].pk).attempt.texts[1])
        first = page_of_examples(experiment, wanted, size=2, looked_at=4)
        assert (first.rows, first.searched) == ((), 4)
        assert (first.next is not None, first.previous) == (True, None)
        second = page_of_examples(experiment, wanted, first.next, 2, looked_at=4)
        assert (second.rows, second.searched) == ((), 4)
        third = page_of_examples(experiment, wanted, second.next, 2, looked_at=4)
        assert (keys(third), third.next, third.searched) == ([ten[-1].key], None, None)
        # And back again, to the very same end.
        back = page_of_examples(experiment, wanted, third.previous, 2, looked_at=4)
        assert (back.rows, back.searched) == ((), 4)
        assert everything(experiment, wanted, size=2, looked_at=4) == [ten[-1].key]

    def test_an_empty_page_leads_back_to_where_it_came_from(self, experiment: Experiment, ten: list[Example]) -> None:
        start = page_of_examples(experiment, ExampleFilter(), size=5)
        empty = page_of_examples(experiment, ExampleFilter(text="zzz"), start.next)
        assert (empty.rows, empty.next) == ((), None)
        assert keys(page_of_examples(experiment, ExampleFilter(), empty.previous, 6)) == [item.key for item in ten[:5]]


class TestPages:
    @pytest.mark.parametrize("size", [1, 3, 5, 10, 11])
    def test_go_through_all_examples_once_newest_first(
        self, experiment: Experiment, ten: list[Example], size: int
    ) -> None:
        assert everything(experiment, ExampleFilter(), size=size) == [item.key for item in ten]

    @pytest.mark.parametrize("wanted", [ExampleFilter(), ExampleFilter(fooled=True), ExampleFilter(arm="static")])
    def test_go_back_as_they_went(self, experiment: Experiment, ten: list[Example], wanted: ExampleFilter) -> None:
        pages = [page_of_examples(experiment, wanted, size=2)]
        while pages[-1].next:
            pages.append(page_of_examples(experiment, wanted, pages[-1].next, 2))
        page = pages.pop()
        while pages:
            assert page.previous is not None
            page = page_of_examples(experiment, wanted, page.previous, 2)
            assert keys(page) == keys(pages.pop())
        assert page.previous is None

    def test_stay_put_while_examples_come(self, experiment: Experiment, ten: list[Example]) -> None:
        first = page_of_examples(experiment, ExampleFilter(), size=5)
        factories.written(experiment)
        second = page_of_examples(experiment, ExampleFilter(), first.next, 5)
        assert keys(second) == [item.key for item in ten[5:]]

    def test_show_all_that_a_list_shows(self, experiment: Experiment) -> None:
        example = factories.written(experiment, "dynamic")
        (row,) = page_of_examples(experiment, ExampleFilter()).rows
        assert (row.key, row.label, row.state, row.fooled) == (example.key, example.label, "pending", True)
        assert (row.arm, row.round, row.submitted_at) == ("dynamic", 1, example.submitted_at)
        assert row.texts == tuple(example.attempt.texts)
        assert row.writer == pseudonym(experiment, example.annotator)

    @pytest.mark.parametrize("size", [0, -1, 201])
    def test_have_a_bounded_size(self, experiment: Experiment, size: int) -> None:
        with pytest.raises(Invalid) as refused:
            page_of_examples(experiment, ExampleFilter(), size=size)
        assert refused.value.field == "size"

    @pytest.mark.parametrize(
        "wanted",
        [
            ExampleFilter(), ExampleFilter(arm="dynamic"), ExampleFilter(round=1), ExampleFilter(state="pending"),
            ExampleFilter(fooled=True, disagreement=False, text="something"),
            ExampleFilter(writer="0" * 10, round=1, text="something"),
        ],
    )  # fmt: skip
    def test_take_as_many_queries_whatever_their_size(
        self, experiment: Experiment, ten: list[Example], wanted: ExampleFilter
    ) -> None:
        cursor = page_of_examples(experiment, ExampleFilter(), size=1).next
        one = queries(lambda: page_of_examples(experiment, wanted, cursor, 1))
        assert queries(lambda: page_of_examples(experiment, wanted, cursor, 9)) == one <= 5

    def test_of_a_writer_take_five_queries(self, experiment: Experiment, ten: list[Example]) -> None:
        wanted = ExampleFilter(writer=pseudonym(experiment, ten[0].annotator), round=1, text="something")
        assert queries(lambda: page_of_examples(experiment, wanted)) == 5
        assert len(page_of_examples(experiment, wanted).rows) == 1


class TestCursors:
    @pytest.mark.parametrize("cursor", ["", "x", "1", "a:b:c", "\x00", "ü", "\ud800", "W3RydWUsIDFd", "x" * 100_000])
    def test_that_nobody_gave_are_refused(self, experiment: Experiment, cursor: str) -> None:
        with pytest.raises(Invalid) as refused:
            page_of_examples(experiment, ExampleFilter(), cursor)
        assert refused.value.field == "cursor"

    def test_that_are_damaged_forged_or_of_another_experiment_are_refused(
        self, experiment: Experiment, ten: list[Example]
    ) -> None:
        good = page_of_examples(experiment, ExampleFilter(), size=1).next
        assert good is not None
        other = page_of_examples(Experiment.objects.get(slug="other"), ExampleFilter(), size=1).next
        forged = signing.dumps((True, 1), salt="collection.browsing")
        for bad in (good[:-1], good + "A", "A" + good, good.replace(":", ";"), forged, other):
            with pytest.raises(Invalid) as refused:
                page_of_examples(experiment, ExampleFilter(), bad)
            assert refused.value.field == "cursor"


class TestPseudonyms:
    def test_are_stable_and_differ_between_people_and_experiments(self, experiment: Experiment) -> None:
        other = factories.running("other")
        ada, ben = factories.person(), factories.person()
        names = {pseudonym(study, somebody) for study in (experiment, other) for somebody in (ada, ben)}
        assert len(names) == 4
        assert pseudonym(experiment, ada) in names

    def test_depend_on_the_sites_secret(self, experiment: Experiment, settings: Any) -> None:
        ada = factories.person()
        before = pseudonym(experiment, ada)
        settings.SECRET_KEY = "another"
        assert pseudonym(experiment, ada) != before

    def test_that_two_share_find_both(self, experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
        made = [factories.written(experiment) for _ in range(3)]
        shared = {item.annotator.key for item in made[:2]}
        monkeypatch.setattr("collection.pseudonyms.pseudonym_of", lambda _, key: ("a" if key in shared else "b") * 10)
        assert everything(experiment, ExampleFilter(writer="a" * 10)) == [made[1].key, made[0].key]

    def test_of_people_enrolled_elsewhere_find_nobody(self, experiment: Experiment) -> None:
        stranger = factories.member_of(factories.running("other"), "dynamic")
        assert people_called(experiment, pseudonym(experiment, stranger)) == []


class TestDetail:
    def test_tells_the_whole_story_under_pseudonyms(self, experiment: Experiment) -> None:
        writer = factories.member_of(experiment, "dynamic")
        held = assignment.claim(experiment, writer)
        factories.attempted(held, factories.client_that_says(held.target_label), "A first try.")
        made = factories.attempted(held, factories.fooled(held), "A second try.")
        said = submission.Explanation("It is so.", "It counts words.")
        example = submission.submit(held.key, writer, made.key, said)
        validator = factories.member_of(experiment, "static")
        factories.voted(experiment, validator, None, "unclear")
        Validation.objects.create(
            example=example, annotator=factories.person(), state="voted", label=example.label,
            expires_at=example.submitted_at, voted_at=example.submitted_at,
        )  # fmt: skip
        Validation.objects.create(example=example, annotator=factories.person(), expires_at=example.submitted_at)
        adjudicate(
            example.arm.experiment, example.key, User.objects.create(username="expert"), "accepted", "It is clear."
        )

        detail = example_detail(experiment, example.key)
        assert (detail.row.key, detail.row.state, detail.row.flags, detail.row.votes) == (
            example.key, "accepted", 1, {},
        )  # fmt: skip
        assert held.context is not None
        assert (detail.context, detail.row.texts) == (held.context.text, (held.context.text, "A second try."))
        assert (detail.why_label, detail.why_fooled, detail.ruling) == ("It is so.", "It counts words.", "It is clear.")
        assert [(line.index, line.texts[1], line.fooled, line.submitted) for line in detail.attempts] == [
            (1, "A first try.", False, False),
            (2, "A second try.", True, True),
        ]
        chosen = detail.attempts[1]
        assert (chosen.model_version, chosen.prediction) == ("base/0", made.prediction)
        assert chosen.probabilities == made.probabilities
        assert chosen.latency_ms == made.latency_ms
        assert {(vote.label, vote.reason, vote.counts) for vote in detail.votes} == {
            (None, "unclear", True),
            (example.label, "", False),
        }
        assert pseudonym(experiment, validator) in {vote.validator for vote in detail.votes}
        assert [(event.from_state, event.to_state, event.actor) for event in detail.events] == [
            ("", "pending", pseudonym(experiment, writer)),
            ("pending", "accepted", "expert"),
        ]
        told = repr(detail)
        for somebody in (writer, validator):
            assert somebody.user.username not in told
            assert str(somebody.key) not in told

    def test_of_another_experiment_or_of_none_is_not_yours(self, experiment: Experiment) -> None:
        example = factories.written(factories.running("other"))
        for key in (example.key, uuid.uuid4()):
            with pytest.raises(NotYours):
                example_detail(experiment, key)

    def test_takes_five_queries_however_much_there_is(self, experiment: Experiment) -> None:
        example = factories.written(experiment)
        few = queries(lambda: example_detail(experiment, example.key))
        factories.voted(experiment, factories.member_of(experiment, "static"), None)
        factories.voted(experiment, factories.member_of(experiment, "static"), example.label)
        for number in range(2, 5):
            copy = example.attempt
            copy.pk, copy.key, copy.index, copy.idempotency_key = None, uuid.uuid4(), number, str(number)
            copy.save(force_insert=True)
        assert queries(lambda: example_detail(experiment, example.key)) == few == 5

    def test_where_no_model_is_shown_has_no_verdict(self, experiment: Experiment) -> None:
        example = factories.written(experiment, "non-adversarial")
        (line,) = example_detail(experiment, example.key).attempts
        assert (line.prediction, line.probabilities, line.model_version, line.fooled, line.latency_ms) == (
            "", None, None, None, None,
        )  # fmt: skip
