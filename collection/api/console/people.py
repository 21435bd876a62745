"""Members, invitations and tokens."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotators import membership, tokens
from annotators.membership import Role
from annotators.models import ApiToken, Invitation, Membership
from collection.access import Right
from collection.api.authentication import Scope, user_of
from collection.api.console import serializers as s
from collection.api.console.base import ConsoleView, iso
from collection.api.reading import parameters, read
from collection.errors import Conflict, NotYours
from collection.models import Experiment


class ManageView(ConsoleView):
    """For the owners of an experiment."""

    scopes = (Scope.MANAGE, Scope.MANAGE)

    def owned(self, slug: str) -> Experiment:
        """The experiment, if the user manages it. Raises NotYours."""
        return self.experiment(slug, Right.MANAGE)


class MembersView(ManageView):
    """Who is what in an experiment."""

    @extend_schema(operation_id="members_list", responses=s.MemberOut(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """Everybody with a role."""
        study = self.owned(slug).key
        parameters(request)
        found = Membership.objects.filter(study=study).select_related("user").order_by("pk")
        return Response([_member(item) for item in found])


class MemberView(ManageView):
    """One member."""

    @extend_schema(request=s.RoleIn, responses=s.MemberOut)
    def put(self, request: Request, slug: str, username: str) -> Response:
        """Change a member's role. People become members by an invitation, not by being named."""
        study, user = self._member(slug, username)
        try:
            return Response(_member(membership.grant(study, user, Role(read(s.RoleIn, request)["role"]))))
        except membership.LastOwner:
            raise Conflict("last_owner", "An experiment must have an owner.") from None

    @extend_schema(responses={204: None})
    def delete(self, request: Request, slug: str, username: str) -> Response:
        """Take a member's role away."""
        study, user = self._member(slug, username)
        try:
            membership.remove(study, user)
        except membership.LastOwner:
            raise Conflict("last_owner", "An experiment must have an owner.") from None
        return Response(status=204)

    def _member(self, slug: str, username: str) -> tuple[Any, User]:
        study = self.owned(slug).key
        user = User.objects.filter(username=username, memberships__study=study).first()
        if user is None:
            raise NotYours("member")
        return study, user


class InvitationsView(ManageView):
    """Links by which people join in a role."""

    @extend_schema(operation_id="invitations_list", responses=s.InvitationOut(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """All of them, without their secrets."""
        study = self.owned(slug).key
        parameters(request)
        return Response([_invitation(item) for item in Invitation.objects.filter(study=study).order_by("-pk")])

    @extend_schema(request=s.InvitationIn, responses={201: s.NewInvitationOut})
    def post(self, request: Request, slug: str) -> Response:
        """A new one. Its link is shown this once."""
        study = self.owned(slug).key
        body = read(s.InvitationIn, request)
        made, secret = membership.invite(study, Role(body["role"]), user_of(request), body["days"], body["max_uses"])
        return Response(_invitation(made) | {"path": f"/join/{secret}/"}, status=201)


class InvitationView(ManageView):
    """One invitation."""

    @extend_schema(responses={204: None})
    def delete(self, request: Request, slug: str, key: str) -> Response:
        """Revoke it."""
        membership.revoke(get_object_or_404(Invitation, study=self.owned(slug).key, key=key))
        return Response(status=204)


class AcceptView(APIView):
    """Accepting an invitation."""

    scopes = (Scope.ANNOTATE, Scope.ANNOTATE)

    @extend_schema(request=s.SecretIn, responses=s.JoinedOut)
    def post(self, request: Request) -> Response:
        """Join an experiment in the role of the invitation."""
        try:
            joined = membership.accept(read(s.SecretIn, request)["secret"], user_of(request))
        except membership.NotInvited:
            raise NotYours("invitation") from None
        experiment = get_object_or_404(Experiment, key=joined.study)
        return Response({"experiment": experiment.slug, "role": joined.role})


class TokensView(APIView):
    """One's own keys to the API. Only a session may make them: a token cannot make another."""

    @extend_schema(operation_id="tokens_list", responses=s.TokenOut(many=True))
    def get(self, request: Request) -> Response:
        """All of them, without their secrets."""
        parameters(request)
        return Response([_token(item) for item in ApiToken.objects.filter(user=user_of(request)).order_by("-pk")])

    @extend_schema(request=s.TokenIn, responses={201: s.NewTokenOut})
    def post(self, request: Request) -> Response:
        """A new one. Its secret is shown this once."""
        body = read(s.TokenIn, request)
        made, secret = tokens.issue(user_of(request), body["name"], body["scopes"], body["days"])
        return Response(_token(made) | {"secret": secret}, status=201)


class TokenView(APIView):
    """One token."""

    @extend_schema(responses={204: None})
    def delete(self, request: Request, key: str) -> Response:
        """Revoke it."""
        tokens.revoke(get_object_or_404(ApiToken, user=user_of(request), key=key))
        return Response(status=204)


def _member(item: Membership) -> dict[str, Any]:
    return {"username": item.user.get_username(), "role": item.role}


def _invitation(item: Invitation) -> dict[str, Any]:
    return {
        "key": str(item.key),
        "role": item.role,
        "uses": item.uses,
        "max_uses": item.max_uses,
        "expires_at": iso(item.expires_at),
        "revoked": item.revoked_at is not None,
    }


def _token(item: ApiToken) -> dict[str, Any]:
    return {
        "key": str(item.key),
        "name": item.name,
        "start": item.start,
        "scopes": item.scopes,
        "created_at": iso(item.created_at),
        "expires_at": iso(item.expires_at),
        "last_used_at": iso(item.last_used_at),
        "revoked": item.revoked_at is not None,
    }
