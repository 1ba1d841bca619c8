"""What is done to users: who may, what it ends, what it leaves in the trail, and whom it tells."""

import re
from dataclasses import replace
from datetime import timedelta
from threading import Barrier, Thread
from typing import TYPE_CHECKING, Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.db import IntegrityError, connection
from django.utils import timezone

from accounts.enums import EndCause
from accounts.models import Impersonation, Profile, User
from accounts.services.guards import LastAdministrator, ModifyAllDataNeeded, NameTaken, NotInOrganization
from accounts.services.users import (
    NotToOneself,
    UserAct,
    UserChangedMeanwhile,
    UserDetails,
    UserIsInactive,
    activate_user,
    create_user,
    deactivate_user,
    end_user_sessions,
    freeze_user,
    refusal_of,
    send_password_reset,
    unfreeze_user,
    unlock_user,
    update_user,
    version_of,
)
from orgs.http import Origin
from orgs.models import AuditEvent
from orgs.permissions import PermissionMissing, RefusedInside, RefusedToGuest
from tests.factories import OrganizationFactory, ProfileFactory, RoleFactory
from tests.origins import origin_of
from tests.queries import captured_queries

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_django import DjangoCaptureOnCommitCallbacks

    from accounts.models import Role
    from accounts.testing import PortalClient
    from orgs.models import Organization

    Browser = Callable[[], PortalClient]
    Profiles = dict[str, Profile]

SITE = "https://portal.example/"
SYSTEM = Origin.automated("seed_demo")


def inside(actor: User, target: User) -> Origin:
    """Return where what ``actor`` does while logged in as ``target`` comes from."""
    return Origin(user=target, actor=actor, impersonation_id=1)


def guest(actor: User, target: User) -> Origin:
    """Return where the same comes from, where ``actor`` is no administrator of the organization."""
    return replace(inside(actor, target), is_limited=True)


def with_changes(user: User, **changes: Any) -> UserDetails:
    return replace(UserDetails.of(user), **changes)


def new_details(profiles: "Profiles", **details: Any) -> UserDetails:
    given = {"username": "mary@acme.example", "last_name": "Jackson", "profile": profiles["Standard User"], **details}
    return UserDetails(**{"email": given["username"], **given})


def sentences() -> list[str]:
    return list(AuditEvent.objects.order_by("id").values_list("sentence", flat=True))


def last_event() -> AuditEvent:
    event = AuditEvent.objects.latest("id")
    assert isinstance(event, AuditEvent)
    return event


def end_of(visit: Impersonation) -> tuple[str, User | None]:
    visit.refresh_from_db()
    return visit.end_cause, visit.ended_by


# --- who may -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("act", UserAct)
def test_act_needs_its_permission(act: UserAct, ada: User, audrey: User, grace: User) -> None:
    refusals = [refusal_of(act, grace, origin=origin_of(person)) for person in (ada, audrey)]

    assert refusals[0] is None
    assert isinstance(refusals[1], PermissionMissing)
    assert refusals[1].permissions == (act.permission,)


@pytest.mark.parametrize("act", UserAct)
def test_holder_of_modify_all_data_is_for_holders_alone(act: UserAct, ada: User, alan: User, hedy: User) -> None:
    refusals = [refusal_of(act, alan, origin=origin_of(person)) for person in (ada, hedy)]

    assert refusals[0] is None
    assert isinstance(refusals[1], ModifyAllDataNeeded)
    assert str(refusals[1]) == "Only someone with Modify All Data may do this to Alan Turing, who holds it."


@pytest.mark.parametrize("act", UserAct)
def test_another_organizations_user_is_not_found(act: UserAct, ada: User, stranger: User) -> None:
    assert isinstance(refusal_of(act, stranger, origin=origin_of(ada)), NotInOrganization)


@pytest.mark.parametrize("act", UserAct)
def test_command_of_the_systems_own_may_and_nobody_may_not(act: UserAct, ada: User) -> None:
    assert refusal_of(act, ada, origin=SYSTEM) is None
    assert isinstance(refusal_of(act, ada, origin=Origin()), PermissionMissing)


def test_nobody_shuts_oneself_out(ada: User, alan: User) -> None:
    refused = {act for act in UserAct if refusal_of(act, ada, origin=origin_of(ada))}
    refused_inside = {act for act in UserAct if refusal_of(act, ada, origin=inside(ada, alan))}

    assert refused == refused_inside == {UserAct.DEACTIVATE, UserAct.FREEZE}
    assert isinstance(refusal_of(UserAct.FREEZE, ada, origin=origin_of(ada)), NotToOneself)


def test_password_and_sessions_of_the_worn_account_are_refused_inside(ada: User, alan: User, grace: User) -> None:
    refused = {act for act in UserAct if isinstance(refusal_of(act, alan, origin=inside(ada, alan)), RefusedInside)}

    assert refused == {UserAct.RESET_PASSWORD, UserAct.END_SESSIONS}
    assert refusal_of(UserAct.RESET_PASSWORD, grace, origin=inside(ada, alan)) is None


def test_guest_of_a_visit_resets_no_password(ada: User, barbara: User, grace: User) -> None:
    origins = (inside(barbara, ada), guest(barbara, ada))

    refused = [{act for act in UserAct if refusal_of(act, grace, origin=origin)} for origin in origins]

    assert refused == [set(), {UserAct.RESET_PASSWORD}]
    assert isinstance(refusal_of(UserAct.RESET_PASSWORD, grace, origin=origins[1]), RefusedToGuest)


def test_service_raises_the_refusal(audrey: User, grace: User) -> None:
    with pytest.raises(PermissionMissing):
        freeze_user(grace, origin=origin_of(audrey))

    grace.refresh_from_db()
    assert (grace.is_frozen, sentences()) == (False, [])


# --- create ------------------------------------------------------------------------------------------------------


def test_user_is_created_without_a_password_and_mailed_a_link(
    acme: "Organization",
    ada: User,
    profiles: "Profiles",
    django_capture_on_commit_callbacks: "DjangoCaptureOnCommitCallbacks",
    browser: "Browser",
) -> None:
    role = RoleFactory.create(organization=acme, name="Sales")
    details = new_details(profiles, username="Mary@ACME.example", first_name="Mary", role=role)

    with django_capture_on_commit_callbacks(execute=True):
        mary = create_user(acme, details, origin=origin_of(ada), site=SITE)

    assert (mary.username, mary.email, mary.alias) == ("mary@acme.example", "mary@acme.example", "mjack")
    assert (mary.created_by_name, mary.has_usable_password(), mary.is_active) == ("Ada Lovelace", False, True)
    event = last_event()
    assert (event.sentence, event.user, event.about) == ("Created new user Mary Jackson", ada, mary)
    assert event.after == {
        "username": "mary@acme.example",
        "email": "mary@acme.example",
        "first_name": "Mary",
        "last_name": "Jackson",
        "alias": "mjack",
        "profile": "Standard User",
        "role": "Sales",
    }
    [letter] = mail.outbox
    assert (letter.to, letter.subject) == (["mary@acme.example"], "Your account in the portal of Acme")
    assert "Ada Lovelace has made an account for you" in letter.body
    found = re.search(r"https://portal\.example(/account/password/reset/key/\S+)", str(letter.body))
    assert found
    page = browser().get(found[1], follow=True)
    assert "Choose a password" in page.content.decode()


def test_command_creates_a_user_without_a_mail(
    acme: "Organization", profiles: "Profiles", django_capture_on_commit_callbacks: "DjangoCaptureOnCommitCallbacks"
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        user = create_user(acme, new_details(profiles, alias="mj"), origin=SYSTEM)

    assert (user.alias, user.created_by_name, mail.outbox) == ("mj", "seed_demo by root", [])
    assert last_event().user_name == "Automated Process (seed_demo by root)"


def test_mail_server_that_is_away_takes_nothing_back(
    acme: "Organization",
    ada: User,
    profiles: "Profiles",
    settings: Any,  # noqa: ANN401
    django_capture_on_commit_callbacks: "DjangoCaptureOnCommitCallbacks",
) -> None:
    settings.EMAIL_BACKEND = "no.such.Backend"

    with django_capture_on_commit_callbacks(execute=True):
        create_user(acme, new_details(profiles), origin=origin_of(ada), site=SITE)

    assert User.objects.filter(username="mary@acme.example").exists()


def test_creating_needs_manage_internal_users(acme: "Organization", audrey: User, profiles: "Profiles") -> None:
    with pytest.raises(PermissionMissing, match="Manage Internal Users"):
        create_user(acme, new_details(profiles), origin=origin_of(audrey))


def test_guest_of_a_visit_creates_nobody(acme: "Organization", ada: User, barbara: User, profiles: "Profiles") -> None:
    with pytest.raises(RefusedToGuest):
        create_user(acme, new_details(profiles), origin=guest(barbara, ada))

    assert create_user(acme, new_details(profiles), origin=inside(barbara, ada)).created_by_name.endswith("Liskov)")


def test_nobody_creates_a_user_in_another_organization(ada: User, profiles: "Profiles") -> None:
    with pytest.raises(NotInOrganization):
        create_user(OrganizationFactory.create(), new_details(profiles), origin=origin_of(ada))


def test_new_user_gets_no_profile_or_role_of_another_organization(
    acme: "Organization", ada: User, profiles: "Profiles"
) -> None:
    for details in (
        new_details(profiles, profile=ProfileFactory.create()),
        new_details(profiles, role=RoleFactory.create()),
    ):
        with pytest.raises(NotInOrganization):
            create_user(acme, details, origin=origin_of(ada))


def test_modify_all_data_is_given_to_a_new_user_by_its_holders_only(
    acme: "Organization", ada: User, hedy: User, profiles: "Profiles"
) -> None:
    details = new_details(profiles, profile=profiles["System Administrator"])

    with pytest.raises(ModifyAllDataNeeded, match="give someone the profile System Administrator"):
        create_user(acme, details, origin=origin_of(hedy))

    assert create_user(acme, details, origin=origin_of(ada)).is_administrator


def test_username_is_unique_everywhere_and_ignores_case(
    acme: "Organization", ada: User, stranger: User, profiles: "Profiles"
) -> None:
    with pytest.raises(NameTaken, match="This username is taken"):
        create_user(acme, new_details(profiles, username=stranger.username.upper()), origin=origin_of(ada))


def test_other_faults_of_a_row_are_not_called_a_taken_name(
    acme: "Organization", ada: User, profiles: "Profiles"
) -> None:
    nameless = new_details(profiles, first_name=None, alias="nn")

    with pytest.raises(IntegrityError):
        create_user(acme, nameless, origin=origin_of(ada))


# --- edit --------------------------------------------------------------------------------------------------------


def test_edit_writes_a_row_for_each_thing_that_matters(
    acme: "Organization", ada: User, grace: User, profiles: "Profiles"
) -> None:
    details = with_changes(
        grace,
        first_name="Grace Brewster",
        alias="gbh",
        email="Grace.Hopper@acme.example",
        profile=profiles["Read Only"],
        role=None,
    )

    changed = update_user(grace, details, origin=origin_of(ada), site=SITE)

    assert UserDetails.of(User.objects.get(pk=grace.pk)) == replace(details, email="grace.hopper@acme.example")
    assert (changed.modified_by_name, changed.modified_at is not None) == ("Ada Lovelace", True)
    name = "Grace Brewster Hopper"
    assert sentences() == [
        f"Asked to change email for user {name} from grace@acme.example to grace.hopper@acme.example",
        f"Changed profile for user {name} from Standard User to Read Only",
        f"Changed role for user {name} from Sales Rep to none",
        f"Changed first name and alias of user {name}",
    ]
    assert (last_event().before, last_event().after) == (
        {"first_name": "Grace", "alias": "grace"},
        {"first_name": "Grace Brewster", "alias": "gbh"},
    )


def test_edit_keeps_the_keys_that_lists_sort_by(ada: User, grace: User) -> None:
    update_user(grace, with_changes(grace, last_name="Ärger", alias="ÄR"), origin=origin_of(ada))

    grace.refresh_from_db()
    assert (grace.name_key, grace.alias_key) == ("grace ärger", "är")


def test_edit_that_changes_nothing_writes_nothing(ada: User, grace: User) -> None:
    unchanged = update_user(grace, with_changes(grace, username="GRACE@acme.example"), origin=origin_of(ada))

    assert (unchanged.modified_at, sentences()) == (None, [])


def test_edit_inside_a_visit_names_both_people(ada: User, alan: User, grace: User) -> None:
    changed = update_user(grace, with_changes(grace, alias="gh"), origin=inside(ada, alan))

    assert changed.modified_by_name == "Alan Turing (by Ada Lovelace)"
    assert (last_event().user, last_event().delegate_user) == (alan, ada)


@pytest.mark.parametrize("change", [{"email": "new@acme.example"}, {"username": "new@acme.example"}])
def test_address_and_username_of_the_worn_account_are_refused_inside(
    ada: User, alan: User, grace: User, change: dict[str, str]
) -> None:
    with pytest.raises(RefusedInside, match="while you are logged in as Alan Turing"):
        update_user(alan, with_changes(alan, **change), origin=inside(ada, alan))

    update_user(alan, with_changes(alan, alias="at"), origin=inside(ada, alan))
    update_user(grace, with_changes(grace, **change), origin=inside(ada, alan), site=SITE)


@pytest.mark.parametrize("name", ["email", "username", "profile", "role"])
def test_guest_of_a_visit_leaves_what_opens_doors_as_it_is(
    ada: User, barbara: User, rosalind: User, profiles: "Profiles", sales_roles: "dict[str, Role]", name: str
) -> None:
    new = {"profile": profiles["Read Only"], "role": sales_roles["Sales"]}.get(name, "new@acme.example")

    with pytest.raises(RefusedToGuest):
        update_user(rosalind, with_changes(rosalind, **{name: new}), origin=guest(barbara, ada))

    assert update_user(rosalind, with_changes(rosalind, alias="rf"), origin=guest(barbara, ada)).alias == "rf"
    changed = update_user(rosalind, with_changes(rosalind, **{name: new}), origin=inside(ada, ada), site=SITE)
    assert getattr(UserDetails.of(changed), name) == new


def test_changed_address_is_told_to_the_old_one(
    ada: User, django_capture_on_commit_callbacks: "DjangoCaptureOnCommitCallbacks"
) -> None:
    EmailAddress.objects.create(user=ada, email=ada.email)

    with django_capture_on_commit_callbacks(execute=True):
        update_user(ada, with_changes(ada, email="new@acme.example"), origin=origin_of(ada))

    [letter] = mail.outbox
    assert (letter.to, letter.subject) == (
        ["ada@acme.example"],
        "The e-mail address of your portal account was changed",
    )
    assert "Ada Lovelace has changed the e-mail address" in letter.body
    # The old address resets no password any more.
    assert not EmailAddress.objects.filter(user=ada).exists()


def test_username_is_not_changed_to_a_taken_one(ada: User, grace: User) -> None:
    with pytest.raises(NameTaken, match="unique everywhere"):
        update_user(grace, with_changes(grace, username=ada.username), origin=origin_of(ada))


def test_second_of_two_who_save_at_once_is_told(ada: User, alan: User, grace: User) -> None:
    version = version_of(grace)
    update_user(grace, with_changes(grace, alias="first"), origin=origin_of(alan), version=version)

    with pytest.raises(UserChangedMeanwhile, match="Alan Turing changed Grace Hopper meanwhile") as caught:
        update_user(grace, with_changes(grace, alias="second"), origin=origin_of(ada), version=version)

    assert caught.value.user.alias == "first"
    again = update_user(
        grace, with_changes(grace, alias="second"), origin=origin_of(ada), version=version_of(caught.value.user)
    )
    assert again.alias == "second"


def test_modify_all_data_is_handed_out_by_its_holders_only(
    ada: User, hedy: User, grace: User, profiles: "Profiles"
) -> None:
    details = with_changes(grace, profile=profiles["System Administrator"])

    with pytest.raises(ModifyAllDataNeeded, match="give someone the profile"):
        update_user(grace, details, origin=origin_of(hedy))

    assert update_user(grace, details, origin=origin_of(ada)).is_administrator


def test_last_administrator_keeps_a_profile_that_makes_one(ada: User, profiles: "Profiles") -> None:
    with pytest.raises(LastAdministrator, match="Acme would be left without an administrator"):
        update_user(ada, with_changes(ada, profile=profiles["Standard User"]), origin=origin_of(ada))

    boss = ProfileFactory.create(organization=ada.organization, permission_bits=ada.profile.permission_bits)
    assert update_user(ada, with_changes(ada, profile=boss), origin=origin_of(ada)).profile == boss


def test_administrator_may_become_none_beside_another(ada: User, alan: User, profiles: "Profiles") -> None:
    changed = update_user(alan, with_changes(alan, profile=profiles["Standard User"]), origin=origin_of(ada))

    assert not changed.is_administrator


def test_visit_ends_when_its_target_becomes_external(
    any_user_login: "Organization", ada: User, alan: User, grace: User, profiles: "Profiles", browser: "Browser"
) -> None:
    visit = browser().login_as(grace, actor=ada)

    update_user(grace, with_changes(grace, profile=profiles["External User"]), origin=origin_of(alan))

    assert end_of(visit) == (EndCause.TARGET_BECAME_EXTERNAL, alan)
    assert ada.sessions.live().count() == 1


def test_visit_ends_when_its_actor_is_no_administrator_any_more(
    any_user_login: "Organization", ada: User, alan: User, grace: User, profiles: "Profiles", browser: "Browser"
) -> None:
    visit = browser().login_as(grace, actor=ada)

    update_user(ada, with_changes(ada, profile=profiles["Standard User"]), origin=origin_of(alan))

    assert end_of(visit) == (EndCause.ACTOR_LOST_PERMISSION, alan)
    assert ada.sessions.live().count() == 1


@pytest.mark.parametrize(
    ("who", "change", "cause"),
    [
        ("barbara", {"profile": "Standard User"}, EndCause.ACTOR_LOST_PERMISSION),
        ("rosalind", {"profile": "User Manager"}, EndCause.BECAME_PROTECTED),
        ("rosalind", {"profile": "Read Only"}, ""),
        ("rosalind", {"role": "Engineering"}, EndCause.OUT_OF_REACH),
        ("rosalind", {"role": "Sales"}, ""),
        ("rosalind", {"alias": "rf"}, ""),
    ],
)
def test_delegates_visit_ends_when_a_change_takes_its_ground(
    any_user_login: "Organization",
    ada: User,
    barbara: User,
    rosalind: User,
    profiles: "Profiles",
    sales_roles: "dict[str, Role]",
    browser: "Browser",
    who: str,
    change: dict[str, str],
    cause: str,
) -> None:
    visit, of_ada = browser().login_as(rosalind, actor=barbara), browser().login_as(rosalind, actor=ada)
    user = {"barbara": barbara, "rosalind": rosalind}[who]
    rows: dict[str, Any] = {"profile": profiles, "role": sales_roles}
    changes = {name: rows[name][value] if name in rows else value for name, value in change.items()}

    update_user(user, with_changes(user, **changes), origin=origin_of(ada))

    assert (end_of(visit), end_of(of_ada)) == ((cause, ada if cause else None), ("", None))
    assert barbara.sessions.live().count() == 1


@pytest.mark.parametrize(("name", "queries"), [("alias", 5), ("role", 8)])
def test_edit_asks_of_visits_only_where_they_may_rest_on_it(
    ada: User, rosalind: User, sales_roles: "dict[str, Role]", name: str, queries: int
) -> None:
    details = with_changes(rosalind, **{name: {"alias": "rf", "role": sales_roles["Sales"]}[name]})

    with captured_queries() as asked:
        update_user(rosalind, details, origin=origin_of(ada))

    # The organization's lock; the user; the profile; the user's row; the trail. The new role; which visits to lock;
    # which lost it.
    assert len(asked) == queries


# --- activate and deactivate -------------------------------------------------------------------------------------


def test_deactivated_user_loses_every_session_at_once(
    any_user_login: "Organization", ada: User, alan: User, grace: User, browser: "Browser"
) -> None:
    browser().force_login(grace)
    visit_of_grace = browser().login_as(grace, actor=ada)

    changed = deactivate_user(grace, origin=origin_of(alan))

    assert (changed.is_active, grace.sessions.live().count()) == (False, 0)
    assert end_of(visit_of_grace) == (EndCause.TARGET_DEACTIVATED, alan)
    event = last_event()
    assert (event.sentence, event.before, event.after) == (
        "Deactivated user Grace Hopper",
        {"is_active": True},
        {"is_active": False},
    )


def test_deactivated_administrator_loses_visits_too(
    any_user_login: "Organization", ada: User, alan: User, grace: User, browser: "Browser"
) -> None:
    visit_by_ada = browser().login_as(grace, actor=ada)

    deactivate_user(ada, origin=origin_of(alan))

    assert end_of(visit_by_ada) == (EndCause.ACTOR_DEACTIVATED, alan)
    assert (ada.sessions.live().count(), grace.sessions.live().count()) == (0, 0)


def test_activated_user_can_sign_in_again(ada: User, katherine: User) -> None:
    first, second = (activate_user(katherine, origin=origin_of(ada)) for _ in range(2))

    assert (first.is_active, second.is_active) == (True, True)
    assert sentences() == ["Activated user Katherine Johnson"]


def test_last_administrator_is_not_deactivated(ada: User, dennis: User, profiles: "Profiles") -> None:
    dennis.profile = profiles["System Administrator"]
    dennis.save()

    with pytest.raises(LastAdministrator):
        deactivate_user(ada, origin=SYSTEM)

    assert not deactivate_user(dennis, origin=origin_of(ada)).is_active


# --- freeze and unfreeze -----------------------------------------------------------------------------------------


def test_frozen_user_loses_own_sessions_and_what_was_worn_from_them(
    any_user_login: "Organization", ada: User, alan: User, grace: User, browser: "Browser"
) -> None:
    visit_by_ada = browser().login_as(grace, actor=ada)
    visit_of_ada = browser().login_as(ada, actor=alan)

    freeze_user(ada, origin=origin_of(alan))

    assert end_of(visit_by_ada) == (EndCause.ACTOR_FROZEN, alan)
    assert end_of(visit_of_ada) == ("", None)
    assert sentences()[-1] == "Froze user Ada Lovelace"


def test_last_administrator_is_not_frozen(ada: User) -> None:
    with pytest.raises(LastAdministrator):
        freeze_user(ada, origin=SYSTEM)


def test_unfrozen_user_can_sign_in_again(ada: User, dennis: User) -> None:
    assert not unfreeze_user(dennis, origin=origin_of(ada)).is_frozen
    assert sentences() == ["Unfroze user Dennis Ritchie"]


# --- unlock, reset, end ------------------------------------------------------------------------------------------


def test_unlock_forgets_the_wrong_passwords(ada: User, grace: User) -> None:
    grace.locked_until = timezone.now() + timedelta(minutes=5)
    grace.save()

    first, second = (unlock_user(grace, origin=origin_of(ada)) for _ in range(2))

    assert (first.locked_until, second.locked_until) == (None, None)
    assert sentences() == ["Unlocked user Grace Hopper"]


@pytest.mark.parametrize("ends", [True, False])
def test_password_reset_is_mailed_and_ends_sessions_where_that_is_wanted(
    any_user_login: "Organization",
    ada: User,
    alan: User,
    grace: User,
    browser: "Browser",
    django_capture_on_commit_callbacks: "DjangoCaptureOnCommitCallbacks",
    *,
    ends: bool,
) -> None:
    any_user_login.session_settings.end_on_password_reset = ends
    any_user_login.session_settings.save()
    browser().force_login(grace)
    visit = browser().login_as(grace, actor=ada)

    with django_capture_on_commit_callbacks(execute=True):
        send_password_reset(grace, origin=origin_of(alan), site=SITE)

    assert end_of(visit) == ((EndCause.PASSWORD_CHANGED, alan) if ends else ("", None))
    assert grace.sessions.live().count() == (0 if ends else 2)
    assert sentences()[-1] == "Sent a password reset to user Grace Hopper"
    [letter] = mail.outbox
    assert (letter.to, letter.subject) == (["grace@acme.example"], "Choose a new portal password")


def test_password_reset_of_an_inactive_user_is_refused(ada: User, katherine: User) -> None:
    with pytest.raises(UserIsInactive, match="Activate Katherine Johnson first"):
        send_password_reset(katherine, origin=origin_of(ada), site=SITE)


def test_ending_sessions_keeps_the_one_that_asks(
    ada: User, alan: User, client_of: "Callable[[User], PortalClient]"
) -> None:
    asks = client_of(ada)
    client_of(ada)
    client_of(alan)
    here = replace(origin_of(ada), session_public_id=ada.sessions.earliest("id").public_id)

    assert end_user_sessions(ada, origin=here) == 1

    assert asks.get("/").status_code == 200
    assert (ada.sessions.live().count(), alan.sessions.live().count()) == (1, 1)
    assert (last_event().sentence, last_event().after) == ("Ended the sessions of user Ada Lovelace", {"sessions": 1})


def test_ending_sessions_ends_visits_with_who_did_it(
    any_user_login: "Organization", ada: User, alan: User, grace: User, browser: "Browser"
) -> None:
    visit_of_grace = browser().login_as(grace, actor=ada)

    assert end_user_sessions(grace, origin=origin_of(alan)) == 1

    assert end_of(visit_of_grace) == (EndCause.ENDED_BY_ADMINISTRATOR, alan)


def test_ending_sessions_of_someone_who_has_none_leaves_no_trace(ada: User, grace: User) -> None:
    assert (end_user_sessions(grace, origin=origin_of(ada)), sentences()) == (0, [])


# --- at the same moment ------------------------------------------------------------------------------------------


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_administrators_who_deactivate_each_other_leave_one(ada: User, alan: User) -> None:
    start, refused = Barrier(2), []

    def deactivate(target: User, by: User) -> None:
        start.wait()
        try:
            deactivate_user(target, origin=origin_of(by))
        except LastAdministrator as refusal:
            refused.append(refusal)
        finally:
            connection.close()

    threads = [Thread(target=deactivate, args=people) for people in ((ada, alan), (alan, ada))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (User.objects.active().count(), len(refused)) == (1, 1)
