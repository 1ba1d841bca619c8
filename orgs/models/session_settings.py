from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Case, Q, Value, When

SHORTEST_IDLE, LONGEST_IDLE = 15, 1440
SHORTEST_ABSOLUTE, LONGEST_ABSOLUTE = 1, 24
SHORTEST_HISTORY, LONGEST_HISTORY = 6, 24
# The bits of :attr:`SessionSettings.switches`.
FORCE_RELOGIN, LOCK_TO_ADDRESS, WARN_BEFORE_TIMEOUT = 1, 2, 4


@dataclass(frozen=True, slots=True)
class Limits:
    """What of an organization's session settings is asked on every request."""

    idle: timedelta
    absolute: timedelta
    force_relogin: bool
    lock_to_address: bool
    warns: bool

    @classmethod
    def of(cls, idle_minutes: int, absolute: timedelta, switches: int) -> Self:
        """Read them from columns of a row."""
        return cls(
            idle=timedelta(minutes=idle_minutes),
            absolute=absolute,
            force_relogin=bool(switches & FORCE_RELOGIN),
            lock_to_address=bool(switches & LOCK_TO_ADDRESS),
            warns=bool(switches & WARN_BEFORE_TIMEOUT),
        )


def _bit(name: str, bit: int) -> Case:
    return Case(When(Q((name, True)), then=Value(bit)), default=Value(0), output_field=models.SmallIntegerField())


class SessionSettings(models.Model):
    """How long an organization's sessions last and what ends them. Minutes, hours and months as named."""

    organization = models.OneToOneField(
        "orgs.Organization", on_delete=models.PROTECT, primary_key=True, related_name="session_settings"
    )
    idle_minutes = models.PositiveSmallIntegerField(
        default=120, validators=[MinValueValidator(SHORTEST_IDLE), MaxValueValidator(LONGEST_IDLE)]
    )
    absolute_hours = models.PositiveSmallIntegerField(
        default=12, validators=[MinValueValidator(SHORTEST_ABSOLUTE), MaxValueValidator(LONGEST_ABSOLUTE)]
    )
    # How long login history and ended sessions are kept (manage.py trim_history).
    history_months = models.PositiveSmallIntegerField(
        default=12, validators=[MinValueValidator(SHORTEST_HISTORY), MaxValueValidator(LONGEST_HISTORY)]
    )
    force_relogin = models.BooleanField("Force relogin after Login-As-User", default=True)
    end_on_password_reset = models.BooleanField(default=True)
    lock_to_address = models.BooleanField(default=False)
    warn_before_timeout = models.BooleanField(default=True)
    # What of these every request asks, in one number: the identity statement reads one column for three.
    switches = models.GeneratedField(
        expression=_bit("force_relogin", FORCE_RELOGIN)
        + _bit("lock_to_address", LOCK_TO_ADDRESS)
        + _bit("warn_before_timeout", WARN_BEFORE_TIMEOUT),
        output_field=models.SmallIntegerField(),
        db_persist=True,
    )
    # Counts the saves, so that the second of two who save at once is told.
    version = models.PositiveIntegerField(default=1)
    modified_at = models.DateTimeField(null=True, blank=True)
    modified_by_name = models.CharField(max_length=400, blank=True)

    class Meta:
        verbose_name_plural = "session settings"
        constraints = (
            models.CheckConstraint(
                condition=Q(idle_minutes__range=(SHORTEST_IDLE, LONGEST_IDLE)), name="session_settings_idle_in_range"
            ),
            models.CheckConstraint(
                condition=Q(absolute_hours__range=(SHORTEST_ABSOLUTE, LONGEST_ABSOLUTE)),
                name="session_settings_absolute_in_range",
            ),
            models.CheckConstraint(
                condition=Q(history_months__range=(SHORTEST_HISTORY, LONGEST_HISTORY)),
                name="session_settings_history_in_range",
            ),
            models.CheckConstraint(
                condition=Q(idle_minutes__lte=models.F("absolute_hours") * 60),
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
