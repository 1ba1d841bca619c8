"""Which rows of the trail."""

from typing import TYPE_CHECKING

from django.db.models import Exists, OuterRef

from orgs.models import AuditEvent, Organization, OrganizationKind, SupportAccess, SupportAvailability

if TYPE_CHECKING:
    from django.db.models import QuerySet


def events_of(organization: "Organization", *, section: str = "") -> "QuerySet[AuditEvent]":
    """Return an organization's rows of the trail, or those of one section."""
    events = AuditEvent.objects.filter(organization=organization)
    return events.filter(section=section) if section else events


def support_organizations_of(organization: "Organization") -> "QuerySet[Organization]":
    """Return the support organizations beside ``organization``, each with ``is_for_administrators_only`` here."""
    decided = SupportAccess.objects.filter(
        organization=organization, support_organization=OuterRef("pk"), availability=SupportAvailability.ADMINISTRATORS
    )
    others = Organization.objects.filter(kind=OrganizationKind.OPERATOR).exclude(pk=organization.pk)
    return others.annotate(is_for_administrators_only=Exists(decided)).order_by("name")
