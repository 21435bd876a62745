"""How often one may do on the pages what is counted: as often as by the API, log in (``API_RATE_LOGIN``) and have a
power worked out (``API_RATE_POWER``); and look at releases and download them by their links (``API_RATE_PUBLIC``)."""

from __future__ import annotations

import hashlib
import math

from django.contrib.auth import get_user_model
from django.http import HttpRequest
from rest_framework.throttling import SimpleRateThrottle, UserRateThrottle

# People behind one address, such as a class in its room, log in at the same time.
PEOPLE_AT_AN_ADDRESS = 10


class _Address(SimpleRateThrottle):
    """Counts by address."""

    def get_cache_key(self, request: HttpRequest, view: object) -> str:
        return self._key(str(self.get_ident(request)))  # type: ignore[arg-type]

    def _key(self, ident: str) -> str:
        # A name and an address may hold what a cache takes for no key.
        digest = hashlib.sha256(ident.encode("utf-8", "surrogatepass")).hexdigest()
        return f"{type(self).__name__}:{digest}"


class _Login(_Address):
    """Counts by address and name: guessing somebody's password from elsewhere locks nobody out at home."""

    scope = "login"

    def get_cache_key(self, request: HttpRequest, view: object) -> str:
        # As the user is looked up, so that no other spelling of a name has tries of its own.
        name = get_user_model().normalize_username(request.POST.get("username", "")).strip()
        return self._key(f"{self.get_ident(request)}\n{name}")  # type: ignore[arg-type]


class _Logins(_Login):
    """Counts by address alone: trying many names from one place is bounded too."""

    get_cache_key = _Address.get_cache_key

    def parse_rate(self, rate: str | None) -> tuple[int | None, int | None]:
        number, seconds = super().parse_rate(rate)
        return number * PEOPLE_AT_AN_ADDRESS if number is not None else None, seconds


class _Public(_Address):
    """Counts what is asked of releases by their links, which takes no account, by address."""

    scope = "public"


class _Power(UserRateThrottle):
    """Counts by person, together with what they ask of the API."""

    scope = "power"


def wait_before_login(request: HttpRequest) -> int | None:
    """Count a try to log in. The seconds to wait if it is one too many, else None."""
    return _wait(request, _Logins(), _Login())


def wait_before_power(request: HttpRequest) -> int | None:
    """Count a power that is to be worked out. The seconds to wait if it is one too many, else None."""
    return _wait(request, _Power())


def wait_before_public(request: HttpRequest) -> int | None:
    """Count a look at a release by its link, or a download. The seconds to wait if it is one too many, else None."""
    return _wait(request, _Public())


def _wait(request: HttpRequest, *throttles: SimpleRateThrottle) -> int | None:
    waits = []
    for throttle in throttles:
        if not throttle.allow_request(request, None):  # type: ignore[arg-type]
            waits.append(throttle.wait() or 1)
    return math.ceil(max(waits)) if waits else None
