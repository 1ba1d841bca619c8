from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

SHORTEST_VISIT, LONGEST_VISIT = 5, 480


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
        )

    def __str__(self) -> str:
        return f"Login access policy of {self.organization}"
