"""The annotators' part of the REST API: join, claim, attempt, submit, validate."""

from __future__ import annotations

import uuid

from django.contrib.auth.models import AbstractBaseUser
from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotators.enrolment import annotator_of
from annotators.models import Annotator
from collection import assignment, submission, validation
from collection.access import NOT_LAUNCHED, Right, may_join, rights
from collection.api import serializers as s
from collection.api.authentication import Scope
from collection.api.reading import check_object
from collection.api.shapes import assignment_shape, attempt_shape, example_shape, experiment_shape, validation_shape
from collection.drafts import WHY_FOOLED, WHY_LABEL
from collection.enrolment import join
from collection.errors import Invalid, NotYours
from collection.models import Experiment
from modelserver import registry

WHY = (WHY_LABEL, WHY_FOOLED)
IDEMPOTENCY = OpenApiParameter(
    "Idempotency-Key", str, OpenApiParameter.HEADER, required=True, description="The same key gives the same attempt"
)


class AnnotatorView(APIView):
    """A view for whoever is logged in, as an annotator."""

    scopes = (Scope.ANNOTATE, Scope.ANNOTATE)

    def annotator(self) -> Annotator:
        """The annotator that the session's user is."""
        assert isinstance(self.request.user, AbstractBaseUser)
        return annotator_of(self.request.user)

    def experiment(self, slug: str) -> Experiment:
        """A launched experiment in which the annotator works or may; 404 for any other."""
        launched = Experiment.objects.exclude(state__in=NOT_LAUNCHED).select_related("task")
        experiment = get_object_or_404(launched, slug=slug)
        assert isinstance(self.request.user, AbstractBaseUser)
        works = rights(self.request.user, experiment) & {Right.WRITE, Right.VALIDATE}
        if not works and not may_join(self.request.user, experiment):
            raise NotYours("experiment")
        return experiment


class NothingHere(APIView):
    """Every other path under the API: a problem like all others, and not a page."""

    permission_classes = (AllowAny,)
    throttle_classes = ()

    # It is no operation to describe.
    schema = None

    def get(self, request: Request, rest: str) -> Response:
        """404, whatever the method."""
        raise Http404

    post = put = patch = delete = get


class ExperimentView(AnnotatorView):
    """What an annotator may know of an experiment: its task and whether it is collecting."""

    @extend_schema(operation_id="study_get", responses=s.StudyOut)
    def get(self, request: Request, slug: str) -> Response:
        return Response(experiment_shape(self.experiment(slug)))


class EnrolmentView(AnnotatorView):
    """Join an experiment. The arm stays the server's secret."""

    @extend_schema(request=None, responses=s.EnrolledOut)
    def post(self, request: Request, slug: str) -> Response:
        join(self.experiment(slug), self.annotator())
        return Response({"enrolled": True})


class AssignmentsView(AnnotatorView):
    """Take a slot to write for; asking again gives the one that is held."""

    @extend_schema(request=None, responses=s.AssignmentOut)
    def post(self, request: Request, slug: str) -> Response:
        return Response(assignment_shape(assignment.claim(self.experiment(slug), self.annotator())))


class AssignmentView(AnnotatorView):
    """One assignment with its attempts; DELETE gives it back unused."""

    @extend_schema(responses=s.AssignmentOut)
    def get(self, request: Request, key: uuid.UUID) -> Response:
        return Response(assignment_shape(assignment.own_assignment(key, self.annotator())))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, key: uuid.UUID) -> Response:
        assignment.release(key, self.annotator())
        return Response(status=204)


class SkipView(AnnotatorView):
    """Exchange the context of an assignment for the next one."""

    @extend_schema(request=None, responses=s.AssignmentOut)
    def post(self, request: Request, key: uuid.UUID) -> Response:
        return Response(assignment_shape(assignment.skip_context(key, self.annotator())))


class AttemptsView(AnnotatorView):
    """Put a text to the model. Needs an Idempotency-Key header: the same key and body give the same attempt."""

    @extend_schema(request=s.AttemptIn, parameters=[IDEMPOTENCY], responses={201: s.AttemptOut})
    def post(self, request: Request, key: uuid.UUID) -> Response:
        body = check_object(request.data, {"texts", "label"})
        texts = body.get("texts")
        if not isinstance(texts, dict):
            raise Invalid("texts", "Must be an object with a text for each field.")
        stored = submission.attempt(
            key,
            self.annotator(),
            texts,
            body.get("label"),
            request.headers.get("Idempotency-Key", ""),
            registry.model_client(),
        )
        return Response(attempt_shape(stored), status=201)


class FlagView(AnnotatorView):
    """Say what is wrong with the context of an assignment, and get another one."""

    @extend_schema(request=s.ReasonIn, responses=s.AssignmentOut)
    def post(self, request: Request, key: uuid.UUID) -> Response:
        body = check_object(request.data, {"reason"})
        return Response(assignment_shape(assignment.flag_context(key, self.annotator(), body.get("reason", ""))))


class ExampleView(AnnotatorView):
    """Submit one attempt as the assignment's example, with answers to the optional questions."""

    @extend_schema(request=s.ExampleIn, responses={201: s.OwnExampleOut})
    def post(self, request: Request, key: uuid.UUID) -> Response:
        body = check_object(request.data, {"attempt", *WHY})
        answers = {name: body.get(name, "") for name in WHY}
        for name, text in answers.items():
            if not isinstance(text, str):
                raise Invalid(name, _("Must be a text."))
        chosen = _uuid("attempt", body.get("attempt"))
        example = submission.submit(key, self.annotator(), chosen, submission.Explanation(**answers))
        return Response(example_shape(example), status=201)


class OwnExampleView(AnnotatorView):
    """DELETE takes an own example back before it is decided; it stays on record as retracted."""

    @extend_schema(responses=s.OwnExampleOut)
    def delete(self, request: Request, key: uuid.UUID) -> Response:
        return Response(example_shape(submission.retract(key, self.annotator())))


class ValidationsView(AnnotatorView):
    """Take an example to validate; asking again gives the one that is held."""

    @extend_schema(request=None, responses=s.ValidationOut)
    def post(self, request: Request, slug: str) -> Response:
        return Response(validation_shape(validation.claim_validation(self.experiment(slug), self.annotator())))


class VoteView(AnnotatorView):
    """Vote: a label, or a flag with its reason. DELETE takes the last vote back, while it does not count yet."""

    @extend_schema(request=s.VoteIn, responses=s.ValidationOut)
    def post(self, request: Request, key: uuid.UUID) -> Response:
        body = check_object(request.data, {"label", "flag", "reason"})
        flag = body.get("flag", False)
        if not isinstance(flag, bool):
            raise Invalid("flag", "Must be true or false.")
        if flag and body.get("label") is not None:
            raise Invalid("flag", "Give a label or a flag, not both.")
        if not flag and body.get("label") is None:
            raise Invalid("label", "Give a label, or a flag with its reason.")
        reason = body.get("reason", "")
        if not isinstance(reason, str):
            raise Invalid("reason", "Must be a text.")
        label = None if flag else body["label"]
        given = validation.vote(key, self.annotator(), validation.Vote(label, reason))
        return Response(validation_shape(given))

    @extend_schema(responses=s.ValidationOut)
    def delete(self, request: Request, key: uuid.UUID) -> Response:
        return Response(validation_shape(validation.undo(key, self.annotator())))


def _uuid(field: str, value: object) -> uuid.UUID:
    try:
        return uuid.UUID(str(value))
    except ValueError:
        raise Invalid(field, "Must be the key of an attempt.") from None
