"""Writing: the page of the assignment that is held. Every button of it posts here, with JavaScript or without."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, field
from typing import Any

from django.contrib import messages
from django.db.models import prefetch_related_objects
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from annotators.enrolment import enrolment_in
from annotators.models import Annotator
from collection import assignment, drafts, standing, submission
from collection.access import sees_console
from collection.errors import Invalid, Refused
from collection.models import Arm, Assignment, Attempt, Experiment, Round
from collection.pages.login import login_keeps_text, typed_in
from collection.pages.people import annotator, by_htmx, launched, sent_home, sent_key, status_of
from collection.pages.verdict import shares
from collection.sandbox import offers_sandbox
from collection.states import AttemptState, RoundState
from modelserver import registry

WHY = (drafts.WHY_LABEL, drafts.WHY_FOOLED)
# What the writing form sends beside the texts.
_NOT_WRITTEN = (
    *("csrfmiddlewaretoken", "action", "assignment", "idempotency_key", "label"),
    *WHY,
)


@dataclass(frozen=True)
class Said:
    """What the page has to say after a button was pressed: a refusal, or that all is well; and what had been typed."""

    refusal: Refused | None = None
    done: str = ""
    typed: dict[str, str] = field(default_factory=dict)


@never_cache
@login_keeps_text
@require_http_methods(["GET", "POST"])
def write(request: HttpRequest, slug: str) -> HttpResponse:
    """The page, and what its buttons do."""
    if request.method != "POST":
        return _page(request, launched(slug), annotator(request), Said())
    who = annotator(request)
    if request.POST.get("action") == "attempt":
        return _attempt(request, slug, who)
    experiment = launched(slug)
    try:
        said = Said(done=_act(request, experiment, who))
    except Refused as refusal:
        said = Said(refusal, typed=typed_in(request, slug))
    if by_htmx(request) or said.refusal is not None:
        return _page(request, experiment, who, said)
    if said.done:
        messages.success(request, said.done)
    return redirect("write", slug=slug)


@never_cache
@require_POST
def draft(request: HttpRequest, slug: str) -> HttpResponse:
    """Keep what is typed. The answer is one word for the page."""
    if not request.user.is_authenticated:
        page = {"saved": _("You are logged out. Your text is still here; sending it will ask you to log in.")}
        return render(request, "collection/saved.html", page, status=401)
    try:
        drafts.save_draft(sent_key(request, "assignment"), annotator(request), typed_in(request, slug))
    except Refused as refusal:
        return render(request, "collection/saved.html", {"saved": refusal.message}, status=422)
    return render(request, "collection/saved.html", {"saved": _("Draft saved")})


def _attempt(request: HttpRequest, slug: str, who: Annotator) -> HttpResponse:
    """Put a text to the model, and show what came of it."""
    written = {name: request.POST[name] for name in request.POST if name not in _NOT_WRITTEN}
    label, again = request.POST.get("label") or None, _idempotency_key(request, written)
    try:
        key = sent_key(request, "assignment")
        stored = submission.attempt(key, who, dict(written), label, again, registry.model_client())
    except Refused as refusal:
        typed = typed_in(request, slug)
        _keep(request, who, typed)
        return _page(request, launched(slug), who, Said(refusal, typed=typed))
    if not by_htmx(request):
        return redirect("write", slug=slug)
    return render(request, "collection/desk.html", desk(stored.assignment, Said()))


def _act(request: HttpRequest, experiment: Experiment, who: Annotator) -> str:
    """Do what was asked; what to say about it."""
    action = request.POST.get("action", "")
    if action == "claim":
        assignment.claim(experiment, who)
        return ""
    key = sent_key(request, "assignment")
    if action == "submit":
        return _submit(request, experiment, who, key)
    if action == "skip":
        assignment.skip_context(key, who)
        return _("Here is another text; the label stays.")
    if action == "flag":
        assignment.flag_context(key, who, request.POST.get("reason", ""))
        return _("Thank you, the researchers will look at it. Here is another text; the label stays.")
    if action == "release":
        assignment.release(key, who)
        return _("Given back.")
    raise Invalid("action", _("There is no such button."))


def _submit(request: HttpRequest, experiment: Experiment, who: Annotator, key: uuid.UUID) -> str:
    answers = {name: request.POST.get(name, "") for name in WHY}
    submission.submit(key, who, sent_key(request, "attempt"), submission.Explanation(**answers))
    submitted = _("Submitted. Others will now validate it.")
    try:
        assignment.claim(experiment, who)
    except Refused as refusal:
        return f"{submitted} {refusal.message}"
    return f"{submitted} {_('Here is your next text.')}"


def _keep(request: HttpRequest, who: Annotator, typed: dict[str, str]) -> None:
    """Keep a text that was refused, so that it is still there after a reload or when the lease is over."""
    try:
        drafts.save_draft(sent_key(request, "assignment"), who, typed)
    except Refused:
        # No assignment of this person's to keep it with: the page that follows shows it.
        return


def _idempotency_key(request: HttpRequest, sent: dict[str, str]) -> str:
    """The page's key, and of what was typed: Back, change the text and send it again is another attempt."""
    given = request.POST.get("idempotency_key", "")
    written = hashlib.sha256(repr(sorted(sent.items())).encode("utf-8", "surrogatepass")).hexdigest()
    return f"{given[:60]}.{written[:32]}" if given else ""


def _page(request: HttpRequest, experiment: Experiment, who: Annotator, said: Said) -> HttpResponse:
    """The whole page, or for htmx all but its frame."""
    held = assignment.held_assignment(experiment, who)
    arm: Arm
    round_: Round | None
    if said.refusal is None and sees_console(who, experiment):
        return sent_home(request, experiment)
    if held is not None:
        arm, round_ = held.round.arm, held.round
    else:
        enrolled = enrolment_in(experiment.key, who)
        if enrolled is None:
            return sent_home(request, experiment)
        # The arm comes with its round: one query less for a page that is loaded often.
        in_arm = Round.objects.filter(arm__experiment=experiment, arm__slug=enrolled.group)
        round_ = in_arm.filter(state=RoundState.OPEN).select_related("arm").first()
        arm = round_.arm if round_ is not None else experiment.arms.get(slug=enrolled.group)
    so_far = standing.progress(arm, who, round_)
    page: dict[str, Any] = {
        "experiment": experiment,
        "schema": experiment.task.schema,
        "shows_model": arm.shows_model,
        "round": round_,
        "progress": so_far,
        "money": standing.statement(experiment, who, so_far),
        "pay": experiment.pay(experiment.base_pay_minor),
        "validation_pay": experiment.pay(experiment.validation_pay_minor),
        "bonus": experiment.pay(experiment.fooling_bonus_minor),
        "sandbox": offers_sandbox(experiment, shows_model=arm.shows_model),
        "inspirations": standing.inspirations(experiment, arm, round_) if held and round_ else (),
        **(desk(held, said) if held else _no_desk(experiment, who, said)),
    }
    status = status_of(said.refusal)
    if not by_htmx(request):
        return render(request, "collection/write.html", page, status=status)
    answer = render(request, "collection/work.html", page, status=status)
    # Whatever the button meant to replace: this is all of it.
    answer["HX-Retarget"], answer["HX-Reswap"] = "#work", "outerHTML"
    return answer


def _no_desk(experiment: Experiment, who: Annotator, said: Said) -> dict[str, Any]:
    left_over = {**drafts.left_over(experiment, who), **{k: v for k, v in said.typed.items() if v.strip()}}
    return {"held": None, "said": said, "left_over": list(dict.fromkeys(left_over.values()))}


def desk(held: Assignment, said: Said) -> dict[str, Any]:
    """What the part of the page needs on which one writes, tries and submits."""
    experiment, shows_model = held.experiment, held.round.arm.shows_model
    schema = experiment.task.schema
    prefetch_related_objects([held], "attempts")
    attempts = sorted(held.attempts.all(), key=lambda item: item.index, reverse=True)
    left = submission.tries_left(held)
    for item in attempts:
        item.submittable = submission.submittable(held, item, left)  # type: ignore[attr-defined]
        written = zip(schema.fields, item.texts, strict=True)
        item.written = [text for part, text in written if part.source == "writer"]  # type: ignore[attr-defined]
        item.shares = shares(schema, item.prediction, item.probabilities)  # type: ignore[attr-defined]
    latest = attempts[0] if attempts else None
    typed = said.typed or _typed_before(held, latest)
    others = [label for label in schema.labels if label.name != held.target_label]
    problem = said.refusal if isinstance(said.refusal, Invalid) else None
    in_text = problem is not None and problem.field in ("label", *(item.name for item in schema.writer_fields))
    beside_field = in_text or (problem is not None and problem.field in (*WHY, "reason"))
    return {
        "experiment": experiment,
        "schema": schema,
        "held": held,
        "said": said,
        "problem": problem,
        "problem_in_text": in_text,
        "elsewhere": problem is not None and not beside_field,
        "shows_model": shows_model,
        "target": next((label for label in schema.labels if label.name == held.target_label), None),
        "other": others[0] if len(others) == 1 else None,
        "fields": [(item, typed.get(item.name, "")) for item in schema.writer_fields],
        "why": {name: typed.get(name, "") for name in WHY},
        "latest": latest,
        "earlier": attempts[1:],
        "ready": latest is not None and latest.submittable,  # type: ignore[attr-defined]
        "tries_left": left,
        "may_try": left > 0,
        "waiting": shows_model and any(item.state == AttemptState.WAITING for item in attempts),
        "skips_left": None if experiment.max_skips is None else max(0, experiment.max_skips - held.skips),
        "idempotency_key": uuid.uuid4().hex,
    }


def _typed_before(held: Assignment, latest: Attempt | None) -> dict[str, str]:
    """The draft, or if a text was sent after it that text: it can be changed and sent again."""
    kept = getattr(held, "draft", None)
    texts: dict[str, str] = dict(kept.texts) if kept is not None else {}
    if latest is not None and (kept is None or kept.saved_at <= latest.created_at):
        fields = held.experiment.task.schema.fields
        written = zip(fields, latest.texts, strict=True)
        texts |= {item.name: text for item, text in written if item.source == "writer"}
    return texts
