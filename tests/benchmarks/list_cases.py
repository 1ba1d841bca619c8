"""Which pages of which lists are asked for: one row a page, with the address at each contender."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = 50
# Of the names of the generator (accounts/services/load.py): one last name of 52,000, a part of the names of 4 %, and
# letters that begin two first names of fifty and stand within other names.
RARE, COMMON, MISS, LETTERS = "nochdo", "den", "qqqq", "zo"
USERS, ADMIN, IMPERSONATE = "/setup/users/", "/admin/accounts/user/", "/impersonate/"


@dataclass(frozen=True, slots=True)
class ListCase:
    """One page, and its address by contender. ``{…}`` is filled in by each, who knows ids, cursors and page numbers."""

    name: str
    portal: str
    admin: str = ""
    impersonate: str = ""
    # Whether all show the same rows in the same order; otherwise there only have to be some.
    is_same: bool = True

    def path_at(self, contender: str) -> str:
        """Return the address at a contender, or nothing where there is no such page."""
        paths = {
            "portal": self.portal,
            "admin": self.admin,
            "admin less": self.admin.replace("/admin/", "/less/", 1),
            "impersonate": self.impersonate,
        }
        return paths[contender]


def _search(name: str, words: str, *, is_same: bool = True) -> ListCase:
    typed = words.replace(" ", "+")
    search = f"{IMPERSONATE}search/?q={typed}"
    return ListCase(f"search: {name}", f"{USERS}?q={typed}", f"{ADMIN}?q={typed}", search, is_same)


USER_CASES: Final = (
    ListCase("first page", USERS, ADMIN, f"{IMPERSONATE}list/"),
    ListCase(
        "middle page", f"{USERS}?cursor={{middle}}", f"{ADMIN}?p={{middle}}", f"{IMPERSONATE}list/?page={{middle}}"
    ),
    ListCase("last page", f"{USERS}?cursor={{last}}", f"{ADMIN}?p={{last}}", f"{IMPERSONATE}list/?page={{last}}"),
    _search("rare", RARE),
    _search("common", COMMON),
    _search("nobody", MISS),
    _search("two words", f"grace {COMMON}"),
    # The portal takes so few letters for the beginning of a word.
    _search("two letters", LETTERS, is_same=False),
    ListCase("active", f"{USERS}?view=active", f"{ADMIN}?is_active__exact=1"),
    ListCase("inactive", f"{USERS}?view=inactive", f"{ADMIN}?is_active__exact=0"),
    ListCase("frozen", f"{USERS}?view=frozen", f"{ADMIN}?is_frozen__exact=1"),
    ListCase("external", f"{USERS}?view=external", f"{ADMIN}?profile__id__exact={{external}}"),
    ListCase("who granted me access", f"{USERS}?view=granted"),
    ListCase("administrators", f"{USERS}?view=administrators", f"{ADMIN}?profile__id__exact={{administrators}}"),
    ListCase("a profile", f"{USERS}?profile={{profile}}", f"{ADMIN}?profile__id__exact={{profile}}"),
    ListCase("a role", f"{USERS}?role={{role}}", f"{ADMIN}?role__id__exact={{role}}"),
    ListCase("names with Z", f"{USERS}?letter=Z"),
    # Those of the same alias, and those who signed in in the same second, stand in another order.
    ListCase("by alias", f"{USERS}?sort=alias", f"{ADMIN}?o=2", is_same=False),
    ListCase("by username", f"{USERS}?sort=username", f"{ADMIN}?o=3"),
    ListCase("by last login, newest first", f"{USERS}?sort=-last_login", f"{ADMIN}?o=-7", is_same=False),
)
# The portal's name of each, its path, the admin's of the same rows, and a filter with its words at either.
OTHER_LISTS: Final = (
    (
        "trail",
        "/setup/audit-trail/",
        "/admin/orgs/auditevent/",
        ("freezes", "action=user.frozen", "action__exact=user.frozen"),
    ),
    ("sessions", "/setup/sessions/", "/admin/accounts/session/", ("people's own", "type=UI", "type__exact=UI")),
    (
        "login history",
        "/setup/login-history/",
        "/admin/accounts/login/",
        ("wrong passwords", "status=wrong_password", "status__exact=wrong_password"),
    ),
    (
        "grants",
        "/setup/login-access-grants/",
        "/admin/accounts/loginaccessgrant/",
        ("to administrators", "grantee=company", "support_organization__isnull=True"),
    ),
    (
        "impersonations",
        "/setup/impersonations/",
        "/admin/accounts/impersonation/",
        ("those that go on", "state=open", "ended_at__isnull=True"),
    ),
)


def _cases_of(name: str, portal: str, admin: str, narrowed: tuple[str, str, str]) -> Iterator[ListCase]:
    """Yield the pages of a list that is not of users; the admin has columns of its own, so rows are not compared."""
    yield ListCase(f"{name}: first page", portal, admin, is_same=False)
    for page in ("middle", "last"):
        yield ListCase(
            f"{name}: {page} page",
            f"{portal}?cursor={{{name} {page}}}",
            f"{admin}?p={{{name} {page}}}",
            is_same=False,
        )
    what, here, there = narrowed
    yield ListCase(f"{name}: {what}", f"{portal}?{here}", f"{admin}?{there}", is_same=False)


OTHER_CASES: Final = tuple(case for one in OTHER_LISTS for case in _cases_of(*one))
CASES: Final = {case.name: case for case in (*USER_CASES, *OTHER_CASES)}
