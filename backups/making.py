"""Making a backup of the whole site while people go on working."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone
from django.utils.crypto import salted_hmac

from backups.archive import Writer, written
from backups.manifest import MANIFEST, Kept, Manifest, store_file, table_file
from backups.progress import Progress
from backups.stores import Store, stores
from backups.tables import kept_models, lines


def make_backup(path: Path, *, show: bool = False) -> Manifest:
    """Write a backup of the database and of all stores to a new file; ``show`` how far it is on the error stream.

    First the tables, all as they are at one moment, then the files. Whatever a row refers to is stored before the
    row is, and never changed: so each file that the rows of that moment need is there when it is copied. Those that
    came later are copied too, and harm nobody. Raises BackupError, and OSError if the disk is full: then there is no
    file.
    """
    with written(path) as archive:
        with snapshot():
            manifest = replace(_described(), tables=_keep_tables(archive, show))
        manifest = replace(manifest, stores={name: _keep_files(archive, item, show) for name, item in stores().items()})
        archive.add(MANIFEST, [manifest.to_bytes()], pack=True)
    return manifest


def applied_migrations() -> list[str]:
    """The migrations of this site's database, as app/name."""
    return sorted(f"{app}/{name}" for app, name in MigrationRecorder(connection).applied_migrations())


def secret_sign() -> str:
    """Tells whether two sites have the same SECRET_KEY; the key cannot be had from it."""
    return salted_hmac("backups.secret", "", algorithm="sha256").hexdigest()[:16]


@contextmanager
def snapshot() -> Iterator[None]:
    """A transaction that sees one moment of the database throughout, and holds up nobody who writes."""
    mode: Any = getattr(connection, "transaction_mode", None)
    try:
        if connection.vendor == "sqlite":
            # Otherwise the transaction would take the write lock when it begins.
            connection.transaction_mode = "DEFERRED"  # type: ignore[attr-defined]
        with transaction.atomic(durable=True):
            if connection.vendor == "postgresql":
                with connection.cursor() as cursor:
                    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield
    finally:
        if connection.vendor == "sqlite":
            connection.transaction_mode = mode  # type: ignore[attr-defined]


def _described() -> Manifest:
    return Manifest(
        made_at=timezone.now().isoformat(),
        code=version("whetstone"),
        database=connection.vendor,
        secret=secret_sign(),
        migrations=applied_migrations(),
        left_out=sorted(settings.BACKUP_LEAVES_OUT),
    )


def _keep_tables(archive: Writer, show: bool) -> dict[str, Kept]:
    kept = {}
    for model in kept_models():
        name = model._meta.label_lower
        with Progress(name, model._base_manager.count(), "row", show=show) as progress:
            file = archive.add(table_file(name), lines(model, progress.more), pack=True)
        kept[name] = replace(file, rows=progress.count)
    return kept


def _keep_files(archive: Writer, store: Store, show: bool) -> dict[str, Kept]:
    kept = {}
    sizes = store.files()
    with Progress(store.name, sum(sizes.values()), "B", show=show) as progress:
        for path in sizes:
            chunks = store.read(path)
            try:
                begin = next(chunks, b"")
            except FileNotFoundError:
                # Gone since it was listed: an upload that somebody stored or forgot.
                continue
            kept[path] = archive.add(store_file(store.name, path), chain([begin], chunks))
            progress.more(kept[path].size)
    return kept
