"""Organizations."""

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from orgs.audit import AuditAction, record
from orgs.editions import Edition, Feature, has_feature
from orgs.models import LoginAccessPolicy, Organization, OrganizationKind, SessionSettings

if TYPE_CHECKING:
    from orgs.http import Origin


@transaction.atomic
def create_organization(
    *,
    name: str,
    edition: Edition,
    origin: "Origin",
    kind: OrganizationKind = OrganizationKind.CUSTOMER,
    at: datetime | None = None,
) -> Organization:
    """Create an organization with its policy and session settings; on an eligible edition it is provisioned."""
    at = at or timezone.now()
    organization = Organization.objects.create(
        name=name,
        edition=edition,
        kind=kind,
        provisioned=has_feature(edition, Feature.ANY_USER_LOGIN),
        created_at=at,
    )
    LoginAccessPolicy.objects.create(organization=organization)
    SessionSettings.objects.create(organization=organization)
    record(
        AuditAction.ORGANIZATION_CREATED,
        origin=origin,
        organization=organization,
        at=at,
        after={"name": name, "edition": edition.value, "provisioned": organization.provisioned},
        name=name,
        edition=str(edition.label),
    )
    return organization
