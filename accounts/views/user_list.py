"""The users list: views, letters, search, filters and sorts, every state of it in the address."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from operator import attrgetter
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
from orgs.http import Origin
from orgs.paging import COUNTED, Page, Walk, count_found, estimate, keyset_page
from orgs.permissions import Permission

from .gates import for_those_who_see_users
from .user_list_state import LETTERS, MORE_COLUMNS, SORTS, VIEWS, ListState
from .user_list_words import SEVERAL_LABELS, Nobody, count_in_words, ignored_in, nobody_in

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse

    from accounts.querysets import UserQuerySet
    from portal.http import PortalRequest

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
    within = users_in(state, seen)
    found = within.searched_for(state.q)
    page = _page(state, within, found, seen)
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
        "summary": _summary(state, found),
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

    @property
    def only_profiles(self) -> dict[str, dict[str, int]]:
        """The views that are those of a single profile, as they mostly are."""
        ids = {view: self.profiles_of(view) for view in ("administrators", "external")}
        return {view: {"profile": found[0]} for view, found in ids.items() if len(found) == 1}

    def profiles_of(self, view: str) -> list[int]:
        """Return the profiles whose users are in a view."""
        is_in = {"administrators": attrgetter("is_administrator"), "external": attrgetter("is_external")}[view]
        return [profile.pk for profile in self.profiles.values() if is_in(profile)]

    def related(self, users: Sequence[User]) -> Sequence[User]:
        """Give users their profile and role without a query: they are at hand."""
        for user in users:
            user.profile = self.profiles.get(user.profile_id) or user.profile
            user.role = self.roles.get(user.role_id or 0) or user.role
        return users


def _page(state: ListState, within: "UserQuerySet", found: "UserQuerySet", seen: _Seen) -> Page[User]:
    """Return the page of ``found``: of ``within``, those who are searched for."""
    order, is_down = (SORTS[state.sort_column][0], "id"), state.is_descending
    columns = (*COLUMNS, *(MORE_COLUMNS[name][1] for name in state.columns))
    over, is_all = _in_order(state, seen)
    shown = within.read_for(state.q).only(*columns)
    if is_all and not state.q:
        parts = shown.with_no_letter() if state.letter == OTHER else (shown,)
        return keyset_page(*parts, order=order, cursor=state.cursor, descending=is_down)
    if state.letter == OTHER:
        # A range each, or SQLite would read everyone.
        ranges = User.objects.in_organization(seen.user.organization_id).with_no_letter()
        below, beyond = (part.values("pk") for part in ranges)
        found = found.filter(pk__in=below.union(beyond, all=True))
    return keyset_page(
        found.only(*columns), order=order, cursor=state.cursor, descending=is_down, walk=Walk(over, shown)
    )


def _in_order(state: ListState, seen: _Seen) -> "tuple[UserQuerySet, bool]":
    """Return users whom an index has in the order asked for, as few as there are, and whether the list is all of them.

    By name there is an index for each filter but the views of profiles; by anything else one for the organization.
    """
    users = User.objects.in_organization(seen.user.organization_id)
    views: dict[str, dict[str, Any]] = {"frozen": {"is_frozen": True}, "inactive": {"is_active": False}}
    conditions: dict[str, dict[str, Any]] = {
        "role": {"role": state.role} if state.role else {},
        "profile": {"profile": state.profile} if state.profile else {},
        "view": (views | seen.only_profiles).get(state.view, {}),
    }
    plain = ListState()
    narrowed_by = {
        name for name in ("view", "letter", "profile", "role") if getattr(state, name) != getattr(plain, name)
    }
    if state.sort_column == "name":
        name = next((name for name, condition in conditions.items() if condition), "letter")
        users = users.filter(**conditions.get(name, {}))
        if name == "letter" and state.letter not in {"", OTHER}:
            users = users.with_initial(state.letter)
        narrowed_by.discard(name)
    return users, not narrowed_by and seen.reaches is None


def users_in(state: ListState, seen: _Seen) -> "UserQuerySet":
    """Return the users of those who are seen in whom ``state`` asks to search. Profiles are at hand, none is joined."""
    found = visible_to(seen.user, seen.reaches)
    if state.view == "active":
        found = found.active()
    elif state.view == "inactive":
        found = found.filter(is_active=False)
    elif state.view in {"administrators", "external"}:
        found = found.filter(profile__in=seen.profiles_of(state.view))
    elif state.view == "frozen":
        found = found.filter(is_frozen=True)
    elif state.view == "granted":
        found = granted_to(seen.user, at=timezone.now(), among=found)
    if state.letter:
        found = found.with_initial(state.letter)
    if state.profile:
        found = found.filter(profile=state.profile)
    if state.role:
        found = found.filter(role=state.role)
    return found


def granted_to(user: User, *, at: datetime, among: "UserQuerySet | None" = None) -> "UserQuerySet":
    """Return whom ``user`` may log in as by a grant that is live at ``at``, any-user login or not; if given, ``among``.

    Set and rule agree (tests/accounts/test_users_list.py). One query more for a delegate's groups.
    """
    grants = LoginAccessGrant.objects.live(at).to_company().filter(organization=user.organization_id)
    people: UserQuerySet = User.objects.all() if among is None else among
    givers = people.active().filter(pk__in=grants.values("user"), profile__is_external=False).exclude(pk=user.pk)
    if not user.is_administrator:
        held = F("profile__permission_bits").bitand(MORE_THAN_DELEGATED_BITS)
        reaches = reaches_of(user) if is_acting_delegate(user) else ()
        givers = givers.in_reach(reaches).alias(held=held).filter(held=0)
    found: UserQuerySet = givers if user.organization.has(Feature.GRANT_TO_ADMINISTRATORS) else givers.none()
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


def _summary(state: ListState, found: "QuerySet[User]") -> str:
    """Return how many there are, counted as far as that is cheap, and beyond that about how many."""
    most = COUNTED + 1
    count = count_found(found, most) if state.q else found.order_by()[:most].count()
    return count_in_words(count, estimate(found) if count == most else None)


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
