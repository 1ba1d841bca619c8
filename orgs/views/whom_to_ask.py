"""Whom to ask for what one may not do."""

from typing import TYPE_CHECKING

from django.contrib.auth import get_user_model
from django.utils.text import get_text_list

if TYPE_CHECKING:
    from orgs.models import Organization

ASKED = 3


def administrators_to_ask(organization: "Organization") -> str:
    """Name up to three administrators who can sign in.

    By way of the few profiles that make one: among a million users SQLite would look for them one by one.
    """
    profiles = [profile.pk for profile in organization.profiles.all() if profile.is_administrator]
    people = get_user_model().objects.filter(profile__in=profiles).able_to_sign_in()
    administrators = people.order_by("name_key", "id")[:ASKED]
    names: str = get_text_list([person.full_name for person in administrators], "or")
    return names
