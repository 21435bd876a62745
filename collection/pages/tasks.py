"""The site's tasks, and making one as data."""

from __future__ import annotations

import re
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from collection.errors import Invalid
from collection.experiments import LONGEST_INSTRUCTIONS, create_task
from collection.models import Task
from collection.numbers import natural
from collection.pages.people import check_site_researcher

_PLAIN = ("slug", "name", "instructions", "guidelines", "labels")
_PARTS = ("name", "title", "source", "min_length", "max_length")
# A task has one or two.
_ROWS = (0, 1)
_WHERE = re.compile(r"(field|label)s\[(\d+)\]\.?(\w*)")


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def tasks(request: HttpRequest) -> HttpResponse:
    """All tasks, and a form for a new one."""
    check_site_researcher(request)
    problem: Invalid | None = None
    values = {name: request.POST.get(name, "") for name in _PLAIN}
    rows = [{part: request.POST.get(f"{part}-{index}", "").strip() for part in _PARTS} for index in _ROWS]
    if request.method == "POST":
        try:
            made = create_task(
                values["slug"].strip(),
                values["name"],
                [_field(row) for row in rows if row["name"] or row["title"]],
                [_label(line) for line in values["labels"].splitlines() if line.strip()],
                values["instructions"].strip(),
                values["guidelines"].strip(),
            )
            messages.success(request, f"The task {made.slug} is made.")
            return redirect("tasks")
        except Invalid as invalid:
            problem = invalid
    page = {
        "tasks": Task.objects.order_by("slug"),
        "values": values,
        "rows": list(enumerate(rows)),
        "problem": problem,
        "where": _in_words(problem.field) if problem else "",
        "longest": LONGEST_INSTRUCTIONS,
    }
    return render(request, "collection/tasks.html", page, status=422 if problem else 200)


def _field(row: dict[str, str]) -> dict[str, Any]:
    """A field as the schema reads it; what is no number is left for the schema to refuse by its name."""
    lengths = {part: _number(row[part]) for part in ("min_length", "max_length") if row[part]}
    return {"name": row["name"], "title": row["title"], "source": row["source"], **lengths}


def _number(text: str) -> int | str:
    number = natural(text, 9)
    return text if number is None else number


def _label(line: str) -> dict[str, str]:
    parts = [part.strip() for part in line.split("|", 2)]
    return dict(zip(("name", "title", "means"), parts, strict=False))


def _in_words(field: str) -> str:
    """``labels[1].name`` as a person would count it."""
    found = _WHERE.fullmatch(field)
    if found is None:
        return field
    kind, index, part = found.groups()
    return f"{kind.capitalize()} {int(index) + 1}" + (f", {part.replace('_', ' ')}" if part else "")
