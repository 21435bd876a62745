"""Logging in, without losing what was typed before the session ended."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET

from collection.drafts import LONGEST, draft_fields, save_draft
from collection.errors import Refused
from collection.importing.uploading import LARGEST_UPLOAD, largest_body
from collection.models import Experiment
from collection.pages.people import annotator, by_htmx
from collection.pages.throttling import wait_before_login

Page = Callable[..., HttpResponse]
# Before the name of a text that goes through the login.
_KEPT = "kept_"


def typed_in(request: HttpRequest, slug: str) -> dict[str, str]:
    """What a person has typed into a study's writing form: field name → text, nothing checked but its length."""
    experiment = Experiment.objects.filter(slug=slug).select_related("task").first()
    names = draft_fields(experiment.task.schema) if experiment else ()
    return {name: request.POST[name][:LONGEST] for name in names if name in request.POST}


def login_keeps_text(page: Page) -> Page:
    """Like ``login_required``; and a form that comes after the session has ended goes through the login in the
    person's own browser, nothing of it being stored for a stranger."""

    @wraps(page)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.user.is_authenticated:
            return page(request, *args, **kwargs)
        if request.method != "POST":
            return redirect(f"{reverse('login')}?next={request.path}")
        typed = typed_in(request, str(kwargs.get("slug", "")))
        kept = {f"{_KEPT}{name}": text for name, text in typed.items()}
        kept[f"{_KEPT}assignment"] = request.POST.get("assignment", "")
        page_of_login = {"form": AuthenticationForm(request), "next": request.path, "kept": kept}
        answer = render(request, "collection/login.html", page_of_login, status=401)
        if by_htmx(request):
            answer["HX-Retarget"], answer["HX-Reswap"] = "body", "innerHTML"
        return answer

    return wrapped


class KeepingLoginView(LoginView):
    """The login; a text that came with it becomes the draft of the person's own assignment."""

    template_name = "collection/login.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The page after a wrong password still has the text."""
        kept = {name: text for name, text in self.request.POST.items() if name.startswith(_KEPT)}
        return {**super().get_context_data(**kwargs), "kept": kept}

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Log in; 429, with the text still there, for who has tried too often."""
        seconds = wait_before_login(request)
        if seconds is None:
            return super().post(request, *args, **kwargs)
        form = AuthenticationForm(request, initial={"username": request.POST.get("username", "")})
        page = self.get_context_data(form=form, wait=seconds)
        return self.render_to_response(page, status=429, headers={"Retry-After": str(seconds)})

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """Log in, and keep the text if the assignment is this person's."""
        answer = super().form_valid(form)
        self._keep()
        return answer

    def _keep(self) -> None:
        try:
            key = uuid.UUID(self.request.POST.get(f"{_KEPT}assignment", ""))
        except ValueError:
            return
        who = annotator(self.request)
        names = [name.removeprefix(_KEPT) for name in self.request.POST if name.startswith(_KEPT)]
        typed = {name: self.request.POST[f"{_KEPT}{name}"] for name in names if name != "assignment"}
        # Another person's assignment, or no field of the task: nothing of this person's is lost.
        with contextlib.suppress(Refused):
            save_draft(key, who, typed)


@require_GET
def from_admin(request: HttpRequest) -> HttpResponse:
    """The admin's own login form would be another one to guess at: there is one login for all."""
    query = request.GET.urlencode()
    return redirect(f"{reverse('login')}?{query}" if query else reverse("login"))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """For what cannot be read at all, such as a text of megabytes: the browser's Back still has it."""
    too_large = isinstance(exception, RequestDataTooBig) and request.content_type == "multipart/form-data"
    page = {"too_large": too_large, "largest": largest_body(request) if too_large else 0, "usual": LARGEST_UPLOAD}
    return render(request, "collection/unreadable.html", page, status=413 if too_large else 400)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """For a form of a page that is out of date: nothing is done, and the text is shown for sending it again."""
    if request.path.startswith("/api/"):
        problem = {
            "type": "about:blank",
            "status": 403,
            "code": "csrf",
            "detail": "The CSRF token is missing or wrong.",
        }
        return JsonResponse(problem, status=403, content_type="application/problem+json")
    match = request.resolver_match
    texts = typed_in(request, match.kwargs.get("slug", "")) if match is not None and match.url_name == "write" else {}
    page = {"texts": [text for text in texts.values() if text.strip()], "back": request.path}
    return render(request, "collection/stale.html", page, status=403)
