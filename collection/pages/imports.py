"""Long files that a worker imports: sending one, and how far it is or what is wrong with it."""

from __future__ import annotations

import uuid
from typing import Any, BinaryIO, cast

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AbstractBaseUser
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from collection import imports
from collection.access import Right, may_create, visible
from collection.demo.tasks import offered, task_of
from collection.errors import Conflict, Invalid, NotYours, Refused
from collection.importing.orders import check_sender, order_of
from collection.importing.preview import MOST_NAMED
from collection.models import DataImport, Task, TestSet
from collection.pages.people import looked_at, status_of
from collection.pages.uploading import FORMATS, LABELLED_FORMATS, said_columns, said_labels, what_is_said
from collection.states import ExperimentState

Kind = DataImport.Kind
SHOWN = 50
_OF_SITE = (Kind.RELEASE, Kind.TEST_SET)
_WORDS = ("experiment", "task", "format", "column", "slug", "name", "kind_of_set")


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def all_imports(request: HttpRequest) -> HttpResponse:
    """One's own imports, and a form for another one."""
    user = _sender(request)
    refusal: Refused | None = None
    if request.method == "POST":
        try:
            return redirect("import", key=_asked(request, user).key)
        except NotYours:
            raise Http404 from None
        except Refused as refused:
            refusal = refused
    given = request.POST if request.method == "POST" else request.GET
    kinds = [kind for kind in Kind if kind not in _OF_SITE or may_create(user)]
    kind = next((item for item in kinds if item.value == given.get("kind")), None)
    page = {
        "imports": imports.asked_by(user).order_by("-pk")[:SHOWN],
        "kinds": kinds,
        "kind": kind,
        "given": given,
        "problem": refusal,
        **(_form(request, kind, given.get("experiment", ""), given.get("task", "")) if kind else {}),
    }
    return render(request, "collection/imports.html", page, status=status_of(refusal))


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def one_import(request: HttpRequest, key: uuid.UUID) -> HttpResponse:
    """How far an import is, and what came of it; a failed one is tried again."""
    user = _sender(request)
    try:
        found = imports.mine(user, key)
    except NotYours:
        raise Http404 from None
    refusal: Refused | None = None
    if request.method == "POST":
        try:
            imports.retry(found, user)
            return redirect("import", key=key)
        except Conflict as refused:
            refusal = refused
    page = {"import": found, "most_named": MOST_NAMED, "can_retry": imports.can_retry(found), "refusal": refusal}
    return render(request, "collection/import.html", page, status=status_of(refusal))


def _sender(request: HttpRequest) -> AbstractBaseUser:
    """Who asks; 404 for whoever may have nothing imported."""
    assert isinstance(request.user, AbstractBaseUser)
    try:
        check_sender(request.user)
    except NotYours:
        raise Http404 from None
    return request.user


def _asked(request: HttpRequest, user: AbstractBaseUser) -> DataImport:
    file = request.FILES.get("file")
    if file is None:
        raise Invalid("file", "Please choose a file.")
    given = request.POST
    said: dict[str, Any] = {name: given[name].strip() for name in _WORDS if given.get(name, "").strip()}
    said |= {"columns": said_columns(given), "labels": said_labels(given), "arms": given.getlist("arms")}
    order = order_of(user, given.get("kind", ""), file.name or "", {name: said[name] for name in said if said[name]})
    return imports.ask(
        user,
        order.kind,
        cast(BinaryIO, file),
        file.name or "",
        experiment=order.experiment,
        task=order.task,
        options=order.options,
    )


def _form(request: HttpRequest, kind: DataImport.Kind, slug: str, task_slug: str) -> dict[str, Any]:
    """What the form for a kind offers; without an experiment or a task where one is needed, which there are."""
    assert isinstance(request.user, AbstractBaseUser)
    if kind == Kind.RELEASE:
        return {"ready": True}
    if kind == Kind.TEST_SET:
        if not task_slug:
            return {"tasks": offered()}
        task = _task(task_slug)
        return {"ready": True, "task": task, "kinds_of_set": TestSet.Kind.choices, **_reading(request, task)}
    if not slug:
        drafts = visible(request.user).filter(state=ExperimentState.DRAFT).order_by("slug")
        if kind == Kind.CONTEXTS:
            return {"drafts": [item for item in drafts.select_related("task") if item.task.schema.context_field]}
        return {"drafts": drafts}
    experiment = looked_at(request, slug, Right.RUN)
    task = experiment.task
    if kind == Kind.CONTEXTS:
        return {"ready": True, "experiment": experiment, "field": task.schema.context_field, "formats": FORMATS}
    return {"ready": True, "experiment": experiment, "arms": experiment.arms.all(), **_reading(request, task)}


def _task(slug: str) -> Task:
    try:
        return task_of(slug)
    except Invalid:
        raise Http404 from None


def _reading(request: HttpRequest, task: Task) -> dict[str, Any]:
    return {"formats": LABELLED_FORMATS, **what_is_said(task.schema, request.POST)}
