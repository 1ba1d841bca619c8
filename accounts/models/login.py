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
    delegate_user_name = models.CharField(max_length=400, blank=True)

    class Meta:
        indexes = (
            models.Index(fields=["organization", "-id"], name="login_by_organization"),
            models.Index(fields=["user", "-id"], name="login_by_user"),
        )

    def __str__(self) -> str:
        return f"{self.username} {self.created_at:%Y-%m-%d %H:%M}"
