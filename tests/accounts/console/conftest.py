"""Who and what the console's tests are about."""

from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from accounts.models import User
from orgs.editions import Edition
from orgs.models import ActivationRequest, Organization
from tests.factories import LoginAccessGrantFactory, OrganizationFactory, UserFactory

if TYPE_CHECKING:
    from collections.abc import Callable

    from accounts.testing import PortalClient

    ClientOf = Callable[[User], PortalClient]
    Make = Callable[..., User]


@pytest.fixture
def joan(make: "Make", support: Organization) -> User:
    """A Standard User of Acme who granted Portal Support access."""
    user = make("Joan", "Clarke")
    LoginAccessGrantFactory.create(user=user, support_organization=support)
    return user


@pytest.fixture
def initech(db: None) -> Organization:
    """Eligible, and not provisioned."""
    organization: Organization = OrganizationFactory.create(
        name="Initech", edition=Edition.UNLIMITED, provisioned=False
    )
    return organization


@pytest.fixture
def ivan(initech: Organization) -> User:
    user: User = UserFactory.create(organization=initech, username="ivan@initech.example", last_name="Petrov")
    return user


@pytest.fixture
def asked(initech: Organization, ivan: User) -> ActivationRequest:
    """An open request of Initech."""
    return ActivationRequest.objects.create(
        organization=initech,
        requested_by=ivan,
        requested_by_name=str(ivan),
        business_case="We help our users.\nEvery day.",
        created_at=timezone.now(),
    )
