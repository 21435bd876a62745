"""Who asks: a token in the Authorization header, or the session of the pages."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from annotators.models import ApiToken
from annotators.tokens import token_of

Scope = ApiToken.Scope
READING = ("GET", "HEAD", "OPTIONS")


class BearerAuthentication(BaseAuthentication):
    """``Authorization: Bearer wst_…``. A token that is unknown, expired or revoked is refused, not ignored."""

    def authenticate(self, request: Request) -> tuple[AbstractBaseUser, ApiToken] | None:
        """The token's user and the token; None where there is no such header."""
        words = get_authorization_header(request).split()
        if not words or words[0].lower() != b"bearer":
            return None
        token = token_of(words[1].decode("ascii", "replace")) if len(words) == 2 else None
        if token is None:
            raise AuthenticationFailed("This token is not valid: it may have expired or been revoked.")
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        """What a 401 asks for."""
        return "Bearer"


class InScope(BasePermission):
    """A token may do only what its scopes say: a view names the scope for reading and the one for everything else.

    A view without scopes is for sessions alone.
    """

    message = "This token does not have the scope for it."
    code = "insufficient_scope"

    def has_permission(self, request: Request, view: Any) -> bool:
        """Whether the token has the scope; sessions have all."""
        if not isinstance(request.auth, ApiToken):
            return True
        scopes: tuple[str, str] | None = getattr(view, "scopes", None)
        return scopes is not None and scopes[0 if request.method in READING else 1] in request.auth.scopes


def user_of(request: Request) -> Any:
    """The user that a request is by, behind authentication."""
    assert isinstance(request.user, AbstractBaseUser)
    return request.user
