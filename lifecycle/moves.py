"""The one way a row changes state: a conditional UPDATE of one row plus its StateChange, together or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import models, transaction

from lifecycle.append_only import ERASED
from lifecycle.models import Movable, StateChange


class IllegalMove(ValueError):
    """The table of legal moves has no such move: a mistake in the program, not a race."""


class LostRace(RuntimeError):
    """The row had left the state it was moved from: somebody else was first."""


def record(
    subject: models.Model,
    to: StrEnum,
    *,
    actor: AbstractBaseUser | None = None,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Write the event of a row's creation in state ``to``."""
    _write(subject, "", to, actor, detail)


def note(subject: Movable, *, detail: Mapping[str, Any], actor: AbstractBaseUser | None = None) -> None:
    """Write an event about a row that stays in its state: what else of it was changed, and by whom.

    For a caller that has locked the row and changes it in the same transaction.
    """
    _write(subject, subject.state, subject.state, actor, detail)


def erase_words(subjects: models.QuerySet[Any], names: str) -> None:
    """Put lifecycle.append_only.ERASED in place of the details of events about some rows in which ``names`` stands."""
    events = StateChange.objects.filter(
        subject_type=subjects.model._meta.label_lower, subject_id__in=subjects.values("pk"), detail__has_key=names
    )
    events.update(detail=ERASED)


def move(
    subject: Movable,
    to: StrEnum,
    *,
    actor: AbstractBaseUser | None = None,
    detail: Mapping[str, Any] | None = None,
    where: Mapping[str, Any] | None = None,
    **updates: Any,
) -> None:
    """Move ``subject`` from the state it was read in to ``to``, setting ``updates`` in the same UPDATE.

    ``where`` adds conditions to the UPDATE. On success the instance carries the new values.
    Raises IllegalMove if the table has no such move and LostRace if the row did not match any more.
    """
    origin = subject.state
    if to not in subject.MOVES.get(origin, frozenset()):
        raise IllegalMove(f"{subject._meta.label} may not go from {origin} to {to}")
    with transaction.atomic():
        manager = type(subject)._default_manager
        moved = manager.filter(pk=subject.pk, state=origin, **(where or {})).update(state=to, **updates)
        if moved != 1:
            raise LostRace(f"{subject._meta.label} {subject.pk} is no longer {origin}")
        _write(subject, origin, to, actor, detail)
    subject.state = to
    for name, value in updates.items():
        setattr(subject, name, value)


def _write(
    subject: models.Model, origin: str, to: str, actor: AbstractBaseUser | None, detail: Mapping[str, Any] | None
) -> None:
    StateChange(
        subject_type=subject._meta.label_lower,
        subject_id=subject.pk,
        from_state=origin,
        to_state=to,
        actor_id=actor.pk if actor else None,
        detail=dict(detail or {}),
    ).save()
