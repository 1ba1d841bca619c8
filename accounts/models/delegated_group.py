from django.conf import settings
from django.db import models
from django.db.models.functions import Lower


class DelegatedGroup(models.Model):
    """Who administers whom: delegates, the roles in whose trees they do, and the profiles that they may hand out."""

    organization = models.ForeignKey(
        "orgs.Organization", on_delete=models.PROTECT, db_index=False, related_name="delegated_groups"
    )
    name = models.CharField(max_length=80)
    delegates = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="delegated_groups")
    roles = models.ManyToManyField("accounts.Role", related_name="+")
    profiles = models.ManyToManyField("accounts.Profile", related_name="+")
    login_access = models.BooleanField("Enable Group for Login Access", default=False)
    # When login access last stopped: a visit that rests on the group and began before it is over.
    login_access_lost_at = models.DateTimeField(null=True, blank=True)
    # Counts the saves, so that the second of two who save at once is told.
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField()
    created_by_name = models.CharField(max_length=400, blank=True)
    modified_at = models.DateTimeField(null=True, blank=True)
    modified_by_name = models.CharField(max_length=400, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint("organization", Lower("name"), name="delegated_group_name_unique_in_organization"),
        )

    def __str__(self) -> str:
        return self.name
