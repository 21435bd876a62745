"""What can be done with an experiment now, and what becomes of it, from the state that it is in. For researchers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q

from collection.errors import Invalid
from collection.models import Assignment, Example, Experiment, Round
from collection.planning import copy_of, estimate, problems
from collection.states import AssignmentState, ExampleState, ExperimentState, RoundState
from modelserver.models import TrainingRun
from modelserver.states import RUN_ENDED


@dataclass(frozen=True)
class Action:
    """Something that can be done. ``consequences`` are sentences; ``refusal`` says why it cannot be done yet, or is
    empty. ``final`` is for what cannot be undone. ``told`` is the number on which the consequences rest, to be sent
    back so that nobody is held to another one: the quota that is extended, or the texts that are withdrawn."""

    name: str
    title: str
    consequences: tuple[str, ...]
    final: bool = False
    refusal: str = ""
    arm: str = ""
    number: int | None = None
    told: int | None = None


@dataclass(frozen=True)
class Standing:
    """What a round has and holds: examples that are accepted or wait, those of the latter that fooled the model, and
    leases."""

    accepted: int = 0
    pending: int = 0
    pending_fooled: int = 0
    leases: int = 0


def actions(experiment: Experiment) -> list[Action]:
    """All that can be done with an experiment in its state, the usual first and the end last."""
    return [*_of_experiment(experiment), *_of_rounds(experiment), *_end(experiment)]


def _of_experiment(experiment: Experiment) -> Iterator[Action]:
    if experiment.state == ExperimentState.DRAFT:
        yield _launch(experiment)
    if experiment.state == ExperimentState.RUNNING:
        held = _standings(experiment)
        leases = sum(item.leases for item in held.values())
        pending = sum(item.pending for item in held.values())
        yield Action(
            "pause",
            "Pause",
            (
                "Nobody is given anything new to write or to validate. It can be resumed at any time.",
                f"{_count(leases, 'text that is being written', 'texts that are being written')} can be finished; "
                f"{_count(pending, 'text waits', 'texts wait')} for validation until then.",
                "Rounds that have their quota are closed, trained and scored all the same, and the next ones opened.",
            ),
        )
    if experiment.state == ExperimentState.PAUSED:
        rounds = Round.objects.filter(arm__experiment=experiment, state=RoundState.OPEN).count()
        consequence = f"Work is handed out again in {_count(rounds, 'open round', 'open rounds')}."
        yield Action("resume", "Resume", (consequence,))


def _launch(experiment: Experiment) -> Action:
    plan = copy_of(experiment, experiment.slug, experiment.name)
    found = problems(plan, draft=experiment)
    joins = "anybody with an account may join" if experiment.open_enrolment else "only who is invited may join"
    consequences = [
        f"A worker compares {_count(len(plan.contexts), 'context', 'contexts')} with "
        f"{_count(len(plan.test_sets), 'test set', 'test sets')}, imports {experiment.base_model} and scores it.",
        f"Then round 1 opens in {_count(len(plan.arms), 'arm', 'arms')}, for {experiment.quota} accepted examples in "
        f"each; {joins}.",
        "From then on only the name, the time to write or validate one, the seeds of the learning curve, the "
        "leaderboard and who may join can be changed: anything else would make arms, rounds or versions incomparable, "
        "and is locked for good.",
    ]
    if not found:
        try:
            expected = estimate(plan)
            consequences.append(
                f"All {experiment.rounds} rounds take about {expected.hours:.0f} hours of people's work and "
                f"{expected.cost.total} of pay."
            )
        except Invalid as too_large:
            consequences.append(f"What it will take is not estimated: {too_large}")
    wrong = " ".join(f"{item.field}: {item.message}" for item in found[:5])
    return Action("launch", "Launch", tuple(consequences), final=True, refusal=wrong)


def _of_rounds(experiment: Experiment) -> Iterator[Action]:
    rounds = Round.objects.filter(arm__experiment=experiment).select_related("arm").order_by("number", "arm__position")
    by_number: dict[int, list[Round]] = defaultdict(list)
    for item in rounds:
        by_number[item.number].append(item)
        if item.state == RoundState.FAILED:
            yield Action(
                "retry",
                f"Try round {item.number} of {item.arm} again",
                (
                    f"It failed: {item.problem or 'no reason was recorded'}",
                    "It is trained and scored again on the examples that it has. Nobody writes anything anew.",
                ),
                arm=item.arm.slug,
                number=item.number,
            )
    held = _standings(experiment)
    for alike in by_number.values():
        if any(item.state == RoundState.OPEN for item in alike):
            yield _extend(experiment, alike)
    for item in rounds:
        if item.state == RoundState.OPEN:
            yield _close(experiment, item, held.get(item.pk, Standing()))


def _extend(experiment: Experiment, alike: list[Round]) -> Action:
    first = next(item for item in alike if item.state == RoundState.OPEN)
    closed = next((item for item in alike if item.state != RoundState.OPEN), None)
    votes = experiment.validation_pay_minor
    least = experiment.base_pay_minor + experiment.quorum * votes
    most = experiment.base_pay_minor + experiment.fooling_bonus_minor + experiment.max_validations * votes
    return Action(
        "extend",
        f"Extend round {first.number}",
        (
            f"Its quota, {first.quota} now, is raised by as many in every arm that has come to it "
            f"({', '.join(item.arm.slug for item in alike)}); the others will open it with the same quota.",
            f"Each further accepted example costs from {experiment.pay(least)} to {experiment.pay(most)}.",
            "It cannot be lowered again.",
        ),
        final=True,
        refusal=f"It is {closed.state} in {closed.arm} already; arms must stay comparable." if closed else "",
        arm=first.arm.slug,
        number=first.number,
        told=first.quota,
    )


def _close(experiment: Experiment, item: Round, held: Standing) -> Action:
    consequences = [
        f"It closes with the {_count(held.accepted, 'example', 'examples')} accepted so far instead of {item.quota}, "
        "and a version is trained on them. In this arm alone: for all to see, it then has fewer than the others."
    ]
    if held.pending:
        base, bonus = experiment.base_pay_minor, experiment.fooling_bonus_minor
        paid = f"{held.pending} × {experiment.pay(base)}"
        if bonus and held.pending_fooled:
            paid += f" + {held.pending_fooled} × {experiment.pay(bonus)} for having fooled the model"
        total = experiment.pay(held.pending * base + held.pending_fooled * bonus)
        waits = _count(held.pending, "text waits", "texts wait")
        consequences.append(f"{waits} for validation: withdrawn, no part of the data, and paid {paid} = {total}.")
    else:
        consequences.append("No text waits for validation.")
    consequences.append(_lease_words(held.leases))
    return Action(
        "close",
        f"Close round {item.number} of {item.arm} early",
        tuple(consequences),
        final=True,
        refusal="" if held.accepted else "No example of it is accepted: there is nothing to train on.",
        arm=item.arm.slug,
        number=item.number,
        told=held.pending,
    )


def _end(experiment: Experiment) -> Iterator[Action]:
    if ExperimentState.ENDED not in Experiment.MOVES[experiment.state]:
        return
    unfinished = Round.objects.filter(arm__experiment=experiment)
    rounds = unfinished.exclude(state__in=(RoundState.DONE, RoundState.ENDED)).count()
    runs = TrainingRun.objects.filter(study=experiment.key).exclude(state__in=RUN_ENDED).count()
    held = _standings(experiment).values()
    pending, leases = sum(item.pending for item in held), _lease_words(sum(item.leases for item in held))
    consequences = [
        "It ends for good and cannot go on. All data stay.",
        f"{_count(rounds, 'round ends', 'rounds end')} unfinished: nothing is trained on what was collected there.",
        f"{_count(runs, 'training run is', 'training runs are')} cancelled. {leases}",
    ]
    if pending:
        consequences.append(
            f"{_count(pending, 'text waits', 'texts wait')} for validation, and nobody is given them any more: unless "
            "votes under way decide them, they are not paid. To pay for them, close their rounds early first."
        )
    yield Action("end", "End the experiment", tuple(consequences), final=True)


def _standings(experiment: Experiment) -> dict[int, Standing]:
    """What the open rounds of an experiment have, by their number in the database."""
    open_rounds = Round.objects.filter(arm__experiment=experiment, state=RoundState.OPEN)
    pending = Q(state=ExampleState.PENDING)
    counted: Any = (
        Example.objects.filter(round__in=open_rounds)
        .order_by()
        .values("round")
        .annotate(
            accepted=Count("pk", filter=Q(state=ExampleState.ACCEPTED)),
            pending=Count("pk", filter=pending),
            pending_fooled=Count("pk", filter=pending & Q(attempt__fooled=True)),
        )
    )
    examples = {row.pop("round"): row for row in counted}
    held = Assignment.objects.filter(round__in=open_rounds, state=AssignmentState.LEASED).order_by()
    leases = dict(held.values_list("round").annotate(Count("pk")))
    return {pk: Standing(**examples.get(pk, {}), leases=leases.get(pk, 0)) for pk in {*examples, *leases}}


def _lease_words(leases: int) -> str:
    if not leases:
        return "Nobody holds a lease."
    return f"{_count(leases, 'lease is', 'leases are')} given back; what is typed stays with its writer."


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
