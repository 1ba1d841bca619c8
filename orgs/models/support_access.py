from django.db import models


class SupportAvailability(models.TextChoices):
    """Who of an organization may grant a support organization access."""

    USERS = "users", "Available to Users"
    ADMINISTRATORS = "administrators", "Available to Administrators Only"


class SupportAccess(models.Model):
    """What one organization decided about one support organization. Where there is no row: Available to Users."""

    organization = models.ForeignKey(
        "orgs.Organization", on_delete=models.PROTECT, db_index=False, related_name="support_access"
    )
    support_organization = models.ForeignKey(
        "orgs.Organization", on_delete=models.PROTECT, db_index=False, related_name="+"
    )
    availability = models.CharField(max_length=14, choices=SupportAvailability, default=SupportAvailability.USERS)
    # When users other than administrators last lost it: a visit that rests on such a grant and began before is over.
    login_access_lost_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "support access"
        constraints = (
            models.UniqueConstraint(fields=["organization", "support_organization"], name="support_access_once"),
            models.CheckConstraint(
                condition=models.Q(availability__in=SupportAvailability.values),
                name="support_access_availability_known",
            ),
        )

    def __str__(self) -> str:
        return f"{self.support_organization}: {self.get_availability_display()}"
