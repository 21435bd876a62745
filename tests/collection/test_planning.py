"""What is wrong with a plan, what it will cost, and copies of experiments."""

from __future__ import annotations

import random
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from annotators.money import Money
from collection import experiments, planning
from collection.demo.tasks import task
from collection.errors import Invalid
from collection.importing.jsonl import LabelledRow
from collection.importing.test_sets import import_test_set
from collection.models import Experiment, TestSet
from collection.planning import Plan, Problem, copy_of, estimate, problems
from collection.quorum import Tally, decide
from collection.states import ArmKind, ExampleState
from modelserver.datafiles import DataStore
from modelserver.models import ModelVersion
from tests import factories

pytestmark = pytest.mark.django_db


def plan(**parts: Any) -> Plan:
    """A plan with nothing wrong but what is said."""
    return Plan(
        **{
            "slug": "study",
            "name": "Study",
            "task": task("nli"),
            "base_model": "models/nli-minilm",
            "contexts": ["A man has a dog.", "Two birds sing."],
            **parts,
        }
    )


def named(found: list[Problem]) -> list[str]:
    """The fields of some problems."""
    return [problem.field for problem in found]


def winter_set(path: Path) -> TestSet:
    """A test set of one row."""
    store = DataStore(f"file://{path}/data", path / "cache")
    rows = [LabelledRow(1, ("It is a cold winter night.", "Snow falls."), "entailment")]
    return import_test_set("winter", "winter", task("nli"), TestSet.Kind.IMPORTED, rows, store)


# --- problems -------------------------------------------------------------------------------------


def test_a_good_plan_has_no_problems_and_can_be_created() -> None:
    assert problems(plan(), people=3) == []
    assert experiments.create(plan()).state == "draft"


def test_every_problem_is_told_at_once_and_nothing_is_stored(tmp_path: Path) -> None:
    wrong = plan(
        slug="Not a slug",
        name=" ",
        base_model="no such/place/here",
        contexts=["A dog.", "", "a DOG", "x" * 401],
        arms=[("one", "eager"), ("one", "static"), ("-", "static")],
        test_sets=[winter_set(tmp_path)],
        task=task("nli"),
        settings={
            "colour": "red",
            "quota": 0,
            "rounds": "many",
            "validation_pay_minor": -1,
            "sandbox": "yes",
            "max_skips": -1,
            "seed": 2**63,
            "label_policy": "chosen",
            "quorum": 4,
            "currency": "euro",
            "recipe": {"epochs": 0, "speed": 9, "method": "magic", "rank": 8},
        },
    )
    assert named(problems(wrong)) == [
        "colour",
        "rounds",
        "quota",
        "validation_pay_minor",
        "sandbox",
        "max_skips",
        "seed",
        "label_policy",
        "max_validations",
        "currency",
        "recipe.speed",
        "recipe.method",
        "recipe.epochs",
        "arms",
        "arms",
        "base_model",
        "contexts[1]",
        "contexts[2]",
        "contexts[3]",
        "slug",
        "name",
        "arms",
    ]
    assert Experiment.objects.count() == 0


def test_creating_refuses_the_first_of_the_problems() -> None:
    wrong = plan(name="", settings={"quota": 0, "currency": "euro"})
    first = problems(wrong)[0]
    with pytest.raises(Invalid) as refused:
        experiments.create(wrong)
    assert (refused.value.field, refused.value.code, refused.value.message) == (
        first.field,
        first.code,
        first.message,
    )


def test_a_quorum_that_the_people_cannot_reach_is_a_problem_where_their_number_is_known() -> None:
    wanted = plan(settings={"quorum": 3})
    assert problems(wanted) == []
    assert problems(wanted, people=4) == []
    assert named(problems(wanted, people=3)) == ["quorum"]
    assert named(problems(plan(settings={"quorum": 1, "max_validations": 1}), people=2)) == ["arms"]


@pytest.mark.parametrize("contexts", [[], ["A dog.", "a dog!"]])
def test_contexts_that_are_missing_or_doubled_are_problems(contexts: list[str]) -> None:
    assert [problem.field.split("[")[0] for problem in problems(plan(contexts=contexts))] == ["contexts"]


def test_a_context_given_twice_to_the_letter_is_one_context() -> None:
    twice = plan(contexts=["A dog.", "A cat.", "A dog."])
    assert problems(twice) == []
    assert experiments.create(twice).contexts.count() == 2


def test_two_arms_may_be_of_one_kind_but_not_of_one_name() -> None:
    assert problems(plan(arms=[("one", ArmKind.DYNAMIC), ("two", ArmKind.DYNAMIC)])) == []
    assert named(problems(plan(arms=[("one", ArmKind.DYNAMIC), ("one", ArmKind.STATIC)]))) == ["arms"]
    assert named(problems(plan(arms=[]))) == ["arms"]


def test_a_name_that_is_taken_is_a_problem_but_not_for_the_draft_that_has_it() -> None:
    made = experiments.create(plan())
    assert [(problem.field, problem.code) for problem in problems(plan())] == [("slug", "taken")]
    assert problems(plan(), draft=made) == []


def test_names_that_would_give_two_arms_the_same_model_name_are_a_problem() -> None:
    experiments.create(plan(slug="dogs", arms=[("and-cats", ArmKind.STATIC)]))
    clash = plan(slug="dogs-and", arms=[("cats", ArmKind.STATIC)])
    assert [(problem.field, problem.code) for problem in problems(clash)] == [("slug", "taken")]
    assert problems(plan(slug="dogs-and", arms=[("mice", ArmKind.STATIC)])) == []
    # Of a study that was imported under another name.
    ModelVersion.objects.create(name="birds-mice", version=1, manifest_sha256="0" * 64, labels=["a", "b"])
    clash = plan(slug="birds", arms=[("mice", ArmKind.STATIC)])
    assert [(problem.field, problem.code) for problem in problems(clash)] == [("slug", "taken")]


def test_a_context_that_is_in_a_test_set_is_a_problem_that_a_draft_may_have(tmp_path: Path) -> None:
    overlapping = plan(contexts=["A dog.", "it is a COLD winter night"], test_sets=[winter_set(tmp_path)])
    found = problems(overlapping)
    assert [(problem.field, problem.code) for problem in found] == [("contexts", "in_test_set")]
    assert "1 of them" in found[0].message
    assert experiments.create(overlapping).state == "draft"


def test_a_test_set_of_another_task_is_a_problem(tmp_path: Path) -> None:
    mood = plan(task=task("sentiment"), contexts=(), test_sets=[winter_set(tmp_path)])
    assert named(problems(mood)) == ["test_sets"]


@pytest.mark.parametrize("name", ["x" * 301, "x" * 290, "a\0b", 7, None])
def test_a_base_model_that_no_file_system_could_hold_is_a_problem(name: object) -> None:
    assert named(problems(plan(base_model=name))) == ([] if name == "x" * 290 else ["base_model"])


@pytest.mark.parametrize("recipe", [{"epochs": 10**400}, {"learning_rate": 10**400}, {"rank": float("nan")}])
def test_a_number_beyond_all_bounds_is_a_problem_of_the_recipe(recipe: dict[str, Any]) -> None:
    assert named(problems(plan(settings={"recipe": recipe}))) == [f"recipe.{next(iter(recipe))}"]


@pytest.mark.parametrize("recipe", [None, [], "fast"])
def test_a_recipe_that_is_no_object_is_one_problem(recipe: object) -> None:
    assert len(problems(plan(settings={"recipe": recipe}))) == 1


# --- estimates ------------------------------------------------------------------------------------


def test_an_estimate_is_what_one_computes_by_hand() -> None:
    settings = {
        "rounds": 2,
        "quota": 10,
        "quorum": 2,
        "max_validations": 3,
        "base_pay_minor": 10,
        "fooling_bonus_minor": 20,
        "validation_pay_minor": 2,
        "currency": "EUR",
    }
    found = estimate(plan(settings=settings), accepted_share=0.5, fooled_share=0.3)
    # At 2 of 3, half are accepted when half of the votes agree; two votes decide half of them, three the others.
    assert found.agreement == pytest.approx(0.5)
    assert (found.examples, found.submissions, found.votes) == (60, 120, pytest.approx(120 * 2.5))
    assert found.cost.base == Money(60 * 10, "EUR")
    assert found.cost.bonus == Money(240, "EUR")
    assert found.cost.validation == Money(600, "EUR")
    assert found.cost.total == Money(1440, "EUR")
    assert (found.writing_hours, found.validating_hours) == (6, pytest.approx(2.5))
    assert found.hours == pytest.approx(8.5)
    assert (found.training_runs, found.people) == (6, 3)
    assert len(found.assumptions) == 9
    assert any("quorum of 2 of at most 3" in text for text in found.assumptions)


def test_further_seeds_of_the_learning_curve_are_further_training_runs() -> None:
    settings = {"rounds": 2, "quota": 10}
    runs = [estimate(plan(settings=settings | {"curve_seeds": seeds})).training_runs for seeds in (0, 1, 3)]
    assert runs == [6, 6, 18]


@pytest.mark.parametrize(("name", "value"), [("seed", -1), ("curve_seeds", 51), ("curve_seeds", -1)])
def test_a_seed_that_no_run_could_take_is_named(name: str, value: int) -> None:
    assert [item.field for item in problems(plan(settings={name: value}))] == [name]


def test_an_estimate_takes_defaults_for_what_a_plan_does_not_set() -> None:
    found = estimate(plan())
    assert found.examples == 3 * 20 * 150
    assert found.cost.total == Money(0, "USD")


def test_a_plan_without_a_model_shown_costs_no_bonus() -> None:
    quiet = plan(arms=[("plain", ArmKind.NON_ADVERSARIAL)], settings={"fooling_bonus_minor": 50})
    assert estimate(quiet).cost.bonus == Money(0, "USD")


def test_where_every_vote_agrees_an_example_gets_as_many_as_the_quorum() -> None:
    found = estimate(plan(settings={"quorum": 3, "max_validations": 5}), accepted_share=1)
    assert found.agreement == 1
    assert found.votes == 3 * found.examples


@pytest.mark.parametrize(("quorum", "most"), [(1, 1), (1, 4), (2, 2), (2, 3), (3, 4), (2, 6), (3, 7)])
def test_expected_votes_are_those_of_all_sequences_of_votes(quorum: int, most: int) -> None:
    agreement, expected, accepted = 0.8, 0.0, 0.0
    for sequence in product((True, False), repeat=most):
        chance = 1.0
        for vote in sequence:
            chance *= agreement if vote else 1 - agreement
        cast = next(n for n in range(1, most + 1) if _decided(sequence[:n], quorum, most) is not ExampleState.PENDING)
        expected += chance * cast
        accepted += chance * (_decided(sequence[:cast], quorum, most) is ExampleState.ACCEPTED)
    assert planning.expected_votes(agreement, quorum, most) == pytest.approx(expected)
    assert planning.agreement_for(accepted, quorum, most) == pytest.approx(agreement)


@pytest.mark.parametrize(("quorum", "most", "share"), [(2, 3, 0.7), (3, 5, 0.4), (2, 5, 0.9)])
def test_expected_votes_are_those_of_a_simulation(quorum: int, most: int, share: float) -> None:
    agreement = planning.agreement_for(share, quorum, most)
    dice, runs, cast, accepted = random.Random(7), 20_000, 0, 0
    for _ in range(runs):
        votes: list[bool] = []
        while (state := _decided(votes, quorum, most)) is ExampleState.PENDING:
            votes.append(dice.random() < agreement)
        cast += len(votes)
        accepted += state is ExampleState.ACCEPTED
    assert accepted / runs == pytest.approx(share, abs=0.015)
    assert cast / runs == pytest.approx(planning.expected_votes(agreement, quorum, most), abs=0.03)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"accepted_share": 0}, "accepted_share"),
        ({"accepted_share": 1.1}, "accepted_share"),
        ({"fooled_share": float("nan")}, "fooled_share"),
        ({"minutes_per_example": -1}, "minutes_per_example"),
        ({"minutes_per_validation": "1"}, "minutes_per_validation"),
    ],
)
def test_an_assumption_that_cannot_be_is_refused(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        estimate(plan(), **wrong)
    assert refused.value.field == field


def test_a_quorum_too_large_to_be_estimated_is_refused_and_the_largest_is_not() -> None:
    with pytest.raises(Invalid):
        estimate(plan(settings={"quorum": 101, "max_validations": 101}))
    found = estimate(plan(settings={"quorum": 100, "max_validations": 1_000_000}))
    assert found.votes > 100 * found.examples


def _decided(votes: Any, quorum: int, most: int) -> ExampleState:
    return decide(Tally(sum(votes), (len(votes) - sum(votes),), 0), quorum, most)


# --- copies ---------------------------------------------------------------------------------------


def test_a_copy_is_the_same_experiment_under_another_name(tmp_path: Path) -> None:
    original = factories.draft(
        contexts=["A man has a dog.", "Two birds sing.", "It rains."],
        test_sets=[winter_set(tmp_path)],
        quota=7,
        currency="EUR",
        recipe={"epochs": 2},
        max_skips=None,
        seed=5,
    )
    made = experiments.create(copy_of(original, "again", "Again"))
    assert (made.slug, made.name, made.state) == ("again", "Again", "draft")
    for setting in planning.SETTINGS:
        assert getattr(made, setting) == getattr(original, setting), setting
    assert made.base_model == original.base_model
    assert list(made.test_sets.all()) == list(original.test_sets.all())
    assert [(arm.slug, arm.kind) for arm in made.arms.all()] == [(arm.slug, arm.kind) for arm in original.arms.all()]
    texts = set(made.contexts.values_list("text", flat=True))
    assert texts == set(original.contexts.values_list("text", flat=True))


def test_a_copy_shares_nothing_that_can_be_changed_with_its_original() -> None:
    original = factories.draft(recipe={"epochs": 2})
    copy_of(original, "again", "Again").settings["recipe"]["epochs"] = 9
    assert original.recipe == {"epochs": 2}


def test_a_copy_deals_the_contexts_in_the_same_order() -> None:
    original = factories.draft(seed=5)
    made = experiments.create(copy_of(original, "again", "Again"))
    dealt = [list(item.contexts.order_by("position").values_list("text", flat=True)) for item in (original, made)]
    assert dealt[0] == dealt[1]
    assert copy_of(made, "third", "Third").contexts == list(factories.CONTEXTS)
