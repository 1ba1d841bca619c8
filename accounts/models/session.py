import uuid
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models

from accounts.enums import SessionEnd, SessionType
from accounts.querysets import SessionQuerySet


class Session(models.Model):
    """One browser's session, found by the hash of its key; the key itself is in the cookie and nowhere else.

    Who someone is comes from these columns, never from :attr:`data`. A worn session (*SubstituteUser*) has the actor's
    own as its parent. Rows stay when they end; their data does not.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    # Null while another account is worn; a unique column can't hold more than one empty text.
    key_hash = models.CharField(max_length=64, unique=True, null=True)  # noqa: DJ001
    # The key before the last rotation: only for a double click on Login (services/impersonation.py).
    previous_key_hash = models.CharField(max_length=64, null=True)  # noqa: DJ001
    # The hash of the browser's return cookie while another account is worn. It authenticates nothing by itself.
    return_hash = models.CharField(max_length=64, blank=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="sessions", db_index=False
    )
    # The user's own, so that an organization's sessions are found by an index.
    organization = models.ForeignKey("orgs.Organization", on_delete=models.PROTECT, null=True, db_index=False)
    parent = models.ForeignKey("self", on_delete=models.CASCADE, null=True, related_name="children")
    type = models.CharField(max_length=14, choices=SessionType, default=SessionType.UI)
    backend = models.CharField(max_length=100, blank=True)
    # Django's HMAC of the password: a session dies with the password that opened it.
    auth_hash = models.CharField(max_length=128, blank=True)
    address = models.GenericIPAddressField(null=True)
    agent = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField()
    # Null until a worn session's key is first used.
    last_active_at = models.DateTimeField(null=True)
    authenticated_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    # Null while it goes on, of a worn session (its visit's row tells) and where nobody knows.
    end_cause = models.CharField(max_length=24, choices=SessionEnd, null=True)  # noqa: DJ001
    data = models.TextField(blank=True)

    objects = SessionQuerySet.as_manager()

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=models.Q(type=SessionType.UI, parent=None)
                | models.Q(type=SessionType.SUBSTITUTE_USER, parent__isnull=False, user__isnull=False),
                name="session_worn_has_parent",
            ),
            models.CheckConstraint(
                condition=models.Q(user=None, organization=None)
                | models.Q(user__isnull=False, organization__isnull=False),
                name="session_of_user_has_organization",
            ),
        )
        indexes = (
            models.Index(fields=["user", "ended_at", "id"], name="session_by_user"),
            models.Index(
                fields=["organization", "id"],
                condition=models.Q(ended_at=None, organization__isnull=False),
                name="session_live",
            ),
            models.Index(
                fields=["organization", "ended_at"],
                condition=models.Q(ended_at__isnull=False, organization__isnull=False),
                name="session_ended",
            ),
            models.Index(
                fields=["previous_key_hash"],
                condition=models.Q(previous_key_hash__isnull=False),
                name="session_by_previous_key",
            ),
        )

    def __str__(self) -> str:
        return str(self.public_id)

    def idle_end(self, idle: timedelta) -> datetime:
        """Return when this session falls idle, unless something is done in it before."""
        return (self.last_active_at or self.created_at) + idle

    def absolute_end(self, absolute: timedelta) -> datetime:
        """Return when this session is over, whatever is done in it."""
        return self.created_at + absolute

    @property
    def is_worn(self) -> bool:
        """Whether this session wears another's account."""
        return self.parent_id is not None
