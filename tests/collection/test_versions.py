"""Where versions come from and what came of them, and asking one."""

from __future__ import annotations

import pytest

from collection.errors import Invalid, NothingToDo, NotYours
from collection.models import Round
from collection.versions import lineage_of, lineages, one_of, predict
from modelserver.client import FakeModelClient, Rejected
from modelserver.wire import TextInput
from tests import factories

pytestmark = pytest.mark.django_db
PAIR = [TextInput(("A dog sleeps.", "An animal rests."))]


def test_lineages_go_from_the_base_version_arm_by_arm_and_round_by_round() -> None:
    experiment = factories.running(quota=5, quorum=1, max_validations=1)
    factories.accepted(experiment, "dynamic", 2)
    first = factories.trained(experiment, "dynamic", 1)
    factories.trained(experiment, "static", 1)
    second = factories.trained(experiment, "dynamic", 2, parent=first)
    Round.objects.filter(arm__slug="dynamic", number=2).update(model_version=first)
    factories.scored(experiment, second, right=9)
    found = lineages(experiment)
    order = [arm.slug for arm in experiment.arms.all() if arm.slug != "non-adversarial"]
    last = {"dynamic": ["study-dynamic/1", "study-dynamic/2"], "static": ["study-static/1"]}
    assert [str(item.version) for item in found] == ["base/0", *(name for slug in order for name in last[slug])]
    by_name = {str(item.version): item for item in found}
    assert (by_name["base/0"].round, by_name["base/0"].examples) == (None, None)
    # Round 1 of the arms with a model, and round 2 of the static one's, are played against the base version.
    assert {item.number for item in by_name["base/0"].played_in} == {1}
    assert [str(child) for child in by_name["base/0"].children] == ["study-dynamic/1", "study-static/1"]
    one = by_name["study-dynamic/1"]
    assert (one.examples, [str(item) for item in one.children]) == (2, ["study-dynamic/2"])
    assert [(item.arm.slug, item.number) for item in one.played_in] == [("dynamic", 2)]
    assert one.run is not None
    assert one.run.progress["curve"][-1] == [20, 0.25]
    (score,) = by_name["study-dynamic/2"].scores
    assert (score.test_set.slug, score.accuracy.value, score.accuracy.n) == ("hard", 0.9, 10)
    assert score.accuracy.low == pytest.approx(0.5958, abs=1e-4)


def test_a_version_of_another_experiment_is_not_there() -> None:
    mine, theirs = factories.running(), factories.running("theirs")
    other = factories.trained(theirs)
    assert lineage_of(theirs, other.name, 1).version == other
    for name, version in ((other.name, 1), ("base", 1), ("base", 2**40)):
        with pytest.raises(NotYours):
            one_of(mine, name, version)
        with pytest.raises(NotYours):
            lineage_of(mine, name, version)
    assert [str(item.version) for item in lineages(mine)] == ["base/0"]
    # What another experiment made of the same base version is its own.
    assert lineages(mine)[0].children == ()


class Refusing(FakeModelClient):
    """A model server that refuses every question."""

    def __init__(self, *, is_input: bool) -> None:
        super().__init__()
        self._is_input = is_input

    def predict_one(self, *_: object) -> None:  # type: ignore[override]
        """Refuses."""
        raise Rejected("too many tokens", is_input=self._is_input)


def test_a_version_answers_and_every_refusal_is_told_as_what_it_is() -> None:
    version = factories.base_version()
    found = predict(version, PAIR * 2, "hypothesis", factories.client_that_says("entailment"))
    assert [item.label for item in found] == ["entailment"] * 2
    with pytest.raises(Invalid, match="too many tokens") as invalid:
        predict(version, PAIR, "hypothesis", Refusing(is_input=True))
    assert (invalid.value.field, invalid.value.code) == ("hypothesis", "unreadable")
    with pytest.raises(NothingToDo, match="does not have this version"):
        predict(version, PAIR, "hypothesis", Refusing(is_input=False))
    away = FakeModelClient()
    away.down = True
    with pytest.raises(NothingToDo, match="does not answer right now"):
        predict(version, PAIR, "hypothesis", away)
