from django.conf import settings
from django.db import models

from accounts.enums import AccessRequestState


class AccessRequest(models.Model):
    """Someone who may not log in as a user for lack of a grant asks that user for one."""

    organization = models.ForeignKey("orgs.Organization", on_delete=models.PROTECT, db_index=False, related_name="+")
    requester = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, db_index=False, related_name="access_requests_made"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, db_index=False, related_name="access_requests"
    )
    reason = models.CharField(max_length=1000)
    # What is asked for, as GrantDuration spells it.
    duration = models.CharField(max_length=8)
    created_at = models.DateTimeField()
    # A question that nobody answered is gone by then.
    lapses_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=AccessRequestState, default=AccessRequestState.OPEN)
    answered_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["user", "requester"],
                condition=models.Q(state=AccessRequestState.OPEN),
                name="access_request_one_open_per_pair",
            ),
            models.CheckConstraint(
                condition=models.Q(state=AccessRequestState.OPEN, answered_at=None)
                | (~models.Q(state=AccessRequestState.OPEN) & models.Q(answered_at__isnull=False)),
                name="access_request_answered_when_closed",
            ),
        )
        indexes = (
            models.Index(fields=["requester", "-id"], name="access_request_by_requester"),
            # By when they are gone: nothing closes one that nobody answered, so that those stay behind.
            models.Index(
                fields=["organization", "lapses_at", "id"],
                condition=models.Q(state=AccessRequestState.OPEN),
                name="access_request_open",
            ),
        )

    def __str__(self) -> str:
        return f"{self.requester} asks {self.user}"
