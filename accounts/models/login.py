from django.conf import settings
from django.db import models

from accounts.enums import LoginStatus, LoginType


class Login(models.Model):
    """One row of the Login History: a sign-in, a failed one, or a log-in-as with the actor as Delegate User."""

    organization = models.ForeignKey("orgs.Organization", on_delete=models.PROTECT, db_index=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, db_index=False, related_name="logins")
    username = models.CharField(max_length=254)
    created_at = models.DateTimeField()
    type = models.CharField(max_length=12, choices=LoginType, default=LoginType.APPLICATION)
    status = models.CharField(max_length=16, choices=LoginStatus, default=LoginStatus.SUCCESS)
    address = models.GenericIPAddressField(null=True)
    agent = models.CharField(max_length=300, blank=True)
    # Of a log-in-as, whose hands. No constraint in the database, and the name beside it: as the trail has it.
    delegate_user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        null=True,
        related_name="+",
    )
    delegate_user_name = models.CharField(max_length=400, blank=True)

    class Meta:
        indexes = (
            models.Index(fields=["organization", "created_at", "id"], name="login_by_organization"),
            models.Index(fields=["organization", "status", "created_at", "id"], name="login_by_status"),
            models.Index(fields=["organization", "type", "created_at", "id"], name="login_by_type"),
            models.Index(fields=["user", "created_at", "id"], name="login_by_user"),
            models.Index(
                fields=["delegate_user", "created_at", "id"],
                condition=models.Q(delegate_user__isnull=False),
                name="login_by_delegate_user",
            ),
        )

    def __str__(self) -> str:
        return f"{self.username} {self.created_at:%Y-%m-%d %H:%M}"


class UnknownUsernames(models.Model):
    """How often, on one day (UTC), someone tried to sign in under a username that is nobody's.

    No name, no address: such a sign-in leaves no row of the Login History. What is written here takes the time that
    writing one takes, so that the answer comes as late as to a wrong password.
    """

    day = models.DateField(primary_key=True)
    tries = models.PositiveBigIntegerField(default=0)

    class Meta:
        verbose_name_plural = "unknown usernames"

    def __str__(self) -> str:
        return f"{self.day}: {self.tries}"
