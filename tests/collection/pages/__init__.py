"""People in front of the pages, as Django's test client."""

from __future__ import annotations

from typing import Any

from django.test import Client

from annotators.models import Annotator
from collection.models import Assignment

WRITE = "/studies/study/write/"
VALIDATE = "/studies/study/validate/"
HTMX = {"HX-Request": "true"}


def logged_in(annotator: Annotator, staff: bool = False, **options: Any) -> Client:
    """A browser of somebody."""
    annotator.user.is_staff = staff
    annotator.user.save()
    client = Client(**options)
    client.force_login(annotator.user)
    return client


def attempt(client: Client, held: Assignment, text: str, key: str = "key", **options: Any) -> Any:
    """Press the button under the text."""
    body = {"action": "attempt", "assignment": held.key, "idempotency_key": key, "hypothesis": text}
    return client.post(WRITE, body, follow=True, **options)


def shown(answer: Any) -> str:
    """What a page says."""
    return str(answer.content.decode())
