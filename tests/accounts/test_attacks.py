"""What someone would try who wants more than was given: each a way that was found open, or that has to stay shut."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from django.core import mail
from django.utils import timezone

from accounts.enums import OperatorRole
from accounts.models import Impersonation, Profile, Role, Session, User
from accounts.services.profiles import update_profile
from accounts.services.users import NotDelegated, UserDetails, deactivate_user, update_user
from accounts.services.visits import VisitsOf, end_lost_visits
from orgs.http import NAME_LENGTH, Origin
from orgs.models import AuditEvent, LoginAccessPolicy, Organization, OrganizationKind
from orgs.permissions import Permission
from tests.factories import (
    DelegatedGroupFactory,
    LoginAccessGrantFactory,
    OrganizationFactory,
    ProfileFactory,
    UserFactory,
)
from tests.portal.test_urls import CONSOLE_PAGES, ROUTES

if TYPE_CHECKING:
    from pytest_django import DjangoCaptureOnCommitCallbacks

    from accounts.testing import PortalClient

    ClientOf = Callable[[User], PortalClient]
    Browser = Callable[[], PortalClient]
    Make = Callable[..., User]
    Profiles = dict[str, Profile]
    Roles = dict[str, Role]

pytestmark = pytest.mark.django_db

OWN_MAILBOX = "mine@mail.example"


def fresh(user: User) -> User:
    found: User = User.objects.select_related("profile", "role", "organization").get(pk=user.pk)
    return found


def own(user: User) -> Origin:
    return Origin(user=fresh(user), actor=fresh(user))


def take_over(user: User, *, by: User) -> User:
    """Enter a mailbox of one's own as that of another person."""
    details = replace(UserDetails.of(fresh(user)), email=OWN_MAILBOX)
    return update_user(user, details, origin=own(by), site="https://portal.example")


def give_profile(user: User, *permissions: Permission) -> Profile:
    profile: Profile = ProfileFactory.create(organization=user.organization, permissions=permissions)
    User.objects.filter(pk=user.pk).update(profile=profile)
    return profile


# --- a delegate, by way of a mailbox ---------------------------------------------------------------------------------

# Of these no delegate logs in as a user without being a guest there; with the mailbox one would be that user.
BEYOND_A_DELEGATE = (
    Permission.MANAGE_INTERNAL_USERS,
    Permission.RESET_USER_PASSWORDS,
    Permission.MANAGE_ROLES,
    Permission.VIEW_ALL_DATA,
)


@pytest.mark.parametrize("permission", BEYOND_A_DELEGATE)
def test_delegate_takes_no_mailbox_of_someone_who_holds_more(
    permission: Permission, barbara: User, rosalind: User
) -> None:
    profile = give_profile(rosalind, permission)

    with pytest.raises(NotDelegated) as refused:
        take_over(rosalind, by=barbara)

    assert refused.value.field == "email"
    assert str(refused.value) == (
        "Rosalind Franklin may do more than you do as a delegate. Only an administrator changes this address."
    )
    # The rest is the delegate's to change, and so is the address of someone who holds no more.
    renamed = replace(UserDetails.of(fresh(rosalind)), last_name="Gosling")
    assert update_user(rosalind, renamed, origin=own(barbara)).last_name == "Gosling"
    Profile.objects.filter(pk=barbara.profile_id).update(
        permission_bits=barbara.profile.permission_bits | profile.permission_bits
    )
    assert take_over(rosalind, by=barbara).pending_email == OWN_MAILBOX


def test_delegate_takes_the_mailbox_of_what_the_group_hands_out(barbara: User, rosalind: User) -> None:
    profile = give_profile(rosalind, Permission.MANAGE_INTERNAL_USERS)
    with pytest.raises(NotDelegated):
        take_over(rosalind, by=barbara)
    barbara.delegated_groups.get().profiles.add(profile)

    # Barbara could make someone like that, with any mailbox.
    assert take_over(rosalind, by=barbara).pending_email == OWN_MAILBOX


def test_delegate_takes_no_mailbox_of_another_groups_delegate(
    barbara: User, rosalind: User, acme: Organization, sales_roles: "Roles"
) -> None:
    rosalind.delegated_groups.add(barbara.delegated_groups.get())
    assert take_over(rosalind, by=barbara).pending_email == OWN_MAILBOX

    User.objects.update(pending_email="")
    DelegatedGroupFactory.create(organization=acme, delegates=[rosalind], roles=[sales_roles["Engineering"]])

    with pytest.raises(NotDelegated):
        take_over(rosalind, by=barbara)


def test_delegate_takes_no_mailbox_of_an_operator(barbara: User, rosalind: User) -> None:
    """As in the vendor's own organization, where a delegate must not come to the console."""
    User.objects.filter(pk=rosalind.pk).update(operator_role=OperatorRole.SALES)

    with pytest.raises(NotDelegated):
        take_over(rosalind, by=barbara)


def test_form_says_beside_the_address_why_a_delegate_does_not_change_it(
    barbara: User, rosalind: User, client_of: "ClientOf"
) -> None:
    give_profile(rosalind, Permission.MANAGE_ROLES)
    person = fresh(rosalind)
    typed = {
        "first_name": "Rosalind",
        "last_name": "Gosling",
        "username": person.username,
        "email": OWN_MAILBOX,
        "profile": person.profile_id,
        "role": person.role_id,
    }

    page = client_of(barbara).post(f"/setup/users/{rosalind.pk}/edit/", typed)

    assert page.context["form"].errors["email"] == [
        "Rosalind Franklin may do more than you do as a delegate. Only an administrator changes this address."
    ]
    assert (fresh(rosalind).last_name, fresh(rosalind).pending_email) == ("Franklin", "")


# --- an address that waits until the account holds more --------------------------------------------------------------


@pytest.fixture
def link(rosalind: User, django_capture_on_commit_callbacks: "DjangoCaptureOnCommitCallbacks") -> Callable[[User], str]:
    """Return the path that ``by`` was mailed for an address of their own, entered as Rosalind's."""

    def ask(by: User) -> str:
        with django_capture_on_commit_callbacks(execute=True):
            take_over(rosalind, by=by)
        (message,) = (one for one in mail.outbox if one.to == [OWN_MAILBOX])
        found = re.search(r"https://portal\.example(/account/email/confirm/\S+)", str(message.body))
        assert found
        return found[1]

    return ask


def promote(user: User, *, by: User, profile: Profile) -> None:
    update_user(user, replace(UserDetails.of(fresh(user)), profile=profile), origin=own(by))


@pytest.mark.parametrize(("who", "is_dead"), [("barbara", True), ("hedy", True), ("ada", False)])
def test_address_is_not_confirmed_once_the_account_holds_more_than_who_entered_it(
    who: str,
    is_dead: bool,
    request: pytest.FixtureRequest,
    alan: User,
    rosalind: User,
    profiles: "Profiles",
    link: Callable[[User], str],
    anonymous: "PortalClient",
) -> None:
    path = link(request.getfixturevalue(who))
    promote(rosalind, by=alan, profile=profiles["System Administrator"])

    answers = [anonymous.get(path).status_code, anonymous.post(path).status_code]

    assert answers == ([410, 410] if is_dead else [200, 302])
    assert (fresh(rosalind).email == OWN_MAILBOX) is not is_dead


def test_address_is_not_confirmed_once_the_profile_holds_more(
    barbara: User,
    alan: User,
    rosalind: User,
    acme: Organization,
    link: Callable[[User], str],
    anonymous: "PortalClient",
) -> None:
    profile = ProfileFactory.create(organization=acme, name="Representative")
    User.objects.filter(pk=rosalind.pk).update(profile=profile)
    path = link(barbara)
    assert anonymous.get(path).status_code == 200

    update_profile(profile, name=profile.name, permissions=[Permission.MANAGE_USERS], origin=own(alan))

    assert anonymous.post(path).status_code == 410
    assert fresh(rosalind).email == "rosalind@acme.example"


def test_address_is_confirmed_where_the_account_holds_what_it_did(
    barbara: User,
    alan: User,
    rosalind: User,
    profiles: "Profiles",
    link: Callable[[User], str],
    anonymous: "PortalClient",
) -> None:
    give_profile(rosalind, Permission.VIEW_SETUP)
    path = link(barbara)
    promote(rosalind, by=alan, profile=profiles["Standard User"])

    assert anonymous.post(path).status_code == 302
    assert fresh(rosalind).email == OWN_MAILBOX


# --- operators -------------------------------------------------------------------------------------------------------


@pytest.fixture
def olga(support: Organization) -> User:
    """An administrator of the vendor's own organization, and no operator."""
    LoginAccessPolicy.objects.filter(organization=support).update(any_user_login=True)
    profile = ProfileFactory.create(organization=support, permissions=tuple(Permission))
    user: User = UserFactory.create(organization=support, profile=profile, first_name="Olga", last_name="Novak")
    return user


@pytest.fixture
def agent_of_another(db: None) -> User:
    """A support agent of a second vendor."""
    other = OrganizationFactory.create(name="Second Line", kind=OrganizationKind.OPERATOR)
    user: User = UserFactory.create(organization=other, operator_role=OperatorRole.SUPPORT)
    return user


@pytest.mark.parametrize("name", CONSOLE_PAGES)
@pytest.mark.parametrize("target", ["sam", "sally"])
@pytest.mark.parametrize("by", ["olga", "agent_of_another"])
def test_console_is_shut_inside_the_account_of_an_operator(
    name: str, target: str, by: str, request: pytest.FixtureRequest, acme: Organization, grace: User, browser: "Browser"
) -> None:
    operator, actor = request.getfixturevalue(target), request.getfixturevalue(by)
    LoginAccessGrantFactory.create(user=operator, support_organization=actor.organization)
    LoginAccessGrantFactory.create(user=grace, support_organization=operator.organization)
    client = browser()
    client.login_as(operator, actor=actor)
    address = ROUTES[name].to(organization_id=acme.pk, person_id=grace.pk, activation_id=1)

    assert [client.get(address).status_code, client.post(address).status_code] == [403, 403]
    assert client.get("/").status_code == 200


def test_nobody_goes_on_from_the_account_of_an_agent(
    olga: User, sam: User, grace: User, support: Organization, browser: "Browser"
) -> None:
    LoginAccessGrantFactory.create(user=grace, support_organization=support)
    client = browser()
    client.login_as(sam, actor=olga)

    # It is she who is asked, and not whose account she wears.
    assert client.post(f"/setup/users/{grace.pk}/login-as/").status_code == 404
    assert [visit.target for visit in Impersonation.objects.all()] == [sam]
    # As herself she is no agent, and finds nobody there.
    client.log_out_as()
    client.force_login(olga)
    assert client.post(f"/setup/users/{grace.pk}/login-as/").status_code == 404


@pytest.mark.parametrize("role", [OperatorRole.SALES, OperatorRole.SUPPORT])
def test_customers_user_with_an_operators_role_is_no_operator(
    role: OperatorRole, ada: User, sam: User, stranger: User, acme: Organization, client_of: "ClientOf"
) -> None:
    """No page writes that column. Were it written, it would open nothing."""
    User.objects.filter(pk=ada.pk).update(operator_role=role)
    LoginAccessGrantFactory.create(user=stranger, support_organization=sam.organization)
    client = client_of(fresh(ada))

    assert client.get("/admin/").status_code == 403
    assert client.post(f"/admin/orgs/organization/{acme.pk}/edition/", {"edition": "unlimited"}).status_code == 403
    assert client.post(f"/setup/users/{stranger.pk}/login-as/").status_code in {403, 404}
    assert Impersonation.objects.count() == 0


# --- what a customer reads of the vendor's staff ---------------------------------------------------------------------


def test_customers_trail_holds_the_sessions_of_its_own_people_alone(
    ada: User, sam: User, grace: User, support: Organization, any_user_login: Organization, browser: "Browser"
) -> None:
    LoginAccessGrantFactory.create(user=grace, support_organization=support)
    other = UserFactory.create(organization=grace.organization)
    for actor in (sam, ada):
        browser().login_as(grace, actor=actor)
    by_sam, by_ada = AuditEvent.objects.filter(action="impersonation.started").order_by("id")
    assert by_sam.session_public_id is None
    assert by_ada.session_public_id == Session.objects.get(user=ada).public_id

    # What he does inside stands beside the worn session; what his own people do to him, beside none.
    worn = Impersonation.objects.get(actor=sam).session
    inside = Origin(user=grace, actor=sam, session_public_id=worn.public_id, impersonation_id=worn.pk, is_limited=True)
    give_profile(grace, Permission.MANAGE_INTERNAL_USERS)
    update_user(other, replace(UserDetails.of(other), alias="oo"), origin=replace(inside, user=fresh(grace)))
    assert AuditEvent.objects.get(action="user.changed").session_public_id == worn.public_id

    olga = UserFactory.create(organization=support)
    give_profile(olga, *Permission)
    of_olga = Session.objects.create(
        user=olga, organization_id=olga.organization_id, created_at=timezone.now()
    ).public_id
    deactivate_user(sam, origin=replace(own(olga), session_public_id=of_olga))

    ended = AuditEvent.objects.get(action="impersonation.ended")
    assert (ended.organization_id, ended.session_public_id) == (grace.organization_id, None)
    assert AuditEvent.objects.get(action="user.deactivated").session_public_id == of_olga


# --- names that are as long as they may be ---------------------------------------------------------------------------


def test_longest_names_fit_into_every_column(sam: User, grace: User, make: "Make", browser: "Browser") -> None:
    long = {"first_name": "F" * 80, "last_name": "L" * 80}
    User.objects.filter(pk__in=[sam.pk, grace.pk]).update(**long)
    Organization.objects.filter(pk=sam.organization_id).update(name="O" * 80)
    give_profile(grace, Permission.FREEZE_USERS)
    LoginAccessGrantFactory.create(user=grace, support_organization=sam.organization)
    linus = make("Linus", "Pauling")
    client = browser()
    client.login_as(fresh(grace), actor=fresh(sam))

    assert client.post(f"/setup/users/{linus.pk}/freeze/").status_code == 302

    name = fresh(linus).modified_by_name
    assert name.startswith(f"{fresh(grace)} (by {fresh(sam)}, O")
    assert len(name) == NAME_LENGTH


# --- the console's addresses -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        "edition__regex=(",
        "edition__iregex=%5B",
        "edition__exact=%00",
        "edition__exact=none",
        "edition__exact=enterprise&edition__exact=none",
        "edition__in=enterprise",
        "edition=enterprise",
        "provisioned__exact=2",
        "provisioned__isnull=x",
    ],
)
def test_list_of_the_console_takes_what_its_filters_offer_alone(query: str, sam: User, client_of: "ClientOf") -> None:
    address = "/admin/orgs/organization/"

    assert client_of(sam).get(f"{address}?{query}").headers["Location"] == address


@pytest.mark.parametrize("query", ["_to_field=", "_to_field=users", "_to_field=id", "_popup=1", "foo=1"])
def test_page_of_the_console_takes_nothing_but_the_way_back(
    query: str, sam: User, acme: Organization, client_of: "ClientOf"
) -> None:
    client, address = client_of(sam), f"/admin/orgs/organization/{acme.pk}/change/"

    assert client.get(f"{address}?{query}").headers["Location"] == address
    assert client.get(f"{address}?_changelist_filters=edition__exact%3Denterprise").status_code == 200


# --- ending what was lost --------------------------------------------------------------------------------------------


def test_only_the_visits_that_were_locked_are_ended_among_them(
    any_user_login: Organization, ada: User, grace: User, browser: "Browser"
) -> None:
    visit = browser().login_as(grace, actor=ada)
    LoginAccessPolicy.objects.update(any_user_login=False)

    def end(among: list[int]) -> int:
        return end_lost_visits(VisitsOf.person(grace), origin=Origin(), at=timezone.now(), among=among)

    assert (end([]), end([visit.pk])) == (0, 1)
