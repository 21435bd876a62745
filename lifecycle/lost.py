"""Rows that a worker holds, giving signs of it in ``heartbeat_at``: what becomes of those whose worker is gone."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Any

from lifecycle.models import Movable, StateChange
from lifecycle.moves import move

# So many workers may be lost with one row: then it is taken for what kills them.
MOST_LOST = 3


def give_back(
    item: Movable, free: StrEnum, failed: StrEnum, *, sign: dt.datetime | None, consequence: str, **ended: Any
) -> None:
    """Move a row whose worker gave no sign to ``free``, for another one; or to ``failed``, with its ``problem`` and
    ``ended``, if MOST_LOST were lost with it since it last became free in another way.

    Raises LostRace if there was another ``sign`` meanwhile.
    """
    last = {"heartbeat_at": sign}
    if _lost(item, free) + 1 < MOST_LOST:
        move(item, free, where=last)
        return
    problem = f"{MOST_LOST} workers were lost with it, perhaps for lack of memory. {consequence}"
    move(item, failed, where=last, problem=problem, **ended)


def _lost(item: Movable, free: StrEnum) -> int:
    events = StateChange.objects.filter(subject_type=item._meta.label_lower, subject_id=item.pk, to_state=free)
    lost = 0
    for origin in events.order_by("-pk").values_list("from_state", flat=True)[:MOST_LOST]:
        if origin != item.state:
            break
        lost += 1
    return lost
