"""The rows of every table as JSON lines, and back: the same in every database."""

from __future__ import annotations

import datetime as dt
import io
import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management.color import no_style
from django.core.serializers import deserialize, jsonl
from django.core.serializers.base import DeserializationError
from django.core.serializers.json import DjangoJSONEncoder
from django.db import DatabaseError, connection, models
from django.db.models import sql

from backups.manifest import BackupError

# Rows held at once; a row may be a whole document.
BATCH = 100
# `migrate` itself fills these.
MADE_BY_MIGRATE: tuple[type[models.Model], ...] = (ContentType, Permission)


def kept_models() -> list[type[models.Model]]:
    """The models whose rows a backup has, those between many and many too, in the order of their names.

    Those of settings.BACKUP_LEAVES_OUT are none of them.
    """
    found = (model for model in apps.get_models(include_auto_created=True) if model._meta.managed)
    tables = {model._meta.label_lower: model for model in found if not model._meta.proxy}
    return [tables[name] for name in sorted(tables) if name not in settings.BACKUP_LEAVES_OUT]


def lines(model: type[models.Model], told: Callable[[int], object]) -> Iterator[bytes]:
    """Every row of a table as a line, in the order of its key, in batches; ``told`` hears of how many."""
    serializer = _Lines()
    rows = model._base_manager.order_by("pk").iterator(chunk_size=BATCH)
    while batch := list(itertools.islice(rows, BATCH)):
        written = io.StringIO()
        # Those between many and many are tables of their own.
        serializer.serialize(batch, stream=written, fields=[field.name for field in model._meta.concrete_fields])
        told(len(batch))
        yield written.getvalue().encode("ascii")


def store_lines(model: type[models.Model], chunks: Iterable[bytes], told: Callable[[int], object]) -> int:
    """Insert rows as they were, key, times and all; returns how many. Part of a transaction.

    Raises BackupError, naming the table, for a line that is no row of it or that the database refuses.
    """
    name, count = model._meta.label_lower, 0
    rows = deserialize("jsonl", _text_lines(chunks))
    try:
        while batch := [row.object for row in itertools.islice(rows, BATCH)]:
            if any(type(row) is not model for row in batch):
                raise BackupError(f"{name}: has a row of another table")
            fields = model._meta.concrete_fields
            for part in _parts(batch, connection.ops.bulk_batch_size(fields, batch)):
                insert = sql.InsertQuery(model)
                # Raw: no automatic time in place of the one that is kept.
                insert.insert_values(fields, part, raw=True)
                insert.get_compiler(connection=connection).execute_sql()
            count += len(batch)
            told(len(batch))
    except (DeserializationError, DatabaseError, ValueError) as error:
        raise BackupError(f"{name}: {error} (in or after row {count + 1})") from error
    return count


def filled() -> dict[str, int]:
    """How many rows each table of this site has, `migrate`'s own aside; only those that have some."""
    counts = {
        model._meta.label_lower: model._base_manager.count() for model in kept_models() if model not in MADE_BY_MIGRATE
    }
    return {name: count for name, count in counts.items() if count}


def forget_what_migrate_made() -> None:
    """Make room for the content types and permissions of the backup, to which other rows refer."""
    for model in reversed(MADE_BY_MIGRATE):
        model._base_manager.all().delete()
    ContentType.objects.clear_cache()


def count_on() -> None:
    """Let the keys of new rows begin after those that are there; SQLite sees to it itself."""
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), kept_models()):
            cursor.execute(statement)


class _Exact(DjangoJSONEncoder):
    """Times to the microsecond; Django's own encoder cuts them at the millisecond."""

    def default(self, o: Any) -> Any:
        return o.isoformat() if isinstance(o, dt.datetime | dt.time) else super().default(o)


class _Lines(jsonl.Serializer):
    def end_object(self, obj: Any) -> None:
        # As ASCII: what SQLite keeps as JSON may have half a character, which no encoding writes.
        self.stream.write(json.dumps(self.get_dump_object(obj), cls=_Exact) + "\n")


def _text_lines(chunks: Iterable[bytes]) -> Iterator[str]:
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line.decode("ascii")
    if rest:
        raise BackupError("the last line is cut off")


def _parts(rows: list[Any], size: int) -> Iterator[list[Any]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
