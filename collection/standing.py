"""What an annotator is told of an experiment: progress, own examples and their fate, the leaderboard, inspiration.

Nothing here tells which arm somebody is in; where an arm shows no model, nothing is told that only a model can tell.
"""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q, QuerySet

from annotators.enrolment import enrolled_studies
from annotators.ledger import Account, accounts
from annotators.membership import validated_studies
from annotators.models import Annotator
from annotators.money import Money
from collection.access import open_to
from collection.models import Arm, Example, Experiment, Round, Validation
from collection.settlement import unsettled, unsettled_votes
from collection.states import ExampleState, ExperimentState, ValidationState

INSPIRATIONS = 3
LEADERS = 20


@dataclass(frozen=True)
class Progress:
    """How far the round is, and the annotator's own examples in the experiment by fate."""

    round_accepted: int
    quota: int
    written: int
    accepted: int
    pending: int
    pending_fooled: int

    def waiting_pay(self, experiment: Experiment) -> Money:
        """What the examples that wait for validation bring if all of them are accepted."""
        minor = self.pending * experiment.base_pay_minor + self.pending_fooled * experiment.fooling_bonus_minor
        return experiment.pay(minor)


def progress(arm: Arm, annotator: Annotator, round_: Round | None) -> Progress:
    """The progress of an annotator of this arm, in one query."""
    mine, here = Q(annotator=annotator), Q(round=round_)
    pending, agreed = Q(state=ExampleState.PENDING), Q(state=ExampleState.ACCEPTED)
    counts = (
        Example.objects.filter(mine | here if round_ else mine, arm=arm)
        .exclude(state=ExampleState.RETRACTED)
        .aggregate(
            round_accepted=Count("pk", filter=here & agreed),
            written=Count("pk", filter=mine),
            accepted=Count("pk", filter=mine & agreed),
            pending=Count("pk", filter=mine & pending),
            pending_fooled=Count("pk", filter=mine & pending & Q(attempt__fooled=True)),
        )
    )
    return Progress(quota=round_.quota if round_ else 0, **counts)


@dataclass(frozen=True)
class Statement:
    """An annotator's money in a study: what waits for others, what is earned and not paid out, what is paid out."""

    waiting: Money
    due: Money
    paid: Money


def statement(experiment: Experiment, annotator: Annotator, so_far: Progress) -> Statement:
    """Where an annotator stands with an experiment, in its currency. ``waiting`` is the most that it can be."""
    account = _account(experiment, accounts(annotator, [experiment.key]).get(experiment.key, []))
    votes = experiment.pay(unsettled_votes(annotator, experiment).count() * experiment.validation_pay_minor)
    return Statement(so_far.waiting_pay(experiment) + votes, account.due, account.paid)


@dataclass(frozen=True)
class Study:
    """A study as its annotator's home page shows it; ``money`` is None for one that was not joined."""

    experiment: Experiment
    money: Statement | None
    only_validates: bool = False

    @property
    def open(self) -> bool:
        """Whether it hands out work now."""
        return self.experiment.state == ExperimentState.RUNNING


def studies(annotator: Annotator, most: int = 50) -> list[Study]:
    """The studies that an annotator has joined or may join, newest first, in seven queries however many there are."""
    experiments = list(open_to(annotator).select_related("task").order_by("-pk")[:most])
    joined = enrolled_studies(annotator)
    validates = validated_studies(annotator)
    found = accounts(annotator, [item.key for item in experiments])
    pending = Q(state=ExampleState.PENDING)
    texts = dict(_counted(Example.objects.filter(pending, annotator=annotator), "arm__experiment"))
    fooled = Q(attempt__fooled=True)
    bonuses = dict(_counted(Example.objects.filter(pending, fooled, annotator=annotator), "arm__experiment"))
    votes = dict(_counted(unsettled().filter(annotator=annotator), "example__arm__experiment"))
    rows = []
    for item in experiments:
        waiting = (
            texts.get(item.pk, 0) * item.base_pay_minor
            + bonuses.get(item.pk, 0) * item.fooling_bonus_minor
            + votes.get(item.pk, 0) * item.validation_pay_minor
        )
        account = _account(item, found.get(item.key, []))
        takes_part = item.key in joined or item.key in validates
        money = Statement(item.pay(waiting), account.due, account.paid) if takes_part else None
        rows.append(Study(item, money, item.key in validates))
    return rows


def votes_given(experiment: Experiment, annotator: Annotator) -> int:
    """How many texts an annotator has validated in an experiment."""
    return Validation.objects.filter(
        annotator=annotator, state=ValidationState.VOTED, example__arm__experiment=experiment
    ).count()


def own_examples(experiment: Experiment, annotator: Annotator) -> QuerySet[Example]:
    """The annotator's examples, newest first."""
    mine = Example.objects.filter(arm__experiment=experiment, annotator=annotator)
    return mine.select_related("attempt__context", "round", "arm").order_by("-pk")


def reasons(examples: list[Example]) -> dict[int, list[Validation]]:
    """The votes that count on decided examples, by example: what validators said, and not who they are."""
    decided = [item for item in examples if item.state not in (ExampleState.PENDING, ExampleState.RETRACTED)]
    found: dict[int, list[Validation]] = defaultdict(list)
    votes = Validation.objects.filter(example__in=decided).exclude(settled_at=None)
    # Shuffled by a fixed order that is not the order of voting.
    for vote in sorted(votes, key=lambda vote: str(vote.key)):
        found[vote.example_id].append(vote)
    return found


@dataclass(frozen=True)
class Leader:
    """A line of the leaderboard. ``vmer`` is None where no model is shown; ``name`` is empty for oneself unnamed."""

    name: str
    is_me: bool
    collected: int
    accepted: int
    validated: int
    vmer: float | None


def leaderboard(experiment: Experiment, arm: Arm, annotator: Annotator) -> list[Leader]:
    """Who has most accepted examples in the annotator's own group: those who have chosen to be named, and oneself.

    Ordered by validated fooling examples where a model is shown, then by accepted ones. Other groups are not shown:
    what they are measured by would tell what they see.
    """
    fooled = Q(attempt__fooled=True)
    rows = (
        Example.objects.filter(arm=arm)
        .exclude(state=ExampleState.RETRACTED)
        .exclude(~Q(annotator=annotator), annotator__public_name="")
        .values("annotator", "annotator__public_name")
        .annotate(
            collected=Count("pk"),
            accepted=Count("pk", filter=Q(state=ExampleState.ACCEPTED)),
            validated=Count("pk", filter=Q(state=ExampleState.ACCEPTED) & fooled),
        )
        .order_by(*(("-validated",) if arm.shows_model else ()), "-accepted", "annotator")
    )
    return [
        Leader(
            name=row["annotator__public_name"],
            is_me=row["annotator"] == annotator.pk,
            collected=row["collected"],
            accepted=row["accepted"],
            validated=row["validated"],
            vmer=row["validated"] / row["collected"] if arm.shows_model else None,
        )
        for row in rows[:LEADERS]
    ]


def inspirations(experiment: Experiment, arm: Arm, round_: Round) -> list[Example]:
    """Accepted examples of the arm's earlier rounds, if the experiment shows them: the same ones to all of a round.

    Where a model is shown, those that fooled it. In every arm it is the same number at most, drawn by the seed.
    """
    if not experiment.inspiration:
        return []
    earlier = Example.objects.filter(
        arm=arm, round__number__lt=round_.number, state=ExampleState.ACCEPTED, erased_at=None
    )
    if arm.shows_model:
        earlier = earlier.filter(attempt__fooled=True)
    keys = list(earlier.order_by("pk").values_list("pk", flat=True))
    chooser = random.Random(f"inspiration:{experiment.seed}:{arm.slug}:{round_.number}")
    chosen = chooser.sample(keys, min(INSPIRATIONS, len(keys)))
    return list(Example.objects.filter(pk__in=chosen).select_related("attempt").order_by("pk"))


def _account(experiment: Experiment, found: list[Account]) -> Account:
    nothing = Account(experiment.pay(0), experiment.pay(0))
    return next((item for item in found if item.earned.currency == experiment.currency), nothing)


def _counted(rows: QuerySet[Any], by: str) -> list[tuple[int, int]]:
    return list(rows.order_by().values_list(by).annotate(Count("pk")))
