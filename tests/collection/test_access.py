"""Who may do what with an experiment. Denied unless granted."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser, User

from annotators.membership import Role, grant
from collection import access, enrolment, validation
from collection.access import Right
from collection.errors import Conflict, NotYours
from tests import factories

pytestmark = pytest.mark.django_db
CONSOLE = {Right.LOOK, Right.RUN}


@pytest.mark.parametrize(
    ("role", "granted"),
    [
        (Role.OWNER, {*CONSOLE, Right.MANAGE}),
        (Role.RESEARCHER, CONSOLE),
        (Role.VALIDATOR, {Right.VALIDATE}),
        (Role.ANNOTATOR, {Right.WRITE, Right.VALIDATE}),
    ],
)
def test_a_role_gives_its_rights_in_its_study_alone(role: Role, granted: set[Right]) -> None:
    mine, other = factories.running("mine"), factories.running("other")
    user = factories.researcher(mine, role).user
    assert access.rights(user, mine) == granted
    assert access.rights(user, other) == frozenset()
    with pytest.raises(NotYours):
        access.allowed(user, "other", Right.LOOK)


def test_strangers_and_the_locked_out_have_no_rights_and_the_sites_admin_the_consoles() -> None:
    experiment = factories.running()
    owner = factories.researcher(experiment).user
    owner.is_active = False
    for user in (AnonymousUser(), factories.person().user, owner):
        assert access.rights(user, experiment) == frozenset()
    admin = User.objects.create(username="admin", is_superuser=True)
    assert access.rights(admin, experiment) == {*CONSOLE, Right.MANAGE}
    assert list(access.visible(admin)) == [experiment]
    assert list(access.visible(factories.person().user)) == []


def test_who_is_enrolled_may_annotate() -> None:
    experiment = factories.running()
    assert access.rights(factories.member_of(experiment, "static").user, experiment) == {Right.WRITE, Right.VALIDATE}


def test_a_closed_study_takes_only_who_was_invited_and_never_who_sees_its_console() -> None:
    experiment = factories.running(open_enrolment=False)
    outsider, invited, owner = factories.person(), factories.person(), factories.researcher(experiment)
    grant(experiment.key, invited.user, Role.ANNOTATOR)
    enrolment.join(experiment, invited)
    for somebody in (outsider, owner):
        with pytest.raises(NotYours):
            enrolment.join(experiment, somebody)
    assert list(access.open_to(invited)) == [experiment]
    assert list(access.open_to(outsider)) == []
    experiment.open_enrolment = True
    experiment.save()
    enrolment.join(experiment, outsider)
    with pytest.raises(NotYours):
        enrolment.join(experiment, owner)


def test_a_validator_validates_without_being_in_an_arm() -> None:
    experiment = factories.running()
    example = factories.written(experiment)
    ben = factories.researcher(experiment, Role.VALIDATOR)
    lease = validation.claim_validation(experiment, ben)
    assert lease.example == example
    validation.vote(lease.key, ben, validation.Vote(example.label))
    with pytest.raises(Conflict):
        enrolment.arm_of(experiment, ben)


def test_whoever_makes_an_experiment_owns_it() -> None:
    user = factories.person().user
    made = factories.draft("theirs", owner=user)
    assert access.rights(user, made) >= {Right.MANAGE}
