"""The demo: organizations, people and thirty days of history. Made once; a second run leaves what it finds.

Everyone has the same password, which stands in the README. The command refuses to run in production.
"""

from datetime import datetime, timedelta

from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.utils import timezone

from accounts.models import Profile, Role, User
from accounts.services.profiles import clone_profile, create_standard_profiles, update_profile
from accounts.services.roles import create_role
from accounts.services.users import UserDetails, create_user
from orgs.http import Origin
from orgs.models import Organization
from orgs.services.organizations import change_edition, create_organization, set_account_executive

from .history import (
    DAYS,
    History,
    add_acme,
    add_delegation,
    add_grants,
    add_hooli,
    add_soylent,
    origin_of,
    renew_grants,
)
from .people import ACME, HOOLI, HOUSES, LEFT, SOYLENT, House, plain
from .sign_ins import add_lock_out, add_open_sessions, add_sign_ins

PASSWORD = "portal-demo-2026"  # noqa: S105  # everyone's, and printed
ORIGIN = Origin.automated("seed_demo")
# The vendor's support agent, whom a customer's user has granted access.
AGENT = "sam@support.example"


@transaction.atomic
def seed_demo(now: datetime | None = None) -> list[Organization]:
    """Make what of the demo is not there, and return the organizations that were made.

    One that is there is left as it is, with whatever was changed in it since; only grants that ran out are given again.
    """
    history = History(now or timezone.now())
    there = set(Organization.objects.filter(name__in=[house.name for house in HOUSES]).values_list("name", flat=True))
    # One hash for all: argon2 is slow on purpose, and the password is no secret.
    hashed = make_password(PASSWORD)
    made = {house.name: _build(house, history, hashed) for house in HOUSES if house.name not in there}
    for people in made.values():
        add_sign_ins(history, [*people.values()])
        add_open_sessions(history, people)
    if acme := made.get(ACME.name):
        add_acme(history, acme, [acme[plain(name)] for name in LEFT])
    if hooli := made.get(HOOLI.name):
        add_hooli(history, hooli)
    if soylent := made.get(SOYLENT.name):
        add_soylent(history, soylent)
    if acme:
        add_delegation(history, acme)
        add_lock_out(history, acme["barbara"], at=history.moment(4, 7, 30))
        # The vendor's own organization may have been there before, without the demo's people.
        agent = User.objects.select_related("profile", "organization").filter(username=AGENT).first()
        add_grants(history, acme, agent)
    history.happen()
    renew_grants(history.now)
    return [next(iter(people.values())).organization for people in made.values()]


def _build(house: House, history: History, hashed: str) -> dict[str, User]:
    """Make one organization with its profiles, roles and people, and return the people by their mailbox."""
    at = history.moment(DAYS, 9)
    organization = create_organization(
        name=house.name, edition=house.bought or house.edition, origin=ORIGIN, kind=house.kind, at=at
    )
    create_standard_profiles(organization)
    organization.profiles.update(created_at=at)
    # An upgrade never provisions: an organization that bought a lower edition is not.
    change_edition(organization, house.edition, origin=ORIGIN, at=at)
    name, email, phone = house.account_executive
    organization = set_account_executive(organization, name=name, email=email, phone=phone, origin=ORIGIN, at=at)
    return _build_people(house, organization, hashed, at=at + timedelta(minutes=10))


def _build_people(house: House, organization: Organization, hashed: str, *, at: datetime) -> dict[str, User]:
    """Let the command make the first administrator, and the administrator all else."""
    profiles = {profile.name: profile for profile in organization.profiles.all()}
    people: dict[str, User] = {}
    origin, roles = ORIGIN, dict[str, Role]()
    for number, person in enumerate(house.people):
        if number == 1:
            origin = origin_of(next(iter(people.values())))
            profiles |= _build_profiles(house, organization, origin=origin, at=at + timedelta(minutes=1))
            roles = _build_roles(house, organization, origin=origin, at=at + timedelta(minutes=2))
        details = UserDetails(
            username=f"{person.local_part}@{house.domain}",
            email=f"{person.local_part}@{house.domain}",
            first_name=person.first_name,
            last_name=person.last_name,
            alias=person.alias,
            profile=profiles[person.profile],
            role=roles.get(person.role),
        )
        user = create_user(organization, details, origin=origin, at=at + timedelta(minutes=4 * number))
        user.password, user.operator_role = hashed, person.operator_role
        user.save(update_fields=["password", "operator_role"])
        people[person.local_part] = user
    return people


def _build_profiles(house: House, organization: Organization, *, origin: Origin, at: datetime) -> dict[str, Profile]:
    profiles = {}
    for custom in house.profiles:
        source = Profile.objects.get(organization=organization, name=custom.cloned_from)
        clone = clone_profile(source, name=custom.name, origin=origin, at=at)
        permissions = clone.permissions.union(custom.permissions)
        saved = update_profile(clone, name=clone.name, permissions=permissions, origin=origin, at=at)
        profiles[custom.name] = saved.profile
    return profiles


def _build_roles(house: House, organization: Organization, *, origin: Origin, at: datetime) -> dict[str, Role]:
    roles: dict[str, Role] = {}
    for name, above in house.roles:
        roles[name] = create_role(organization, name=name, parent=roles.get(above), origin=origin, at=at)
    return roles
