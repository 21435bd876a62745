"""Files of rows: all or nothing, with the line named."""

from __future__ import annotations

from pathlib import Path

import pytest

from collection.demo.tasks import task
from collection.errors import Invalid
from collection.importing.jsonl import read_rows
from collection.importing.test_sets import import_test_set
from collection.models import TestItem, TestSet
from modelserver.datafiles import DataStore

pytestmark = pytest.mark.django_db

GOOD = '{"premise": "A dog.", "hypothesis": "A pet.", "label": "entailment", "source": "x"}'


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{not json", "not JSON"),
        ("[1, 2]", "not an object"),
        ('{"premise": "A dog.", "label": "entailment"}', "no 'hypothesis'"),
        ('{"premise": "A dog.", "hypothesis": "A pet.", "label": "maybe"}', "label must be one of"),
        ('{"premise": "A dog.", "hypothesis": "A pet.", "label": ["entailment"]}', "label must be one of"),
        ('{"premise": "A dog.", "hypothesis": "", "label": "entailment"}', "hypothesis"),
        ('{"premise": "A dog.", "hypothesis": 3, "label": "entailment"}', "hypothesis"),
        ('{"premise": "A\\u0000dog.", "hypothesis": "A pet.", "label": "entailment"}', "premise"),
        ('{"premise": "A \\ud800 dog.", "hypothesis": "A pet.", "label": "entailment"}', "premise"),
        ('{"premise": "' + "x" * 401 + '", "hypothesis": "A pet.", "label": "entailment"}', "premise"),
        ("[" * 100_000, "nested too deeply"),
        ('{"premise": ' + "1" * 5000 + "}", "a number is too long"),
        ('{"premise": "' + "x" * 1_000_001 + '"}', "longer than"),
    ],
)
def test_a_malformed_row_is_named_by_file_and_line(tmp_path: Path, line: str, said: str) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(f"{GOOD}\n\n{line}\n{GOOD}\n", encoding="utf-8")
    with pytest.raises(Invalid, match=r"rows\.jsonl, line 3") as refused:
        read_rows(file, task("nli").schema)
    assert refused.value.field == "file"
    assert said in refused.value.message


def test_what_is_not_utf8_is_named(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_bytes(GOOD.encode() + b'\n{"premise": "\xff"}\n')
    with pytest.raises(Invalid, match="line 2: not UTF-8"):
        read_rows(file, task("nli").schema)


def test_an_empty_and_a_missing_file_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("\n\n")
    with pytest.raises(Invalid, match="no rows"):
        read_rows(tmp_path / "empty.jsonl", task("nli").schema)
    with pytest.raises(Invalid, match="cannot be read"):
        read_rows(tmp_path / "missing.jsonl", task("nli").schema)


def test_columns_may_have_other_names(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"sentence1": "A dog.", "sentence2": "A pet.", "gold": "entailment"}\n')
    columns = {"premise": "sentence1", "hypothesis": "sentence2", "label": "gold"}
    rows = read_rows(file, task("nli").schema, columns)
    assert (rows[0].texts, rows[0].label, rows[0].line) == (("A dog.", "A pet."), "entailment", 1)


def test_a_test_set_is_stored_once_and_its_name_is_its_own(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(f"{GOOD}\n{GOOD.replace('pet', 'cat')}\n")
    nli, store = task("nli"), DataStore(f"file://{tmp_path}/data", tmp_path / "cache")
    rows = read_rows(file, nli.schema)
    first = import_test_set("plain", "Plain", nli, TestSet.Kind.IMPORTED, rows, store)
    assert import_test_set("plain", "Plain", nli, TestSet.Kind.IMPORTED, rows, store) == first
    assert (first.rows, TestItem.objects.count()) == (2, 2)
    assert store.fetch(first.sha256).read_text().count("\n") == 2
    with pytest.raises(Invalid) as refused:
        import_test_set("plain", "Plain", nli, TestSet.Kind.IMPORTED, rows[:1], store)
    assert refused.value.field == "slug"
    with pytest.raises(Invalid):
        import_test_set("none", "None", nli, TestSet.Kind.IMPORTED, [], store)
