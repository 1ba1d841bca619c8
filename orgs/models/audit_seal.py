from django.db import models


class AuditSeal(models.Model):
    """A batch of an organization's events, chained to the batch before it. Written once, and never changed.

    ``entries`` names each event with the digest of what it held, in the order in which they were sealed; ``digest``
    is over these and the seal before (orgs/services/seals.py). Digests are SHA-256, 64 hexadecimal digits.
    """

    organization = models.ForeignKey("orgs.Organization", on_delete=models.PROTECT, db_index=False)
    # From 1, without a gap: of two who seal at once the second finds its number taken.
    number = models.PositiveBigIntegerField()
    sealed_at = models.DateTimeField()
    # Digest of the seal before; 64 zeros for the first.
    previous = models.CharField(max_length=64)
    entries = models.JSONField()
    last_event_id = models.BigIntegerField()
    digest = models.CharField(max_length=64)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["organization", "number"], name="audit_seal_number_unique"),)

    def __str__(self) -> str:
        return f"Seal {self.number}"


class AuditArchive(models.Model):
    """What was exported of an organization's trail before it was deleted, and by whom. Never changed.

    The database lets events go only up to ``last_event_id`` of such a row (orgs/triggers.py). The seals stay, so that
    the chain can be checked across the gap and the file against ``digest``.
    """

    organization = models.ForeignKey("orgs.Organization", on_delete=models.PROTECT, db_index=False)
    created_at = models.DateTimeField()
    by_name = models.CharField(max_length=400)
    last_event_id = models.BigIntegerField()
    last_seal_number = models.PositiveBigIntegerField()
    # Digest of that seal: the head of what the file holds.
    head = models.CharField(max_length=64)
    events = models.PositiveBigIntegerField()
    file_name = models.CharField(max_length=255)
    # SHA-256 of the file's bytes.
    digest = models.CharField(max_length=64)

    class Meta:
        indexes = (models.Index(fields=["organization", "last_event_id"], name="audit_archive_by_organization"),)

    def __str__(self) -> str:
        return f"Archive up to event {self.last_event_id}"
