"""Creating an organization."""

from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, transaction

from orgs.editions import Edition
from orgs.http import Origin
from orgs.models import AuditEvent, Organization, OrganizationKind
from orgs.services.organizations import create_organization

pytestmark = pytest.mark.django_db

AT = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("edition", "provisioned"),
    [
        (Edition.ESSENTIALS, False),
        (Edition.GROUP, False),
        (Edition.PROFESSIONAL, False),
        (Edition.ENTERPRISE, True),
        (Edition.PERFORMANCE, True),
        (Edition.UNLIMITED, True),
        (Edition.DEVELOPER, True),
    ],
)
def test_an_organization_made_on_an_eligible_edition_is_provisioned_and_off(
    edition: Edition, provisioned: bool
) -> None:
    made = create_organization(name="Acme", edition=edition, origin=Origin.automated("test"), at=AT)

    stored = Organization.objects.select_related("login_access_policy", "session_settings").get()
    assert stored == made
    assert (stored.name, stored.edition, stored.kind, stored.created_at) == ("Acme", edition, "customer", AT)
    assert stored.provisioned is provisioned
    assert stored.login_access_policy.any_user_login is False
    assert stored.session_settings.force_relogin is True


def test_its_creation_is_the_first_row_of_its_trail() -> None:
    made = create_organization(
        name="Vendor", edition=Edition.UNLIMITED, kind=OrganizationKind.OPERATOR, origin=Origin.automated("test"), at=AT
    )

    event = AuditEvent.objects.get()
    assert (event.organization, event.created_at) == (made, AT)
    assert event.sentence == "Created organization Vendor, Unlimited Edition"
    assert event.after == {"name": "Vendor", "edition": "unlimited", "provisioned": True}


def test_names_are_unique_and_a_second_one_leaves_nothing() -> None:
    create_organization(name="Acme", edition=Edition.GROUP, origin=Origin())

    with pytest.raises(IntegrityError), transaction.atomic():
        create_organization(name="Acme", edition=Edition.GROUP, origin=Origin())

    assert (Organization.objects.count(), AuditEvent.objects.count()) == (1, 1)
