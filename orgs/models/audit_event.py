from django.conf import settings
from django.db import models


def _person(related_name: str) -> "models.ForeignKey[models.Model | None, models.Model | None]":
    # No database constraint: the trail copies names and outlives the people it names.
    return models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        null=True,
        related_name=related_name,
    )


class AuditEvent(models.Model):
    """One row of the Setup Audit Trail. Written by :func:`orgs.audit.record` alone, and never changed."""

    organization = models.ForeignKey("orgs.Organization", on_delete=models.PROTECT, db_index=False)
    created_at = models.DateTimeField()
    action = models.CharField(max_length=60)
    section = models.CharField(max_length=40)
    sentence = models.TextField()
    # Whose account it was done as, whose hands did it where they differ, and whom it is about.
    user = _person("+")
    user_name = models.CharField(max_length=400)
    delegate_user = _person("+")
    delegate_user_name = models.CharField(max_length=400, blank=True)
    about = _person("+")
    about_name = models.CharField(max_length=400, blank=True)
    address = models.GenericIPAddressField(null=True)
    agent = models.CharField(max_length=300, blank=True)
    session_public_id = models.UUIDField(null=True)
    impersonation_id = models.BigIntegerField(null=True)
    request_id = models.CharField(max_length=64, blank=True)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)

    class Meta:
        indexes = (
            # In the order of their ids for downloads, seals and archives; in that of their times for pages.
            models.Index(fields=["organization", "id"], name="audit_event_by_organization"),
            models.Index(fields=["organization", "created_at", "id"], name="audit_event_by_time"),
            models.Index(fields=["organization", "section", "created_at", "id"], name="audit_event_by_section"),
            models.Index(fields=["organization", "action", "created_at", "id"], name="audit_event_by_action"),
            models.Index(fields=["user", "created_at", "id"], name="audit_event_by_user"),
            # Most rows have neither: counted among the rest, these would make SQLite take each for a bad guess.
            models.Index(
                fields=["delegate_user", "created_at", "id"],
                condition=models.Q(delegate_user__isnull=False),
                name="audit_event_by_delegate",
            ),
            models.Index(fields=["about", "created_at", "id"], name="audit_event_by_about"),
            models.Index(
                fields=["impersonation_id", "id"],
                condition=models.Q(impersonation_id__isnull=False),
                name="audit_event_by_visit",
            ),
        )

    def __str__(self) -> str:
        return self.sentence
