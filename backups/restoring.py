"""Putting a backup into an empty site: all of it or nothing."""

from __future__ import annotations

import hashlib
from pathlib import Path

from django.db import DatabaseError, connection, transaction

from backups.archive import Reader, opened
from backups.making import applied_migrations
from backups.manifest import BackupError, Kept, Manifest, store_file, table_file
from backups.progress import Progress
from backups.stores import Store, stores
from backups.tables import count_on, filled, forget_what_migrate_made, kept_models, store_lines

# Of PostgreSQL's advisory locks, the one of whoever restores; any number that nobody else uses.
_LOCK = 0x77686574


def check(path: Path, sha256: str | None = None, *, show: bool = False) -> Manifest:
    """Read all of a backup against its hashes, and nothing else. Raises BackupError, naming the first wrong file.

    ``sha256`` is what the manifest must hash to, for whoever has kept that elsewhere.
    """
    with opened(path) as archive:
        _check_hash(archive, sha256)
        files = archive.manifest.files()
        with Progress("checked", sum(kept.size for kept in files.values()), "B", show=show) as progress:
            for name in files:
                for chunk in archive.read(name):
                    progress.more(len(chunk))
    return archive.manifest


def restore(path: Path, sha256: str | None = None, *, show: bool = False) -> Manifest:
    """Put a backup into this site, which must be empty and have the same migrations applied.

    First the files, then the rows, and these in one transaction: whatever fails, the site is as empty as before. A
    restore that was killed may leave files; the next one takes those for its own that are the same. Raises
    BackupError, naming what is in the way or wrong, and OSError if the disk is full.
    """
    with opened(path) as archive:
        _check_hash(archive, sha256)
        manifest, here = archive.manifest, stores()
        _check_fits(manifest, here)
        added: list[tuple[Store, str]] = []
        try:
            with transaction.atomic(durable=True):
                _alone()
                standing = _check_empty(manifest, here)
                for name, store in here.items():
                    missing = {path: kept for path, kept in manifest.stores[name].items() if path not in standing[name]}
                    _put_files(archive, store, missing, added, show)
                _store_rows(archive, show)
                # Now the commit alone can fail, and whether it did is not always known: then the files stay.
                added.clear()
        finally:
            for store, path_there in added:
                store.remove(path_there)
    return manifest


def _check_hash(archive: Reader, sha256: str | None) -> None:
    if sha256 is not None and archive.manifest_sha256 != sha256.lower():
        raise BackupError(f"it is another backup: its manifest has the sha256 {archive.manifest_sha256}")


def _check_fits(manifest: Manifest, here: dict[str, Store]) -> None:
    applied = applied_migrations()
    if not applied:
        raise BackupError("this database has no tables: run `manage.py migrate` first")
    there, more = sorted(set(manifest.migrations) - set(applied)), sorted(set(applied) - set(manifest.migrations))
    if there or more:
        raise BackupError(
            f"it was made with other migrations (applied there only: {_listed(there)}; here only: {_listed(more)}). "
            f"Restore it with the code it was made with ({manifest.code}), then migrate"
        )
    models = {model._meta.label_lower for model in kept_models()}
    if different := sorted(models ^ manifest.tables.keys()):
        raise BackupError(f"it has other tables than this site: {_listed(different)}")
    if different := sorted(here.keys() ^ manifest.stores.keys()):
        raise BackupError(f"it has other stores than this site: {_listed(different)}")


def _alone() -> None:
    """On SQLite the transaction itself is the only one."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
            if not cursor.fetchone()[0]:
                raise BackupError("somebody restores into this database right now")


def _check_empty(manifest: Manifest, here: dict[str, Store]) -> dict[str, set[str]]:
    """The files that are there already, by store: those of an earlier try. Raises BackupError if there is more."""
    found = [f"{name} ({count} {'row' if count == 1 else 'rows'})" for name, count in filled().items()]
    standing = {}
    for name, store in here.items():
        kept, sizes = manifest.stores[name], store.files()
        same = {path for path, size in sizes.items() if path in kept and _is(store, path, size, kept[path])}
        found += [f"{path} in {name}" for path in sizes if path not in same]
        standing[name] = same
    if found:
        raise BackupError(f"this site is not empty: it has {_listed(found)}")
    return standing


def _is(store: Store, path: str, size: int, kept: Kept) -> bool:
    if size != kept.size:
        return False
    hashed = hashlib.sha256()
    for chunk in store.read(path):
        hashed.update(chunk)
    return hashed.hexdigest() == kept.sha256


def _put_files(
    archive: Reader, store: Store, files: dict[str, Kept], added: list[tuple[Store, str]], show: bool
) -> None:
    with Progress(store.name, sum(kept.size for kept in files.values()), "B", show=show) as progress:
        for path, kept in files.items():
            store.put(path, archive.read(store_file(store.name, path)))
            added.append((store, path))
            progress.more(kept.size)


def _store_rows(archive: Reader, show: bool) -> None:
    forget_what_migrate_made()
    for model in kept_models():
        name = model._meta.label_lower
        rows = archive.manifest.tables[name].rows
        with Progress(name, rows or 0, "row", show=show) as progress:
            stored = store_lines(model, archive.read(table_file(name)), progress.more)
        if stored != rows:
            raise BackupError(f"{name}: has {stored} rows, and the manifest says {rows}")
    try:
        connection.check_constraints()
    except DatabaseError as error:
        raise BackupError(f"rows refer to others that are not there: {error}") from error
    count_on()


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:20]) or "none"
    return f"{shown} and {len(names) - 20} more" if len(names) > 20 else shown
