"""Members, invitations by link, and tokens, on their pages."""

from __future__ import annotations

import re

import pytest

from annotators.membership import Role, role_in
from annotators.models import ApiToken, Invitation, Membership
from annotators.tokens import token_of
from collection.models import Experiment
from tests import factories
from tests.collection.pages import logged_in, shown

pytestmark = pytest.mark.django_db
MEMBERS = "/studies/study/members/"


def test_an_owner_invites_by_a_link_that_is_shown_once(experiment: Experiment) -> None:
    owner = logged_in(factories.researcher(experiment))
    page = shown(owner.post(MEMBERS, {"action": "invite", "role": "validator", "days": "7", "max_uses": "1"}))
    link = re.search(r"http://testserver(/join/[\w-]+/)", page)
    assert link
    assert link.group(1) not in shown(owner.get(MEMBERS))
    ben = factories.person()
    client = logged_in(ben)
    assert "You are invited to the study “study”" in shown(client.get(link.group(1)))
    assert role_in(experiment.key, ben.user) is None
    assert "You have joined the study" in shown(client.post(link.group(1), follow=True))
    assert role_in(experiment.key, ben.user) == Role.VALIDATOR
    gone = logged_in(factories.person()).get(link.group(1))
    assert gone.status_code == 404
    assert "not valid" in shown(gone)


@pytest.mark.parametrize(("days", "uses"), [("0", "1"), ("7", "x"), ("99999999999", "1"), ("", "1")])
def test_a_bad_invitation_is_told_and_not_made(experiment: Experiment, days: str, uses: str) -> None:
    owner = logged_in(factories.researcher(experiment))
    body = {"action": "invite", "role": "annotator", "days": days, "max_uses": uses}
    assert "days" in shown(owner.post(MEMBERS, body, follow=True))
    assert Invitation.objects.count() == 0


def test_roles_change_and_end_and_the_last_owner_stays(experiment: Experiment) -> None:
    ada, ben = factories.researcher(experiment), factories.researcher(experiment, Role.RESEARCHER)
    owner = logged_in(ada)
    owner.post(MEMBERS, {"action": "change", "username": ben.user.username, "role": "validator"})
    assert role_in(experiment.key, ben.user) == Role.VALIDATOR
    owner.post(MEMBERS, {"action": "remove", "username": ben.user.username})
    assert role_in(experiment.key, ben.user) is None
    page = shown(owner.post(MEMBERS, {"action": "remove", "username": ada.user.username}, follow=True))
    assert "must have an owner" in page
    assert Membership.objects.get().role == "owner"
    assert owner.post(MEMBERS, {"action": "remove", "username": ben.user.username}).status_code == 404


def test_an_invitation_is_revoked(experiment: Experiment) -> None:
    owner = logged_in(factories.researcher(experiment))
    owner.post(MEMBERS, {"action": "invite", "role": "annotator", "days": "7", "max_uses": "5"})
    owner.post(MEMBERS, {"action": "revoke", "invitation": Invitation.objects.get().key})
    assert Invitation.objects.get().revoked_at is not None


def test_a_token_is_shown_once_and_revoked(db: None) -> None:
    client = logged_in(factories.person())
    page = shown(client.post("/account/tokens/", {"name": "laptop", "scopes": ["read", "run"], "days": "30"}))
    secret = re.search(r'value="(wst_[\w-]+)"', page)
    assert secret
    assert secret.group(1) not in shown(client.get("/account/tokens/"))
    assert token_of(secret.group(1)) is not None
    somebody = logged_in(factories.person())
    body = {"action": "revoke", "token": ApiToken.objects.get().key}
    assert somebody.post("/account/tokens/", body).status_code == 404
    client.post("/account/tokens/", body)
    assert token_of(secret.group(1)) is None


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"name": "", "scopes": ["read"]}, "name:"),
        ({"name": "x"}, "scopes:"),
        ({"name": "x", "scopes": ["all"]}, "scopes:"),
        ({"name": "x", "scopes": ["read"], "days": "400"}, "days:"),
        ({"name": "x", "scopes": ["read"], "days": "x"}, "days:"),
    ],
)
def test_a_bad_token_is_told_and_not_made(db: None, body: dict[str, object], words: str) -> None:
    answer = logged_in(factories.person()).post("/account/tokens/", body)
    assert answer.status_code == 422
    assert words in shown(answer)
    assert ApiToken.objects.count() == 0
