"""Columns as the database's driver gives them, for reading millions of rows, and what a release makes of them.

Django's own conversions of times, keys, flags and JSON take longer than all else that is done for a row.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.db.models import BigIntegerField, Func, TextField
from django.db.models.expressions import RawSQL


class AsStored(Func):
    """A column without any conversion."""

    template = "%(expressions)s"
    output_field = TextField()


class TimeAsStored(AsStored):
    """A time without any conversion: to a column that is declared as one Python's driver of SQLite applies its own."""

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        """Of what is computed the type is not declared."""
        return self.as_sql(compiler, connection, template="CAST(%(expressions)s AS text)", **extra)


def among(numbers: Sequence[int]) -> RawSQL:
    """The right side of ``__in`` for thousands of numbers, as one parameter and not one each."""
    if connection.vendor == "postgresql":
        return RawSQL("SELECT unnest(%s::bigint[])", [list(numbers)], BigIntegerField())
    return RawSQL("SELECT value FROM json_each(%s)", [json.dumps(list(numbers))], BigIntegerField())


def iso(moment: datetime) -> str:
    """A time as rows have it: ISO 8601 in UTC with six digits of a second."""
    return f"{moment.astimezone(UTC).isoformat(timespec='microseconds')[:26]}Z"


def time_text(stored: str | datetime) -> str:
    """The same for a stored time. In SQLite it is a text in UTC, without the digits where they are all zero."""
    if not isinstance(stored, str):
        return iso(stored)
    digits = "Z" if len(stored) == 26 else ".000000Z"
    return stored.replace(" ", "T", 1) + digits


def key_text(stored: str | uuid.UUID) -> str:
    """A stored key with its dashes. In SQLite it is 32 digits."""
    if not isinstance(stored, str):
        return str(stored)
    return f"{stored[:8]}-{stored[8:12]}-{stored[12:16]}-{stored[16:20]}-{stored[20:]}"
