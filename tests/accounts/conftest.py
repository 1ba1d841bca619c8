"""The vendor's own staff, for tests of grants to support organizations; and two profiles of Acme's own."""

import pytest

from accounts.enums import OperatorRole
from accounts.models import Profile, User
from orgs.models import Organization, OrganizationKind
from orgs.permissions import ADMINISTRATOR, Permission
from tests.factories import OrganizationFactory, ProfileFactory, UserFactory


@pytest.fixture
def support(db: None) -> Organization:
    """A support organization, of which no customer has decided anything."""
    organization: Organization = OrganizationFactory.create(name="Portal Support", kind=OrganizationKind.OPERATOR)
    return organization


@pytest.fixture
def sam(support: Organization) -> User:
    """A support agent."""
    user: User = UserFactory.create(
        organization=support,
        profile=ProfileFactory.create(organization=support),
        username="sam@support.example",
        first_name="Sam",
        last_name="Spade",
        operator_role=OperatorRole.SUPPORT,
    )
    return user


@pytest.fixture
def sally(support: Organization) -> User:
    """One of Sales."""
    user: User = UserFactory.create(
        organization=support,
        profile=ProfileFactory.create(organization=support),
        username="sally@support.example",
        first_name="Sally",
        last_name="Winters",
        operator_role=OperatorRole.SALES,
    )
    return user


@pytest.fixture
def clerks(acme: Organization) -> Profile:
    """A profile of Acme's own that lets one see users."""
    profile: Profile = ProfileFactory.create(organization=acme, name="Clerks", permissions=(Permission.VIEW_ALL_USERS,))
    return profile


@pytest.fixture
def bosses(acme: Organization) -> Profile:
    """A profile of Acme's own that makes administrators."""
    profile: Profile = ProfileFactory.create(organization=acme, name="Bosses", permissions=tuple(ADMINISTRATOR))
    return profile
