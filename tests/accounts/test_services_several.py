"""One act on several users: what it would do to each, and what it does."""

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.core import mail
from django.utils import timezone

from accounts.models import Impersonation, Session, User
from accounts.services.users import (
    SEVERAL,
    Outlook,
    UserAct,
    act_on_several,
    freeze_user,
    needless_because,
    preview_several,
    refusal_of,
    refusal_to_all,
)
from orgs.http import Origin
from orgs.models import AuditEvent
from orgs.permissions import Permission, PermissionMissing, RefusedToGuest
from tests.factories import ProfileFactory
from tests.queries import captured_queries

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_django import DjangoCaptureOnCommitCallbacks

    from accounts.testing import PortalClient
    from orgs.models import Organization

    Browser = Callable[[], PortalClient]
    ClientOf = Callable[[User], PortalClient]
    Make = Callable[..., User]

SITE = "https://portal.example/"
ONESELF = "You cannot deactivate or freeze the account that you are signed in with."
NOBODY_LEFT = (
    "Acme would be left without an administrator who can sign in. Nothing was changed. "
    "Make someone else an administrator first."
)


def origin_of(user: User, session: Session | None = None) -> Origin:
    return Origin(user=user, actor=user, session_public_id=session.public_id if session else None)


@pytest.fixture
def mary(make: "Make", acme: "Organization") -> User:
    """Changes administrators and is none: she holds Modify All Data, and not Manage Users."""
    user = make("Mary", "Jackson")
    permissions = (
        Permission.MODIFY_ALL_DATA,
        Permission.MANAGE_INTERNAL_USERS,
        Permission.FREEZE_USERS,
        Permission.RESET_USER_PASSWORDS,
    )
    user.profile = ProfileFactory.create(organization=acme, name="Data Steward", permissions=permissions)
    user.save()
    return user


# --- what would happen -------------------------------------------------------------------------------------------


def test_preview_says_who_and_why_not(ada: User, grace: User, katherine: User, dennis: User) -> None:
    people = [ada, grace, katherine, dennis]

    previews = {name: preview_several(act, people, origin=origin_of(ada)) for name, act in SEVERAL.items()}

    assert previews == {
        "reset_password": [
            Outlook(ada),
            Outlook(grace),
            Outlook(
                katherine,
                "Katherine Johnson is inactive, and could not sign in with a new password. "
                "Activate Katherine Johnson first.",
            ),
            Outlook(dennis),
        ],
        "freeze": [
            Outlook(ada, ONESELF),
            Outlook(grace),
            Outlook(katherine, "Katherine Johnson is inactive, and cannot sign in anyway."),
            Outlook(dennis, "Dennis Ritchie is frozen already."),
        ],
        "deactivate": [
            Outlook(ada, ONESELF),
            Outlook(grace),
            Outlook(katherine, "Katherine Johnson is inactive already."),
            Outlook(dennis),
        ],
    }


def test_preview_of_holders_of_modify_all_data_is_for_holders(ada: User, hedy: User, grace: User) -> None:
    outlooks = preview_several(UserAct.FREEZE, [ada, grace], origin=origin_of(hedy))

    words = "Only someone with Modify All Data may do this to Ada Lovelace, who holds it."
    assert outlooks == [Outlook(ada, words), Outlook(grace)]


@pytest.mark.parametrize("act", [UserAct.FREEZE, UserAct.DEACTIVATE])
def test_last_of_all_administrators_stays_in_preview_and_in_deed(
    act: UserAct, ada: User, alan: User, grace: User, mary: User
) -> None:
    origin = origin_of(mary)

    foreseen = preview_several(act, [ada, alan, grace], origin=origin)
    done = act_on_several(act, [ada, alan, grace], origin=origin, site=SITE).outcomes

    assert foreseen == done == [Outlook(ada), Outlook(alan, NOBODY_LEFT), Outlook(grace)]


def test_administrators_may_go_while_one_is_left(ada: User, alan: User, make: "Make", mary: User) -> None:
    make("Edsger", "Dijkstra", "System Administrator")

    assert preview_several(UserAct.FREEZE, [ada, alan], origin=origin_of(mary)) == [Outlook(ada), Outlook(alan)]


@pytest.fixture
def busy(
    any_user_login: "Organization", browser: "Browser", client_of: "ClientOf", ada: User, alan: User, grace: User
) -> None:
    """Alan is signed in twice, and logged in as Grace from one; Grace is signed in; one session of hers has lapsed."""
    for _ in range(2):
        client_of(grace)
    lapsed = Session.objects.filter(user=grace).earliest("pk")
    Session.objects.filter(pk=lapsed.pk).update(created_at=timezone.now() - timedelta(days=40), last_active_at=None)
    client_of(alan)
    browser().login_as(grace, actor=alan)


@pytest.mark.parametrize(
    ("act", "of_alan", "of_grace"),
    [(UserAct.FREEZE, (2, 1), (1, 0)), (UserAct.DEACTIVATE, (2, 1), (1, 1)), (UserAct.RESET_PASSWORD, (2, 1), (1, 1))],
)
def test_preview_counts_what_ends_and_it_does(
    act: UserAct, of_alan: tuple[int, int], of_grace: tuple[int, int], busy: None, ada: User, alan: User, grace: User
) -> None:
    settings = ada.organization.session_settings
    settings.end_on_password_reset = True
    settings.save()

    foreseen = [preview_several(act, [one], origin=origin_of(ada)) for one in (alan, grace)]
    both = preview_several(act, [alan, grace], origin=origin_of(ada))
    act_on_several(act, [grace], origin=origin_of(ada), site=SITE)
    visits = Impersonation.objects.open().count()
    act_on_several(act, [alan], origin=origin_of(ada), site=SITE)

    assert foreseen == [[Outlook(alan, "", *of_alan)], [Outlook(grace, "", *of_grace)]]
    assert both == [Outlook(alan, "", *of_alan), Outlook(grace, "", *of_grace)]
    assert visits == 1 - of_grace[1]
    assert Session.objects.live().filter(user__in=[alan, grace]).count() == 0


def test_reset_ends_nothing_where_the_organization_does_not_want_it(busy: None, ada: User, alan: User) -> None:
    settings = ada.organization.session_settings
    settings.end_on_password_reset = False
    settings.save()

    assert preview_several(UserAct.RESET_PASSWORD, [alan], origin=origin_of(ada)) == [Outlook(alan)]


def test_session_that_asks_is_kept_and_not_counted(ada: User, client_of: "ClientOf") -> None:
    settings = ada.organization.session_settings
    settings.end_on_password_reset = True
    settings.save()
    for _ in range(2):
        client_of(ada)
    asks = Session.objects.filter(user=ada).earliest("pk")
    origin = origin_of(ada, asks)

    foreseen = preview_several(UserAct.RESET_PASSWORD, [ada], origin=origin)
    act_on_several(UserAct.RESET_PASSWORD, [ada], origin=origin, site=SITE)

    assert foreseen == [Outlook(ada, "", sessions=1)]
    assert list(Session.objects.live().filter(user=ada)) == [asks]


def test_preview_asks_the_same_few_queries_of_many(busy: None, ada: User, alan: User, make: "Make") -> None:
    many = [alan, *(make(f"P{number}", "Person") for number in range(20))]
    for one in many:
        one.organization = ada.organization

    with captured_queries() as queries:
        preview_several(UserAct.DEACTIVATE, many, origin=origin_of(ada))

    # The profiles of administrators; whether one is left; their sessions; what is worn from these.
    assert len(queries) == 4


# --- what is done ------------------------------------------------------------------------------------------------


def test_each_has_an_event_of_its_own_and_refusals_take_nothing_back(
    ada: User, alan: User, grace: User, dennis: User
) -> None:
    outcomes = act_on_several(UserAct.FREEZE, [grace, ada, dennis, alan], origin=origin_of(ada), site=SITE).outcomes

    assert outcomes == [
        Outlook(grace),
        Outlook(ada, ONESELF),
        Outlook(dennis, "Dennis Ritchie is frozen already."),
        Outlook(alan),
    ]
    events = AuditEvent.objects.filter(action="user.frozen").order_by("id")
    assert [(event.about, event.user) for event in events] == [(grace, ada), (alan, ada)]
    assert set(User.objects.filter(is_frozen=True)) == {grace, dennis, alan}


def test_what_someone_else_did_meanwhile_is_told(ada: User, alan: User, grace: User) -> None:
    foreseen = preview_several(UserAct.FREEZE, [grace], origin=origin_of(ada))
    freeze_user(grace, origin=origin_of(alan))

    # As it was read for the preview.
    grace.is_frozen = False
    outcomes = act_on_several(UserAct.FREEZE, [grace], origin=origin_of(ada), site=SITE).outcomes

    assert (foreseen, outcomes) == ([Outlook(grace)], [Outlook(grace, "Grace Hopper is frozen already.")])


def test_mails_go_to_those_who_are_reset(
    ada: User, grace: User, katherine: User, django_capture_on_commit_callbacks: "DjangoCaptureOnCommitCallbacks"
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        act_on_several(UserAct.RESET_PASSWORD, [grace, katherine], origin=origin_of(ada), site=SITE)

    assert [message.to for message in mail.outbox] == [[grace.email]]


# --- acts, whoever it is -----------------------------------------------------------------------------------------


def test_act_that_is_refused_whoever_it_is(ada: User, audrey: User, grace: User) -> None:
    guest = replace(origin_of(ada), impersonation_id=1, is_limited=True)

    refusals = {
        name: [type(refusal_to_all(act, origin)) for origin in (origin_of(ada), origin_of(audrey), guest)]
        for name, act in SEVERAL.items()
    }

    none = type(None)
    assert refusals == {
        "reset_password": [none, PermissionMissing, RefusedToGuest],
        "freeze": [none, PermissionMissing, none],
        "deactivate": [none, PermissionMissing, none],
    }
    assert type(refusal_of(UserAct.RESET_PASSWORD, grace, origin=guest)) is RefusedToGuest


def test_every_act_says_why_it_would_change_nothing(ada: User, katherine: User, dennis: User) -> None:
    at = timezone.now()

    said = {act.name: [needless_because(act, one, at=at) for one in (ada, katherine, dennis)] for act in UserAct}

    reset = (
        "Katherine Johnson is inactive, and could not sign in with a new password. Activate Katherine Johnson first."
    )
    assert said == {
        "EDIT": ["", "", ""],
        "RESET_PASSWORD": ["", reset, ""],
        "UNLOCK": ["Ada Lovelace is not locked.", "Katherine Johnson is not locked.", "Dennis Ritchie is not locked."],
        "FREEZE": [
            "",
            "Katherine Johnson is inactive, and cannot sign in anyway.",
            "Dennis Ritchie is frozen already.",
        ],
        "UNFREEZE": ["Ada Lovelace is not frozen.", "Katherine Johnson is not frozen.", ""],
        "ACTIVATE": ["Ada Lovelace is active already.", "", "Dennis Ritchie is active already."],
        "DEACTIVATE": ["", "Katherine Johnson is inactive already.", ""],
        "END_SESSIONS": ["", "Katherine Johnson is inactive, and has no session.", ""],
    }
