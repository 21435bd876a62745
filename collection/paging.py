"""Lists a page at a time, by key: as fast on the last page as on the first, and nothing twice when rows come in."""

from __future__ import annotations

from typing import TypeVar

from django.db.models import Model, QuerySet

from collection.errors import Invalid
from collection.numbers import natural

M = TypeVar("M", bound=Model)


def key_of(cursor: str | None) -> int | None:
    """The key that a cursor stands for. Raises Invalid for a cursor that is none."""
    if cursor is None:
        return None
    if (key := natural(cursor, 18)) is None:
        raise Invalid("cursor", "Is not a cursor of this list.")
    return key


def page_by_key(rows: QuerySet[M], cursor: str | None, size: int) -> tuple[list[M], str | None]:
    """A page of rows, newest first, and the cursor of the next one. Raises Invalid for a cursor that is none."""
    last = key_of(cursor)
    if last is not None:
        rows = rows.filter(pk__lt=last)
    found = list(rows.order_by("-pk")[: size + 1])
    more = str(found[size - 1].pk) if len(found) > size else None
    return found[:size], more
