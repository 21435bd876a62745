"""What is not restored: then nothing is."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection

from backups.making import make_backup
from backups.manifest import MANIFEST, BackupError
from backups.restoring import check, restore
from backups.stores import Store
from backups.tables import filled
from tests.backups.sites import contents, emptied, files, needs_postgres, rewritten, write

pytestmark = pytest.mark.django_db(transaction=True)

STORED = "data/" + "1" * 64 + ".jsonl"


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """A backup of a small site, which is empty by now."""
    (tmp_path / "models" / "base" / "0").mkdir(parents=True)
    (tmp_path / "models" / "base" / "0" / "manifest.json").write_text("{}")
    (tmp_path / "data").mkdir()
    (tmp_path / STORED).write_text("row\n")
    User.objects.create_user("ada").groups.add(Group.objects.create(name="readers"))
    make_backup(tmp_path / "site.zip")
    emptied()
    return tmp_path / "site.zip"


def of_manifest(change: Callable[[dict[str, object]], object]) -> Callable[[dict[str, bytes]], object]:
    def changed(entries: dict[str, bytes]) -> None:
        manifest = json.loads(entries[MANIFEST])
        change(manifest)
        entries[MANIFEST] = json.dumps(manifest).encode()

    return changed


def refused(backup: Path, words: str) -> None:
    with pytest.raises(BackupError, match=words):
        restore(backup)
    assert filled() == {}
    assert files() == {"models": {}, "data": {}, "releases": {}}


def test_it_would_have_been_restored(backup: Path) -> None:
    restore(backup)
    assert User.objects.get().groups.get().name == "readers"
    assert files()["models"] == {"base/0/manifest.json": b"{}"}


@pytest.mark.parametrize(
    ("tamper", "words"),
    [
        (lambda it: it.update({f"stores/{STORED}": b"raw\n"}), "stores/data/1+.jsonl is damaged"),
        (lambda it: it.update({f"stores/{STORED}": b"row\n" * 9}), "stores/data/1+.jsonl is damaged"),
        (lambda it: it.update({"tables/auth.user.jsonl": b""}), "tables/auth.user.jsonl is damaged"),
        (lambda it: it.pop("tables/auth.user.jsonl"), "tables/auth.user.jsonl is missing"),
        (lambda it: it.update({"stores/data/../../evil": b""}), "evil is not in its manifest"),
        (lambda it: it.pop(MANIFEST), "it has no manifest.json"),
        (lambda it: it.update({MANIFEST: b"{}"}), "no backup of the format"),
        (lambda it: it.update({MANIFEST: b"["}), "cannot be read"),
        (of_manifest(lambda it: it.update(format="whetstone-backup/2")), "no backup of the format"),
        (of_manifest(lambda it: it.update(tables=[])), "cannot be read"),
        (of_manifest(lambda it: it["tables"]["auth.user"].update(size=-1)), "describes no file"),
        (of_manifest(lambda it: it["tables"]["auth.user"].update(rows=7)), "auth.user: has 1 rows, and the .* says 7"),
        (of_manifest(lambda it: it["migrations"].append("collection/0099_later")), "there only: collection/0099_later"),
        (of_manifest(lambda it: it["migrations"].remove("auth/0001_initial")), "here only: auth/0001_initial"),
    ],
)  # fmt: skip
def test_a_tampered_backup_is_refused_by_name(
    backup: Path, tamper: Callable[[dict[str, bytes]], object], words: str
) -> None:
    entries = contents(backup)
    tamper(entries)
    write(backup, entries)
    refused(backup, words)


@pytest.mark.parametrize(
    "path", ["../evil", "/etc/evil", "a/../../evil", "a//evil", "c:evil", "..\\evil", "a\x00b", ""]
)
def test_a_path_that_leads_out_of_its_store_is_refused(backup: Path, path: str) -> None:
    entries = contents(backup)
    manifest = json.loads(entries[MANIFEST])
    manifest["stores"]["data"][path] = manifest["stores"]["data"].pop(STORED.removeprefix("data/"))
    entries[f"stores/data/{path}"] = entries.pop(f"stores/{STORED}")
    entries[MANIFEST] = json.dumps(manifest).encode()
    write(backup, entries)
    refused(backup, "is no path of a file")
    assert not (backup.parent / "evil").exists()


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_a_truncated_backup_is_refused(backup: Path, share: float) -> None:
    content = backup.read_bytes()
    backup.write_bytes(content[: int(len(content) * share)])
    refused(backup, "not a whole one")


def test_a_flipped_bit_is_found_by_checking_alone(backup: Path) -> None:
    content = bytearray(backup.read_bytes())
    content[content.index(b"row\n")] ^= 1
    backup.write_bytes(bytes(content))
    with pytest.raises(BackupError, match=r"stores/data/1+.jsonl is damaged"):
        check(backup)


def test_a_site_with_rows_or_files_of_its_own_is_not_touched(backup: Path) -> None:
    ben = User.objects.create_user("ben")
    stranger = backup.parent / "data" / "other.jsonl"
    stranger.parent.mkdir(exist_ok=True)
    stranger.write_text("mine")
    with pytest.raises(BackupError, match=r"not empty: it has auth.user \(1 row\), other.jsonl in data"):
        restore(backup)
    assert User.objects.get() == ben
    assert files() == {"models": {}, "data": {"other.jsonl": b"mine"}, "releases": {}}


def test_files_of_a_restore_that_was_killed_are_taken_up(backup: Path) -> None:
    (backup.parent / "data").mkdir(exist_ok=True)
    (backup.parent / STORED).write_text("row\n")
    (backup.parent / f"{STORED}.0123.tmp").write_text("ro")
    restore(backup)
    assert files()["data"] == {STORED.removeprefix("data/"): b"row\n"}


def test_a_file_of_that_name_with_another_content_is_in_the_way(backup: Path) -> None:
    (backup.parent / "data").mkdir(exist_ok=True)
    (backup.parent / STORED).write_text("raw\n")
    with pytest.raises(BackupError, match=r"1+.jsonl in data"):
        restore(backup)


@pytest.mark.parametrize(
    ("table", "change", "words"),
    [
        ("auth.group", lambda rows: b"", "refer to others that are not there"),
        ("auth.group", lambda rows: rows + rows, "auth.group: "),
        ("auth.group", lambda rows: rows[:-9], "cut off"),
        ("auth.group", lambda rows: b"{}\n", "auth.group: "),
        ("auth.group", lambda rows: rows.replace(b"auth.group", b"auth.user"), "auth.group: "),
        ("auth.user", lambda rows: rows.replace(b'"username"', b'"nickname"'), "auth.user: "),
        ("auth.user", lambda rows: rows.replace(b'"pk": 1', b'"pk": "x"'), "auth.user: "),
    ],
)
def test_rows_that_the_database_refuses_leave_nothing_behind(
    backup: Path, table: str, change: Callable[[bytes], bytes], words: str
) -> None:
    name = f"tables/{table}.jsonl"
    content = change(contents(backup)[name].replace(b'"pk": %d' % _key(backup, name), b'"pk": 1'))
    rewritten(backup, name, content)
    refused(backup, words)


def test_a_full_disk_leaves_the_site_empty(backup: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put = Store.put

    def full(store: Store, path: str, chunks: Iterator[bytes]) -> None:
        if store.name == "data":
            raise OSError(errno.ENOSPC, "No space left on device")
        put(store, path, chunks)

    monkeypatch.setattr(Store, "put", full)
    with pytest.raises(OSError, match="No space left"):
        restore(backup)
    assert filled() == {}
    assert files() == {"models": {}, "data": {}, "releases": {}}


def test_a_database_that_was_never_migrated_is_said_to_be_one(backup: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backups.restoring.applied_migrations", lambda: [])
    refused(backup, "run `manage.py migrate` first")


@pytest.mark.postgres
@needs_postgres
def test_of_two_who_restore_at_once_one_is_refused(backup: Path) -> None:
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [0x77686574])
        refused(backup, "somebody restores into this database right now")
    finally:
        other.close()


def _key(backup: Path, name: str) -> int:
    return int(json.loads(contents(backup)[name].splitlines()[0])["pk"])
