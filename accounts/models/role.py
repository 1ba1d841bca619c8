from django.db import models
from django.db.models.functions import Lower
from treebeard.mp_tree import MP_Node


class Role(MP_Node):
    """A place in an organization's tree of roles. The path is stored: what is below a role is a prefix of text."""

    organization = models.ForeignKey("orgs.Organization", on_delete=models.PROTECT, related_name="roles")
    name = models.CharField(max_length=80)

    class Meta:
        constraints = (models.UniqueConstraint("organization", Lower("name"), name="role_name_unique_in_organization"),)

    def __str__(self) -> str:
        return self.name
