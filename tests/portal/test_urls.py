"""Every URL, every kind of person: what each is answered, literally. A URL without a row fails."""

import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from django.apps import apps
from django.core.cache import cache
from django.db import transaction
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from accounts.enums import Access
from accounts.models import Impersonation, Session, User
from orgs.audit import AuditAction, record
from orgs.http import Origin
from orgs.models import OrganizationKind
from orgs.permissions import Permission
from tests.factories import (
    AccessRequestFactory,
    DelegatedGroupFactory,
    LoginAccessGrantFactory,
    OrganizationFactory,
    ProfileFactory,
    RoleFactory,
    UserFactory,
)
from tests.queries import captured_queries

if TYPE_CHECKING:
    from django.http import HttpResponse

    from accounts.testing import PortalClient
    from orgs.models import Organization

    Make = Callable[..., User]
    NewBrowser = Callable[[], PortalClient]

pytestmark = pytest.mark.django_db


class Route(NamedTuple):
    """One URL of the project."""

    name: str
    path: str
    view: Callable[..., "HttpResponse"]

    def to(self, **parameters: object) -> str:
        """Return the address, with ``parameters`` in it as they are, fitting or not."""
        # The second is how re_path() spells a parameter.
        plain = re.sub(
            r"<\w+:(\w+)>|\(\?P<(\w+)>[^)]*\)", lambda found: str(parameters[found[1] or found[2]]), self.path
        )
        return plain.replace("^", "").replace("$", "")


def routes(resolver: URLResolver | None = None, path: str = "/", space: str = "") -> Iterator[Route]:
    """Go through every URL of the project; a name in a namespace is "admin:index"."""
    for pattern in (resolver or get_resolver()).url_patterns:
        below = f"{path}{pattern.pattern}"
        if isinstance(pattern, URLPattern):
            yield Route(f"{space}{pattern.name or ''}", below, pattern.callback)
        else:
            yield from routes(pattern, below, f"{space}{pattern.namespace}:" if pattern.namespace else space)


ROUTES = {route.name: route for route in routes()}

# --- who may what ------------------------------------------------------------------------------------------------

# Nobody; an administrator; Manage Users without Modify All Data; View All Users; no permission; external; an
# administrator of another organization; and the first one logged in as the fifth.
PEOPLE = ("anonymous", "ada", "hedy", "audrey", "grace", "margaret", "gina", "ada as grace")

ALL = (200,) * 8
NO_POST_AT_ALL = (405,) * 8
# Whoever is not signed in is sent to sign in, whatever the method.
NO_GET = NO_POST = (302, *(405,) * 7)

# The same of what is refused inside a visit, whatever the method.
NO_GET_INSIDE = (302, *(405,) * 6, 403)

# An act on another user of one's own organization.
MANAGES_USERS = (302, 302, 302, 403, 403, 403, 404, 403)

# The operator console: none of these people is an operator (tests/accounts/console has those).
CONSOLE = (302, *(403,) * 7)

# By name: what GET and what POST is answered. Acts are about Linus, a Standard User of Acme, and POST sends no field.
ACCESS: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "healthz": (ALL, NO_POST_AT_ALL),
    "readyz": (ALL, NO_POST_AT_ALL),
    # Without its token.
    "metrics": ((404,) * 8, NO_POST_AT_ALL),
    # Signing in and out, passwords
    "account_login": ((200, 302, 302, 302, 302, 302, 302, 403), (200, 302, 302, 302, 302, 302, 302, 403)),
    "account_login_elsewhere": ((302,) * 8, (302,) * 8),
    # GET shows the button.
    "logout": ((302, *(200,) * 7), (302,) * 8),
    "account_logout": ((302, *(200,) * 7), (302,) * 8),
    "account_inactive": (ALL, NO_POST_AT_ALL),
    "account_change_password": ((302, *(200,) * 6, 403), (302, *(200,) * 6, 403)),
    "account_reauthenticate": ((302, *(200,) * 6, 403), (302, *(200,) * 6, 403)),
    "account_reset_password": ((*(200,) * 7, 403), (*(200,) * 7, 403)),
    "account_reset_password_done": (ALL, NO_POST_AT_ALL),
    "account_reset_password_from_key": ((*(200,) * 7, 403), (*(200,) * 7, 403)),
    "account_reset_password_from_key_done": (ALL, NO_POST_AT_ALL),
    # Of a token that never was.
    "account_confirm_email": ((*(410,) * 7, 403), (*(410,) * 7, 403)),
    "account_confirm_email_done": (ALL, NO_POST_AT_ALL),
    # One's own
    "home": ((302, *(200,) * 7), NO_POST),
    # External users grant nothing.
    "login_access": ((302, 200, 200, 200, 200, 403, 200, 403), (302, 302, 302, 302, 302, 403, 302, 403)),
    "settings": ((302, *(200,) * 7), NO_POST),
    "settings_personal": ((302, *(200,) * 6, 403), (302, *(422,) * 6, 403)),
    "settings_who_can_log_in": ((302, *(200,) * 7), NO_POST),
    "settings_login_history": ((302, *(200,) * 7), NO_POST),
    "settings_sessions": ((302, *(200,) * 7), NO_POST),
    # Of someone else's session.
    "settings_session_end": (NO_GET_INSIDE, (302, *(404,) * 6, 403)),
    "settings_sessions_end_others": (NO_GET_INSIDE, (302, *(302,) * 6, 403)),
    "access_request_answer": ((302, *(405,) * 6, 403), (302, 404, 404, 404, 302, 404, 404, 403)),
    "visit_end": ((302, *(405,) * 6, 403), (302, 404, 404, 404, 302, 404, 404, 403)),
    # Setup
    "setup_home": ((302, 200, 200, 200, 403, 403, 200, 403), NO_POST),
    "login_access_policies": ((302, 200, 200, 200, 403, 403, 200, 403), (302, 422, 422, 403, 403, 403, 422, 403)),
    "session_settings": ((302, 200, 200, 200, 403, 403, 200, 403), (302, 422, 403, 403, 403, 403, 422, 403)),
    "company": ((302, 200, 200, 200, 403, 403, 200, 403), NO_POST),
    "company_edit": ((302, 200, 403, 403, 403, 403, 200, 403), (302, 422, 403, 403, 403, 403, 422, 403)),
    # Both are provisioned: there is nothing to ask for.
    "activation_request": ((302, 200, 403, 403, 403, 403, 200, 403), (302, 403, 403, 403, 403, 403, 403, 403)),
    "audit_trail": ((302, 200, 200, 200, 403, 403, 200, 403), NO_POST),
    "audit_event": ((302, 200, 200, 200, 403, 403, 404, 403), NO_POST),
    "session_list": ((302, 200, 200, 403, 403, 403, 200, 403), NO_POST),
    "session_remove": (NO_GET, MANAGES_USERS),
    "impersonation_list": ((302, 200, 200, 403, 403, 403, 200, 403), NO_POST),
    "impersonation_detail": ((302, 200, 200, 403, 403, 403, 404, 403), NO_POST),
    "profile_list": ((302, 200, 200, 200, 403, 403, 200, 403), NO_POST),
    "profile_detail": ((302, 200, 200, 200, 403, 403, 404, 403), NO_POST),
    "profile_create": ((302, 200, 200, 403, 403, 403, 200, 403), (302, 422, 422, 403, 403, 403, 422, 403)),
    "profile_edit": ((302, 200, 200, 403, 403, 403, 404, 403), (302, 422, 422, 403, 403, 403, 404, 403)),
    "profile_delete": ((302, 200, 200, 403, 403, 403, 404, 403), (302, 302, 302, 403, 403, 403, 404, 403)),
    "role_list": ((302, 200, 200, 200, 403, 403, 200, 403), NO_POST),
    "role_create": ((302, 200, 200, 403, 403, 403, 200, 403), (302, 422, 422, 403, 403, 403, 422, 403)),
    "role_edit": ((302, 200, 200, 403, 403, 403, 404, 403), (302, 422, 422, 403, 403, 403, 404, 403)),
    # By the keys of the tree; no field is the top, where it is.
    "role_move": (NO_GET, (302, 302, 302, 403, 403, 403, 404, 403)),
    "role_delete": ((302, 200, 200, 403, 403, 403, 404, 403), (302, 302, 302, 403, 403, 403, 404, 403)),
    "delegated_group_list": ((302, 200, 403, 403, 403, 403, 200, 403), NO_POST),
    "delegated_group_create": ((302, 200, 403, 403, 403, 403, 200, 403), (302, 422, 403, 403, 403, 403, 422, 403)),
    "delegated_group_edit": ((302, 200, 403, 403, 403, 403, 404, 403), (302, 422, 403, 403, 403, 403, 404, 403)),
    "delegated_group_delete": ((302, 200, 403, 403, 403, 403, 404, 403), (302, 302, 403, 403, 403, 403, 404, 403)),
    "user_list": ((302, 200, 200, 200, 403, 403, 200, 403), NO_POST),
    # Of nobody: it leads back to the list.
    "user_selected": (NO_GET, (302, 302, 302, 403, 403, 403, 302, 403)),
    "user_create": ((302, 200, 200, 403, 403, 403, 200, 403), (302, 422, 422, 403, 403, 403, 422, 403)),
    "user_import": ((302, 200, 200, 403, 403, 403, 200, 403), (302, 422, 422, 403, 403, 403, 422, 403)),
    "user_import_check": (NO_GET, (302, 422, 422, 403, 403, 403, 422, 403)),
    "user_import_template": ((302, 200, 200, 403, 403, 403, 200, 403), NO_POST),
    "user_detail": ((302, 200, 200, 200, 403, 403, 404, 403), NO_POST),
    "user_who_can_log_in": ((302, 200, 200, 200, 403, 403, 404, 403), NO_POST),
    "login_access_grants": ((302, 200, 200, 200, 403, 403, 200, 403), NO_POST),
    "login_history": ((302, 200, 200, 403, 403, 403, 200, 403), NO_POST),
    # Downloads: whoever reads the list, and never inside.
    "audit_trail_download": (NO_GET_INSIDE, (302, 200, 200, 200, 403, 403, 200, 403)),
    "login_access_grants_download": (NO_GET_INSIDE, (302, 200, 200, 200, 403, 403, 200, 403)),
    "login_history_download": (NO_GET_INSIDE, (302, 200, 200, 403, 403, 403, 200, 403)),
    "impersonations_download": (NO_GET_INSIDE, (302, 200, 200, 403, 403, 403, 200, 403)),
    # Where any-user login is on, nobody has anything to ask.
    "user_ask_for_access": ((302, 403, 403, 403, 403, 403, 404, 403), (302, 403, 403, 403, 403, 403, 404, 403)),
    "user_summary": ((302, 200, 200, 200, 403, 403, 404, 403), NO_POST),
    "user_edit": ((302, 200, 200, 403, 403, 403, 404, 403), (302, 422, 422, 403, 403, 403, 404, 403)),
    "user_reset_password": (NO_GET, MANAGES_USERS),
    "user_unlock": (NO_GET, MANAGES_USERS),
    "user_freeze": (NO_GET, MANAGES_USERS),
    "user_unfreeze": (NO_GET, MANAGES_USERS),
    "user_activate": (NO_GET, MANAGES_USERS),
    "user_deactivate": ((302, 200, 200, 403, 403, 403, 404, 403), MANAGES_USERS),
    "user_end_sessions": (NO_GET, MANAGES_USERS),
    # A form where the policy asks something before it; here it asks nothing.
    "user_login_as": ((302, 405, 403, 403, 403, 403, 404, 403), (302, 302, 403, 403, 403, 403, 404, 403)),
    # Where there is nothing to step up it leads on.
    "visit_step_up": ((302,) * 8, (302,) * 8),
    # As a plain form it leads back.
    "session_stay": (NO_GET, (302,) * 8),
}

CONSOLE_PAGES = (
    "admin:index",
    "admin:accounts_user_change",
    "admin:accounts_user_changelist",
    "admin:orgs_activationrequest_answer",
    "admin:orgs_activationrequest_change",
    "admin:orgs_activationrequest_changelist",
    "admin:orgs_organization_account_executive",
    "admin:orgs_organization_add",
    "admin:orgs_organization_change",
    "admin:orgs_organization_changelist",
    "admin:orgs_organization_deprovision",
    "admin:orgs_organization_edition",
    "admin:orgs_organization_provision",
)
ACCESS |= dict.fromkeys(CONSOLE_PAGES, (CONSOLE, CONSOLE)) | {
    "admin:login": ((302,) * 8, (302,) * 8),
    "admin:logout": ((302, *(200,) * 7), (302,) * 8),
}

# Reached without signing in. Starting a log-in-as is: the second half of a double click comes with a key that is gone.
OPEN = {
    "account_confirm_email",
    "account_confirm_email_done",
    "account_inactive",
    "account_login",
    "account_login_elsewhere",
    "account_logout",
    "account_reset_password",
    "account_reset_password_done",
    "account_reset_password_from_key",
    "account_reset_password_from_key_done",
    "admin:login",
    "admin:logout",
    "healthz",
    "logout",
    "metrics",
    "readyz",
    "user_login_as",
}

# Not while logged in as someone, whatever that person may do.
REFUSED_INSIDE = {
    "access_request_answer",
    "login_access",
    "user_ask_for_access",
    "account_change_password",
    "account_confirm_email",
    "account_login",
    "account_reauthenticate",
    "account_reset_password",
    "account_reset_password_from_key",
    "audit_trail_download",
    "impersonations_download",
    "login_access_grants_download",
    "login_history_download",
    "settings_personal",
    "settings_session_end",
    "settings_sessions_end_others",
    "visit_end",
    *CONSOLE_PAGES,
}


# Not inside a visit by a delegate or a support agent, whatever the target may do.
REFUSED_TO_GUESTS = {
    "delegated_group_create",
    "delegated_group_delete",
    "delegated_group_edit",
    "profile_create",
    "profile_delete",
    "profile_edit",
    "role_create",
    "role_delete",
    "role_edit",
    "role_move",
    "user_create",
    "user_import",
    "user_import_check",
}

# The acts that a read-only visit takes.
ALLOWED_READ_ONLY = {
    "account_logout",
    "admin:logout",
    "logout",
    "session_stay",
    "visit_step_up",
}


def test_every_url_has_a_name_of_its_own_and_a_row() -> None:
    names = [route.name for route in routes()]

    assert sorted(names) == sorted(ACCESS)


def test_whatever_is_not_marked_open_asks_one_to_sign_in() -> None:
    assert {name for name, route in ROUTES.items() if not getattr(route.view, "login_required", True)} == OPEN


def test_what_is_refused_inside_is_marked_so() -> None:
    assert marked("refused_inside") == REFUSED_INSIDE


def test_what_is_refused_to_guests_is_marked_so() -> None:
    assert marked("refused_to_guests") == REFUSED_TO_GUESTS


def test_what_a_read_only_visit_takes_is_marked_so() -> None:
    assert marked("allowed_read_only") == ALLOWED_READ_ONLY


def marked(mark: str) -> set[str]:
    """Return the names of the URLs whose view carries a mark."""
    return {name for name, route in ROUTES.items() if getattr(route.view, mark, False)}


# --- the cast ----------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _nobody_has_tried_before() -> None:
    cache.clear()


@pytest.fixture
def linus(make: "Make") -> User:
    """Someone to do things to, whom none of the people here is."""
    return make("Linus", "Pauling")


@pytest.fixture
def gina(db: None) -> User:
    """An administrator of another organization, in which any-user login is on."""
    globex = OrganizationFactory.create(name="Globex", policy__any_user_login=True)
    profile = ProfileFactory.create(organization=globex, permissions=tuple(Permission))
    return UserFactory.create(organization=globex, profile=profile, first_name="Gina", last_name="Torres")


@pytest.fixture
def clients(
    any_user_login: "Organization",
    ada: User,
    hedy: User,
    audrey: User,
    grace: User,
    margaret: User,
    gina: User,
    browser: "NewBrowser",
) -> "dict[str, PortalClient]":
    """A browser for each kind of person."""
    made = {name: browser() for name in PEOPLE}
    for name, person in zip(PEOPLE[1:7], (ada, hedy, audrey, grace, margaret, gina), strict=True):
        made[name].force_login(person)
    made["ada as grace"].login_as(grace, actor=ada)
    return made


@pytest.fixture
def parameters(clients: "dict[str, PortalClient]", acme: "Organization", grace: User, linus: User) -> dict[str, Any]:
    """What stands in the addresses: rows of Acme. The visit is the one that goes on in Grace's account."""
    return {
        # The console's: whatever they are, these people get no answer about them.
        "organization_id": acme.pk,
        "activation_id": 1,
        "person_id": linus.pk,
        "user_id": linus.pk,
        "group_id": DelegatedGroupFactory.create(organization=acme).pk,
        "profile_id": ProfileFactory.create(organization=acme).pk,
        "role_id": RoleFactory.create(organization=acme).pk,
        "event_id": record(AuditAction.USER_FROZEN, origin=Origin(), organization=acme, about=linus).pk,
        "visit_id": grace.impersonations_of.get().pk,
        "request_id": AccessRequestFactory.create(user=grace).pk,
        "public_id": session_of(linus).public_id,
        "uidb36": "x",
        "key": "y",
        "token": "z",
    }


def session_of(user: User) -> Session:
    """Make a session of someone's that goes on."""
    now = timezone.now()
    session: Session = Session.objects.create(
        user=user, organization=user.organization, created_at=now, last_active_at=now
    )
    return session


def status(client: "PortalClient", method: str, address: str) -> int:
    """Return what is answered, and take back what it did."""
    cookies = deepcopy(client.cookies)
    with transaction.atomic():
        answer: HttpResponse = client.generic(method, address)  # type: ignore[assignment]
        transaction.set_rollback(True)
    client.cookies = cookies
    return answer.status_code


# --- every URL, every person -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ACCESS)
def test_access(name: str, clients: "dict[str, PortalClient]", parameters: dict[str, Any]) -> None:
    address = ROUTES[name].to(**parameters)

    got, headed, posted = (
        {who: status(client, method, address) for who, client in clients.items()} for method in ("GET", "HEAD", "POST")
    )

    to_get, to_post = (dict(zip(PEOPLE, row, strict=True)) for row in ACCESS[name])
    assert got == to_get
    assert headed == to_get
    assert posted == to_post


@pytest.mark.parametrize("name", sorted(ACCESS.keys() - OPEN))
def test_anonymous_is_sent_to_sign_in_and_then_back(
    name: str, anonymous: "PortalClient", parameters: dict[str, Any]
) -> None:
    address = ROUTES[name].to(**parameters)

    assert anonymous.get(address).headers["Location"] == f"/login/?next={address}"


@pytest.mark.parametrize("name", sorted(REFUSED_INSIDE))
def test_what_is_refused_inside_says_so_on_a_page_with_the_banner(
    name: str, clients: "dict[str, PortalClient]", parameters: dict[str, Any]
) -> None:
    page = clients["ada as grace"].post(ROUTES[name].to(**parameters))

    assert page.status_code == 403
    words = page.content.decode()
    assert "This is not available while you are logged in as Grace Hopper. Log out as Grace Hopper first." in words
    assert "Log out as Grace Hopper</button>" in words


# --- inside an administrator's account ---------------------------------------------------------------------------

# By an administrator; by a support agent, who is none of this organization's; and by the administrator, read-only.
INSIDE_AS_ALAN = ("ada as alan", "sam as alan", "ada as alan, read-only")

NEVER_INSIDE: tuple[tuple[int, ...], tuple[int, ...]] = ((403, 403, 403), (403, 403, 403))
PAGE_INSIDE = ((200, 200, 200), (405, 405, 403))
ACT_INSIDE = ((405, 405, 405), (302, 302, 403))
LEAVE = ((200, 200, 200), (302, 302, 302))
NOT_FOR_GUESTS = ((200, 403, 200), (422, 403, 403))

# By name: what GET and what POST is answered. A plain user's account is a column of the table above.
INSIDE: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = dict.fromkeys(CONSOLE_PAGES, NEVER_INSIDE) | {
    "healthz": PAGE_INSIDE,
    "readyz": PAGE_INSIDE,
    "metrics": ((404,) * 3, (405, 405, 403)),
    "account_login": NEVER_INSIDE,
    "account_login_elsewhere": ((302, 302, 302), (302, 302, 403)),
    "admin:login": ((302, 302, 302), (302, 302, 403)),
    "logout": LEAVE,
    "account_logout": LEAVE,
    "admin:logout": LEAVE,
    "account_inactive": PAGE_INSIDE,
    "account_change_password": NEVER_INSIDE,
    "account_reauthenticate": NEVER_INSIDE,
    "account_reset_password": NEVER_INSIDE,
    "account_reset_password_done": PAGE_INSIDE,
    "account_reset_password_from_key": NEVER_INSIDE,
    "account_reset_password_from_key_done": PAGE_INSIDE,
    "account_confirm_email": NEVER_INSIDE,
    "account_confirm_email_done": PAGE_INSIDE,
    "home": PAGE_INSIDE,
    "login_access": NEVER_INSIDE,
    "settings": PAGE_INSIDE,
    "settings_who_can_log_in": PAGE_INSIDE,
    "settings_login_history": PAGE_INSIDE,
    "settings_personal": NEVER_INSIDE,
    "settings_sessions": PAGE_INSIDE,
    "settings_session_end": NEVER_INSIDE,
    "settings_sessions_end_others": NEVER_INSIDE,
    "access_request_answer": NEVER_INSIDE,
    "visit_end": NEVER_INSIDE,
    "audit_trail_download": NEVER_INSIDE,
    "impersonations_download": NEVER_INSIDE,
    "login_access_grants_download": NEVER_INSIDE,
    "login_history_download": NEVER_INSIDE,
    "visit_step_up": ((302, 302, 200), (302, 302, 422)),
    "session_stay": ((405, 405, 405), (302, 302, 302)),
    "setup_home": PAGE_INSIDE,
    # A guest reads it.
    "login_access_policies": ((200, 200, 200), (422, 403, 403)),
    "session_settings": ((200, 200, 200), (422, 403, 403)),
    "company": PAGE_INSIDE,
    "company_edit": ((200, 200, 200), (422, 422, 403)),
    # A guest reads it; and it is provisioned.
    "activation_request": ((200, 200, 200), (403, 403, 403)),
    "audit_trail": PAGE_INSIDE,
    "audit_event": PAGE_INSIDE,
    "session_list": PAGE_INSIDE,
    "session_remove": ACT_INSIDE,
    "impersonation_list": PAGE_INSIDE,
    "impersonation_detail": PAGE_INSIDE,
    "profile_list": PAGE_INSIDE,
    "profile_detail": PAGE_INSIDE,
    "profile_create": ((200, 403, 200), (422, 403, 403)),
    "profile_edit": ((200, 403, 200), (422, 403, 403)),
    "profile_delete": ((200, 403, 200), (302, 403, 403)),
    "role_list": PAGE_INSIDE,
    "role_create": NOT_FOR_GUESTS,
    "role_edit": NOT_FOR_GUESTS,
    "role_move": ((405, 403, 405), (302, 403, 403)),
    "role_delete": ((200, 403, 200), (302, 403, 403)),
    "delegated_group_list": PAGE_INSIDE,
    "delegated_group_create": NOT_FOR_GUESTS,
    "delegated_group_edit": NOT_FOR_GUESTS,
    "delegated_group_delete": ((200, 403, 200), (302, 403, 403)),
    "login_access_grants": PAGE_INSIDE,
    "login_history": PAGE_INSIDE,
    "user_list": PAGE_INSIDE,
    "user_selected": ACT_INSIDE,
    "user_create": NOT_FOR_GUESTS,
    "user_import": ((200, 403, 200), (422, 403, 403)),
    "user_import_check": ((405, 403, 405), (422, 403, 403)),
    # The same for everyone.
    "user_import_template": PAGE_INSIDE,
    "user_detail": PAGE_INSIDE,
    "user_who_can_log_in": PAGE_INSIDE,
    "user_ask_for_access": NEVER_INSIDE,
    "user_summary": PAGE_INSIDE,
    # A guest changes names and no more (accounts/services/users refuses the rest).
    "user_edit": ((200, 200, 200), (422, 422, 403)),
    "user_reset_password": ((405, 405, 405), (302, 403, 403)),
    "user_unlock": ACT_INSIDE,
    "user_freeze": ACT_INSIDE,
    "user_unfreeze": ACT_INSIDE,
    "user_activate": ACT_INSIDE,
    "user_deactivate": ((200, 200, 200), (302, 302, 403)),
    "user_end_sessions": ACT_INSIDE,
    "user_login_as": NEVER_INSIDE,
}


@pytest.fixture
def inside(parameters: dict[str, Any], ada: User, alan: User, browser: "NewBrowser") -> "dict[str, PortalClient]":
    """A browser for each kind of visit in Alan's account."""
    house = OrganizationFactory.create(name="Portal Support", kind=OrganizationKind.OPERATOR)
    sam = UserFactory.create(organization=house, operator_role="support", first_name="Sam", last_name="Shore")
    LoginAccessGrantFactory.create(user=alan, support_organization=house)
    made = {name: browser() for name in INSIDE_AS_ALAN}
    for name, actor in zip(INSIDE_AS_ALAN, (ada, sam, ada), strict=True):
        visit = made[name].login_as(alan, actor=actor)
        if name.endswith("read-only"):
            Impersonation.objects.filter(pk=visit.pk).update(access=Access.READ_ONLY)
    return made


def test_every_url_has_a_row_for_inside() -> None:
    assert sorted(INSIDE) == sorted(ACCESS)


@pytest.mark.parametrize("name", ACCESS)
def test_inside(name: str, inside: "dict[str, PortalClient]", parameters: dict[str, Any]) -> None:
    address = ROUTES[name].to(**parameters)

    got, posted = (
        {who: status(client, method, address) for who, client in inside.items()} for method in ("GET", "POST")
    )

    to_get, to_post = (dict(zip(INSIDE_AS_ALAN, row, strict=True)) for row in INSIDE[name])
    assert got == to_get
    assert posted == to_post


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "PROPFIND"])
def test_read_only_visit_refuses_every_other_unsafe_method_too(
    method: str, inside: "dict[str, PortalClient]", parameters: dict[str, Any]
) -> None:
    client, names = inside["ada as alan, read-only"], ACCESS.keys() - ALLOWED_READ_ONLY

    answers = {name: status(client, method, ROUTES[name].to(**parameters)) for name in names}

    assert answers == dict.fromkeys(names, 403)


def everything_stored() -> dict[str, list[dict[str, Any]]]:
    """Return every row of every table. When someone was last active may change, and refusals inside are listed."""
    rows = {model.__name__: list(model._default_manager.order_by("pk").values()) for model in apps.get_models()}
    for row in rows["Session"]:
        del row["last_active_at"]
    del rows["ImpersonationActivity"]
    return rows


def test_no_page_writes(inside: "dict[str, PortalClient]", parameters: dict[str, Any]) -> None:
    before = everything_stored()
    wrote = []
    for name, route in ROUTES.items():
        for who, client in inside.items():
            for headers in ({}, {"HX-Request": "true"}):
                with captured_queries() as queries:
                    client.get(route.to(**parameters), headers=headers)
                # To read everything after each of a thousand requests takes half a minute.
                is_written = not all(query.startswith("SELECT") for query in queries)
                if is_written and (now := everything_stored()) != before:
                    wrote.append((name, who))
                    before = now

    assert wrote == []


# Inside an administrator's account: what POST is answered about that account, and about the person at the keyboard.
ON_THE_WORN: dict[str, tuple[int, int]] = {
    "user_activate": (302, 302),
    "user_ask_for_access": (403, 403),
    "user_deactivate": (403, 403),
    "user_edit": (422, 422),
    "user_end_sessions": (403, 302),
    "user_freeze": (403, 403),
    "user_login_as": (403, 403),
    "user_reset_password": (403, 302),
    "user_unfreeze": (302, 302),
    "user_unlock": (302, 302),
}


def test_every_act_on_a_user_has_a_row_for_the_account_that_is_worn() -> None:
    acts = {name for name, route in ROUTES.items() if "<id:user_id>" in route.path and ACCESS[name][1] != NO_POST}

    assert set(ON_THE_WORN) == acts


@pytest.mark.parametrize("name", ON_THE_WORN)
def test_what_is_done_inside_to_the_worn_account(
    name: str, clients: "dict[str, PortalClient]", ada: User, alan: User
) -> None:
    inside = clients["ada"]
    inside.login_as(alan)

    answers = tuple(status(inside, "POST", ROUTES[name].to(user_id=person.pk)) for person in (alan, ada))

    assert answers == ON_THE_WORN[name]


@pytest.mark.parametrize("changed", [{"email": "else@acme.example"}, {"username": "else@acme.example"}])
def test_worn_accounts_addresses_are_not_changed_from_inside(
    changed: dict[str, str], clients: "dict[str, PortalClient]", hedy: User, linus: User
) -> None:
    inside = clients["ada"]
    inside.login_as(hedy)

    def save(person: User) -> int:
        names = ("username", "email", "first_name", "last_name", "alias")
        fields = {name: getattr(person, name) for name in names} | {"profile": person.profile_id} | changed
        return inside.post(ROUTES["user_edit"].to(user_id=person.pk), fields).status_code

    assert (save(hedy), save(linus)) == (403, 302)
    before = (hedy.username, hedy.email)
    hedy.refresh_from_db()
    assert (hedy.username, hedy.email) == before


# --- ids ---------------------------------------------------------------------------------------------------------

ODD_IDS = ("0", "999999999", "-1", str(10**18 - 1), str(10**30), "abc", "1.0", "1e3", "0x1", "१", "%00", "..", "1%20")
WITH_ID = sorted(name for name, route in ROUTES.items() if "<id:" in route.path and name not in CONSOLE_PAGES)

# What she has no permission for is refused her whichever row it is.
NOT_HEDYS = REFUSED_INSIDE | {name for name, row in ACCESS.items() if row[0][PEOPLE.index("hedy")] == 403}


def main_of(answer: Any) -> str:  # noqa: ANN401  # as Django's test client returns it
    """Return a page's body, banner and frame aside."""
    found = re.search(r"<main.*</main>", answer.content.decode(), re.DOTALL)
    assert found
    return found[0]


@pytest.fixture
def foreign(gina: User, browser: "NewBrowser") -> dict[str, int]:
    """The ids of rows that are another organization's."""
    gus = UserFactory.create(
        organization=gina.organization, profile=ProfileFactory.create(organization=gina.organization)
    )
    return {
        "user_id": gus.pk,
        "group_id": DelegatedGroupFactory.create(organization=gina.organization).pk,
        "profile_id": gus.profile_id,
        "role_id": RoleFactory.create(organization=gina.organization).pk,
        "event_id": record(AuditAction.USER_FROZEN, origin=Origin(), organization=gina.organization, about=gus).pk,
        "visit_id": browser().login_as(gus, actor=gina).pk,
        "request_id": AccessRequestFactory.create(user=gus).pk,
    }


@pytest.mark.parametrize(
    ("who", "name"),
    [("ada", name) for name in WITH_ID] + [("ada as hedy", name) for name in WITH_ID if name not in NOT_HEDYS],
)
def test_unknown_foreign_and_odd_ids_are_the_same_404(
    name: str, who: str, clients: "dict[str, PortalClient]", hedy: User, foreign: dict[str, int]
) -> None:
    route, client = ROUTES[name], clients["ada"]
    (parameter,) = re.findall(r"<id:(\w+)>", route.path)
    if who == "ada as hedy":
        client.login_as(hedy)
    methods = [method for method, row in zip(("GET", "POST"), ACCESS[name], strict=True) if row[1] != 405]

    nowhere = client.get("/nowhere/")
    answers = {
        (method, value): client.generic(method, route.to(**{parameter: value}))
        for method in methods
        for value in (*ODD_IDS, foreign[parameter])
    }

    assert {asked: answer.status_code for asked, answer in answers.items()} == dict.fromkeys(answers, 404)
    assert {main_of(answer) for answer in answers.values()} == {main_of(nowhere)}
