from datetime import timedelta

from django.db import models


class SessionSettings(models.Model):
    """How long an organization's sessions last and what ends them. Minutes, hours and months as named."""

    organization = models.OneToOneField(
        "orgs.Organization", on_delete=models.PROTECT, primary_key=True, related_name="session_settings"
    )
    idle_minutes = models.PositiveSmallIntegerField(default=120)
    absolute_hours = models.PositiveSmallIntegerField(default=12)
    force_relogin = models.BooleanField("Force relogin after Login-As-User", default=True)
    end_on_password_reset = models.BooleanField(default=True)
    lock_to_address = models.BooleanField(default=False)

    class Meta:
        verbose_name_plural = "session settings"
        constraints = (
            models.CheckConstraint(
                condition=models.Q(idle_minutes__range=(15, 1440)), name="session_settings_idle_in_range"
            ),
            models.CheckConstraint(
                condition=models.Q(absolute_hours__range=(1, 24)), name="session_settings_absolute_in_range"
            ),
            models.CheckConstraint(
                condition=models.Q(idle_minutes__lte=models.F("absolute_hours") * 60),
                name="session_settings_idle_within_absolute",
            ),
        )

    def __str__(self) -> str:
        return f"Session settings of {self.organization}"

    @property
    def idle(self) -> timedelta:
        """How long a session lives without activity."""
        return timedelta(minutes=self.idle_minutes)

    @property
    def absolute(self) -> timedelta:
        """How long a session lives at most."""
        return timedelta(hours=self.absolute_hours)
