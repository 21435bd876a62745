"""Releases asked for, taken and changed by several at the very same moment."""

from __future__ import annotations

import pytest

from collection import releases, releasing
from collection.errors import Conflict
from collection.models import Release
from tests.collection import released
from tests.concurrency.test_races import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def test_all_who_ask_at_once_get_a_number_of_their_own() -> None:
    experiment = released.study()
    asked = at_once(*[lambda: releases.ask(experiment, {})] * 4)
    assert sorted(item.number for item in asked) == [1, 2, 3, 4]


def test_of_workers_at_once_one_builds_it() -> None:
    release = releases.ask(released.study(), {"formats": ["jsonl"]})
    at_once(*[lambda: releasing.release(release.pk)] * 3)
    release.refresh_from_db()
    assert (release.state, release.problem) == ("done", "")
    assert len(released.everything(release)) == len(release.files)


def test_two_links_at_once_are_one() -> None:
    release = released.built(released.study(), formats=["jsonl"])
    one, other = at_once(*[lambda: releases.make_link(release)] * 2)
    assert one == other == Release.objects.get().link


def test_it_is_withdrawn_or_tried_again_and_not_both() -> None:
    release = releases.ask(released.study(), {})
    Release.objects.update(state="failed")
    outcomes = at_once(
        lambda: releases.retry(releases.one_of(release.experiment, 1)),
        lambda: releases.withdraw(releases.one_of(release.experiment, 1)),
    )
    release.refresh_from_db()
    lost = [isinstance(item, Conflict) for item in outcomes]
    # Who withdraws after the retry was done takes back what is due again: then nobody has lost.
    assert (release.state, lost) in [
        ("due", [False, True]),
        ("withdrawn", [True, False]),
        ("withdrawn", [False, False]),
    ]
