"""A site is backed up while it works, and comes back as it was."""

from __future__ import annotations

import errno
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings as site_settings
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection

from backups import making
from backups.archive import Writer
from backups.making import make_backup, snapshot
from backups.manifest import BackupError
from backups.restoring import check, restore
from backups.stores import Store
from backups.tables import MADE_BY_MIGRATE, filled, kept_models
from tests import whole_study
from tests.backups.sites import emptied, files, rows

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_site_with_everything_in_it_comes_back_as_it_was_and_goes_on(tmp_path: Path) -> None:
    whole_study.make()
    before, stored = rows(), files()
    missing = {model._meta.label_lower for model in kept_models() if model not in MADE_BY_MIGRATE} - filled().keys()
    assert not missing, "tests.whole_study makes no row of these, so nobody knows whether a backup has them"
    assert all(stored.values()), "nor a file of each store"
    made = make_backup(tmp_path / "site.zip")
    assert {name: kept.rows for name, kept in made.tables.items()} == {name: len(of) for name, of in before.items()}
    emptied()
    assert filled() == {}
    assert check(tmp_path / "site.zip") == made
    assert restore(tmp_path / "site.zip") == made
    assert rows() == before
    assert files() == stored
    # Keys of new rows begin after those that are there.
    assert User.objects.create_user("new").pk > max(row["id"] for row in before["auth.user"])
    whole_study.go_on()


def test_every_table_is_kept_or_left_out_by_name() -> None:
    named = {model._meta.label_lower for model in apps.get_models(include_auto_created=True)}
    assert named == {model._meta.label_lower for model in kept_models()} | set(site_settings.BACKUP_LEAVES_OUT)


def test_every_url_at_which_the_site_keeps_files_is_a_store() -> None:
    others = {
        "CELERY_BROKER_URL", "LOGIN_URL", "LOGIN_REDIRECT_URL", "LOGOUT_REDIRECT_URL", "MEDIA_URL", "MODELSERVER_URL",
        "RELEASES_PUSH_URL", "STATIC_URL",
    }  # fmt: skip
    found = {
        name for name in dir(site_settings) if name.endswith("_URL") and name.isupper() and name[0] != "_"
    } - others
    assert found == set(site_settings.BACKUP_STORES.values())


def test_a_backup_sees_one_moment_and_holds_up_nobody() -> None:
    User.objects.create_user("ada")
    with snapshot():
        seen = User.objects.count()

        def join() -> None:
            User.objects.create_user("ben")
            connection.close()

        other = threading.Thread(target=join)
        other.start()
        other.join(timeout=20)
        assert not other.is_alive()
        assert User.objects.count() == seen
    assert User.objects.count() == seen + 1
    if connection.vendor == "sqlite":
        assert connection.transaction_mode == "IMMEDIATE"  # type: ignore[attr-defined]


def test_a_file_that_goes_while_it_is_copied_is_left_out_and_half_done_ones_always_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("gone.jsonl", "kept.jsonl", "half.jsonl.1.tmp", ".building/part"):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_text(name)
    read = Store.read

    def forgotten(store: Store, path: str) -> Iterator[bytes]:
        (tmp_path / "data" / "gone.jsonl").unlink(missing_ok=True)
        return read(store, path)

    monkeypatch.setattr(Store, "read", forgotten)
    assert make_backup(tmp_path / "site.zip").stores["data"].keys() == {"kept.jsonl"}
    check(tmp_path / "site.zip")


def test_only_the_owner_can_read_a_backup_and_none_is_written_over(tmp_path: Path) -> None:
    make_backup(tmp_path / "site.zip")
    assert stat.S_IMODE((tmp_path / "site.zip").stat().st_mode) == 0o600
    with pytest.raises(CommandError, match="is there already"):
        call_command("backup", str(tmp_path / "site.zip"))


def test_a_full_disk_leaves_no_half_backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add = Writer.add

    def full(writer: Writer, name: str, *given: object, **named: object) -> object:
        if name.startswith("tables/collection."):
            raise OSError(errno.ENOSPC, "No space left on device")
        return add(writer, name, *given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(making.Writer, "add", full)
    (tmp_path / "backups").mkdir()
    with pytest.raises(CommandError, match=r"no backup was made: .*No space left"):
        call_command("backup", str(tmp_path / "backups" / "site.zip"))
    assert list((tmp_path / "backups").iterdir()) == []


def test_the_commands_say_what_was_done_and_that_the_secret_key_is_another(
    tmp_path: Path, settings: object, capsys: pytest.CaptureFixture[str]
) -> None:
    User.objects.create_user("ada")
    path = str(tmp_path / "site.zip")
    call_command("backup", path, "--progress")
    told = capsys.readouterr()
    assert "auth.user: 100%" in told.err
    sha256 = told.out.split()[-1]
    emptied()
    settings.SECRET_KEY = "another"  # type: ignore[attr-defined]
    call_command("restore", path, "--check", "--sha256", sha256)
    assert User.objects.count() == 0
    with pytest.raises(CommandError, match="another backup"):
        call_command("restore", path, "--sha256", "0" * 64)
    call_command("restore", path, "--sha256", sha256)
    told = capsys.readouterr()
    assert told.out.startswith("whole: ")
    assert "restored: " in told.out
    assert "another SECRET_KEY" in told.err
    assert User.objects.get().username == "ada"


def test_two_backups_of_the_same_site_have_the_same_tables(tmp_path: Path) -> None:
    User.objects.create_user("ada")
    first, second = make_backup(tmp_path / "1.zip"), make_backup(tmp_path / "2.zip")
    assert first.tables == second.tables


def test_what_is_no_backup_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="there is no file"):
        restore(tmp_path / "site.zip")
    (tmp_path / "site.zip").write_text("Something else.")
    with pytest.raises(BackupError, match="is no backup"):
        restore(tmp_path / "site.zip")
