"""Signs of life: when a kind of process last showed that it works. One row a kind, however many processes there are."""

from __future__ import annotations

import datetime as dt

from django.utils import timezone

from lifecycle.models import Sign


def leave_sign(name: str) -> None:
    """Say that a process of this kind works now."""
    Sign.objects.update_or_create(name=name, defaults={"at": timezone.now()})


def last_signs() -> dict[str, dt.datetime]:
    """When each kind of process was last seen; a kind that never was is not there."""
    return dict(Sign.objects.values_list("name", "at"))
