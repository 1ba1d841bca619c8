"""That the invariants find what is planted, and nothing where all is well."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from accounts.enums import ActivityKind, LoginType
from accounts.models import Impersonation, ImpersonationActivity, Login, Session, User
from orgs.audit import AuditAction
from orgs.models import AuditEvent, LoginAccessPolicy, Organization
from orgs.services.seals import seal_trail
from tests.guards import unguarded
from tests.load.invariants import violations

if TYPE_CHECKING:
    from accounts.testing import PortalClient

NOTHING_SENT = {"edits": {}, "started": 1, "maybe_started": 0}


@pytest.fixture
def visit(portal_client: "PortalClient", any_user_login: Organization, ada: User, grace: User) -> Impersonation:
    return portal_client.login_as(grace, actor=ada)


def end_its_session(visit: Impersonation) -> None:
    Session.objects.filter(pk=visit.pk).update(ended_at=timezone.now())


def end_its_parent(visit: Impersonation) -> None:
    Session.objects.filter(pk=visit.actor_session_id).update(ended_at=timezone.now())


def tell_its_start_twice(visit: Impersonation) -> None:
    event = AuditEvent.objects.get(action=AuditAction.IMPERSONATION_STARTED)
    event.pk = None
    event.save(force_insert=True)


def say_nothing_of_its_end(visit: Impersonation) -> None:
    now = timezone.now()
    Impersonation.objects.filter(pk=visit.pk).update(ended_at=now, end_cause="logged_out")
    Session.objects.filter(pk__in=[visit.pk, visit.actor_session_id]).update(ended_at=now)


def lose_its_login_row(visit: Impersonation) -> None:
    Login.objects.filter(type=LoginType.LOGIN_AS).delete()


def wear_without_a_visit(visit: Impersonation) -> None:
    worn = Session.objects.get(pk=visit.pk)
    values = {"user_id": worn.user_id, "organization_id": worn.organization_id, "type": worn.type}
    now = timezone.now()
    Session.objects.create(parent_id=worn.parent_id, created_at=now, key_hash="worn", **values)


def keep_the_actors_key(visit: Impersonation) -> None:
    Session.objects.filter(pk=visit.actor_session_id).update(key_hash="kept")


def take_a_key_for_nothing(visit: Impersonation) -> None:
    user = visit.target
    now = timezone.now()
    Session.objects.create(user=user, organization_id=user.organization_id, created_at=now, key_hash=None)


def rename_silently(visit: Impersonation) -> None:
    User.objects.filter(pk=visit.target_id).update(alias="7-1")


def deactivate_silently(visit: Impersonation) -> None:
    about = {"about": visit.target, "user_name": "", "sentence": "", "section": "", "created_at": timezone.now()}
    AuditEvent.objects.create(action=AuditAction.USER_DEACTIVATED, organization_id=visit.organization_id, **about)


def switch_silently(visit: Impersonation) -> None:
    policy = LoginAccessPolicy.objects.get(organization_id=visit.organization_id)
    after = {"any_user_login": not policy.any_user_login}
    rest = {"user_name": "", "sentence": "", "section": "", "created_at": timezone.now()}
    AuditEvent.objects.create(action=AuditAction.POLICY_CHANGED, organization=policy.organization, after=after, **rest)


def list_what_was_not_done(visit: Impersonation) -> None:
    rest = {"kind": ActivityKind.WRITE, "view": "user_edit", "status": 302, "created_at": timezone.now()}
    ImpersonationActivity.objects.create(impersonation=visit, method="POST", **rest)


def change_the_trail(visit: Impersonation) -> None:
    seal_trail(visit.organization)
    with unguarded():
        AuditEvent.objects.filter(organization=visit.organization).update(sentence="Nothing happened.")


PLANTED: dict[Callable[[Impersonation], None], set[str]] = {
    end_its_session: {"no_session_outlives_its_end", "no_visit_is_half_started"},
    end_its_parent: {"no_session_outlives_its_end"},
    tell_its_start_twice: {"each_visit_has_its_events"},
    say_nothing_of_its_end: {"each_visit_has_its_events"},
    lose_its_login_row: {"each_visit_has_its_login_row"},
    wear_without_a_visit: {"each_worn_session_has_its_visit"},
    keep_the_actors_key: {"no_visit_is_half_started"},
    take_a_key_for_nothing: {"no_visit_is_half_started"},
    rename_silently: {"each_change_has_its_event"},
    deactivate_silently: {"each_change_has_its_event"},
    switch_silently: {"each_switch_has_its_event"},
    list_what_was_not_done: {"each_act_inside_is_listed"},
    change_the_trail: {"each_trail_is_whole"},
}


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_what_is_planted_is_found(plant: Callable[[Impersonation], None], visit: Impersonation) -> None:
    before = violations(NOTHING_SENT)

    plant(visit)

    assert (before, set(violations(NOTHING_SENT))) == ({}, PLANTED[plant])


def test_visit_that_was_left_is_in_order(portal_client: "PortalClient", visit: Impersonation) -> None:
    portal_client.log_out_as()

    assert violations(NOTHING_SENT) == {}


def test_what_was_sent_is_counted(visit: Impersonation) -> None:
    edits = {"1-1": "saved", "1-2": "refused", "1-3": "unknown"}

    found = violations({"edits": edits, "started": 2, "maybe_started": 0})

    assert found == {
        "nothing_lost_nothing_double": ["edit 1-1 was saved, and stands 0 times in the trail"],
        "as_many_visits_as_were_started": ["1 visits, and 2 starts were answered, 0 more perhaps done"],
    }
