"""The Setup tree: one entry per page, the permission that opens it, and its words for Quick Find."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Protocol

from django.urls import reverse

from accounts.services.guards import sees_users
from orgs.permissions import Permission
from orgs.text import counted

QUERY_LENGTH = 100


class Person(Protocol):
    """What the menu asks of a user."""

    def has_permission(self, permission: Permission, /) -> bool: ...


@dataclass(frozen=True, slots=True)
class SetupPage:
    """A page of Setup. ``words`` are what else people call it; Quick Find looks there too."""

    label: str
    group: str
    url_name: str
    permission: Permission
    words: str
    description: str
    # Where not that permission alone opens it: the answer that the page's own gate asks for, of a user.
    opens_to: Callable[[Any], bool] | None = None

    def is_open_to(self, person: Person) -> bool:
        """Tell whether ``person`` may open it."""
        return person.has_permission(self.permission) if self.opens_to is None else self.opens_to(person)

    def matches(self, query: str) -> bool:
        """Tell whether each typed word begins a word of this page, so that "login acc" finds Login Access Policies."""
        words = f"{self.label} {self.group} {self.words}".casefold().split()
        return all(any(word.startswith(typed) for word in words) for typed in query.casefold().split())


@dataclass(frozen=True, slots=True)
class SetupLink:
    """A Setup page as it is linked from where one is."""

    label: str
    url: str
    description: str
    current: str  # the value of aria-current: "page", "true" on a page below it, or nothing

    @property
    def active(self) -> bool:
        """Whether one is on this page or below it."""
        return bool(self.current)


@dataclass(frozen=True, slots=True)
class SetupGroup:
    """The Setup pages that stand under one heading."""

    label: str
    pages: tuple[SetupLink, ...]


# In the order that is shown; pages of one group stand together.
SETUP_PAGES = (
    SetupPage(
        "Users",
        "Users",
        "user_list",
        Permission.VIEW_ALL_USERS,
        "people accounts log in as freeze deactivate reset password unlock import csv upload new create invite edit "
        "columns",
        "See who is here, edit them, and log in as them.",
        opens_to=sees_users,
    ),
    SetupPage(
        "Profiles",
        "Users",
        "profile_list",
        Permission.VIEW_SETUP,
        "permissions rights clone custom standard external what users may do",
        "See what each profile permits, and who has it; clone and change them.",
    ),
    SetupPage(
        "Roles",
        "Users",
        "role_list",
        Permission.VIEW_SETUP,
        "role tree hierarchy levels managers",
        "See the tree of roles, and who stands below whom in it.",
    ),
    SetupPage(
        "Login Access Policies",
        "Security",
        "login_access_policies",
        Permission.VIEW_SETUP,
        "administrators can log in as any user impersonate enable support organization reason ticket required time "
        "limit minutes read-only step up protect mail record pages opened",
        "Decide whether administrators can log in as any user.",
    ),
    SetupPage(
        "Login Access Grants",
        "Security",
        "login_access_grants",
        Permission.VIEW_ALL_USERS,
        "who granted access support administrators expire",
        "See who has granted whom login access, and until when.",
    ),
    SetupPage(
        "Session Settings",
        "Security",
        "session_settings",
        Permission.VIEW_SETUP,
        "timeout inactivity idle limit force relogin warning password reset lock address history",
        "Decide how long people stay signed in, and what ends their sessions.",
    ),
    SetupPage(
        "Session Management",
        "Security",
        "session_list",
        Permission.MONITOR_LOGIN_HISTORY,
        "sessions who is signed in now logged in active remove end sign out",
        "See who is signed in now, and who is logged in as whom; end it.",
    ),
    SetupPage(
        "Delegated Administration",
        "Security",
        "delegated_group_list",
        Permission.CUSTOMIZE_APPLICATION,
        "delegated groups delegates administrators roles assignable profiles login access",
        "Let people administer the users of some roles.",
    ),
    SetupPage(
        "Impersonations",
        "Security",
        "impersonation_list",
        Permission.MONITOR_LOGIN_HISTORY,
        "impersonate visits logged in as login-as substitute user what was done inside refused",
        "See who was logged in as whom, and what was done inside.",
    ),
    SetupPage(
        "View Setup Audit Trail",
        "Security",
        "audit_trail",
        Permission.VIEW_SETUP,
        "changes history log events who did what changed download csv export",
        "Read what was changed, by whom, and on whose behalf.",
    ),
    SetupPage(
        "Login History",
        "Identity",
        "login_history",
        Permission.MONITOR_LOGIN_HISTORY,
        "sign ins failed wrong password locked source ip address browser platform",
        "See who signed in, from where, and which sign-ins failed.",
    ),
    SetupPage(
        "Company Information",
        "Company Settings",
        "company",
        Permission.VIEW_SETUP,
        "organization id edition account executive provisioned request activation rename",
        "See the organization's edition, id and Account Executive.",
    ),
)


def clean_query(typed: str) -> str:
    """Return what was typed into Quick Find with its spaces in order, cut to what a label can hold."""
    return " ".join(typed[:QUERY_LENGTH].split())


def found_in_words(pages: int, users: int, *, has_more_users: bool = False) -> str:
    """Return how much Quick Find found: "3 pages and 2 users"; empty for nothing."""
    more = "more than " if has_more_users else ""
    parts = [counted(pages, "page") if pages else "", f"{more}{counted(users, 'user')}" if users else ""]
    return " and ".join(filter(None, parts))


def setup_menu(person: Person, *, path: str = "", query: str = "") -> list[SetupGroup]:
    """Return the groups of Setup pages that ``person`` may open and that match ``query``, seen from ``path``."""
    pages = [page for page in SETUP_PAGES if page.is_open_to(person) and page.matches(query)]
    return [
        SetupGroup(group, tuple(_link(page, path) for page in members))
        for group, members in groupby(pages, key=lambda page: page.group)
    ]


def _link(page: SetupPage, path: str) -> SetupLink:
    url = reverse(page.url_name)
    current = "page" if path == url else "true" if path.startswith(url) else ""
    return SetupLink(label=page.label, url=url, description=page.description, current=current)
