"""Every page of the portal by its URL's name, and how one comes to it in the furnished demo.

The browser looks at each (test_accessibility.py), the crawl has to find a way to each (tests/portal/test_crawl.py), and
``make screenshots`` shows each. A page that is in neither table here fails (test_pages.py).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from accounts.enums import Access
from accounts.models import DelegatedGroup, Impersonation, Login, Profile, Role, Session, User
from accounts.services.demo import seed_demo
from accounts.services.demo.history import save_policy
from accounts.testing import PortalClient
from orgs.audit import AuditAction
from orgs.models import ActivationRequest, AuditEvent, Organization
from tests.factories import AccessRequestFactory, ActivationRequestFactory, RoleFactory

if TYPE_CHECKING:
    from collections.abc import Mapping

ADA, ALAN, GRACE, HEDY = "ada@acme.example", "alan@acme.example", "grace@acme.example", "hedy@acme.example"
NOBODY = ""
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"


def furnish() -> None:
    """Make the demo, with something going on in it: Acme's any-user login on, a visit, requests that wait."""
    seed_demo()
    save_policy(person(ADA), at=timezone.now(), any_user_login=True)
    PortalClient().login_as(person(GRACE), actor=person(ADA))
    RoleFactory.create(organization=person(ADA).organization, name="Interns")
    ActivationRequestFactory.create(requested_by=person("uma@umbrella.example"))
    AccessRequestFactory.create(user=person("sol@soylent.example"), requester=person("sue@soylent.example"))


def person(username: str) -> User:
    found: User = User.objects.get(username=username)
    return found


def open_as(who: str, worn: str = "", *, read_only: bool = False) -> PortalClient:
    """Return a browser in which ``who`` is signed in, or logged in as ``worn``; as nobody it holds no cookie."""
    client = PortalClient()
    if worn:
        visit = client.login_as(person(worn), actor=person(who))
        if read_only:
            Impersonation.objects.filter(pk=visit.pk).update(access=Access.READ_ONLY)
    elif who:
        client.force_login(person(who))
    for model in (Session, Login):
        model.objects.filter(agent="").update(agent=FIREFOX, address="198.51.100.7")
    return client


Parameters = Callable[[], "Mapping[str, object]"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page, who opens it, and what stands in its address."""

    name: str
    who: str = ADA
    # The account in which an administrator opens it inside a visit; "" where that is refused.
    worn: str = ""
    # Only there, and only where the visit is read-only.
    read_only: bool = False
    about: Parameters = dict
    # Which of several looks of one page this is.
    state: str = ""
    query: str = ""
    status: int = 200
    # What leads there, where no link does.
    way: str = ""

    @property
    def label(self) -> str:
        """Return what it is called in failures, and its picture's name."""
        return "-".join([self.name.replace(":", "-"), *self.state.split()])

    @property
    def address(self) -> str:
        """Return where it is, in the database of now."""
        path = reverse(self.name, kwargs=dict(self.about()))
        return f"{path}?{self.query}" if self.query else path

    @property
    def ways(self) -> tuple[bool, ...]:
        """Return whether it is opened outside a visit, inside one, or both."""
        return (*[False] * (not self.read_only), *[True] * bool(self.worn))

    def opened_by(self, *, inside: bool) -> tuple[str, str, bool]:
        """Return who opens it, whose account they wear, and whether their visit is read-only."""
        # Whoever wears an account here is Acme's administrator.
        return (ADA, self.worn, self.read_only) if inside else (self.who, NOBODY, False)

    def browser(self, *, inside: bool) -> PortalClient:
        """Return a browser in which it can be opened."""
        who, worn, read_only = self.opened_by(inside=inside)
        return open_as(who, worn, read_only=read_only)


def key_of(client: PortalClient) -> str:
    """Return the session key of a browser; of nobody's, nothing."""
    cookie = client.cookies.get(settings.SESSION_COOKIE_NAME)
    return cookie.value if cookie else ""


class Keys:
    """The session keys that pages are opened with; each person signs in once."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str, bool], str] = {}

    def to(self, page: Page, *, inside: bool) -> str:
        """Return a key with which ``page`` can be opened."""
        by = page.opened_by(inside=inside)
        if by not in self._made:
            self._made[by] = key_of(page.browser(inside=inside))
        return self._made[by]


# --- what stands in addresses ------------------------------------------------------------------------------------


def user(username: str) -> Parameters:
    return lambda: {"user_id": person(username).pk}


def console_person(username: str) -> Parameters:
    return lambda: {"person_id": person(username).pk}


def organization(name: str) -> Parameters:
    return lambda: {"organization_id": Organization.objects.get(name=name).pk}


def role(name: str) -> Parameters:
    return lambda: {"role_id": Role.objects.get(organization__name="Acme", name=name).pk}


def profile(name: str) -> Parameters:
    return lambda: {"profile_id": Profile.objects.get(organization__name="Acme", name=name).pk}


def group() -> "Mapping[str, object]":
    return {"group_id": DelegatedGroup.objects.get(organization__name="Acme").pk}


def event() -> "Mapping[str, object]":
    """Return the newest change of Acme's policy: it has a before and an after."""
    changes = AuditEvent.objects.filter(organization__name="Acme", action=AuditAction.POLICY_CHANGED)
    return {"event_id": changes.latest("id").pk}


def visit() -> "Mapping[str, object]":
    """Return the visit in Hedy's account, in which something was done and something refused."""
    return {"visit_id": Impersonation.objects.filter(target__username=HEDY).earliest("started_at").pk}


def activation() -> "Mapping[str, object]":
    return {"activation_id": ActivationRequest.objects.get().pk}


# --- the pages ---------------------------------------------------------------------------------------------------

setup = partial(Page, worn=ALAN)
own = partial(Page, who=GRACE, worn=GRACE)
alone = partial(Page, who=NOBODY)
support = partial(Page, who="sam@support.example")
sales = partial(Page, who="sally@support.example")

AFTER_POST = "after its form"
BY_MAIL = "a link in a mail"

# One line for each page; a page that looks quite different at times has one for each look.
PAGES: tuple[Page, ...] = (
    # Signing in, passwords
    alone(name="account_login"),
    alone(name="account_login", state="after a visit", query="ended=logged_out"),
    alone(name="account_reset_password"),
    alone(name="account_reset_password_done", way=AFTER_POST),
    alone(name="account_reset_password_from_key", about=lambda: {"uidb36": "x", "key": "y"}, way=BY_MAIL),
    alone(name="account_reset_password_from_key_done", way=AFTER_POST),
    alone(name="account_confirm_email", about=lambda: {"token": "x"}, status=410, way=BY_MAIL),
    alone(name="account_confirm_email_done", way=AFTER_POST),
    alone(name="account_inactive", way="signing in where allauth finds an inactive account"),
    Page(name="account_change_password", who=GRACE),
    Page(name="account_reauthenticate", who=GRACE, way="a start that asks for the password again"),
    own(name="logout", way="an address typed by hand"),
    # One's own
    own(name="home"),
    Page(name="home", state="administrator", worn=ALAN),
    Page(name="home", state="asked for access", who="sol@soylent.example"),
    Page(name="home", state="external", who="margaret@acme.example"),
    own(name="settings"),
    Page(name="settings_personal", who=GRACE),
    own(name="settings_who_can_log_in"),
    own(name="settings_login_history"),
    own(name="settings_sessions"),
    Page(name="login_access", who="linus@acme.example"),
    # Setup
    setup(name="setup_home"),
    setup(name="setup_home", state="found", query="q=login"),
    setup(name="setup_home", state="nothing found", query="q=zebra"),
    setup(name="login_access_policies"),
    Page(name="login_access_policies", state="not eligible", who="gina@globex.example"),
    Page(name="login_access_policies", state="not provisioned", who="ivan@initech.example"),
    setup(name="session_settings"),
    setup(name="company"),
    Page(name="company", state="requested", who="uma@umbrella.example"),
    setup(name="company_edit"),
    Page(name="activation_request", who="ivan@initech.example"),
    setup(name="audit_trail"),
    setup(
        name="audit_trail",
        state="narrowed wrongly",
        query="person=a&section=x&start=2026-11-22&end=2026-11-21",
    ),
    setup(name="audit_event", about=event),
    setup(name="session_list"),
    setup(name="impersonation_list"),
    setup(name="impersonation_detail", about=visit),
    setup(name="profile_list"),
    setup(name="profile_list", state="nothing found", query="name=zebra"),
    Page(name="profile_list", state="of a reader", who="audrey@acme.example"),
    setup(name="profile_create"),
    setup(name="profile_detail", about=profile("Auditor")),
    setup(name="profile_detail", state="standard", about=profile("System Administrator")),
    setup(name="profile_detail", state="external", about=profile("External User")),
    setup(name="profile_edit", about=profile("Auditor")),
    Page(name="profile_edit", state="without modify all data", who=HEDY, about=profile("Auditor")),
    setup(name="profile_delete", about=profile("Auditor")),
    setup(name="role_list"),
    setup(name="role_create"),
    setup(name="role_edit", about=role("Sales Manager")),
    setup(name="role_delete", about=role("Interns")),
    setup(name="delegated_group_list"),
    setup(name="delegated_group_create"),
    setup(name="delegated_group_edit", about=group),
    setup(name="delegated_group_delete", about=group),
    setup(name="login_access_grants"),
    setup(name="login_history"),
    setup(
        name="login_history",
        state="narrowed wrongly",
        query="person=e&start=x&end=2020-01-01&status=locked",
    ),
    setup(name="user_list"),
    setup(name="user_list", state="nobody", query="q=zebra"),
    Page(name="user_list", state="refused to all", who="gina@globex.example"),
    Page(name="user_list", state="of a delegate", who="barbara@acme.example"),
    setup(name="user_create"),
    setup(name="user_import"),
    setup(name="user_detail", about=user(GRACE)),
    setup(name="user_detail", state="refused", about=user("katherine@acme.example")),
    setup(name="user_summary", about=user(GRACE)),
    setup(name="user_edit", about=user(GRACE)),
    setup(name="user_deactivate", about=user(GRACE)),
    setup(name="user_who_can_log_in", about=user(GRACE)),
    Page(name="user_ask_for_access", who="sol@soylent.example", about=user("sue@soylent.example")),
    Page(name="user_login_as", who="sol@soylent.example", about=user("stan@soylent.example"), way="Login in the list"),
    Page(name="visit_step_up", worn=ALAN, read_only=True),
    # The operator console
    support(name="admin:index"),
    support(name="admin:orgs_organization_changelist"),
    support(name="admin:orgs_organization_change", about=organization("Acme")),
    support(name="admin:orgs_activationrequest_changelist"),
    support(name="admin:orgs_activationrequest_change", about=activation),
    support(name="admin:orgs_activationrequest_answer", about=activation),
    support(name="admin:accounts_user_changelist"),
    support(name="admin:accounts_user_change", about=console_person("joan@acme.example")),
    sales(name="admin:orgs_organization_changelist", state="of sales"),
    sales(name="admin:orgs_organization_add"),
    sales(name="admin:orgs_organization_edition", about=organization("Globex")),
    sales(name="admin:orgs_organization_provision", about=organization("Initech")),
    sales(name="admin:orgs_organization_deprovision", about=organization("Hooli")),
    sales(name="admin:orgs_organization_account_executive", about=organization("Globex")),
)

POST_ONLY = "answers POST alone"
DOWNLOAD = "a file, asked for by POST"
PROBE = "plain text, for a machine"
LEADS_ON = "leads on to another page"

# What has a URL and is no page, with the reason.
NO_PAGES: dict[str, str] = {
    "healthz": PROBE,
    "readyz": PROBE,
    "metrics": PROBE,
    "account_login_elsewhere": LEADS_ON,
    "admin:login": LEADS_ON,
    "account_logout": "the same as logout",
    "admin:logout": "the same as logout",
    "settings_session_end": POST_ONLY,
    "settings_sessions_end_others": POST_ONLY,
    "access_request_answer": POST_ONLY,
    "visit_end": POST_ONLY,
    "session_stay": POST_ONLY,
    "session_remove": POST_ONLY,
    "role_move": POST_ONLY,
    "user_selected": "the preview of an act on those who were ticked (test_users_selected.py looks at it)",
    "user_import_check": POST_ONLY,
    "user_import_template": "a file, the same for everyone",
    "user_reset_password": POST_ONLY,
    "user_unlock": POST_ONLY,
    "user_freeze": POST_ONLY,
    "user_unfreeze": POST_ONLY,
    "user_activate": POST_ONLY,
    "user_end_sessions": POST_ONLY,
    "audit_trail_download": DOWNLOAD,
    "impersonations_download": DOWNLOAD,
    "login_access_grants_download": DOWNLOAD,
    "login_history_download": DOWNLOAD,
}
