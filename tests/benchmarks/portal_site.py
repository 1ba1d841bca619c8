"""The portal: its own settings, user, session engine and views."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.utils import timezone

from accounts.keys import hash_key, new_key
from accounts.models import Profile, Session, User
from orgs.editions import Edition
from orgs.http import Origin
from orgs.models import LoginAccessPolicy, Organization, SessionSettings
from orgs.permissions import Permission, to_bits
from orgs.services.organizations import create_organization
from tests.benchmarks.configuration import PORTAL_MIDDLEWARE
from tests.benchmarks.people import CROWD, Cast
from tests.benchmarks.traffic import Browser, Case, Handler, page_case

if TYPE_CHECKING:
    from tests.benchmarks.contenders import Contender


def make_cast(contender: Contender) -> Cast:
    """Make an organization with any-user login on, an administrator, a user, and the crowd with their sessions."""
    origin = Origin.automated("benchmark")
    acme = create_organization(name="Acme", edition=Edition.ENTERPRISE, origin=origin)
    LoginAccessPolicy.objects.filter(organization=acme).update(any_user_login=True)
    everything = make_profile(acme, "Everything", to_bits(Permission))
    nothing = make_profile(acme, "Nothing", 0)
    actor = make_user(acme, everything, "ada", "Lovelace")
    target = make_user(acme, nothing, "grace", "Hopper")
    crowd = [
        User(username=f"user{number}@acme.example", last_name=f"User {number}", organization=acme, profile=nothing)
        for number in range(CROWD)
    ]
    User.objects.bulk_create(crowd)
    now = timezone.now()
    Session.objects.bulk_create(
        [
            Session(
                key_hash=hash_key(new_key()),
                user=user,
                organization_id=user.organization_id,
                created_at=now,
                last_active_at=now,
            )
            for user in crowd
        ],
    )
    return Cast(contender, actor.pk, target.pk)


def make_profile(organization: Organization, name: str, bits: int) -> Profile:
    """Make a profile with these permissions."""
    return Profile.objects.create(organization=organization, name=name, permission_bits=bits)


def make_user(organization: Organization, profile: Profile, first: str, last: str) -> User:
    """Make one of the two people."""
    return User.objects.create_user(
        f"{first}@acme.example",
        password="portal-demo-2026",
        first_name=first.title(),
        last_name=last,
        organization=organization,
        profile=profile,
    )


def make_cases(cast: Cast) -> dict[str, Case]:
    """Name what the portal can be asked: behind what identity needs alone, and behind all of its middleware."""
    whole = Handler()
    everything = settings.MIDDLEWARE
    settings.MIDDLEWARE = [*PORTAL_MIDDLEWARE]
    alone = Handler()
    settings.MIDDLEWARE = everything
    inside = cast.inside(whole)
    own_key, worn_key = cast.signed_in(alone).cookies, inside.cookies
    mine, theirs = str(cast.actor_pk), str(cast.target_pk)
    forced, unforced = cast.signed_in(whole), cast.signed_in(whole)
    return {
        "nobody": page_case(Browser(alone), "/whoami/", "None"),
        "idle": page_case(Browser(alone, own_key), "/whoami/", mine),
        "impersonating": page_case(Browser(alone, worn_key), "/whoami/", theirs),
        "idle, all": page_case(Browser(whole, own_key), "/whoami/", mine),
        "impersonating, all": page_case(Browser(whole, worn_key), "/whoami/", theirs),
        "visit": cast.visit(unforced, settle=lambda: force_relogin(on=False)),
        "visit to login": cast.visit(forced, settle=lambda: force_relogin(on=True), signs_in_again=True),
    }


def force_relogin(*, on: bool) -> None:
    """Set *Force relogin after Login-As-User* for everyone."""
    SessionSettings.objects.update(force_relogin=on)
