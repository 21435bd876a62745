"""A plan of an experiment: what is wrong with it, what it will cost, and the plan of an experiment that exists."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ParamSpec

from django.db.models import CharField, Value
from django.db.models.functions import Concat

from annotators.money import Money
from collection.errors import Invalid
from collection.models import Arm, Experiment, Task, TestItem, TestSet
from collection.quorum import Tally, decide
from collection.schema import NAME
from collection.states import ArmKind, ExampleState
from collection.texts import check_text, fingerprint
from modelserver import registry
from modelserver.models import ModelVersion
from modelserver.wire import Recipe, WireError

THREE_ARMS: tuple[tuple[str, ArmKind], ...] = (
    ("non-adversarial", ArmKind.NON_ADVERSARIAL),
    ("static", ArmKind.STATIC),
    ("dynamic", ArmKind.DYNAMIC),
)
_POSITIVE = ("rounds", "quota", "quorum", "max_validations", "max_tries", "lease_seconds")
_NOT_NEGATIVE = ("base_pay_minor", "fooling_bonus_minor", "validation_pay_minor", "undo_seconds")
_SWITCHES = ("sandbox", "inspiration", "leaderboard", "open_enrolment")
_CHOICES = {"label_policy": Experiment.Labels.values, "start_from": Experiment.StartFrom.values}
# Columns of Experiment that a plan may set.
_OTHERS = ("max_skips", "seed", "curve_seeds", "currency", "recipe")
SETTINGS = frozenset({*_POSITIVE, *_NOT_NEGATIVE, *_SWITCHES, *_CHOICES, *_OTHERS})
LARGEST = 1_000_000
# More seeds make intervals hardly narrower, and each is a training run an arm and round.
MOST_CURVE_SEEDS = 50
# The largest quorum whose votes are estimated: the work grows with its square.
LARGEST_ESTIMATED_QUORUM = 100
P = ParamSpec("P")


@dataclass(frozen=True)
class Plan:
    """All that makes an experiment. ``settings`` are columns of Experiment by name; what is missing has its default."""

    slug: str
    name: str
    task: Task
    base_model: str
    contexts: Sequence[str] = ()
    test_sets: Sequence[TestSet] = ()
    arms: Sequence[tuple[str, ArmKind]] = THREE_ARMS
    settings: Mapping[str, Any] = field(default_factory=dict)

    def setting(self, name: str) -> Any:
        """A setting, or its default."""
        column: Any = Experiment._meta.get_field(name)
        return self.settings.get(name, column.get_default())


# --- What is wrong with a plan --------------------------------------------------------------------


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a plan: ``field`` names the part, ``message`` says it to people."""

    field: str
    code: str
    message: str


def problems(plan: Plan, *, people: int | None = None, draft: Experiment | None = None) -> list[Problem]:
    """All that is wrong with a plan; empty for one that can be created and launched. Nothing is stored.

    ``people`` is how many will take part, where that is known. ``draft`` is the experiment that the plan is already,
    whose name is not taken. First come the faults that ``check`` refuses, in its order. Whether a context is *nearly*
    a test row is seen by a worker at the launch; here only texts that are the same but for case, punctuation and
    spacing are found.
    """
    found = list(_faults(plan, draft))
    found.extend(_contexts_in_test_sets(plan))
    if people is not None:
        found.extend(_too_few(plan, people))
    return found


def check(plan: Plan, *, draft: Experiment | None = None, known: Plan | None = None) -> None:
    """Raises Invalid for the first fault of a plan for which no experiment could be stored.

    ``draft`` is as for ``problems``. Faults that the plan ``known`` has too are let pass: what was wrong before must
    not stop somebody from mending something else.
    """
    passed = frozenset(_faults(known, draft)) if known is not None else frozenset()
    for problem in _faults(plan, draft):
        if problem not in passed:
            raise Invalid(problem.field, problem.message, problem.code)


def task_named(slug: str) -> Task:
    """The task of this name. Raises Invalid on ``task`` if there is none."""
    task = Task.objects.filter(slug=slug).first()
    if task is None:
        raise Invalid("task", "There is no such task.", "unknown_task")
    return task


def check_slug(field_name: str, slug: object) -> str:
    """The slug. Raises Invalid naming ``field_name`` if it is none."""
    if not isinstance(slug, str) or not NAME.fullmatch(slug) or "_" in slug or slug.endswith("-"):
        raise Invalid(field_name, "Must be lower-case letters, digits and inner dashes, at most 40, a letter first.")
    return slug


def check_whole(field_name: str, value: object, low: int, high: int) -> int:
    """The whole number. Raises Invalid naming ``field_name`` if it is none, or not from ``low`` to ``high``."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise Invalid(field_name, f"Must be a whole number from {low} to {high}.")
    return value


def check_base_model(name: object) -> None:
    """Raises Invalid for what cannot be a base model."""
    try:
        if not isinstance(name, str) or len(name) > 300:
            raise WireError("base_model", "must be a text of at most 300 characters")
        registry.check_base_model(name)
    except WireError as error:
        raise Invalid("base_model", error.message, "unknown_base_model") from None


def distinct_contexts(plan: Plan) -> tuple[dict[str, str], list[Problem]]:
    """The contexts that can be stored, by fingerprint and in their order, and what is wrong with the others.

    The same text given twice is one context. One that differs from an earlier one in case, punctuation or spacing
    alone is a fault.
    """
    wanted = plan.task.schema.context_field
    if wanted is None:
        return {}, [Problem("contexts", "invalid", "This task has no context field.")] if plan.contexts else []
    if not plan.contexts:
        return {}, [Problem("contexts", "invalid", "This task needs at least one context.")]
    texts: dict[str, str] = {}
    wrong: list[Problem] = []
    for index, raw in enumerate(plan.contexts):
        name = f"contexts[{index}]"
        try:
            text = check_text(name, raw, min_length=wanted.min_length, max_length=wanted.max_length)
        except Invalid as error:
            wrong.append(_problem(error))
            continue
        if texts.setdefault(fingerprint([text]), text) != text:
            message = "Differs from an earlier context only in case, punctuation or spacing."
            wrong.append(Problem(name, "invalid", message))
    return texts, wrong


def _faults(plan: Plan, draft: Experiment | None) -> Iterator[Problem]:
    yield from _in_settings(plan)
    yield from _in_arms(plan.arms)
    for item in plan.test_sets:
        if item.task_id != plan.task.pk:
            yield Problem("test_sets", "invalid", f"{item.slug} belongs to another task.")
    yield from _refusal(check_base_model, plan.base_model)
    yield from distinct_contexts(plan)[1]
    bad_slug = list(_refusal(check_slug, "slug", plan.slug))
    yield from bad_slug
    yield from _refusal(check_text, "name", plan.name, max_length=100)
    for slug, _ in plan.arms:
        yield from _refusal(check_slug, "arms", slug)
    if not bad_slug:
        yield from _taken_names(plan, draft)


def _in_settings(plan: Plan) -> Iterator[Problem]:
    settings = plan.settings
    for name in settings:
        if name not in SETTINGS:
            yield Problem(name, "unknown_field", "There is no such setting.")
    wrong: set[str] = set()
    for names, low in ((_POSITIVE, 1), (_NOT_NEGATIVE, 0)):
        for name in names:
            for problem in _refusal(check_whole, name, settings.get(name, low), low, LARGEST):
                wrong.add(name)
                yield problem
    for name in _SWITCHES:
        if not isinstance(settings.get(name, False), bool):
            yield Problem(name, "invalid", "Must be true or false.")
    if settings.get("max_skips") is not None:
        yield from _refusal(check_whole, "max_skips", settings["max_skips"], 0, LARGEST)
    # What a training run takes as a seed.
    yield from _refusal(check_whole, "seed", settings.get("seed", 0), 0, 2**63 - 1)
    yield from _refusal(check_whole, "curve_seeds", settings.get("curve_seeds", 1), 0, MOST_CURVE_SEEDS)
    for name, values in _CHOICES.items():
        if settings.get(name, values[0]) not in values:
            yield Problem(name, "invalid", f"Must be one of: {', '.join(values)}.")
    if not wrong & {"quorum", "max_validations"} and plan.setting("max_validations") < plan.setting("quorum"):
        yield Problem("max_validations", "invalid", "Must not be below the quorum.")
    try:
        Money(0, settings.get("currency", "USD"))
    except ValueError:
        yield Problem("currency", "invalid", "Must be three capital letters (ISO 4217).")
    yield from _in_recipe(settings.get("recipe", {}))


def _in_recipe(recipe: object) -> Iterator[Problem]:
    # A recipe names its first fault; without the faulty part it names the next.
    rest: Any = dict(recipe) if isinstance(recipe, Mapping) else recipe
    while True:
        try:
            Recipe.from_dict(rest)
        except WireError as error:
            yield Problem(f"recipe.{error.field}", "invalid", error.message)
            if not isinstance(rest, dict) or rest.pop(error.field, rest) is rest:
                return
        else:
            return


def _in_arms(arms: Sequence[tuple[str, ArmKind]]) -> Iterator[Problem]:
    if not arms or len({slug for slug, _ in arms}) != len(arms):
        yield Problem("arms", "invalid", "Needs at least one arm, each with a name of its own.")
    if any(len(slug) > 30 or kind not in list(ArmKind) for slug, kind in arms):
        yield Problem("arms", "invalid", f"Names have at most 30 characters; kinds are {', '.join(ArmKind)}.")


def names_of_arms(names: Collection[str], but: Experiment | None = None) -> set[str]:
    """Which of some names the versions of an arm on this site have, ``but`` of one experiment: they are named after
    experiment and arm, and "a-b" with "c" would name the same one as "a" with "b-c"."""
    full_name = Concat("experiment__slug", Value("-"), "slug", output_field=CharField())
    named = Arm.objects.annotate(full=full_name).filter(full__in=names)
    return set((named.exclude(experiment=but) if but is not None else named).values_list("full", flat=True))


def _taken_names(plan: Plan, draft: Experiment | None) -> Iterator[Problem]:
    others = Experiment.objects.exclude(pk=draft.pk) if draft is not None else Experiment.objects.all()
    if others.filter(slug=plan.slug).exists():
        yield Problem("slug", "taken", "There is an experiment of this name already.")
        return
    wanted = [f"{plan.slug}-{slug}" for slug, _ in plan.arms]
    if names_of_arms(wanted, draft):
        message = "With the name of an arm, this gives the name of another experiment's arm."
        yield Problem("slug", "taken", message)
    elif ModelVersion.objects.filter(name__in=wanted).exists():
        # Of a study that was imported under another name.
        message = "With the name of an arm, this gives the name of model versions that are here already."
        yield Problem("slug", "taken", message)


def _contexts_in_test_sets(plan: Plan) -> Iterator[Problem]:
    schema = plan.task.schema
    own = [item.pk for item in plan.test_sets if item.task_id == plan.task.pk]
    if schema.context_field is None or not own:
        return
    column = schema.fields.index(schema.context_field)
    rows = TestItem.objects.filter(test_set__in=own).values_list("texts", flat=True).iterator()
    tested = {fingerprint([text]) for text in {texts[column] for texts in rows}}
    both = [text for key, text in distinct_contexts(plan)[0].items() if key in tested]
    if both:
        shown = "; ".join(f"{text[:80]!r}" for text in both[:3])
        message = f"{len(both)} of them are in a test set, for instance {shown}."
        yield Problem("contexts", "in_test_set", message)


def _too_few(plan: Plan, people: int) -> Iterator[Problem]:
    quorum = plan.setting("quorum")
    if isinstance(quorum, int) and people < quorum + 1:
        message = f"A text needs its writer and {quorum} others who agree, {quorum + 1} people; there are {people}."
        yield Problem("quorum", "too_few_people", message)
    if people < len(plan.arms):
        message = f"Each of the {len(plan.arms)} arms needs somebody who writes in it alone; there are {people} people."
        yield Problem("arms", "too_few_people", message)


def _refusal(checked: Callable[P, object], *given: P.args, **named: P.kwargs) -> Iterator[Problem]:
    try:
        checked(*given, **named)
    except Invalid as error:
        yield _problem(error)


def _problem(error: Invalid) -> Problem:
    return Problem(error.field, error.code, error.message)


# --- What a plan will cost ------------------------------------------------------------------------


@dataclass(frozen=True)
class Cost:
    """What is paid to annotators, each part rounded to the nearest minor unit."""

    base: Money
    bonus: Money
    validation: Money

    @property
    def total(self) -> Money:
        """All of it."""
        return self.base + self.bonus + self.validation


@dataclass(frozen=True)
class Estimate:
    """What to expect of a plan. ``examples`` and ``training_runs`` are certain if it is carried through; submissions,
    votes, money and hours (of people, all together) are expected values. ``agreement`` is the probability of one
    vote to agree with the writer, ``people`` the fewest who can do it."""

    examples: int
    submissions: float
    votes: float
    agreement: float
    cost: Cost
    writing_hours: float
    validating_hours: float
    training_runs: int
    people: int
    assumptions: tuple[str, ...]

    @property
    def hours(self) -> float:
        """Hours of people's work in all."""
        return self.writing_hours + self.validating_hours


def estimate(
    plan: Plan,
    *,
    accepted_share: float = 0.7,
    fooled_share: float = 0.3,
    minutes_per_example: float = 3.0,
    minutes_per_validation: float = 0.5,
) -> Estimate:
    """What a plan without ``problems`` will take: pure arithmetic, and what it rests on in words.

    ``accepted_share`` of submissions are accepted, ``fooled_share`` of accepted examples fooled the model where one
    is shown. Raises Invalid for a share or a time that is none, and for a quorum too large to be estimated.
    """
    _check_number("accepted_share", accepted_share, 0.01, 1)
    _check_number("fooled_share", fooled_share, 0, 1)
    _check_number("minutes_per_example", minutes_per_example, 0, 10_000)
    _check_number("minutes_per_validation", minutes_per_validation, 0, 10_000)
    quorum, most = plan.setting("quorum"), plan.setting("max_validations")
    check_whole("quorum", quorum, 1, LARGEST_ESTIMATED_QUORUM)
    rounds, quota = plan.setting("rounds"), plan.setting("quota")
    # The loop's own version is the first seed's.
    seeds = max(plan.setting("curve_seeds"), 1)
    training_runs = len(plan.arms) * rounds * seeds
    examples = len(plan.arms) * rounds * quota
    shown = sum(kind != ArmKind.NON_ADVERSARIAL for _, kind in plan.arms) * rounds * quota
    agreement = agreement_for(accepted_share, quorum, most)
    votes_each = expected_votes(agreement, quorum, most)
    submissions = examples / accepted_share
    votes = submissions * votes_each
    currency = plan.setting("currency")
    cost = Cost(
        base=Money(examples * plan.setting("base_pay_minor"), currency),
        bonus=Money(round(shown * fooled_share * plan.setting("fooling_bonus_minor")), currency),
        validation=Money(round(votes * plan.setting("validation_pay_minor")), currency),
    )
    return Estimate(
        examples=examples,
        submissions=submissions,
        votes=votes,
        agreement=agreement,
        cost=cost,
        writing_hours=submissions * minutes_per_example / 60,
        validating_hours=votes * minutes_per_validation / 60,
        training_runs=training_runs,
        people=max(quorum + 1, len(plan.arms)),
        assumptions=(
            f"Examples: every round reaches its quota ({len(plan.arms)} arms x {rounds} rounds x {quota}).",
            f"Submissions: {accepted_share:.0%} of them are accepted, and what is not is written anew.",
            f"Votes: {votes_each:.2f} a submission. Each agrees with the writer with probability {agreement:.3f}, "
            f"which is what {accepted_share:.0%} accepted means at a quorum of {quorum} of at most {most}; they are "
            "given one after the other, those that disagree name the same other label, and nobody flags.",
            "Base pay: for accepted examples alone.",
            f"Bonus: {fooled_share:.0%} of accepted examples fooled the model, in the arms that show one.",
            "Validation pay: for every vote, whatever comes of its example.",
            f"Hours: {minutes_per_example:g} min a submission, all its tries with it, and {minutes_per_validation:g} "
            "min a vote; no waiting, skipping or practice.",
            f"Training runs: one for each of {seeds} seeds a round of each arm; scoring and importing the base model "
            "come on top, and so does the first seed where arms are left with unequally many examples.",
            f"People: the quorum ({quorum}) and a writer, and somebody for each arm; more where votes disagree.",
        ),
    )


def expected_votes(agreement: float, quorum: int, max_validations: int) -> float:
    """How many votes an example gets until it is decided, if each agrees with its writer with that probability."""
    endings = _endings(quorum, max_validations)
    return sum(_probability(ending, agreement) * (ending.agree + ending.other) for ending in endings)


def agreement_for(accepted_share: float, quorum: int, max_validations: int) -> float:
    """The probability of a vote to agree with the writer at which that share of examples is accepted, by bisection:
    the share grows with the probability, from 0 to 1."""
    if accepted_share >= 1:
        # Just below 1 the share is no longer told from 1 in floating point.
        return 1.0
    endings = [ending for ending in _endings(quorum, max_validations) if ending.accepted]
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if sum(_probability(ending, middle) for ending in endings) < accepted_share:
            low = middle
        else:
            high = middle
    return high


@dataclass(frozen=True)
class _Ending:
    """In how many orders that many votes that agree and that many that do not decide an example, with the last one."""

    agree: int
    other: int
    orders: int
    accepted: bool


@lru_cache(maxsize=64)
def _endings(quorum: int, max_validations: int) -> tuple[_Ending, ...]:
    """Every way in which votes can decide an example, by the very rule that decides them."""
    undecided = Counter({(0, 0): 1})
    decided: Counter[tuple[int, int]] = Counter()
    while undecided:
        following: Counter[tuple[int, int]] = Counter()
        for (agree, other), orders in undecided.items():
            for votes in ((agree + 1, other), (agree, other + 1)):
                pending = _outcome(votes, quorum, max_validations) is ExampleState.PENDING
                (following if pending else decided)[votes] += orders
        undecided = following
    return tuple(
        _Ending(*votes, orders, _outcome(votes, quorum, max_validations) is ExampleState.ACCEPTED)
        for votes, orders in decided.items()
    )


def _outcome(votes: tuple[int, int], quorum: int, max_validations: int) -> ExampleState:
    return decide(Tally(agree=votes[0], others=(votes[1],), flags=0), quorum, max_validations)


def _probability(ending: _Ending, agreement: float) -> float:
    return float(ending.orders * agreement**ending.agree * (1 - agreement) ** ending.other)


def _check_number(field_name: str, value: object, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise Invalid(field_name, f"Must be a number from {low} to {high}.")


# --- The plan of an experiment that exists --------------------------------------------------------


def copy_of(experiment: Experiment, slug: str, name: str) -> Plan:
    """The plan that makes the same experiment again under another name: its settings, arms, contexts, test sets and
    base model. Contexts come in the order in which they were given, so that the seed deals them in the same order
    again. People, data and versions are not copied."""
    return Plan(
        slug=slug,
        name=name,
        task=experiment.task,
        base_model=experiment.base_model,
        contexts=list(experiment.contexts.order_by("pk").values_list("text", flat=True)),
        test_sets=list(experiment.test_sets.order_by("pk")),
        arms=[(arm.slug, ArmKind(arm.kind)) for arm in experiment.arms.order_by("position")],
        settings={setting: copy.deepcopy(getattr(experiment, setting)) for setting in sorted(SETTINGS)},
    )
