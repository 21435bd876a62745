"""Writes under an Idempotency-Key: sent again, the same request is answered as before and done once."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import IntegrityError, transaction
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from collection.api.authentication import user_of
from collection.errors import Conflict, Invalid
from lifecycle.models import DoneRequest

HEADER = "Idempotency-Key"
# After so long a request that has not ended is taken to have died with its process.
ABANDONED = dt.timedelta(minutes=2)

Handler = Callable[..., Response]


def idempotent(handler: Handler) -> Handler:
    """Answer a repeated request from what was stored, for a day. Without the header nothing changes.

    Refusals are not stored: asking again may succeed. Raises Conflict for a key that was used for another
    request or whose request is under way, and Invalid for a key that is none.
    """

    @wraps(handler)
    def wrapped(view: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        key = request.headers.get(HEADER)
        if key is None:
            return handler(view, request, *args, **kwargs)
        if not 1 <= len(key) <= 100 or not key.isprintable():
            raise Invalid(HEADER, "Must have 1 to 100 printable characters.")
        mine = _begin(request, key)
        if mine.status is not None:
            return Response(json.loads(mine.answer), status=mine.status)
        try:
            answer = handler(view, request, *args, **kwargs)
        except BaseException:
            DoneRequest.objects.filter(pk=mine.pk, status=None).delete()
            raise
        # The client gets what a repetition would get, to the letter.
        told = json.dumps(answer.data, cls=DjangoJSONEncoder)
        DoneRequest.objects.filter(pk=mine.pk).update(status=answer.status_code, answer=told)
        return answer

    return wrapped


def _begin(request: Request, key: str) -> DoneRequest:
    user, now = user_of(request), timezone.now()
    text = f"{request.method} {request.get_full_path()}\n".encode() + request._request.body
    body = hashlib.sha256(text).hexdigest()
    try:
        with transaction.atomic():
            return DoneRequest.objects.create(user=user, key=key, body_sha256=body, begun_at=now)
    except IntegrityError:
        standing = DoneRequest.objects.get(user=user, key=key)
    if standing.body_sha256 != body:
        raise Conflict("idempotency_key_reused", "This idempotency key was used for another request.")
    if standing.status is None:
        stale = DoneRequest.objects.filter(pk=standing.pk, status=None, begun_at__lt=now - ABANDONED)
        if not stale.update(begun_at=now):
            raise Conflict("in_progress", "The same request is being done right now.")
    return standing
