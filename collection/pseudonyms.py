"""What a person is called in an experiment's data: one name throughout it, another one in every other experiment."""

from __future__ import annotations

import re
import uuid

from django.utils.crypto import salted_hmac

from annotators.enrolment import enrolled_people
from annotators.models import Annotator
from collection.models import Experiment

PSEUDONYM = re.compile(r"[0-9a-f]{10}")


def pseudonym(experiment: Experiment, annotator: Annotator) -> str:
    """The annotator's pseudonym in an experiment: ten hexadecimal digits.

    An HMAC-SHA256 of the annotator's key and the experiment's under the site's SECRET_KEY: without that key nobody can
    tell whose it is, or that two of two experiments are the same person's. Another SECRET_KEY makes other pseudonyms.
    Of 10,000 people some two share one with a chance of 1 in 20,000.
    """
    return pseudonym_of(experiment.key, annotator.key)


def pseudonym_of(experiment: uuid.UUID, annotator: uuid.UUID) -> str:
    """The same, of the keys alone."""
    return salted_hmac("collection.pseudonyms", f"{experiment}:{annotator}", algorithm="sha256").hexdigest()[:10]


def people_called(experiment: Experiment, name: str) -> list[int]:
    """The numbers of all enrolled annotators with that pseudonym: one, none, or the few that share it.

    A pseudonym cannot be looked up, so those of all who are enrolled are worked out: one query over the experiment's
    enrolments, thousands at most, and none over its examples.
    """
    return [pk for pk, key in enrolled_people(experiment.key) if pseudonym_of(experiment.key, key) == name]
