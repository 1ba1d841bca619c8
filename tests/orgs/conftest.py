"""The vendor's own people."""

import pytest

from accounts.models import User
from orgs.models import Organization, OrganizationKind
from orgs.permissions import Permission
from tests.factories import OrganizationFactory, ProfileFactory, UserFactory


@pytest.fixture
def vendor(db: None) -> Organization:
    """The operators' own organization, a support organization to all others."""
    organization: Organization = OrganizationFactory.create(
        name="Portal Support", kind=OrganizationKind.OPERATOR, policy__any_user_login=True
    )
    ProfileFactory.create(organization=organization, name="All", permissions=tuple(Permission))
    return organization


def operator(vendor: Organization, name: str, role: str) -> User:
    made: User = UserFactory.create(
        organization=vendor,
        profile=vendor.profiles.get(name="All"),
        first_name=name,
        last_name="",
        operator_role=role,
    )
    return made


@pytest.fixture
def sally(vendor: Organization) -> User:
    """Sells."""
    return operator(vendor, "Sally", "sales")


@pytest.fixture
def sam(vendor: Organization) -> User:
    """Supports, and logs in as whoever granted it."""
    return operator(vendor, "Sam", "support")
