"""Roles by invitation, keys to the API, and what is never kept: their secrets."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from annotators import membership, tokens
from annotators.membership import Role
from annotators.models import ApiToken, Invitation, Membership

pytestmark = pytest.mark.django_db
STUDY = uuid.uuid4()


@pytest.fixture
def ada() -> User:
    """Somebody."""
    return User.objects.create(username="ada")


@pytest.fixture
def ben() -> User:
    """Somebody else."""
    return User.objects.create(username="ben")


def test_an_invitation_gives_its_role_once_to_each_and_to_as_many_as_it_says(ada: User, ben: User) -> None:
    invitation, secret = membership.invite(STUDY, Role.VALIDATOR, ada, max_uses=1)
    assert secret not in str(list(Invitation.objects.values()))
    membership.accept(secret, ben)
    assert membership.role_in(STUDY, ben) == Role.VALIDATOR
    with pytest.raises(membership.NotInvited):
        membership.accept(secret, User.objects.create(username="chen"))
    invitation.refresh_from_db()
    assert invitation.uses == 1


def test_an_invitation_takes_no_right_away(ada: User, ben: User) -> None:
    membership.grant(STUDY, ben, Role.OWNER)
    _, secret = membership.invite(STUDY, Role.ANNOTATOR, ada, max_uses=2)
    assert membership.accept(secret, ben).role == Role.OWNER
    assert Invitation.objects.get().uses == 0


@pytest.mark.parametrize("change", [{"expires_at": timezone.now()}, {"revoked_at": timezone.now()}, {"uses": 1}])
def test_an_invitation_that_is_over_is_none(ada: User, ben: User, change: dict[str, object]) -> None:
    _, secret = membership.invite(STUDY, Role.ANNOTATOR, ada)
    Invitation.objects.update(**change)
    with pytest.raises(membership.NotInvited):
        membership.accept(secret, ben)
    assert Membership.objects.count() == 0


@pytest.mark.parametrize("secret", ["", "x", "\x00", "\ud800"])
def test_a_link_that_never_was_is_no_invitation(ada: User, secret: str) -> None:
    with pytest.raises(membership.NotInvited):
        membership.accept(secret, ada)


@pytest.mark.parametrize(("days", "uses"), [(0, 1), (91, 1), (1, 0), (1, 10_001)])
def test_an_invitation_is_bounded(ada: User, days: int, uses: int) -> None:
    with pytest.raises(ValueError, match=r"^(days|max_uses):"):
        membership.invite(STUDY, Role.ANNOTATOR, ada, days, uses)


def test_a_study_keeps_an_owner(ada: User, ben: User) -> None:
    membership.grant(STUDY, ada, Role.OWNER)
    for act in (lambda: membership.remove(STUDY, ada), lambda: membership.grant(STUDY, ada, Role.RESEARCHER)):
        with pytest.raises(membership.LastOwner):
            act()
    membership.grant(STUDY, ben, Role.OWNER)
    membership.remove(STUDY, ada)
    membership.remove(STUDY, ada)
    assert membership.role_in(STUDY, ada) is None


def test_a_token_is_known_by_its_secret_alone_and_the_secret_is_not_kept(ada: User) -> None:
    token, secret = tokens.issue(ada, "laptop", ["read", "run"])
    assert secret.startswith("wst_")
    assert secret not in str(list(ApiToken.objects.values()))
    found = tokens.token_of(secret)
    assert found == token
    assert found.user == ada
    assert ApiToken.objects.get().last_used_at is not None
    assert tokens.token_of(secret + "x") is None


@pytest.mark.parametrize("change", [{"expires_at": timezone.now()}, {"revoked_at": timezone.now()}])
def test_a_token_that_is_over_is_none(ada: User, change: dict[str, dt.datetime]) -> None:
    _, secret = tokens.issue(ada, "laptop", ["read"])
    ApiToken.objects.update(**change)
    assert tokens.token_of(secret) is None


def test_a_token_of_somebody_who_is_locked_out_is_none(ada: User) -> None:
    _, secret = tokens.issue(ada, "laptop", ["read"])
    ada.is_active = False
    ada.save()
    assert tokens.token_of(secret) is None


@pytest.mark.parametrize(
    ("name", "scopes", "days", "field"),
    [("", ["read"], 1, "name"), ("x", [], 1, "scopes"), ("x", ["all"], 1, "scopes"), ("x", ["read"], 0, "days"),
     ("x", ["read"], 367, "days"), ("a\nb", ["read"], 1, "name")],
)  # fmt: skip
def test_a_token_is_bounded(ada: User, name: str, scopes: list[str], days: int, field: str) -> None:
    with pytest.raises(ValueError, match=rf"^{field}:"):
        tokens.issue(ada, name, scopes, days)
