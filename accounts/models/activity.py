from django.db import models

from accounts.enums import ActivityKind


class ImpersonationActivity(models.Model):
    """One thing done, refused or opened inside a visit: which view, of what object, and how it went.

    Never a body, an address with its query, or a word that may be secret: of what a path names only numbers are kept.
    Written before the view runs, with its answer's status after; without one the outcome is not known.
    """

    impersonation = models.ForeignKey(
        "accounts.Impersonation",
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="activities",
    )
    created_at = models.DateTimeField()
    kind = models.CharField(max_length=7, choices=ActivityKind)
    method = models.CharField(max_length=10)
    # The URL's name, as in urls.py ("user_edit").
    view = models.CharField(max_length=100)
    # What of it, as the path names it: "user 17"; empty where a page is of nothing in particular.
    object = models.CharField(max_length=80, blank=True)
    # HTTP status of the answer; null while it runs, and for ever where the process was killed.
    status = models.PositiveSmallIntegerField(null=True)
    # Why it was refused, or did nothing.
    detail = models.CharField(max_length=300, blank=True)

    class Meta:
        verbose_name_plural = "impersonation activities"
        constraints = (
            models.UniqueConstraint(
                fields=["impersonation", "view", "object"],
                condition=models.Q(kind=ActivityKind.OPENED),
                name="activity_opened_once",
            ),
        )
        indexes = (models.Index(fields=["impersonation", "id"], name="activity_by_impersonation"),)

    def __str__(self) -> str:
        return f"{self.method} {self.view} {self.object}".strip()
