"""What the users list says: its acts on several users, and what an empty view means and what helps."""

from typing import TYPE_CHECKING, NamedTuple

from django.urls import reverse

from accounts.services.users import UserAct
from orgs.editions import Feature
from orgs.paging import number_in_words

from .user_list_state import ALL_COLUMNS, MORE_COLUMNS, columns_named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.http import QueryDict

    from accounts.facts import Reach
    from accounts.models import User

    from .user_list_state import ListState

SEVERAL_LABELS = {
    UserAct.RESET_PASSWORD: "Reset passwords",
    UserAct.FREEZE: "Freeze",
    UserAct.DEACTIVATE: "Deactivate",
}


class Nobody(NamedTuple):
    """What stands where a view has nobody, and where it leads on."""

    title: str
    text: str
    url: str
    action: str


# By view: a title, and what it means.
_WORDS = {
    "active": ("Nobody is active.", "A user who is inactive can be activated on the user’s page."),
    "inactive": ("Nobody is inactive.", "Whoever leaves is deactivated on their page. Nothing of theirs is deleted."),
    "administrators": (
        "Nobody is an administrator.",
        "Administrators are those whose profile holds Modify All Data and Manage Users.",
    ),
    "external": (
        "Nobody is external.",
        "External users are those with a profile for people outside. They are never logged in as from here.",
    ),
    "frozen": (
        "Nobody is frozen.",
        "Whoever must not sign in for a while is frozen on their page, and unfrozen there.",
    ),
}
_ASK = (
    "A user grants it under Settings, Grant Account Login Access, for a time of their choice. To ask for it, open a "
    "user’s page and choose Ask for access."
)


def nobody_in(view: str, user: "User", *, reaches: "Sequence[Reach] | None", has_login: bool) -> Nobody:
    """Return what ``user``, who sees whom ``reaches`` say, is told of a view in which there is nobody.

    ``has_login`` is whether they may log in as anyone at all, if the rest allows it.
    """
    if view == "granted":
        return _nobody_granted(user, has_login=has_login)
    if view == "all":
        text = "You administer users as a delegate. Whoever administers your groups says which roles these are."
        return Nobody("Nobody is in reach of your groups.", text, "", "")
    title, text = _WORDS[view]
    if reaches is not None:
        title = f"{title.removesuffix('.')} among those whom you administer."
    return Nobody(title, text, reverse("user_list"), "See all users")


def _nobody_granted(user: "User", *, has_login: bool) -> Nobody:
    title = "Nobody has granted you access."
    if not user.organization.has(Feature.GRANT_TO_ADMINISTRATORS):
        text = "In your organization’s edition users grant their administrators no access."
        return Nobody(title, text, reverse("company"), "Company Information")
    text = _ASK if has_login else "Users grant access to those who may log in as them. You may not: see above."
    return Nobody(title, text, reverse("user_list"), "See all users")


def count_in_words(count: int, about: int | None = None) -> str:
    """Return how many users there are (:func:`orgs.paging.number_in_words`)."""
    number = number_in_words(count, about)
    return f"{number[0].upper()}{number[1:]} user{'' if count == 1 else 's'}"


# What an address asks for and the list does not do, since there is no such thing, or no longer.
_IGNORED = {
    "view": "There is no such view as this address asks for. Everyone is listed.",
    "letter": "There is no such letter as this address asks for. The list is not narrowed by it.",
    "profile": "The profile in this address is not there, or not any more. The list is not narrowed by it.",
    "role": "The role in this address is not there, or not any more. The list is not narrowed by it.",
    "sort": "There is no such order as this address asks for. The list is sorted by name.",
    "columns": "There is no such column as this address asks for.",
}


def ignored_in(query: "QueryDict", state: "ListState") -> list[str]:
    """Return what is said of all that an address asks for and ``state`` does not hold."""
    is_ignored = {
        **{name: query.get(name, "") not in {"", getattr(state, name)} for name in ("view", "letter", "sort")},
        **{name: bool(query.get(name)) and not getattr(state, name) for name in ("profile", "role")},
        "columns": not columns_named(query) <= {*MORE_COLUMNS, ALL_COLUMNS},
    }
    return [words for name, words in _IGNORED.items() if is_ignored[name]]
