"""What the address of the users list says: which view, letter, search, filters and order, and how to say it again."""

from collections.abc import Container
from dataclasses import dataclass, fields, replace
from string import ascii_uppercase
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict
from django.urls import reverse

from accounts.querysets import OTHER
from orgs.http import safe_path

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
# Columns that are shown where the address asks for them: their heads, and what is read for them.
MORE_COLUMNS = {
    "email": ("E-mail", "email"),
    "created": ("Created", "created_at"),
    "modified": ("Last Modified", "modified_at"),
}
# What an address says for all of them: short, since every link of the page repeats it.
ALL_COLUMNS = "all"
QUERY_LENGTH = 100
ID_DIGITS = 18


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
        columns = columns_named(query)
        return cls(
            view=view if (view := query.get("view", "")) in VIEWS else "all",
            letter=letter if letter in LETTERS else "",
            q=clean_text(query.get("q", "")),
            profile=read_id(query.get("profile", "")),
            role=read_id(query.get("role", "")),
            sort=sort if sort.removeprefix("-") in SORTS else "name",
            columns=tuple(name for name in MORE_COLUMNS if columns & {name, ALL_COLUMNS}),
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
            asked["columns"] = ALL_COLUMNS if len(state.columns) == len(MORE_COLUMNS) else ",".join(state.columns)
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


def columns_named(query: QueryDict) -> set[str]:
    """Return the columns that an address names, known or not: one form field for each, or commas between."""
    return {name for name in ",".join(query.getlist("columns")).split(",") if name}


def clean_text(typed: str) -> str:
    """Return what was typed without what no name holds (PostgreSQL takes no NUL), cut to what is worth searching."""
    return " ".join("".join(one if one.isprintable() else " " for one in typed[:QUERY_LENGTH]).split())


def read_id(text: str) -> int:
    """Return the id that was sent, or 0 where it is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= ID_DIGITS else 0
