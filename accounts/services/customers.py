"""New customers: an organization with its first administrator, made by the vendor's Sales."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models.profile import StandardProfile
from orgs.audit import name_in
from orgs.services.organizations import OrganizationNameTaken, create_organization, set_account_executive

from .profiles import create_standard_profiles
from .users import UserDetails, add_user

if TYPE_CHECKING:
    from accounts.models import User
    from orgs.editions import Edition
    from orgs.http import Origin


@dataclass(frozen=True, slots=True)
class FirstAdministrator:
    """Who administers a new organization."""

    username: str
    email: str
    last_name: str
    first_name: str = ""


@dataclass(frozen=True, slots=True)
class AccountExecutive:
    """The customer's contact in the vendor's Sales."""

    name: str = ""
    email: str = ""
    phone: str = ""


NO_ACCOUNT_EXECUTIVE = AccountExecutive()


@transaction.atomic
def create_customer(
    *,
    name: str,
    edition: "Edition",
    administrator: FirstAdministrator,
    origin: "Origin",
    account_executive: AccountExecutive = NO_ACCOUNT_EXECUTIVE,
    site: str = "",
    at: datetime | None = None,
) -> "User":
    """Create an organization and its first administrator, who gets a mail to choose a password; return that user.

    Sales of the vendor may, and commands: what the organization's service asks holds for all of it. The trail is the
    new organization's. Raises :class:`~orgs.services.organizations.OrganizationNameTaken`, or, for the username,
    :class:`~accounts.services.guards.NameTaken`.
    """
    at = at or timezone.now()
    try:
        organization = create_organization(name=name, edition=edition, origin=origin, at=at)
    except IntegrityError as error:
        # Of all that is written there, a name alone can be somebody's.
        raise OrganizationNameTaken from error
    create_standard_profiles(organization)
    organization = set_account_executive(organization, **asdict(account_executive), origin=origin, at=at)
    profile = organization.profiles.get(standard=StandardProfile.SYSTEM_ADMINISTRATOR)
    details = UserDetails(**asdict(administrator), profile=profile)
    by = origin.doer_name if origin.user is None else name_in(organization.pk, origin.user)
    return add_user(organization, details.normalized(), origin=origin, by=by, site=site, at=at)
