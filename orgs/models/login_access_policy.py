from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

SHORTEST_VISIT, LONGEST_VISIT = 5, 480
LONGEST_SIGN_IN_AGE = 1440


class AccessMode(models.TextChoices):
    """What a visit may do when it begins."""

    FULL = "full", "Full access"
    READ_ONLY_FIRST = "read_only_first", "Read-only first, with a step up to full access that asks for a reason"


class LoginAccessPolicy(models.Model):
    """Who may log in as whom in one organization, beside edition and provisioning."""

    organization = models.OneToOneField(
        "orgs.Organization", on_delete=models.PROTECT, primary_key=True, related_name="login_access_policy"
    )
    any_user_login = models.BooleanField("Administrators Can Log in as Any User", default=False)
    protect_administrators = models.BooleanField(default=False)
    time_limit_minutes = models.PositiveSmallIntegerField(
        default=60, validators=[MinValueValidator(SHORTEST_VISIT), MaxValueValidator(LONGEST_VISIT)]
    )
    reason_required = models.BooleanField(default=False)
    # RE2's syntax, for the whole of a ticket number; and where a ticket is to be read, with {ticket} in it.
    ticket_pattern = models.CharField(max_length=200, blank=True)
    ticket_url = models.CharField(max_length=500, blank=True)
    access_mode = models.CharField(max_length=16, choices=AccessMode, default=AccessMode.FULL)
    mail_at_start = models.BooleanField(default=False)
    record_pages_opened = models.BooleanField(default=False)
    # Null: however long ago one signed in.
    sign_in_again_minutes = models.PositiveSmallIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(LONGEST_SIGN_IN_AGE)]
    )
    # When any-user login last stopped: a visit that began before it is over even if the tick came back.
    login_access_lost_at = models.DateTimeField(null=True, blank=True)
    # Counts the saves, so that the second of two who save at once is told.
    version = models.PositiveIntegerField(default=1)
    modified_at = models.DateTimeField(null=True, blank=True)
    modified_by_name = models.CharField(max_length=400, blank=True)

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=models.Q(time_limit_minutes__range=(SHORTEST_VISIT, LONGEST_VISIT)),
                name="login_access_policy_time_limit_in_range",
            ),
            models.CheckConstraint(
                condition=models.Q(sign_in_again_minutes=None)
                | models.Q(sign_in_again_minutes__range=(1, LONGEST_SIGN_IN_AGE)),
                name="login_access_policy_sign_in_again_in_range",
            ),
            models.CheckConstraint(
                condition=models.Q(access_mode__in=AccessMode.values), name="login_access_policy_access_mode_known"
            ),
        )

    def __str__(self) -> str:
        return f"Login access policy of {self.organization}"
