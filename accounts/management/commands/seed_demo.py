"""``manage.py seed_demo``: the demo's organizations and people, and how to sign in as them."""

import os
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from accounts.services.demo import PASSWORD, seed_demo
from accounts.services.demo.people import HOUSES, House
from orgs.models import Organization
from orgs.services.login_access_policies import Availability


class Command(BaseCommand):
    """Make the demo, or what of it is missing."""

    help = "Make the demo's organizations, people and 30 days of history. A second run changes nothing."

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        if not settings.DEVELOPMENT:
            raise CommandError("seed_demo makes people whose password everyone knows. It runs with DEBUG=true only.")
        made = seed_demo()
        names = ", ".join(organization.name for organization in made)
        self.stdout.write(f"Made {names}." if made else "The demo is there already; nothing was changed.")
        self.stdout.write(
            f"\nSign in at http://127.0.0.1:{os.environ.get('PORT') or 8000}/ with the password {PASSWORD}\n"
        )
        for house in HOUSES:
            self._write_house(house)

    def _write_house(self, house: House) -> None:
        organization = Organization.objects.get(name=house.name)
        self.stdout.write(f"\n{organization.name}: {_state_of(organization)}")
        cast = [f"{person.local_part}@{house.domain}" for person in house.people if person.is_cast]
        people = User.objects.filter(username__in=cast).select_related("profile", "role").in_bulk(field_name="username")
        for username in cast:
            self.stdout.write(f"  {username:<26}{people[username].full_name:<20}{_note_on(people[username])}")
        if others := len(house.people) - len(cast):
            self.stdout.write(f"  and {others} more: Setup, Users")


def _state_of(organization: Organization) -> str:
    edition = f"{organization.get_edition_display()} Edition"
    availability = Availability.of(organization)
    if availability is Availability.AVAILABLE:
        return f"{edition}, any-user login {'on' if organization.login_access_policy.any_user_login else 'off'}"
    return f"{edition}, any-user login {availability.value}"


def _note_on(user: User) -> str:
    parts = [user.profile.name]
    if user.role:
        parts.append(f"role {user.role.name}")
    if user.operator_role:
        parts.append(str(user.get_operator_role_display()))
    if not user.is_active:
        parts.append("inactive")
    if user.is_frozen:
        parts.append("frozen")
    return ", ".join(parts)
