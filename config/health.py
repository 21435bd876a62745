"""Whether the web process works: it answers, and so does its database."""

from __future__ import annotations

from collections.abc import Callable

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse

PATH = "/healthz"


class HealthCheck:
    """Middleware that answers ``GET /healthz`` whatever the host is called, with TLS or without.

    Containers and load balancers ask by address, which is none of ALLOWED_HOSTS, and from inside. Nothing in the
    answer comes from the request.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the health check; hand on every other request."""
        if request.path_info == PATH and request.method in ("GET", "HEAD"):
            return _health()
        return self._get_response(request)


def _health() -> JsonResponse:
    """200 if the database answers, 503 if it does not."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return JsonResponse({"status": "database unavailable"}, status=503)
    return JsonResponse({"status": "ok"})
