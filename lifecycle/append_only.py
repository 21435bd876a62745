"""Tables whose rows are written once: the database itself refuses to change them."""

from __future__ import annotations

import json
from typing import Any

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def refuse_updates(table: str) -> migrations.RunPython:
    """A migration operation after which ``UPDATE`` of any row of ``table`` fails, and on PostgreSQL ``DELETE`` too.

    SQLite keeps ``DELETE``: emptying its tables is how Django resets a test database there.
    """

    return migrations.RunPython(lambda _, editor: _refuse(editor, table), lambda _, editor: _allow(editor, table))


# What stands in place of words that were erased.
ERASED = {"erased": True}


def let_words_be_erased(model: str, column: str) -> migrations.RunPython:
    """A migration operation after which one ``UPDATE`` of an append-only table is let through: the one that puts ERASED
    in place of a JSON column and leaves all others as they are. ``model`` is its label, as in app.Model."""
    erased = json.dumps(ERASED)

    def forward(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
        meta = apps.get_model(model)._meta
        table, kept = meta.db_table, [field.column for field in meta.concrete_fields if field.column != column]
        if editor.connection.vendor == "sqlite":
            same = " AND ".join(f"NEW.{name} IS OLD.{name}" for name in kept)
            editor.execute(f"DROP TRIGGER {table}_append_only")
            editor.execute(
                f"CREATE TRIGGER {table}_append_only BEFORE UPDATE ON {table} "
                f"WHEN NOT (NEW.{column} = '{erased}' AND {same}) "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
        elif editor.connection.vendor == "postgresql":
            same = " AND ".join(f"NEW.{name} IS NOT DISTINCT FROM OLD.{name}" for name in kept)
            editor.execute(
                f"CREATE OR REPLACE FUNCTION {table}_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                f"IF TG_OP = 'UPDATE' AND NEW.{column} = '{erased}'::jsonb AND {same} THEN RETURN NEW; END IF; "
                f"RAISE EXCEPTION '{table} is append-only' USING ERRCODE = 'integrity_constraint_violation'; END $$"
            )

    def backward(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
        table = apps.get_model(model)._meta.db_table
        _allow(editor, table)
        _refuse(editor, table)

    return migrations.RunPython(forward, backward)


def _refuse(editor: BaseDatabaseSchemaEditor, table: str) -> None:
    if editor.connection.vendor == "sqlite":
        editor.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )
    elif editor.connection.vendor == "postgresql":
        editor.execute(
            f"CREATE FUNCTION {table}_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{table} is append-only' USING ERRCODE = 'integrity_constraint_violation'; "
            "END $$"
        )
        editor.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION {table}_append_only()"
        )


def _allow(editor: BaseDatabaseSchemaEditor, table: str) -> None:
    if editor.connection.vendor == "sqlite":
        editor.execute(f"DROP TRIGGER {table}_append_only")
    elif editor.connection.vendor == "postgresql":
        editor.execute(f"DROP TRIGGER {table}_append_only ON {table}")
        editor.execute(f"DROP FUNCTION {table}_append_only()")


class AppendOnlyError(TypeError):
    """A row of an append-only table was about to be changed or deleted."""


class AppendOnly:
    """Model mixin: saved once, never changed or deleted through the ORM's instances."""

    _state: Any

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert the row. Raises AppendOnlyError if it is stored already."""
        if not self._state.adding:
            raise AppendOnlyError(f"{type(self).__name__} rows are never changed")
        super().save(*args, **kwargs)  # type: ignore[misc]

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Raises AppendOnlyError always."""
        raise AppendOnlyError(f"{type(self).__name__} rows are never deleted")
