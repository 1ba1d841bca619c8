from datetime import datetime

from django.conf import settings
from django.db import models

from accounts.querysets import LoginAccessGrantQuerySet


class LoginAccessGrant(models.Model):
    """A user's own permission to be logged in as, from when to when. Rows are history: another duration is a new row.

    The grantee is a support organization, or, where there is none, the user's own administrators and delegated
    administrators (*Your Company's Administrator*).
    """

    organization = models.ForeignKey("orgs.Organization", on_delete=models.PROTECT, db_index=False, related_name="+")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, db_index=False, related_name="login_access_grants"
    )
    support_organization = models.ForeignKey(
        "orgs.Organization", on_delete=models.PROTECT, null=True, db_index=False, related_name="grants_received"
    )
    granted_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    # Of all that one person gave to one grantee, the last: the only one that can be live.
    is_latest = models.BooleanField(default=True)

    objects = LoginAccessGrantQuerySet.as_manager()

    class Meta:
        constraints = (
            # Two, since SQLite takes any number of rows that hold a null.
            models.UniqueConstraint(
                fields=["user"],
                condition=models.Q(is_latest=True, support_organization=None),
                name="login_access_grant_latest_to_company",
            ),
            models.UniqueConstraint(
                fields=["user", "support_organization"],
                condition=models.Q(is_latest=True, support_organization__isnull=False),
                name="login_access_grant_latest_to_support",
            ),
            models.CheckConstraint(
                condition=models.Q(expires_at__gt=models.F("granted_at")),
                name="login_access_grant_ends_after_it_begins",
            ),
        )
        indexes = (
            # For downloads, which have all of them.
            models.Index(fields=["organization", "id"], name="login_access_grant_of_all"),
            models.Index(fields=["user", "-id"], name="login_access_grant_by_user"),
            models.Index(
                fields=["organization", "id"],
                condition=models.Q(is_latest=True, revoked_at=None),
                name="login_access_grant_standing",
            ),
            # One that ran out stands until another is given: they may be many more than are live.
            models.Index(
                fields=["organization", "expires_at", "id"],
                condition=models.Q(is_latest=True, revoked_at=None),
                name="login_access_grant_by_end",
            ),
            models.Index(
                fields=["support_organization", "id"],
                condition=models.Q(is_latest=True, revoked_at=None),
                name="login_access_grant_by_support",
            ),
        )

    def __str__(self) -> str:
        return f"{self.user} to {self.grantee_name}"

    @property
    def grantee_name(self) -> str:
        """Who may log in, as pages name them."""
        return str(self.support_organization) if self.support_organization_id else "Your Company's Administrator"

    def is_live(self, at: datetime) -> bool:
        """Tell whether it runs at ``at``. Whether it counts is for the rule to say."""
        return self.revoked_at is None and at < self.expires_at
