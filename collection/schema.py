"""What a task is, as data: its one or two input fields, its labels and its limits. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from django.utils.translation import gettext as _

from collection.errors import Invalid
from collection.texts import check_text, fingerprint

NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
FieldSource = Literal["context", "writer"]


@dataclass(frozen=True)
class Field:
    """An input field: ``source`` says whether the experiment's contexts fill it or the writer does."""

    name: str
    title: str
    source: FieldSource
    min_length: int = 1
    max_length: int = 500


@dataclass(frozen=True)
class Label:
    """A label; ``title`` names it to people and ``means`` ends the sentence "Write a sentence that is …"."""

    name: str
    title: str
    means: str = ""


@dataclass(frozen=True)
class TaskSchema:
    """Fields in the order in which the model reads them, and labels in the order of its outputs."""

    fields: tuple[Field, ...]
    labels: tuple[Label, ...]

    @classmethod
    def parse(cls, fields: object, labels: object) -> TaskSchema:
        """A schema from plain values. Raises Invalid naming the part that is wrong."""
        parsed = tuple(_field(index, item) for index, item in enumerate(_items("fields", fields)))
        if len(parsed) not in (1, 2):
            raise Invalid("fields", "A task has one or two input fields.")
        _distinct("fields", [item.name for item in parsed])
        if not any(item.source == "writer" for item in parsed):
            raise Invalid("fields", "At least one field must be written by the writer.")
        parsed_labels = tuple(_label(index, item) for index, item in enumerate(_items("labels", labels)))
        if len(parsed_labels) < 2:
            raise Invalid("labels", "A task has two labels or more.")
        _distinct("labels", [item.name for item in parsed_labels])
        return cls(parsed, parsed_labels)

    @property
    def label_names(self) -> tuple[str, ...]:
        """The labels' names in the order of the model's outputs."""
        return tuple(label.name for label in self.labels)

    @property
    def context_field(self) -> Field | None:
        """The field that contexts fill, if the task has one."""
        return next((item for item in self.fields if item.source == "context"), None)

    @property
    def writer_fields(self) -> tuple[Field, ...]:
        """The fields that the writer fills."""
        return tuple(item for item in self.fields if item.source == "writer")

    def check_label(self, field: str, name: object) -> str:
        """The label's name. Raises Invalid naming ``field`` if the task has no such label."""
        if name not in self.label_names:
            raise Invalid(
                field, _("Must be one of: %(names)s.") % {"names": ", ".join(self.label_names)}, "unknown_label"
            )
        return name

    def check_texts(self, written: Mapping[str, object], context: str | None) -> tuple[str, ...]:
        """All texts in the order of the fields: the context as it is, the writer's checked.

        Raises Invalid naming the field that is missing, unknown, not fit to store, or a copy of another one.
        """
        _check_names(written, self.writer_fields)
        texts: list[str] = []
        for item in self.fields:
            if item.source == "context":
                if context is None:
                    raise ValueError(f"the task's field {item.name} needs a context")
                texts.append(context)
            else:
                texts.append(_checked(item, written))
        if len(texts) == 2 and fingerprint(texts[:1]) == fingerprint(texts[1:]):
            copy, original = self.fields if self.fields[0].source == "writer" else reversed(self.fields)
            raise Invalid(copy.name, _("This is a copy of: %(field)s.") % {"field": original.title}, "copied")
        return tuple(texts)

    def check_all_texts(self, written: Mapping[str, object]) -> tuple[str, ...]:
        """All texts in the order of the fields where somebody writes the context too. Raises Invalid."""
        _check_names(written, self.fields)
        return tuple(_checked(item, written) for item in self.fields)


def _check_names(written: Mapping[str, object], fields: Sequence[Field]) -> None:
    known = {item.name for item in fields}
    for name in written:
        if name not in known:
            raise Invalid(str(name), _("This task has no such field to write."), "unknown_field")


def _checked(item: Field, written: Mapping[str, object]) -> str:
    return check_text(item.name, written.get(item.name, ""), min_length=item.min_length, max_length=item.max_length)


def _items(field: str, value: object) -> Sequence[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise Invalid(field, "Must be a list of objects.")
    return value


def _distinct(field: str, names: Sequence[str]) -> None:
    if len(set(names)) != len(names):
        raise Invalid(field, "Names must differ.")


def _name(field: str, item: Mapping[str, Any]) -> str:
    name = item.get("name")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise Invalid(field, "Must be a lower-case letter followed by letters, digits, dashes or underscores.")
    return name


def _field(index: int, item: Mapping[str, Any]) -> Field:
    where = f"fields[{index}]"
    name = _name(f"{where}.name", item)
    if item.get("source") not in ("context", "writer"):
        raise Invalid(f"{where}.source", "Must be context or writer.")
    low, high = item.get("min_length", 1), item.get("max_length", 500)
    for key, value in (("min_length", low), ("max_length", high)):
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 5000:
            raise Invalid(f"{where}.{key}", "Must be a whole number from 1 to 5000.")
    if low > high:
        raise Invalid(f"{where}.min_length", "Must not be above max_length.")
    return Field(name, _words(f"{where}.title", item.get("title"), 100) or name, item["source"], low, high)


def _label(index: int, item: Mapping[str, Any]) -> Label:
    where = f"labels[{index}]"
    name = _name(f"{where}.name", item)
    title = _words(f"{where}.title", item.get("title"), 100) or name
    return Label(name, title, _words(f"{where}.means", item.get("means"), 300))


def _words(field: str, value: object, longest: int) -> str:
    """A text that may be missing or empty."""
    return "" if value is None or value == "" else check_text(field, value, max_length=longest)
