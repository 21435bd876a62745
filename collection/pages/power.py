"""What a study to be will see: a form of what is planned and assumed, and the answer, worked out at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from collection.access import visible
from collection.analytics.power import Design, DesignError, Fault
from collection.analytics.power_section import TITLES, plan_section
from collection.designs import stated_of
from collection.pages.people import check_site_researcher
from collection.pages.throttling import wait_before_power
from collection.planning import Problem
from collection.printing import laid_out

_DEFAULTS = {name: getattr(Design(), name) for name in TITLES}
# What a researcher decides or has an opinion on; all else has its place under "More assumptions".
_FIRST = ("rounds", "quota", "arms", "test_rows", "contexts", "seeds", "base_error", "reduction")
_MORE = tuple(name for name in TITLES if name not in _FIRST)
_NOTES = {
    "base_error": "0.25 is 25%",
    "reduction": "0.2 is a fifth fewer",
    "contexts": "rows of one context are alike",
    "base_pay": "in cents or the like",
    "fooling_bonus": "in cents or the like",
    "validation_pay": "in cents or the like",
}


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def power(request: HttpRequest) -> HttpResponse:
    """The form, filled in by ``?like=`` an experiment and by fields of the query; and the answer to what was sent."""
    check_site_researcher(request)
    sent = request.method == "POST"
    values = {name: request.POST.get(name, "") for name in TITLES} if sent else _first_values(request)
    faults: list[Fault] = []
    laid: dict[str, Any] | None = None
    wait: int | None = None
    if sent:
        design, faults = _design(values)
        wait = wait_before_power(request) if design is not None else None
        if design is not None and wait is None:
            # Charts are drawn by workers alone: what draws them is not loaded here.
            laid = laid_out(dataclasses.replace(plan_section(design), charts=()), {})
    wrong = {name for fault in faults for name in fault.fields[:1]}
    page = {
        "first": _fields(_FIRST, values, wrong),
        "more": _fields(_MORE, values, wrong),
        "opened": bool(wrong & set(_MORE)),
        "problems": [Problem(TITLES[fault.fields[0]], "invalid", fault.message) for fault in faults],
        "laid": laid,
        "wait": wait,
    }
    status = 422 if faults else 429 if wait else 200
    answer = render(request, "collection/power.html", page, status=status)
    if wait:
        answer["Retry-After"] = str(wait)
    return answer


def _first_values(request: HttpRequest) -> dict[str, Any]:
    assert isinstance(request.user, AbstractBaseUser)
    like = visible(request.user).filter(slug=request.GET.get("like", "")).first()
    asked = {name: request.GET[name] for name in TITLES if name in request.GET}
    return _DEFAULTS | (stated_of(like) if like is not None else {}) | asked


def _fields(names: tuple[str, ...], values: Mapping[str, Any], wrong: set[str]) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "title": TITLES[name],
            "note": _NOTES.get(name, ""),
            "value": values[name],
            "mode": {int: "numeric", float: "decimal"}.get(type(_DEFAULTS[name]), "text"),
            "wrong": name in wrong,
        }
        for name in names
    ]


def _design(values: Mapping[str, str]) -> tuple[Design | None, list[Fault]]:
    """The design that was typed, or all that is wrong with it."""
    read: dict[str, Any] = {}
    faults = []
    for name, text in values.items():
        try:
            read[name] = type(_DEFAULTS[name])(text.strip())
        except ValueError:
            kind = "whole number" if isinstance(_DEFAULTS[name], int) else "number"
            faults.append(Fault((name,), f"Must be a {kind}."))
    try:
        design = Design(**read)
    except DesignError as error:
        # What could not be read stands there with its default, of which nothing needs to be said.
        return None, [*faults, *(fault for fault in error.faults if read.keys() >= set(fault.fields))]
    return (None if faults else design), faults
