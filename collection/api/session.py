"""Logging in by the API: a session cookie and a CSRF token, as the pages use them."""

from __future__ import annotations

from django.contrib.auth import authenticate, login, logout
from django.middleware.csrf import get_token
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_protect, ensure_csrf_cookie
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotAuthenticated
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from collection.api import serializers as s
from collection.errors import Invalid


@method_decorator(ensure_csrf_cookie, name="dispatch")
@method_decorator(csrf_protect, name="dispatch")
class SessionView(APIView):
    """GET tells who is logged in and gives a CSRF token; POST logs in; DELETE logs out."""

    permission_classes = (AllowAny,)
    throttle_scope = "login"

    @extend_schema(responses=s.SessionOut)
    def get(self, request: Request) -> Response:
        return Response(self._state(request))

    @extend_schema(request=s.CredentialsIn, responses=s.SessionOut)
    def post(self, request: Request) -> Response:
        body = request.data if isinstance(request.data, dict) else {}
        for name in ("username", "password"):
            if not isinstance(body.get(name), str) or len(body[name]) > 200:
                raise Invalid(name, "Must be a text of at most 200 characters.")
        user = authenticate(request._request, username=body["username"], password=body["password"])
        if user is None:
            raise NotAuthenticated("The user name or the password is wrong.")
        login(request._request, user)
        request.user = user
        return Response(self._state(request))

    @extend_schema(responses={204: None})
    def delete(self, request: Request) -> Response:
        logout(request._request)
        return Response(status=204)

    def _state(self, request: Request) -> dict[str, str | None]:
        user = request.user
        return {
            "username": user.get_username() if user.is_authenticated else None,
            "csrf_token": get_token(request._request),
        }
