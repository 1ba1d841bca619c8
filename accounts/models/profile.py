from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from orgs.permissions import ADMINISTRATOR_BITS, Permission, from_bits


class StandardProfile(models.TextChoices):
    """The profiles that every organization has: they can be cloned, not edited or deleted."""

    SYSTEM_ADMINISTRATOR = "system_administrator", "System Administrator"
    READ_ONLY = "read_only", "Read Only"
    STANDARD_USER = "standard_user", "Standard User"
    MINIMUM_ACCESS = "minimum_access", "Minimum Access"
    EXTERNAL_USER = "external_user", "External User"


class Profile(models.Model):
    """What its users may do. Permissions are one number, so that the identity statement carries no list of them."""

    organization = models.ForeignKey("orgs.Organization", on_delete=models.PROTECT, related_name="profiles")
    name = models.CharField(max_length=80)
    standard = models.CharField(max_length=24, choices=StandardProfile, blank=True)
    is_external = models.BooleanField(default=False)
    permission_bits = models.PositiveBigIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    created_by_name = models.CharField(max_length=400, blank=True)
    modified_at = models.DateTimeField(null=True, blank=True)
    modified_by_name = models.CharField(max_length=400, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint("organization", Lower("name"), name="profile_name_unique_in_organization"),
            models.UniqueConstraint(
                fields=["organization", "standard"],
                condition=~models.Q(standard=""),
                name="profile_standard_once_in_organization",
            ),
            models.CheckConstraint(
                condition=models.Q(is_external=False) | models.Q(permission_bits=0),
                name="profile_external_holds_no_permission",
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def permissions(self) -> frozenset[Permission]:
        """The permissions that :attr:`permission_bits` stands for."""
        return from_bits(self.permission_bits)

    @property
    def is_standard(self) -> bool:
        """Whether it is one of every organization's own: cloned, never edited or deleted."""
        return bool(self.standard)

    @property
    def is_administrator(self) -> bool:
        """Whether it holds Modify All Data and Manage Users."""
        return self.permission_bits & ADMINISTRATOR_BITS == ADMINISTRATOR_BITS
