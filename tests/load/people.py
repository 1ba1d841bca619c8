"""Fills a new database with an organization and its people. A program of its own: the driver holds no Django.

It reads ``{"users": N, "administrators": N, "helpers": N}`` and answers with whom the actors are.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
django.setup()

from django.contrib.auth.hashers import make_password  # noqa: E402  # needs the settings
from django.core.management import call_command  # noqa: E402
from django.utils import timezone  # noqa: E402

from accounts.models import Profile, StandardProfile, User  # noqa: E402
from accounts.services.load import DOMAIN, Size, seed_load  # noqa: E402
from orgs.models import LoginAccessPolicy  # noqa: E402
from orgs.permissions import Permission, to_bits, with_needs  # noqa: E402
from tests.load.programs import PASSWORD  # noqa: E402

if TYPE_CHECKING:
    from orgs.models import Organization


def make_people(organization: Organization, profile: Profile, name: str, wanted: int) -> list[dict[str, object]]:
    """Make people who can sign in, and return the id and the username of each."""
    password = make_password(PASSWORD)
    people = User.objects.bulk_create(
        User(
            organization=organization,
            profile=profile,
            username=f"{name}{number}@{DOMAIN}",
            email=f"{name}{number}@{DOMAIN}",
            first_name=name.title(),
            last_name=f"Number {number}",
            password=password,
        )
        for number in range(wanted)
    )
    return [{"id": user.pk, "username": user.username} for user in people]


def fill(size: dict[str, int]) -> dict[str, object]:
    """Migrate, make everybody, and switch any-user login on; collect the files that pages name."""
    call_command("collectstatic", interactive=False, verbosity=0)
    call_command("migrate", verbosity=0)
    seeds = Size(users=size["users"], sessions=size["users"] // 2)
    organization = seed_load(seeds, now=timezone.now(), watch=lambda kind, number: None)
    LoginAccessPolicy.objects.filter(organization=organization).update(any_user_login=True)
    administrator = Profile.objects.get(organization=organization, standard=StandardProfile.SYSTEM_ADMINISTRATOR)
    # Whom the administrators log in as: they have something to do, too.
    manager = Profile.objects.create(
        organization=organization,
        name="Manages users",
        permission_bits=to_bits(with_needs({Permission.MANAGE_INTERNAL_USERS})),
    )
    edited = User.objects.filter(
        organization=organization, is_active=True, profile__standard=StandardProfile.STANDARD_USER
    )
    return {
        "administrators": make_people(organization, administrator, "administrator", size["administrators"]),
        "helpers": make_people(organization, manager, "helper", size["helpers"]),
        "edited": list(edited.order_by("pk").values_list("pk", flat=True)[:2000]),
    }


if __name__ == "__main__":
    print(json.dumps(fill(json.load(sys.stdin))))  # its answer
