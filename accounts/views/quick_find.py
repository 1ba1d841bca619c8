"""Users in Setup's Quick Find: by name, those whom one sees."""

from collections.abc import Sequence
from dataclasses import dataclass

from accounts.models import User
from accounts.services.guards import sees_users, visible_to

from .user_list_state import ListState, clean_text

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

    As many queries as :meth:`UserQuerySet.first_found`, and one more for a delegate's groups; none for too short a
    text, or for whoever sees no users.
    """
    text = clean_text(typed)
    if len(text) < LEAST_LETTERS or not sees_users(reader):
        return FoundUsers()
    users = visible_to(reader).only("username", "first_name", "last_name", "name_key")
    found = users.first_found(text, reader.organization_id, size=USERS_SHOWN)
    return FoundUsers(found.rows, has_more=found.next_cursor is not None, list_url=ListState(q=text).url())
