"""A study as a folder of files, and back: ``study.json`` and a file of JSON lines a table."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from collection.analytics.consistency import faults
from collection.analytics.study import TABLES, Study, table

STUDY_FILE = "study.json"
# What a plan may have of each.
_MOST = 1_000_000
_SCALARS = {
    "name": str,
    "slug": str,
    "context_field": str,
    "labels": list,
    "arms": dict,
    "rounds": int,
    "quota": int,
    "quorum": int,
    "currency": str,
}


class StudyFileError(ValueError):
    """A file of a study cannot be read; the message names file, line and column."""


def write_study(study: Study, folder: Path) -> None:
    """Write all of a study's files into a folder, which is made if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    scalars = {name: getattr(study, name) for name in _SCALARS}
    text = json.dumps(scalars | {"labels": list(study.labels)}, ensure_ascii=False, indent=1)
    (folder / STUDY_FILE).write_text(text + "\n", encoding="utf-8")
    for name in TABLES:
        with (folder / f"{name}.jsonl").open("w", encoding="utf-8", newline="\n") as file:
            for row in getattr(study, name).to_dict("records"):
                plain = {key: _plain(value) for key, value in row.items()}
                file.write(json.dumps(plain, ensure_ascii=False, allow_nan=False) + "\n")


def read_study(folder: Path) -> Study:
    """The study that a folder holds. Raises StudyFileError naming the file and what of it is wrong."""
    scalars = _scalars(folder / STUDY_FILE)
    tables = {}
    for name in TABLES:
        try:
            tables[name] = table(name, list(_rows(folder / f"{name}.jsonl", name)))
        except ValueError as error:
            raise StudyFileError(str(error)) from None
    try:
        study = Study(**scalars, **tables)
    except ValueError as error:
        raise StudyFileError(f"{STUDY_FILE}: {error}") from None
    for fault in faults(study):
        raise StudyFileError(f"{fault.table}.jsonl, line {fault.row + 1}: {fault.column} {fault.message}")
    return study


def _scalars(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StudyFileError(f"{path.name}: the file is missing") from None
    except (ValueError, RecursionError) as error:
        raise StudyFileError(f"{path.name}: {error}") from None
    if not isinstance(values, dict):
        raise StudyFileError(f"{path.name}: must be an object")
    for name, kind in _SCALARS.items():
        if not isinstance(values.get(name), kind) or isinstance(values[name], bool):
            raise StudyFileError(f"{path.name}: {name} must be {_KINDS[kind]}")
    if not all(isinstance(label, str) for label in values["labels"]):
        raise StudyFileError(f"{path.name}: labels must be a list of texts")
    for name in ("name", "slug", "context_field", "labels", "arms"):
        try:
            "".join(values[name]).encode()
        except UnicodeEncodeError:
            raise StudyFileError(f"{path.name}: {name} must have no lone surrogates") from None
    for name in ("rounds", "quota", "quorum"):
        if not 1 <= values[name] <= _MOST:
            raise StudyFileError(f"{path.name}: {name} must be from 1 to {_MOST:,}")
    return {name: values[name] for name in _SCALARS} | {"labels": tuple(values["labels"])}


_KINDS = {str: "a text", list: "a list", dict: "an object", int: "a whole number"}


def _rows(path: Path, name: str) -> Iterator[dict[str, Any]]:
    if not path.exists():
        raise StudyFileError(f"{path.name}: the file is missing")
    with path.open(encoding="utf-8") as file:
        lines = enumerate(file, start=1)
        while True:
            try:
                number, line = next(lines)
            except StopIteration:
                return
            except UnicodeDecodeError:
                raise StudyFileError(f"{path.name}: is not UTF-8") from None
            yield _row(line, name, f"{path.name}, line {number}")


def _row(line: str, name: str, where: str) -> dict[str, Any]:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        raise StudyFileError(f"{where}: is not JSON") from None
    if not isinstance(values, dict):
        raise StudyFileError(f"{where}: must be an object")
    row = {}
    for column, kind in TABLES[name].items():
        if column not in values:
            raise StudyFileError(f"{where}: {column} is missing")
        try:
            row[column] = _READ[kind](values[column])
        except (TypeError, ValueError, OverflowError):
            raise StudyFileError(f"{where}: {column} must be {_WANTED[kind]}") from None
    return row


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    value.encode()  # JSON can hold half of a surrogate pair, which is no character and can be written nowhere.
    return value


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise TypeError
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | None):
        raise TypeError
    if value is None:
        return math.nan
    number = float(value)
    if not math.isfinite(number):
        raise ValueError
    return number


def _flag(value: object) -> bool | None:
    if not isinstance(value, bool | None):
        raise TypeError
    return value


def _time(value: object) -> datetime:
    found = datetime.fromisoformat(_text(value))
    if found.tzinfo is None:
        raise ValueError
    return found.astimezone(UTC)  # Some times near the ends of the calendar lie beyond them in UTC.


def _labels(value: object) -> Any:
    return np.asarray([_count(item) for item in _list(value)], dtype=np.int64)


def _keys(value: object) -> tuple[str, ...]:
    return tuple(_text(item) for item in _list(value))


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError
    return value


_READ = {
    "text": _text,
    "count": _count,
    "number": _number,
    "flag": _flag,
    "time": _time,
    "labels": _labels,
    "keys": _keys,
}
_WANTED = {
    "text": "a text without lone surrogates",
    "count": "a whole number from 0",
    "number": "a finite number or null",
    "flag": "true, false or null",
    "time": "a time with its zone, in the years 1 to 9999, such as 2026-01-31T12:00:00+00:00",
    "labels": "a list of label indices",
    "keys": "a list of keys",
}


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    if value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return None
    return value.item() if isinstance(value, np.generic) else value
