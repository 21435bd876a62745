"""Members and invitations of an experiment, accepting an invitation, and one's own tokens."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AbstractBaseUser, User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from annotators import membership, tokens
from annotators.membership import Role
from annotators.models import ApiToken, Invitation, Membership
from collection.access import Right
from collection.models import Experiment
from collection.numbers import natural
from collection.pages.people import looked_at, sent_key


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def members(request: HttpRequest, slug: str) -> HttpResponse:
    """Who is what in an experiment, and links by which others become it."""
    experiment = looked_at(request, slug, Right.MANAGE)
    link = ""
    if request.method == "POST":
        try:
            link = _act(request, experiment)
        except membership.LastOwner:
            messages.warning(request, "An experiment must have an owner.")
        except ValueError as error:
            messages.warning(request, str(error))
        if not link:
            return redirect("members", slug=slug)
    page = {
        "experiment": experiment,
        "members": Membership.objects.filter(study=experiment.key).select_related("user").order_by("pk"),
        "invitations": Invitation.objects.filter(study=experiment.key, revoked_at=None).order_by("-pk"),
        "roles": Role.choices,
        "link": request.build_absolute_uri(link) if link else "",
    }
    return render(request, "collection/members.html", page)


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest, secret: str) -> HttpResponse:
    """What one is invited to, and accepting it."""
    assert isinstance(request.user, AbstractBaseUser)
    try:
        if request.method == "POST":
            membership.accept(secret, request.user)
            messages.success(request, _("Welcome. You have joined the study."))
            return redirect("home")
        found = membership.invitation_of(secret)
    except membership.NotInvited:
        return render(request, "collection/invitation.html", status=404)
    experiment = get_object_or_404(Experiment, key=found.study)
    return render(request, "collection/invitation.html", {"invitation": found, "experiment": experiment})


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def own_tokens(request: HttpRequest) -> HttpResponse:
    """One's own keys to the API; a new one is shown once."""
    assert isinstance(request.user, AbstractBaseUser)
    secret, problem = "", ""
    if request.method == "POST" and request.POST.get("action") == "revoke":
        tokens.revoke(get_object_or_404(ApiToken, user_id=request.user.pk, key=sent_key(request, "token")))
        return redirect("tokens")
    if request.method == "POST":
        try:
            days = natural(request.POST.get("days", "90"), 5) or 0
            scopes = request.POST.getlist("scopes")
            _token, secret = tokens.issue(request.user, request.POST.get("name", ""), scopes, days)
        except ValueError as error:
            problem = str(error)
    page = {
        "tokens": ApiToken.objects.filter(user_id=request.user.pk).order_by("-pk"),
        "scopes": ApiToken.Scope.choices,
        "secret": secret,
        "problem": problem,
        "name": request.POST.get("name", "") if problem else "",
    }
    return render(request, "collection/tokens.html", page, status=422 if problem else 200)


def _act(request: HttpRequest, experiment: Experiment) -> str:
    """Do what was asked. The path of a new invitation; nothing for anything else. Raises LastOwner, ValueError."""
    action = request.POST.get("action", "")
    assert isinstance(request.user, AbstractBaseUser)
    if action == "invite":
        role, days, uses = (request.POST.get(name, "") for name in ("role", "days", "max_uses"))
        if role not in Role.values or not all(number.isascii() and number.isdigit() for number in (days, uses)):
            raise ValueError("role, days, max_uses: must be a role and two whole numbers")
        _made, secret = membership.invite(experiment.key, Role(role), request.user, int(days[:6]), int(uses[:6]))
        return f"/join/{secret}/"
    if action == "revoke":
        key = sent_key(request, "invitation")
        membership.revoke(get_object_or_404(Invitation, study=experiment.key, key=key))
        return ""
    user = User.objects.filter(username=request.POST.get("username", ""), memberships__study=experiment.key).first()
    if user is None:
        raise Http404
    if action == "remove":
        membership.remove(experiment.key, user)
    elif action == "change" and request.POST.get("role") in Role.values:
        membership.grant(experiment.key, user, Role(request.POST["role"]))
    return ""
