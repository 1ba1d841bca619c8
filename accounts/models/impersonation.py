from django.conf import settings
from django.db import models

from accounts.enums import Access, Basis, EndCause, MailOutcome
from accounts.querysets import ImpersonationQuerySet


class Impersonation(models.Model):
    """One time that someone was logged in as someone: who, as whom, on what basis, from when to when, and why it ended.

    It has the id of the session that is worn, and outlives that row.
    """

    session = models.OneToOneField(
        "accounts.Session", on_delete=models.DO_NOTHING, db_constraint=False, primary_key=True, db_column="id"
    )
    actor_session = models.ForeignKey(
        "accounts.Session",
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="impersonations",
    )
    organization = models.ForeignKey("orgs.Organization", on_delete=models.PROTECT, db_index=False)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, db_index=False, related_name="impersonations_made"
    )
    target = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, db_index=False, related_name="impersonations_of"
    )
    actor_name = models.CharField(max_length=400)
    target_name = models.CharField(max_length=400)
    basis = models.CharField(max_length=16, choices=Basis)
    # The grant, where it rests on one; and the delegated group, where the actor is a delegate. No constraint in the
    # database: a group may be deleted, the visit's row stays.
    grant = models.ForeignKey(
        "accounts.LoginAccessGrant",
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        null=True,
        db_index=False,
        related_name="impersonations",
    )
    group = models.ForeignKey(
        "accounts.DelegatedGroup",
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        null=True,
        db_index=False,
        related_name="impersonations",
    )
    group_name = models.CharField(max_length=80, blank=True)
    reason = models.CharField(max_length=1000, blank=True)
    ticket = models.CharField(max_length=80, blank=True)
    # Read-only, until the actor steps up and says why.
    access = models.CharField(max_length=9, choices=Access, default=Access.FULL)
    stepped_up_at = models.DateTimeField(null=True)
    step_up_reason = models.CharField(max_length=1000, blank=True)
    # What became of the mail that tells the target; empty where the policy asks for none.
    mail = models.CharField(max_length=7, choices=MailOutcome, blank=True)
    # Copied at the start: the settings that it runs under, and how the actor had signed in.
    ran_under = models.JSONField(default=dict)
    # Whether the first opening of each page inside is written down.
    records_pages = models.BooleanField(default=False)
    # The users list as the actor left it: where *Back to Users* leads.
    back = models.CharField(max_length=500, blank=True)
    address = models.GenericIPAddressField(null=True)
    agent = models.CharField(max_length=300, blank=True)
    started_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    end_cause = models.CharField(max_length=24, choices=EndCause, blank=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, db_index=False, related_name="+"
    )
    # When the end was noticed; it fell at ended_at.
    noticed_at = models.DateTimeField(null=True)
    handed_back_at = models.DateTimeField(null=True)

    objects = ImpersonationQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["actor_session"],
                condition=models.Q(ended_at=None),
                name="impersonation_one_open_per_actor_session",
            ),
            models.CheckConstraint(
                condition=models.Q(ended_at=None, end_cause="")
                | (models.Q(ended_at__isnull=False) & ~models.Q(end_cause="")),
                name="impersonation_end_has_cause",
            ),
            models.CheckConstraint(condition=~models.Q(actor=models.F("target")), name="impersonation_of_someone_else"),
        )
        indexes = (
            models.Index(fields=["organization", "-started_at", "-session"], name="impersonation_by_organization"),
            models.Index(
                fields=["organization", "end_cause", "-started_at", "-session"], name="impersonation_by_cause"
            ),
            models.Index(fields=["organization", "basis", "-started_at", "-session"], name="impersonation_by_basis"),
            models.Index(fields=["actor", "-started_at"], name="impersonation_by_actor"),
            models.Index(fields=["target", "-started_at"], name="impersonation_by_target"),
            models.Index(
                fields=["organization", "basis"], condition=models.Q(ended_at=None), name="impersonation_open"
            ),
            models.Index(
                fields=["grant"],
                condition=models.Q(ended_at=None, grant__isnull=False),
                name="impersonation_open_by_grant",
            ),
            models.Index(
                fields=["organization", "-started_at", "-session"],
                condition=models.Q(ended_at=None),
                name="impersonation_open_latest",
            ),
        )

    def __str__(self) -> str:
        return f"{self.actor_name} as {self.target_name}"

    @property
    def is_limited(self) -> bool:
        """Whether the actor is no administrator of the organization: a delegate, or a support agent."""
        return self.group_id is not None or self.basis == Basis.SUPPORT_GRANT
