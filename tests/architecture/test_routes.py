"""Who may call which route: every method of every route has an entry here, or this fails."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from annotators import membership
from annotators.enrolment import annotator_of
from annotators.membership import Role
from annotators.models import ApiToken
from collection import assignment, imports, submission, validation
from collection.importing.pending import keep
from collection.models import DataImport, Experiment
from modelserver.client import FakeModelClient
from tests import factories

pytestmark = pytest.mark.django_db

ROLES = ("stranger", "outsider", "annotator", "validator", "researcher", "owner", "admin", "other")
# What each of them may get, in this order: y is let in (whatever comes of it then), - is not there for them (404),
# l is sent to the login (or 401), n is refused by name (403).
EVERYBODY, LOGGED_IN = "yyyyyyyy", "lyyyyyyy"
WRITES, VALIDATES = "l-y-----", "l-yy----"
LOOKS, MANAGES, MINE = "l---yyy-", "l----yy-", "l-y-----"
SITE, IMPORTS = "l------y", "l---yyyy"
V1 = "api/v1/"
E = V1 + "console/experiments/<slug:slug>/"
S = "studies/<slug:slug>/"

MATRIX: dict[str, str] = {
    "GET login/": EVERYBODY,
    "POST login/": EVERYBODY,
    "POST logout/": "llllllll",
    "POST language/setlang/": EVERYBODY,
    "GET admin/login/": "llllllll",
    "GET ": LOGGED_IN,
    "GET join/<str:secret>/": "l-------",
    "POST join/<str:secret>/": "l-------",
    "GET account/tokens/": LOGGED_IN,
    "POST account/tokens/": LOGGED_IN,
    "GET new/": SITE,
    "POST new/": SITE,
    "GET power/": SITE,
    "POST power/": SITE,
    "GET tasks/": SITE,
    "POST tasks/": SITE,
    "GET test-sets/": SITE,
    "POST test-sets/": SITE,
    # An upload that waits is its sender's alone.
    "GET test-sets/<uuid:key>/": "l------y",
    "POST test-sets/<uuid:key>/": "l------y",
    "GET imports/": IMPORTS,
    "POST imports/": IMPORTS,
    "GET imports/<uuid:key>/": "l------y",
    "POST imports/<uuid:key>/": "l------y",
    f"GET {S}round-zero/": LOOKS,
    f"POST {S}round-zero/": LOOKS,
    f"GET {S}round-zero/<uuid:key>/": "l----y--",
    f"POST {S}round-zero/<uuid:key>/": "l----y--",
    f"GET {S}contexts/": LOOKS,
    f"POST {S}contexts/": LOOKS,
    f"GET {S}contexts/<uuid:key>/": "l----y--",
    f"POST {S}contexts/<uuid:key>/": "l----y--",
    f"GET {S}members/": MANAGES,
    f"POST {S}members/": MANAGES,
    f"GET {S}": LOOKS,
    f"GET {S}copy/": LOOKS,
    f"POST {S}copy/": LOOKS,
    f"GET {S}settings/": LOOKS,
    f"POST {S}settings/": LOOKS,
    f"GET {S}steer/": LOOKS,
    f"POST {S}steer/": LOOKS,
    f"GET {S}examples/": LOOKS,
    f"GET {S}examples/<uuid:key>/": LOOKS,
    f"POST {S}examples/<uuid:key>/": LOOKS,
    f"GET {S}experts/": LOOKS,
    f"POST {S}experts/": LOOKS,
    f"GET {S}releases/": LOOKS,
    f"POST {S}releases/": LOOKS,
    f"GET {S}releases/<int:number>/": LOOKS,
    # Deciding and trying again are a researcher's; links and withdrawing, which a test of their own tries, an owner's.
    f"POST {S}releases/<int:number>/": LOOKS,
    f"GET {S}releases/<int:number>/difference/": LOOKS,
    f"GET {S}releases/<int:number>/zip/": LOOKS,
    f"GET {S}releases/<int:number>/files/<path:path>": LOOKS,
    "GET r/<uuid:link>/": EVERYBODY,
    "GET r/<uuid:link>/zip/": EVERYBODY,
    "GET r/<uuid:link>/files/<path:path>": EVERYBODY,
    f"GET {S}report/": LOOKS,
    f"POST {S}report/": LOOKS,
    f"GET {S}report/print/": LOOKS,
    f"GET {S}report/pdf/": LOOKS,
    f"GET {S}report/<slug:section>/": LOOKS,
    f"GET {S}report/<slug:section>/<slug:chart>.svg": LOOKS,
    f"GET {S}report/<slug:section>/<slug:chart>.png": LOOKS,
    f"GET {S}report/<slug:section>/<slug:table>.csv": LOOKS,
    f"GET {S}versions/": LOOKS,
    f"GET {S}versions/compare/": LOOKS,
    f"POST {S}versions/compare/": LOOKS,
    f"GET {S}versions/<slug:name>/<int:version>/": LOOKS,
    f"GET {S}versions/<slug:name>/<int:version>/download/": LOOKS,
    f"POST {S}join/": "l-y-----",
    f"GET {S}write/": WRITES,
    f"POST {S}write/": WRITES,
    f"POST {S}draft/": LOGGED_IN,
    f"GET {S}validate/": VALIDATES,
    f"POST {S}validate/": VALIDATES,
    f"GET {S}mine/": WRITES,
    f"POST {S}mine/": LOGGED_IN,
    f"GET {S}leaders/": WRITES,
    f"POST {S}leaders/": WRITES,
    f"GET {S}practice/": WRITES,
    f"POST {S}practice/": WRITES,
    f"GET {V1}schema/": LOGGED_IN,
    f"GET {V1}docs/": LOGGED_IN,
    f"GET {V1}session/": EVERYBODY,
    f"POST {V1}session/": EVERYBODY,
    f"DELETE {V1}session/": EVERYBODY,
    **{f"{method} {V1}<path:rest>": "--------" for method in ("GET", "POST", "PUT", "PATCH", "DELETE")},
    f"GET {V1}tokens/": LOGGED_IN,
    f"POST {V1}tokens/": LOGGED_IN,
    f"DELETE {V1}tokens/<uuid:key>/": "l-----y-",
    f"POST {V1}invitations/accept/": "l-------",
    f"GET {V1}experiments/<slug:slug>/": VALIDATES,
    f"POST {V1}experiments/<slug:slug>/enrolment/": WRITES,
    f"POST {V1}experiments/<slug:slug>/assignments/": VALIDATES,
    f"POST {V1}experiments/<slug:slug>/validations/": VALIDATES,
    f"GET {V1}assignments/<uuid:key>/": MINE,
    f"DELETE {V1}assignments/<uuid:key>/": MINE,
    f"POST {V1}assignments/<uuid:key>/skip/": MINE,
    f"POST {V1}assignments/<uuid:key>/flag/": MINE,
    f"POST {V1}assignments/<uuid:key>/attempts/": MINE,
    f"POST {V1}assignments/<uuid:key>/example/": MINE,
    f"DELETE {V1}examples/<uuid:key>/": MINE,
    f"POST {V1}validations/<uuid:key>/vote/": "l--y----",
    f"DELETE {V1}validations/<uuid:key>/vote/": "l--y----",
    f"GET {V1}console/tasks/": SITE,
    f"POST {V1}console/tasks/": SITE,
    f"GET {V1}console/tasks/<slug:slug>/": SITE,
    f"GET {V1}console/test-sets/": SITE,
    f"POST {V1}console/test-sets/": SITE,
    f"GET {V1}console/experiments/": LOGGED_IN,
    f"POST {V1}console/experiments/": SITE,
    f"GET {E}": LOOKS,
    f"POST {E}launch/": LOOKS,
    f"POST {E}pause/": LOOKS,
    f"POST {E}resume/": LOOKS,
    f"POST {E}end/": LOOKS,
    f"GET {E}rounds/": LOOKS,
    f"POST {E}rounds/<slug:arm>/<int:number>/retry/": LOOKS,
    f"GET {E}events/": LOOKS,
    f"GET {E}health/": LOOKS,
    f"GET {E}actions/": LOOKS,
    f"GET {V1}labelstudio/<slug:slug>/<slug:name>/<int:version>/health": LOOKS,
    **{
        f"POST {V1}labelstudio/<slug:slug>/<slug:name>/<int:version>/{act}": LOOKS
        for act in ("setup", "predict", "webhook")
    },
    f"POST {V1}console/power/": SITE,
    f"POST {V1}console/experiments/check/": SITE,
    f"GET {E}settings/": LOOKS,
    f"PATCH {E}settings/": LOOKS,
    f"POST {E}copy/": LOOKS,
    f"POST {E}rounds/<slug:arm>/<int:number>/extend/": LOOKS,
    f"POST {E}rounds/<slug:arm>/<int:number>/close/": LOOKS,
    f"GET {V1}console/imports/": IMPORTS,
    f"POST {V1}console/imports/": IMPORTS,
    f"GET {V1}console/imports/<uuid:key>/": "l------y",
    f"POST {V1}console/imports/<uuid:key>/retry/": "l------y",
    f"GET {E}round-zero/": LOOKS,
    f"POST {E}round-zero/": LOOKS,
    f"DELETE {E}round-zero/": LOOKS,
    f"GET {E}contexts/": LOOKS,
    f"POST {E}contexts/": LOOKS,
    f"GET {E}examples/": LOOKS,
    f"GET {E}examples/<uuid:key>/": LOOKS,
    f"POST {E}examples/<uuid:key>/decision/": LOOKS,
    f"POST {V1}console/test-sets/upload/": SITE,
    f"GET {E}versions/": LOOKS,
    f"GET {E}versions/<slug:name>/<int:version>/": LOOKS,
    f"POST {E}versions/<slug:name>/<int:version>/predict/": LOOKS,
    f"GET {E}releases/": LOOKS,
    f"POST {E}releases/": LOOKS,
    f"GET {E}releases/<int:number>/": LOOKS,
    f"POST {E}releases/<int:number>/decision/": LOOKS,
    f"POST {E}releases/<int:number>/retry/": LOOKS,
    f"POST {E}releases/<int:number>/withdraw/": MANAGES,
    f"POST {E}releases/<int:number>/link/": MANAGES,
    f"DELETE {E}releases/<int:number>/link/": MANAGES,
    f"GET {E}releases/<int:number>/difference/": LOOKS,
    f"GET {E}releases/<int:number>/zip/": LOOKS,
    f"GET {E}releases/<int:number>/files/<path:path>": LOOKS,
    f"GET {E}report/": LOOKS,
    f"POST {E}report/": LOOKS,
    f"GET {E}report/<slug:section>/": LOOKS,
    f"GET {E}versions/<slug:name>/<int:version>/download/": LOOKS,
    f"GET {E}members/": MANAGES,
    f"PUT {E}members/<str:username>/": MANAGES,
    f"DELETE {E}members/<str:username>/": MANAGES,
    f"GET {E}invitations/": MANAGES,
    f"POST {E}invitations/": MANAGES,
    f"DELETE {E}invitations/<uuid:key>/": MANAGES,
}


def routes(patterns: Any = None, before: str = "") -> Iterator[tuple[str, Any]]:
    """Every route of the site but the admin's, with its view."""
    for item in patterns or get_resolver().url_patterns:
        route = before + str(item.pattern)
        if isinstance(item, URLResolver):
            if not route.startswith("admin/"):
                yield from routes(item.url_patterns, route)
        elif isinstance(item, URLPattern):
            yield route, item.callback


def methods(callback: Any) -> list[str]:
    """The methods that a view takes; HEAD and OPTIONS follow from GET."""
    view = getattr(callback, "view_class", None) or getattr(callback, "cls", None)
    if view is not None:
        return [name.upper() for name in ("get", "post", "put", "patch", "delete") if hasattr(view, name)]
    return []


def test_every_method_of_every_route_has_an_entry_and_no_entry_is_of_the_past() -> None:
    found = {f"{method} {route}" for route, callback in routes() for method in methods(callback)}
    functions = {route for route, callback in routes() if not methods(callback)}
    entries = set(MATRIX)
    assert found - entries - ODDITIES == set()
    assert {item.partition(" ")[2] for item in entries} >= functions
    assert {item.partition(" ")[2] for item in entries} <= {route for route, _ in routes()}


# Django's own views answer to more than anybody asks.
ODDITIES = {"PUT login/", "PUT logout/", "GET logout/"}
# What lets a request get as far as the question whose it is.
BODIES: dict[str, dict[str, Any]] = {
    "attempts/": {"texts": {"hypothesis": "They rest a while."}},
    "vote/": {"label": "entailment"},
    "flag/": {"reason": "cut off"},
    "accept/": {"secret": "none"},
}


FORMS = {f"{S}members/": ("action=invite&role=annotator&days=1&max_uses=1", "application/x-www-form-urlencoded")}


class World:
    """An experiment with somebody in each role, and a client of each."""

    def __init__(self) -> None:
        self.experiment: Experiment = factories.running(
            open_enrolment=False, sandbox=True, leaderboard=True, quorum=1, max_validations=1, undo_seconds=60
        )
        self.experiment.open_enrolment = True
        self.experiment.save()
        writer = factories.member_of(self.experiment, "dynamic")
        self.experiment.open_enrolment = False
        self.experiment.save()
        people = {
            "outsider": factories.person().user,
            "annotator": writer.user,
            **{
                role: factories.researcher(self.experiment, Role(role)).user
                for role in ("validator", "researcher", "owner")
            },
            "admin": User.objects.create(username="admin", is_superuser=True, is_active=True),
            "other": User.objects.create(username="other", is_staff=True),
        }
        self.clients = {"stranger": Client()} | {name: Client() for name in people}
        for name, user in people.items():
            self.clients[name].force_login(user)
        self.held = assignment.claim(self.experiment, writer)
        first = factories.written(self.experiment)
        validator = annotator_of(people["validator"])
        self.lease = validation.claim_validation(self.experiment, validator)
        done = factories.attempted(self.held, factories.fooled(self.held))
        self.example = submission.submit(self.held.key, writer, done.key)
        self.held = assignment.claim(self.experiment, writer)
        self.tried = factories.attempted(self.held, factories.fooled(self.held))
        invitation, _ = membership.invite(self.experiment.key, Role.ANNOTATOR, people["owner"])
        token = ApiToken.objects.create(
            user=people["admin"], name="x", start="wst_x", secret_sha256="0" * 64, scopes=["read"],
            expires_at=invitation.expires_at,
        )  # fmt: skip
        version = self.experiment.base_version
        assert version is not None
        factories.report(self.experiment)
        release = factories.release(self.experiment)
        self.values = {
            "<slug:section>": "collection", "<slug:chart>": "mer-by-arm", "<slug:table>": "mer",
            "<slug:slug>": "study", "<slug:arm>": "dynamic", "<int:number>": "1", "<slug:name>": version.name,
            "<uuid:link>": str(release.link), "<path:path>": "release.json",
            "<int:version>": str(version.version), "<str:username>": people["researcher"].username,
        }  # fmt: skip
        self.keys = {
            "assignments": self.held.key, "examples": self.example.key, "validations": self.lease.key,
            "tokens": token.key, "invitations": invitation.key,
            "contexts": keep(people["owner"], io.BytesIO(b"A text."), "", self.experiment).key,
            "imports": imports.ask(
                people["other"], DataImport.Kind.RELEASE, io.BytesIO(b"PK"), "release.zip"
            ).key,
            "round-zero": keep(people["owner"], io.BytesIO(b"premise,label"), "", self.experiment).key,
            "test-sets": keep(people["other"], io.BytesIO(b"premise,label"), "").key,
        }  # fmt: skip
        assert first

    def path(self, route: str) -> str:
        """The route with something real in it."""
        path = "/" + route.replace("console/tasks/<slug:slug>", "console/tasks/nli")
        for placeholder, value in self.values.items():
            path = path.replace(placeholder, value)
        kind = next((kind for kind in self.keys if f"{kind}/<uuid:key>" in path), None)
        return path.replace("<uuid:key>", str(self.keys[kind])) if kind else path


def outcome(answer: Any) -> str:
    """What became of a request, as a letter of the matrix."""
    if answer.status_code == 401 or (answer.status_code == 302 and answer.headers["Location"].startswith("/login/")):
        return "l"
    if answer.status_code == 403:
        return "n"
    if answer.status_code == 404:
        return "-"
    assert answer.status_code < 500, answer.content
    return "y"


@pytest.mark.parametrize("role", ROLES)
def test_each_role_gets_what_the_matrix_says_and_no_more(role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelserver.registry.model_client", lambda: FakeModelClient())
    world = World()
    wrong = []

    # Reading first, deleting last, so that nothing is gone that another request is about.
    def turn(entry: str) -> tuple[bool, bool, bool, str]:
        ends_the_session = "session" in entry or "logout" in entry
        return ends_the_session, entry.startswith("DELETE"), not entry.startswith("GET"), entry

    for entry in sorted(MATRIX, key=turn):
        method, _, route = entry.partition(" ")
        path = world.path(route)
        expected = MATRIX[entry][ROLES.index(role)]
        client = world.clients[role]
        if path.startswith("/api/") and method != "GET":
            bodies = BODIES | {"example/": {"attempt": str(world.tried.key)}}
            body = json.dumps(next((body for end, body in bodies.items() if path.endswith(end)), {}))
            headers = {"Idempotency-Key": role} if path.endswith("attempts/") else {}
            answer = client.generic(method, path, body, content_type="application/json", headers=headers)
        else:
            answer = client.generic(method, path, *FORMS.get(route, ()))
        if outcome(answer) != expected:
            wrong.append(f"{role}: {method} {path}: {answer.status_code}, {expected} expected")
    assert wrong == []


def test_what_does_not_exist_looks_like_what_is_not_ones_own() -> None:
    world = World()
    for path in (f"/api/v1/assignments/{uuid.uuid4()}/", f"/api/v1/assignments/{world.held.key}/"):
        answer = world.clients["other"].get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    for slug in ("study", "no-such-study"):
        assert world.clients["other"].get(f"/studies/{slug}/").status_code == 404
        answer = world.clients["other"].get(f"/api/v1/console/experiments/{slug}/")
        assert answer.json() == {
            "type": "about:blank", "status": 404, "code": "not_found", "detail": "There is no such experiment."
        }  # fmt: skip
