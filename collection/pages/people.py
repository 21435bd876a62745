"""Who asks for a page, and what of an experiment there is for them."""

from __future__ import annotations

from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from annotators.enrolment import annotator_of
from annotators.models import Annotator
from collection.models import Experiment
from collection.states import ExperimentState

NOT_LAUNCHED = (ExperimentState.DRAFT, ExperimentState.PREPARING)


def annotator(request: HttpRequest) -> Annotator:
    """The annotator that the logged-in user is."""
    assert isinstance(request.user, AbstractBaseUser)
    return annotator_of(request.user)


def launched(slug: str) -> Experiment:
    """An experiment that has been launched; 404 for any other."""
    return get_object_or_404(Experiment.objects.exclude(state__in=NOT_LAUNCHED).select_related("task"), slug=slug)
