"""How many examples a round needs and has, and the lock under which rounds of all arms get their quotas.

Apart from rounds, which a web process does not load: comparing texts with test sets is a worker's part.
"""

from __future__ import annotations

from django.db.models import Max

from collection.models import Arm, Example, Experiment, Round
from collection.states import ExampleState


def accepted(round_: Round) -> int:
    """How many accepted examples a round has."""
    return Example.objects.filter(round=round_, state=ExampleState.ACCEPTED).count()


def quota_of(arm: Arm, number: int) -> int:
    """The quota of a round to be opened: the experiment's, or more where other arms' rounds of that number were
    extended before this arm came to it. Holds as long as the caller has the lock."""
    others = Round.objects.filter(arm__experiment=arm.experiment, number=number).aggregate(most=Max("quota"))
    return max(arm.experiment.quota, others["most"] or 0)


def lock_quotas(experiment: Experiment) -> None:
    """Let no round of the experiment be opened or extended until the end of the transaction. Taken before the lock of
    any round. Who writes or claims in a round is not held up."""
    Experiment.objects.select_for_update(no_key=True).get(pk=experiment.pk)


def lock_rounds_of(experiment: Experiment, number: int) -> list[Round]:
    """The rounds of that number in all arms that have come to it, locked, and no other can be opened meanwhile."""
    lock_quotas(experiment)
    rounds = Round.objects.select_for_update(of=("self",)).filter(arm__experiment=experiment, number=number)
    return list(rounds.select_related("arm__experiment").order_by("pk"))
