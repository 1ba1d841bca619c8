from django.db import models
from django.utils import timezone

from orgs.editions import Edition, Feature, has_feature


class OrganizationKind(models.TextChoices):
    CUSTOMER = "customer", "Customer"
    OPERATOR = "operator", "Operator"


class Organization(models.Model):
    """One customer, or the vendor's own house. Every user belongs to exactly one; nothing crosses the border."""

    name = models.CharField(max_length=80, unique=True)
    kind = models.CharField(max_length=10, choices=OrganizationKind, default=OrganizationKind.CUSTOMER)
    edition = models.CharField(max_length=12, choices=Edition)
    provisioned = models.BooleanField(default=False)
    # When it last lost the edition's features, and when it was last deprovisioned: a visit that rests on either and
    # began before is over, even if both are back.
    edition_lost_at = models.DateTimeField(null=True, blank=True)
    deprovisioned_at = models.DateTimeField(null=True, blank=True)
    account_executive_name = models.CharField(max_length=80, blank=True)
    account_executive_email = models.EmailField(blank=True)
    account_executive_phone = models.CharField(max_length=40, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = (
            models.CheckConstraint(condition=models.Q(edition__in=Edition.values), name="organization_edition_known"),
            models.CheckConstraint(
                condition=models.Q(kind__in=OrganizationKind.values), name="organization_kind_known"
            ),
        )

    def __str__(self) -> str:
        return self.name

    def has(self, feature: Feature) -> bool:
        """Tell whether this organization's edition has ``feature``."""
        return has_feature(self.edition, feature)

    @property
    def reference(self) -> str:
        """The organization id that people read to each other, 15 characters."""
        return f"00D{self.pk:012d}"
