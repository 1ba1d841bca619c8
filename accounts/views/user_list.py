"""The users list: views, letters, search, filters and sorts, every state of it in the address."""

from collections.abc import Container, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from string import ascii_uppercase
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode

from django.db.models import F
from django.http import QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

from accounts.enums import Refusal
from accounts.facts import ListFacts, Reach, reaches_of
from accounts.login_access import HEALED_BY_GRANT, MORE_THAN_DELEGATED_BITS, Facts, Verdict, may_impersonate
from accounts.models import LoginAccessGrant, Profile, Role, User
from accounts.querysets import OTHER
from accounts.services.guards import edits_users, holds, is_acting_delegate, visible_to
from accounts.services.impersonation import help_for
from accounts.services.users import SEVERAL, UserAct, refusal_of, refusal_to_all
from orgs.editions import Feature
from orgs.http import Origin, safe_path
from orgs.paging import keyset_page
from orgs.permissions import Permission

from .gates import for_those_who_see_users
from .user_list_words import COUNTED, SEVERAL_LABELS, Nobody, count_in_words, ignored_in, nobody_in

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse

    from portal.http import PortalRequest

VIEWS = {
    "all": "All",
    "active": "Active",
    "inactive": "Inactive",
    "administrators": "Administrators",
    "external": "External",
    "frozen": "Frozen",
    "granted": "Granted me access",
}
LETTERS = (*ascii_uppercase, OTHER)
SORTS = {
    "name": ("name_key", "Full Name"),
    "alias": ("alias_key", "Alias"),
    "username": ("username", "Username"),
    "last_login": ("last_login_key", "Last Login"),
}
# Reasons that lie in the organization, or in where one is: said once above the list, not in each row.
SHARED_REFUSALS = frozenset({Refusal.NESTED, Refusal.EDITION, Refusal.NOT_PROVISIONED, Refusal.OFF})
COLUMNS = (
    "organization_id",
    "profile_id",
    "role_id",
    "username",
    "first_name",
    "last_name",
    "alias",
    "is_active",
    "is_frozen",
    "last_login",
    *(key for key, _ in SORTS.values()),
)
# Columns that are shown where the address asks for them: their heads, and what is read for them.
MORE_COLUMNS = {
    "email": ("E-mail", "email"),
    "created": ("Created", "created_at"),
    "modified": ("Last Modified", "modified_at"),
}
QUERY_LENGTH = 100
ID_DIGITS = 18


# --- the state that is in the address ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ListState:
    """Which users are asked for, and in which order. What an address says wrong counts as not said."""

    view: str = "all"
    letter: str = ""
    q: str = ""
    profile: int = 0
    role: int = 0
    sort: str = "name"
    # Beside those that are always there, in their order.
    columns: tuple[str, ...] = ()
    cursor: str = ""

    @classmethod
    def read(cls, query: QueryDict) -> "ListState":
        """Return the state that an address asks for."""
        sort = query.get("sort", "")
        letter = query.get("letter", "")
        return cls(
            view=view if (view := query.get("view", "")) in VIEWS else "all",
            letter=letter if letter in LETTERS else "",
            q=clean_text(query.get("q", "")),
            profile=read_id(query.get("profile", "")),
            role=read_id(query.get("role", "")),
            sort=sort if sort.removeprefix("-") in SORTS else "name",
            columns=tuple(name for name in MORE_COLUMNS if name in ",".join(query.getlist("columns")).split(",")),
            cursor=query.get("cursor", ""),
        )

    def known(self, *, profiles: Container[int], roles: Container[int]) -> "ListState":
        """Return the same without a profile or role that is none of these."""
        return replace(
            self,
            profile=self.profile if self.profile in profiles else 0,
            role=self.role if self.role in roles else 0,
        )

    @property
    def is_descending(self) -> bool:
        """Whether the order is turned around."""
        return self.sort.startswith("-")

    @property
    def sort_column(self) -> str:
        """What is sorted by."""
        return self.sort.removeprefix("-")

    @property
    def is_narrowed(self) -> bool:
        """Whether anything but the view leaves someone out."""
        return bool(self.letter or self.q or self.profile or self.role)

    def url(self, *, cursor: str | None = "", **changes: Any) -> str:  # a value of any of the fields
        """Return the address of this state with ``changes``; of its first page, unless a cursor is given."""
        state = replace(self, cursor=cursor or "", **changes)
        asked = {field.name: value for field in fields(state) if (value := getattr(state, field.name)) != field.default}
        if state.columns:
            asked["columns"] = ",".join(state.columns)
        return reverse("user_list") + (f"?{urlencode(asked, safe=',')}" if asked else "")

    def sort_url(self, column: str) -> str:
        """Return where the head of a column leads: sorted by it, turned around if it is already. Newest login first."""
        first = "-last_login" if column == "last_login" else column
        turned = column if self.is_descending else f"-{column}"
        return self.url(sort=turned if column == self.sort_column else first)

    def path_to_come_back(self) -> str:
        """Return the address of this very page, or the nearest that is short enough to be carried along."""
        nearest = (self.url(cursor=self.cursor), self.url())
        return next(filter(None, map(safe_path, nearest)), reverse("user_list"))


def clean_text(typed: str) -> str:
    """Return what was typed without what no name holds (PostgreSQL takes no NUL), cut to what is worth searching."""
    return " ".join("".join(one if one.isprintable() else " " for one in typed[:QUERY_LENGTH]).split())


def read_id(text: str) -> int:
    """Return the id that was sent, or 0 where it is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= ID_DIGITS else 0


# --- the rows ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the list. ``login`` is the rule's own answer."""

    user: User
    may_edit: bool
    login: Verdict

    @property
    def is_shared_refusal(self) -> bool:
        """Whether the reason stands above the list."""
        return self.login.refusal in SHARED_REFUSALS


@require_safe
@for_those_who_see_users
def user_list(request: "HttpRequest") -> "HttpResponse":
    """List the users whom one sees. htmx takes the list alone, while one types."""
    request = cast("PortalRequest", request)
    organization = request.user.organization
    seen = _Seen.of(request.user)
    # Another organization's are unknown here, and what is unknown is not asked for.
    state = ListState.read(request.GET).known(profiles=seen.profiles, roles=seen.roles)
    found = users_in(state, seen)
    page = keyset_page(
        found.only(*COLUMNS, *(MORE_COLUMNS[name][1] for name in state.columns)),
        order=(SORTS[state.sort_column][0], "id"),
        cursor=state.cursor,
        descending=state.is_descending,
    )
    users = seen.related(page.rows)
    facts = Facts.of(organization, organization.login_access_policy, is_impersonating=request.impersonation is not None)
    of_list = ListFacts.of(request.actor, facts, users)
    rows = _rows(request, users, of_list, seen)
    has_login, note = _login_column(request, rows, of_list.shared)
    may_edit = edits_users(request.user)
    acts = _acts(request) if rows else []
    context = {
        "organization": organization,
        "sees_everyone": seen.reaches is None,
        "state": state,
        "ignored": ignored_in(request.GET, state),
        "rows": rows,
        "has_login": has_login,
        "has_acts": has_login or may_edit or bool(acts),
        "may_create": may_edit and not Origin.of(request).is_limited,
        "note": note,
        # On the page of each: from one user it may be something else that stands in the way.
        "may_ask": note is not None and note.refusal in HEALED_BY_GRANT,
        "note_help": help_for(note.refusal) if note is not None and note.refusal else ("", ""),
        "back": (back := state.path_to_come_back()),
        # The plain list is where one comes back to anyway.
        "back_query": f"?{urlencode({'back': back}, safe='/?=,')}" if back != reverse("user_list") else "",
        "profiles": seen.profiles.values(),
        "roles": seen.roles.values(),
        "summary": _summary(found),
        "profiles_url": reverse("profile_list"),
        "profile": seen.profiles.get(state.profile),
        "next_url": state.url(cursor=page.next_cursor) if page.next_cursor else "",
        "previous_url": state.url(cursor=page.previous_cursor) if page.previous_cursor else "",
        **_links(state),
        "acts": acts,
        "columns": [(name, label, name in state.columns) for name, (label, _) in MORE_COLUMNS.items()],
        "empty": None if rows or state.is_narrowed else _nobody(request, state, seen, has_login=has_login),
    }
    is_part = request.headers.get("HX-Target") == "user-list"
    response = render(request, "accounts/user_list_part.html" if is_part else "accounts/user_list.html", context)
    patch_vary_headers(response, ["HX-Request", "HX-Target"])
    if is_part:
        response.headers[_history_header(request, state)] = state.url()
    return response


def _nobody(request: "PortalRequest", state: ListState, seen: "_Seen", *, has_login: bool) -> Nobody:
    return nobody_in(state.view, request.user, reaches=seen.reaches, has_login=has_login)


def _acts(request: "PortalRequest") -> list[tuple[str, str, bool]]:
    """Return what one may do to several users at once: its name, its button, and whether that is a grave one."""
    origin = Origin.of(request)
    acts = {name: act for name, act in SEVERAL.items() if refusal_to_all(act, origin) is None}
    return [(name, SEVERAL_LABELS[act], act is UserAct.DEACTIVATE) for name, act in acts.items()]


def _history_header(request: "PortalRequest", state: ListState) -> str:
    """Return what htmx is told of the address. A search is one step of the browser's history, however it was typed.

    So Back leads from what was found to the list as it was before, not through every letter.
    """
    _, _, query = request.headers.get("HX-Current-URL", "").partition("?")
    before = ListState.read(QueryDict(query.partition("#")[0]))
    goes_on = bool(before.q) and replace(before, q=state.q, cursor="") == replace(state, cursor="")
    return "HX-Replace-Url" if goes_on or before == state else "HX-Push-Url"


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one person's list is about: the organization's profiles, its roles, and, of a delegate, what is in reach."""

    user: User
    profiles: dict[int, Profile]
    roles: dict[int, Role]
    # None where one sees everyone.
    reaches: "Sequence[Reach] | None"

    @classmethod
    def of(cls, user: User) -> "_Seen":
        """Collect: two queries, and one for a delegate's groups."""
        organization = user.organization_id
        profiles = {one.pk: one for one in Profile.objects.filter(organization=organization).order_by("name")}
        roles = {one.pk: one for one in Role.objects.filter(organization=organization).order_by("path")}
        if user.has_permission(Permission.VIEW_ALL_USERS):
            return cls(user, profiles, roles, None)
        reaches = reaches_of(user, login_access=False)
        in_reach = {pk: role for pk, role in roles.items() if any(reach.has(role.path) for reach in reaches)}
        return cls(user, profiles, in_reach, reaches)

    def related(self, users: Sequence[User]) -> Sequence[User]:
        """Give users their profile and role without a query: they are at hand."""
        for user in users:
            user.profile = self.profiles.get(user.profile_id) or user.profile
            user.role = self.roles.get(user.role_id or 0) or user.role
        return users


def users_in(state: ListState, seen: _Seen) -> "QuerySet[User]":
    """Return the users that ``state`` asks for, of those who are seen. Profiles are at hand, so no view joins them."""
    found, profiles = visible_to(seen.user, seen.reaches), seen.profiles.values()
    if state.view == "active":
        found = found.active()
    elif state.view == "inactive":
        found = found.filter(is_active=False)
    elif state.view == "administrators":
        found = found.filter(profile__in=[profile.pk for profile in profiles if profile.is_administrator])
    elif state.view == "external":
        found = found.filter(profile__in=[profile.pk for profile in profiles if profile.is_external])
    elif state.view == "frozen":
        found = found.filter(is_frozen=True)
    elif state.view == "granted":
        found = found.filter(pk__in=granted_to(seen.user, at=timezone.now()))
    if state.letter:
        found = found.with_initial(state.letter)
    if state.profile:
        found = found.filter(profile=state.profile)
    if state.role:
        found = found.filter(role=state.role)
    narrowed: QuerySet[User] = found.searched_for(state.q)
    return narrowed


def granted_to(user: User, *, at: datetime) -> "QuerySet[User]":
    """Return whom ``user`` may log in as by a grant that is live at ``at``, any-user login or not.

    Set and rule agree (tests/accounts/test_users_list.py). One query more for a delegate's groups.
    """
    grants = LoginAccessGrant.objects.live(at).to_company().filter(organization=user.organization_id)
    givers = User.objects.active().filter(pk__in=grants.values("user"), profile__is_external=False).exclude(pk=user.pk)
    if not user.is_administrator:
        held = F("profile__permission_bits").bitand(MORE_THAN_DELEGATED_BITS)
        reaches = reaches_of(user) if is_acting_delegate(user) else ()
        givers = givers.in_reach(reaches).alias(held=held).filter(held=0)
    found: QuerySet[User] = givers if user.organization.has(Feature.GRANT_TO_ADMINISTRATORS) else givers.none()
    return found


def _rows(request: "PortalRequest", users: Sequence[User], of_list: ListFacts, seen: _Seen) -> list[Row]:
    """Return the lines of a page. Nothing is asked of the database."""
    origin, at = Origin.of(request), timezone.now()
    # Who sees everyone and edits as a delegate has what is in reach fetched once, not for each line.
    reaches = seen.reaches
    if reaches is None and not holds(origin, UserAct.EDIT.permission) and is_acting_delegate(seen.user):
        reaches = reaches_of(seen.user, login_access=False)
    return [
        Row(
            user=user,
            may_edit=refusal_of(UserAct.EDIT, user, origin=origin, reaches=reaches) is None,
            login=may_impersonate(actor=request.actor, target=user, facts=of_list.about(user), at=at),
        )
        for user in users
    ]


def _login_column(request: "PortalRequest", rows: Sequence[Row], facts: Facts) -> tuple[bool, Verdict | None]:
    """Return whether there is a Login column at all, and the one reason that stands above the list, if there is one."""
    # Whom one is here: oneself, or the account that is worn. A support agent is asked about somebody of this house.
    of_oneself = may_impersonate(actor=request.actor, target=request.user, facts=facts, at=timezone.now())
    if of_oneself.refusal == Refusal.NO_PERMISSION:
        return False, of_oneself
    return True, next((row.login for row in rows if row.is_shared_refusal), None)


def _summary(found: "QuerySet[User]") -> str:
    """Return how many there are, counted as far as that is cheap."""
    return count_in_words(found.order_by()[: COUNTED + 1].count())


def _links(state: ListState) -> dict[str, Any]:
    """Return the list's own links, each with whether one is there; of forty, the query alone."""
    return {
        "tabs": [(label, _near(state.url(view=view, letter="")), view == state.view) for view, label in VIEWS.items()],
        "letters": [
            ("All", _near(state.url(letter="")), not state.letter),
            *((letter.capitalize(), _near(state.url(letter=letter)), letter == state.letter) for letter in LETTERS),
        ],
        "heads": {
            column: (label, _near(state.sort_url(column)), _direction(state) if column == state.sort_column else "")
            for column, (_, label) in SORTS.items()
        },
        "unnarrowed_url": ListState(view=state.view, sort=state.sort, columns=state.columns).url(),
        "view_label": VIEWS[state.view],
    }


def _near(url: str) -> str:
    path = reverse("user_list")
    return url.removeprefix(path) or path


def _direction(state: ListState) -> str:
    return "descending" if state.is_descending else "ascending"
