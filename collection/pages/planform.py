"""The form of a plan: what stands in it, and what a plan has that was typed. Used for new experiments and drafts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest

from collection.demo.tasks import offered
from collection.designs import stated_in
from collection.models import Experiment, TestSet
from collection.planning import THREE_ARMS, Plan, Problem, estimate
from collection.states import ArmKind

NUMBERS = (
    ("rounds", "Rounds", "how often each arm is trained"),
    ("quota", "Examples in a round", "accepted ones, in each arm"),
    ("quorum", "Quorum", "matching validations that an example needs"),
    ("max_validations", "Validations at most", "for one example"),
    ("max_tries", "Tries", "for one example, where a model is shown"),
    ("max_skips", "Skips", "of contexts, for one example"),
    ("undo_seconds", "Seconds to take a vote back", "a vote counts after them"),
    ("lease_seconds", "Seconds to write or validate one", "then it is somebody else's"),
    ("base_pay_minor", "Pay for an accepted text", "in cents or the like"),
    ("fooling_bonus_minor", "Bonus if it fooled the model", "in cents or the like"),
    ("validation_pay_minor", "Pay for a validation", "in cents or the like"),
    ("seed", "Seed", "of contexts, labels, arms and training"),
    (
        "curve_seeds",
        "Training seeds of the learning curve",
        "versions beside the loop, for narrower intervals; 0: none",
    ),
)
SWITCHES = (
    ("open_enrolment", "Anybody with an account may join (or else only who is invited)"),
    ("sandbox", "Practice against the model"),
    ("inspiration", "Show accepted texts of earlier rounds"),
    ("leaderboard", "Leaderboard"),
)
Arms = Mapping[str, ArmKind]
USUAL_ARMS: Arms = dict(THREE_ARMS)
_PLAIN = ("slug", "name", "task", "base_model", "currency", "label_policy", "start_from", "recipe", "contexts")


def defaults() -> dict[str, Any]:
    """The form of a new experiment: the settings of the source study."""
    fresh = Experiment()
    columns = {name: getattr(fresh, name) for name, _, _ in NUMBERS}
    return {
        **columns,
        "base_model": "models/nli-minilm",
        "task": "nli",
        "currency": "USD",
        "label_policy": Experiment.Labels.ASSIGNED,
        "start_from": Experiment.StartFrom.BASE,
        "recipe": "{}",
        "contexts": "",
        "arms": [name for name, _ in THREE_ARMS],
        "test_sets": [],
    }


def filled_in(plan: Plan) -> dict[str, Any]:
    """The form as a plan fills it in."""
    return dict(plan.settings) | {
        "slug": plan.slug,
        "name": plan.name,
        "task": plan.task.slug,
        "base_model": plan.base_model,
        "contexts": "\n".join(plan.contexts),
        "recipe": json.dumps(plan.settings.get("recipe", {})),
        "arms": [name for name, _ in plan.arms],
        "test_sets": [item.slug for item in plan.test_sets],
    }


def posted(request: HttpRequest) -> dict[str, Any]:
    """The form as it was sent."""
    values: dict[str, Any] = {name: request.POST.get(name, "") for name in _PLAIN}
    values |= {name: request.POST.get(name, "") for name, _, _ in NUMBERS}
    values |= {name: request.POST.get(name) == "on" for name, _ in SWITCHES}
    return values | {"arms": request.POST.getlist("arms"), "test_sets": request.POST.getlist("test_sets")}


def typed_numbers(values: Mapping[str, Any], names: Iterable[str]) -> tuple[dict[str, int | None], list[Problem]]:
    """The numbers that were typed in these fields, and a problem for each field that has none."""
    numbers: dict[str, int | None] = {}
    wrong = []
    titles = {name: title for name, title, _ in NUMBERS}
    for name in names:
        text = values[name].strip()
        if name == "max_skips" and not text:
            numbers[name] = None
        elif text.removeprefix("-").isdigit() and text.isascii() and len(text) < 20:
            numbers[name] = int(text)
        else:
            wrong.append(Problem(name, "invalid", f"{titles[name]}: must be a whole number."))
    return numbers, wrong


def typed(values: Mapping[str, Any], arms: Arms = USUAL_ARMS) -> tuple[dict[str, Any], list[Problem]]:
    """What the form says, by the names of settings and parts of a plan; and what in it is no number or no JSON, which
    is left out. ``arms`` are those that can be chosen."""
    settings, wrong = typed_numbers(values, [name for name, _, _ in NUMBERS])
    chosen: dict[str, Any] = {name: values[name] for name, _ in SWITCHES}
    chosen |= {name: values[name] for name in ("currency", "label_policy", "start_from")}
    try:
        chosen["recipe"] = json.loads(values["recipe"] or "{}")
    except (ValueError, RecursionError):
        wrong.append(Problem("recipe", "invalid", 'Must be JSON, such as {} or {"epochs": 3}.'))
    parts = {
        "name": values["name"],
        "base_model": values["base_model"],
        "contexts": [line for line in values["contexts"].splitlines() if line.strip()],
        "test_sets": list(TestSet.objects.filter(slug__in=values["test_sets"]).order_by("pk")),
        "arms": [(name, kind) for name, kind in arms.items() if name in values["arms"]],
    }
    return {**settings, **chosen, **parts}, wrong


def expected_of(plan: Plan) -> dict[str, Any]:
    """What the template shows of a plan without problems: its estimate, and the query that asks for its power."""
    return {"estimate": estimate(plan), "power": urlencode(stated_in(plan))}


def shown(values: Mapping[str, Any], found: list[Problem], arms: Arms = USUAL_ARMS) -> dict[str, Any]:
    """What the form's template needs."""
    return {
        "values": values,
        "problems": found,
        "wrong": {item.field.partition("[")[0].partition(".")[0] for item in found},
        "numbers": [(name, title, note, values.get(name, "")) for name, title, note in NUMBERS],
        "switches": [(name, title, values.get(name)) for name, title in SWITCHES],
        "tasks": offered(),
        "test_sets": TestSet.objects.select_related("task").order_by("slug"),
        "arms": arms.items(),
    }
