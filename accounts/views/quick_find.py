"""Users in Setup's Quick Find: by name, those whom one sees."""

from collections.abc import Sequence
from dataclasses import dataclass

from accounts.models import User
from accounts.services.guards import sees_users, visible_to

from .user_list import ListState, clean_text

# From so many letters on a name is looked for, and so many users are shown.
LEAST_LETTERS = 2
USERS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class FoundUsers:
    """The first users, by name, whom a text finds, and where all of them are listed."""

    shown: Sequence[User] = ()
    has_more: bool = False
    # Empty where no name was looked for.
    list_url: str = ""


def find_users(reader: User, typed: str) -> FoundUsers:
    """Return the users whom ``reader`` sees and ``typed`` finds, as the users list searches; in the order of names.

    One query, and one more for a delegate's groups; none for too short a text, or for whoever sees no users.
    """
    text = clean_text(typed)
    if len(text) < LEAST_LETTERS or not sees_users(reader):
        return FoundUsers()
    found = visible_to(reader).searched_for(text).only("username", "first_name", "last_name")
    users = list(found.order_by("name_key", "id")[: USERS_SHOWN + 1])
    return FoundUsers(users[:USERS_SHOWN], has_more=len(users) > USERS_SHOWN, list_url=ListState(q=text).url())
