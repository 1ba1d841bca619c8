"""Which rows of the trail."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.db.models import Exists, OuterRef

from orgs.models import AuditEvent, Organization, OrganizationKind, SupportAccess, SupportAvailability

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from accounts.models import User


# How someone is in a row of the trail, by the columns: each has an index of its own.
ROLES_IN_TRAIL: Mapping[str, tuple[str, ...]] = {
    "did": ("user", "delegate_user"),
    "user": ("user",),
    "delegate": ("delegate_user",),
    "about": ("about",),
    "any": ("user", "delegate_user", "about"),
}


def events_of(organization: "Organization", **condition: Any) -> "QuerySet[AuditEvent]":
    """Return an organization's rows of the trail, or those that meet ``condition``."""
    return AuditEvent.objects.filter(organization=organization, **condition)


def events_with(events: "QuerySet[AuditEvent]", person: "User", *, role: str) -> "list[QuerySet[AuditEvent]]":
    """Return those of ``events`` that a person has a part in: one queryset for each column, as their indexes are."""
    return [events.filter(**{column: person}) for column in ROLES_IN_TRAIL[role]]


def support_organizations_of(organization: "Organization") -> "QuerySet[Organization]":
    """Return the support organizations beside ``organization``, each with ``is_for_administrators_only`` here."""
    decided = SupportAccess.objects.filter(
        organization=organization, support_organization=OuterRef("pk"), availability=SupportAvailability.ADMINISTRATORS
    )
    others = Organization.objects.filter(kind=OrganizationKind.OPERATOR).exclude(pk=organization.pk)
    return others.annotate(is_for_administrators_only=Exists(decided)).order_by("name")
