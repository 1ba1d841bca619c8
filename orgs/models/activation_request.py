from django.conf import settings
from django.db import models
from django.db.models import Q


class ActivationState(models.TextChoices):
    """How far a request is: Support approves or declines, Sales provisions."""

    OPEN = "open", "Open"
    APPROVED = "approved", "Approved, waiting for Sales"
    DECLINED = "declined", "Declined"
    DONE = "done", "Provisioned"


PENDING = (ActivationState.OPEN, ActivationState.APPROVED)


class ActivationRequest(models.Model):
    """An administrator asks the vendor to provision any-user login."""

    organization = models.ForeignKey(
        "orgs.Organization", on_delete=models.PROTECT, db_index=False, related_name="activation_requests"
    )
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, db_index=False, related_name="+"
    )
    requested_by_name = models.CharField(max_length=400)
    business_case = models.TextField(max_length=4000)
    state = models.CharField(max_length=8, choices=ActivationState, default=ActivationState.OPEN)
    created_at = models.DateTimeField()
    # What Support says, to the requester.
    answer = models.TextField(max_length=4000, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)
    answered_by_name = models.CharField(max_length=400, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["organization"], condition=Q(state__in=PENDING), name="activation_request_one_pending"
            ),
            models.CheckConstraint(
                condition=Q(state__in=ActivationState.values), name="activation_request_state_known"
            ),
        )
        indexes = (models.Index(fields=["organization", "-id"], name="activation_request_latest"),)

    def __str__(self) -> str:
        return f"{self.organization}: {self.get_state_display()}"
