"""What a plan or an experiment says of its power: the fields of a design that its settings have."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import Any

from django.db.models import Count
from django.db.models.fields.json import KeyTextTransform

from collection.models import Experiment, TestItem, TestSet
from collection.planning import Plan
from collection.states import ArmKind

_SAME = ("rounds", "quota", "currency")
# Field of a design → the setting that it is.
_PAY = {"base_pay": "base_pay_minor", "fooling_bonus": "fooling_bonus_minor", "validation_pay": "validation_pay_minor"}

Stated = dict[str, int | str]


def stated_in(plan: Plan) -> Stated:
    """Fields of ``Design`` by name, as a plan without problems has them; of all others it says nothing."""
    return _stated(plan.setting, [kind for _, kind in plan.arms], plan.test_sets)


def stated_of(experiment: Experiment) -> Stated:
    """The same of an experiment, from its settings alone: what was collected is not looked at."""
    kinds = [ArmKind(arm.kind) for arm in experiment.arms.all()]
    return _stated(partial(getattr, experiment), kinds, experiment.test_sets.select_related("task"))


def _stated(setting: Callable[[str], Any], kinds: Collection[ArmKind], test_sets: Iterable[TestSet]) -> Stated:
    found: Stated = {name: setting(name) for name in _SAME}
    found |= {name: setting(column) for name, column in _PAY.items()}
    # The loop's own version is the first seed's; a single arm has nothing to be compared with.
    found["seeds"] = max(1, setting("curve_seeds"))
    found["arms"] = max(2, len(kinds))
    found["adversarial_arms"] = sum(kind != ArmKind.NON_ADVERSARIAL for kind in kinds)
    largest = max(test_sets, key=lambda item: item.rows, default=None)
    if largest is not None and largest.rows > 1:
        found["test_rows"] = largest.rows
        found["contexts"] = max(2, _contexts(largest))
    return found


def _contexts(test_set: TestSet) -> int:
    schema = test_set.task.schema
    if schema.context_field is None:
        return test_set.rows
    text = KeyTextTransform(schema.fields.index(schema.context_field), "texts")
    items = TestItem.objects.filter(test_set=test_set)
    return int(items.aggregate(contexts=Count(text, distinct=True))["contexts"])
