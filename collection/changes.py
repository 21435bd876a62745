"""Changing an experiment that exists: its settings, the quota of an open round, the end of a round before its time.

What may change, and what becomes of texts that wait when a round ends early: docs/decisions/0010.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import F, Max
from django.utils import timezone

from collection.errors import Conflict, Invalid
from collection.experiments import store_arms, store_contexts
from collection.models import Example, Experiment, Round
from collection.nudges import nudge
from collection.planning import LARGEST, SETTINGS, Plan, check, check_whole, copy_of
from collection.quotas import accepted, lock_rounds_of
from collection.settlement import credit_writer
from collection.states import AssignmentState, ExampleState, ExperimentState, RoundState
from lifecycle.models import StateChange
from lifecycle.moves import move, note

# Kept with a withdrawn example, for its writer to read.
WITHDRAWN = "The round was ended before others had validated this text. It is paid like an accepted one."

_PAY = "people have worked for this pay, and it must be the same in every round and arm"
_DATA = "rounds with more or fewer examples, or other contexts, cannot be compared with those that are there"
_VALIDATION = "examples accepted by another rule cannot be compared with those that are there"
_WRITING = "it changes how people write, and what they have written so far was written without it"
_TRAINING = "versions trained otherwise cannot be compared with those that are there"
# What a launch fixes, and why, in words that end the sentence "… cannot be changed: …".
LOCKED: dict[str, str] = {
    "slug": "addresses and model versions are named after it; a copy of the experiment can have another name",
    "task": "contexts and test sets belong to it; make a new experiment for another task",
    "arms": "people have been dealt out to the arms; make a copy of the experiment for others",
    "contexts": _DATA,
    "rounds": "the number of rounds is what the arms are compared over",
    "quota": f"{_DATA}; an open round can be extended, in all arms alike",
    "quorum": _VALIDATION,
    "max_validations": _VALIDATION,
    "undo_seconds": "it decides when a vote counts, and with it which votes decide an example",
    "max_tries": _WRITING,
    "max_skips": _WRITING,
    "label_policy": _WRITING,
    "sandbox": _WRITING,
    "inspiration": _WRITING,
    "base_model": _TRAINING,
    "start_from": _TRAINING,
    "recipe": _TRAINING,
    "seed": "labels, contexts, arms and training have been drawn with it",
    "test_sets": "training leaves out what is close to them, and scores on others cannot be compared",
    "currency": _PAY,
    "base_pay_minor": _PAY,
    "fooling_bonus_minor": _PAY,
    "validation_pay_minor": _PAY,
}
# Fixed from the beginning.
_NEVER = ("slug", "task")
_PARTS = ("name", "base_model", "arms", "contexts", "test_sets")


def change(
    experiment: Experiment,
    settings: Mapping[str, Any],
    actor: AbstractBaseUser | None = None,
    *,
    seen: int | None = None,
) -> Experiment:
    """Change settings of an experiment, all of them or none; gives the experiment as it then is.

    ``settings`` are settings of a plan by name, and its parts ``name``, ``base_model``, ``arms``, ``contexts`` and
    ``test_sets``. A draft may change in all of them, a launched experiment in none that stands in ``LOCKED``. A value
    that is the present one changes nothing. Who changed what, from what to what, is kept as an event.
    ``seen`` is the number of the last change that whoever changes knew of (see ``last_change``), so that nobody undoes
    what another has done meanwhile. Raises Invalid for an unknown setting or a value that no plan may have, and
    Conflict for a locked one, or for a change that was not seen.
    """
    with transaction.atomic():
        # So that it is a draft until the end of this, and two changes come one after the other.
        stored = Experiment.objects.select_for_update(no_key=True).get(pk=experiment.pk)
        before = copy_of(stored, stored.slug, stored.name)
        after = changed_plan(before, settings)
        changed = {name: [_plain(before, name), _plain(after, name)] for name in settings}
        changed = {name: values for name, values in changed.items() if values[0] != values[1]}
        for name in changed:
            if name in _NEVER or (name in LOCKED and stored.state != ExperimentState.DRAFT):
                raise Conflict("locked", f"{name} cannot be changed: {LOCKED[name]}.")
        if not changed:
            return stored
        if seen is not None and last_change(stored) != seen:
            raise Conflict("just_changed", "Somebody has changed the settings since you have opened them.")
        check(after, draft=stored, known=before)
        _store(stored, after, set(changed))
        note(stored, actor=actor, detail={"changed": changed})
    return stored


def extend_round(round_: Round, by: int, actor: AbstractBaseUser | None = None, *, told: int | None = None) -> Round:
    """Raise the quota of an open round by a number of examples, in every arm alike; gives the round as it then is.

    An arm that has not come to the round yet opens it with the raised quota. ``told`` is the quota that the researcher
    was told of: a request that comes twice raises it once. Raises Invalid for a number below 1 or a quota above
    ``LARGEST``, and Conflict if the round is not open any more in every arm that has come to it, or has another quota.
    """
    check_whole("by", by, 1, LARGEST)
    with transaction.atomic():
        alike = lock_rounds_of(round_.arm.experiment, round_.number)
        for item in alike:
            if item.state != RoundState.OPEN:
                message = f"Round {item.number} of the arm {item.arm.slug} is {item.state}; arms must stay comparable."
                raise Conflict("round_closed", message)
        for item in alike:
            if told is not None and item.quota != told:
                raise Conflict("just_changed", f"The quota is {item.quota} by now, and not {told} any more.")
        for item in alike:
            raised = item.quota + by
            if raised > LARGEST:
                raise Invalid("by", f"The quota would be {raised}; it is at most {LARGEST}.")
            note(item, actor=actor, detail={"changed": {"quota": [item.quota, raised]}})
            item.quota = raised
            item.save(update_fields=["quota"])
    return next(item for item in alike if item.pk == round_.pk)


def end_round_early(
    round_: Round, actor: AbstractBaseUser | None = None, *, sure: bool = False, told: int | None = None
) -> Round:
    """open → closed with the examples that are accepted, in this arm alone; gives the round as it then is.

    Its quota becomes their number and its leases are given back. Texts that wait for validation are withdrawn if
    ``sure``: they are paid like accepted ones and are no part of the data, so that nothing can change these any more.
    ``told`` is the number of these texts that the researcher was told of. Raises Conflict if the round is not open, has
    no accepted example, has texts waiting and it is not sure, or has more of them than was told.
    """
    with transaction.atomic():
        # Locked like for a claim: no slot is handed out and nothing is submitted meanwhile.
        round_ = Round.objects.select_for_update(of=("self",)).select_related("arm__experiment").get(pk=round_.pk)
        if round_.state != RoundState.OPEN:
            raise Conflict("round_closed", f"The round is {round_.state}; only an open one can be ended early.")
        # Whoever counts a vote has the example's row: a vote in flight counts before this, or finds it withdrawn.
        waiting = (
            round_.examples.filter(state=ExampleState.PENDING).order_by("pk").select_related("attempt", "annotator")
        )
        pending = list(waiting.select_for_update(of=("self",)))
        collected = accepted(round_)
        if collected == 0:
            raise Conflict("nothing_accepted", "No example of the round is accepted: there is nothing to train on.")
        if told is not None and len(pending) > told:
            raise Conflict("just_changed", f"Texts that wait for validation: {len(pending)} by now, and not {told}.")
        if pending and not sure:
            message = f"Texts that wait for validation: {len(pending)}. Ending the round withdraws and pays them."
            raise Conflict("texts_pending", message)
        for example in pending:
            _withdraw(round_.arm.experiment, example, actor)
        leases = list(round_.assignments.select_for_update().filter(state=AssignmentState.LEASED).order_by("pk"))
        for lease in leases:
            move(lease, AssignmentState.RELEASED, actor=actor, detail={"round": "ended early"})
        ended = {"quota": [round_.quota, collected], "withdrawn": len(pending), "released": len(leases)}
        move(
            round_,
            RoundState.CLOSED,
            actor=actor,
            detail={"ended_early": ended},
            quota=collected,
            closed_at=timezone.now(),
        )
        nudge()
    return round_


def last_change(experiment: Experiment) -> int:
    """The number of the last event that changed settings of an experiment; 0 if there is none."""
    own = StateChange.objects.filter(subject_type=experiment._meta.label_lower, subject_id=experiment.pk)
    return own.filter(from_state=F("to_state")).aggregate(last=Max("pk"))["last"] or 0


def changed_plan(plan: Plan, settings: Mapping[str, Any]) -> Plan:
    """The plan with these settings and parts. Raises Invalid for one that there is not."""
    for name in settings:
        if name not in SETTINGS and name not in _PARTS and name not in _NEVER:
            raise Invalid(name, "There is no such setting.", "unknown_field")
    parts = {name: value for name, value in settings.items() if name not in SETTINGS}
    if isinstance(parts.get("name"), str):
        parts["name"] = parts["name"].strip()
    chosen = {name: value for name, value in settings.items() if name in SETTINGS}
    return dataclasses.replace(plan, **parts, settings={**plan.settings, **chosen})


def _plain(plan: Plan, name: str) -> Any:
    """A part or a setting of a plan as it is compared, and kept in the event."""
    if name in SETTINGS:
        return plan.settings[name]
    value = getattr(plan, name)
    if name == "task":
        return value.slug
    if name == "arms":
        return [[slug, str(kind)] for slug, kind in value]
    if name == "test_sets":
        return sorted(item.slug for item in value)
    if name == "contexts":
        texts = json.dumps(list(value))
        return f"{len(value)} texts, sha256 {hashlib.sha256(texts.encode()).hexdigest()}"
    return value


def _store(experiment: Experiment, plan: Plan, changed: set[str]) -> None:
    columns = [name for name in changed if name in SETTINGS or name in ("name", "base_model")]
    for name in columns:
        setattr(experiment, name, plan.settings[name] if name in SETTINGS else getattr(plan, name))
    experiment.save(update_fields=columns)
    if "test_sets" in changed:
        experiment.test_sets.set(plan.test_sets)
    if "arms" in changed:
        store_arms(experiment, plan)
    if changed & {"contexts", "seed"}:
        # Contexts are dealt in an order that the seed has given.
        store_contexts(experiment, plan)


def _withdraw(experiment: Experiment, example: Example, actor: AbstractBaseUser | None) -> None:
    move(
        example,
        ExampleState.RETRACTED,
        actor=actor,
        detail={"round": "ended early"},
        ruling=WITHDRAWN,
        decided_at=timezone.now(),
    )
    credit_writer(experiment, example)
