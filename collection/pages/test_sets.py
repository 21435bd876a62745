"""The site's test sets, and adding one: sent, looked at, named and stored whole or not at all."""

from __future__ import annotations

import uuid
from pathlib import PurePath

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.text import slugify
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from collection.access import visible
from collection.demo.tasks import offered, task_of
from collection.errors import Invalid, NotYours, Refused
from collection.importing.columns import LABEL
from collection.importing.pending import finish, opened, waiting
from collection.importing.test_sets import TestSetPreview, preview_test_set, store_test_set
from collection.models import PendingUpload, Task, TestSet
from collection.pages.people import check_site_researcher
from collection.pages.uploading import COLUMN, LABELLED_FORMATS, as_query, laid_out, pasted, received, said_columns
from modelserver import registry

_NAMES = ("slug", "name", "kind")


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def test_sets(request: HttpRequest) -> HttpResponse:
    """All test sets, and a form whose upload is kept and looked at next."""
    check_site_researcher(request)
    problem: Invalid | None = None
    if request.method == "POST":
        try:
            task = task_of(request.POST.get("task", ""))
            pasted_as = "jsonl" if request.POST.get("text", "").lstrip().startswith("{") else "csv"
            upload, format = received(request, pasted_as)
            return redirect(
                f"{reverse('test_set_upload', args=[upload.key])}?{as_query(task=task.slug, format=format)}"
            )
        except Invalid as invalid:
            problem = invalid
    return _page(request, 422 if problem else 200, problem)


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def upload(request: HttpRequest, key: uuid.UUID) -> HttpResponse:
    """What is in an upload, with every fault; the form names it and stores what was shown, read anew."""
    check_site_researcher(request)
    assert isinstance(request.user, AbstractBaseUser)
    given = request.POST if request.method == "POST" else request.GET
    slug, format = given.get("task", ""), given.get("format", "csv")
    said = said_columns(given)
    problem: Refused | None = None
    task: Task | None = None
    found: TestSetPreview | None = None
    try:
        kept = waiting(request.user, key)
        if kept.outcome:
            return _stored(request, kept.outcome)
        task = task_of(slug)
        with opened(kept) as file:
            found = preview_test_set(task, file, format, said)
        if request.method == "POST":
            return _stored(request, _store(request, task, found, kept))
    except NotYours as gone:
        return _page(request, 404, gone)
    except Refused as refusal:
        problem = refusal
    fields = [(item.name, item.title) for item in task.schema.fields] if task else []
    mapping = found.mapping if found else {}
    page = {
        "kept": kept,
        "pasted": pasted(kept),
        "problem": problem,
        "task": slug,
        "tasks": offered(),
        "format": format,
        "formats": LABELLED_FORMATS,
        "mapped": [
            (COLUMN + name, title, mapping.get(name, ""), said.get(name, ""))
            for name, title in [*fields, (LABEL, "Label")]
            if found
        ],
        "kinds": TestSet.Kind.choices,
        **_first_names(kept),
        **{name: request.POST[name] for name in _NAMES if name in request.POST},
        **(laid_out(found) if found else {}),
    }
    return render(request, "collection/test_set_upload.html", page, status=422 if problem else 200)


def _page(request: HttpRequest, status: int, problem: Refused | None) -> HttpResponse:
    assert isinstance(request.user, AbstractBaseUser)
    # Of the experiments only those that this person may look at: of others it is not told that they are there.
    using = Prefetch("experiments", visible(request.user).order_by("slug"), to_attr="used_by")
    page = {
        "test_sets": TestSet.objects.select_related("task").prefetch_related(using).order_by("slug"),
        "tasks": offered(),
        "task": request.POST.get("task", ""),
        "formats": LABELLED_FORMATS,
        "format": request.POST.get("format", ""),
        "text": request.POST.get("text", ""),
        "problem": problem,
    }
    return render(request, "collection/test_sets.html", page, status=status)


def _first_names(kept: PendingUpload) -> dict[str, str]:
    stem = PurePath(kept.name).stem
    return {"slug": slugify(stem)[:60], "name": stem[:100], "kind": TestSet.Kind.IMPORTED}


def _store(request: HttpRequest, task: Task, found: TestSetPreview, kept: PendingUpload) -> str:
    slug, name, kind = (request.POST.get(item, "").strip() for item in _NAMES)
    if kind not in TestSet.Kind.values:
        raise Invalid("kind", f"Must be one of: {', '.join(TestSet.Kind.values)}.")
    made = store_test_set(slug, name, task, TestSet.Kind(kind), found, registry.data_store())
    return finish(kept, f"The test set {made.slug} has {made.rows} rows. New experiments can be scored on it.")


def _stored(request: HttpRequest, outcome: str) -> HttpResponse:
    messages.success(request, outcome)
    return redirect("test_sets")
