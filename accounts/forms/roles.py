"""What the pages of roles take in."""

from typing import TYPE_CHECKING, Any, cast

from django import forms

from accounts.models import Role
from accounts.services.guards import NameTaken

from .fields import NameField, RoleChoice

if TYPE_CHECKING:
    from orgs.models import Organization


class MoveRoleForm(forms.Form):
    """Where a role is to stand in the tree."""

    below = RoleChoice(
        Role.objects.none(),
        required=False,
        empty_label="None: at the top",
        help_text="Whoever administers a role administers everything below it too.",
    )

    def __init__(self, *args: Any, organization: "Organization", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.roles = Role.objects.filter(organization=organization).order_by("path")
        cast("Any", self.fields["below"]).queryset = self.roles


class RoleForm(MoveRoleForm):
    """New role, and edit role: its name, and where it stands in the tree."""

    field_order = ("name", "below")
    name = NameField(label="Role name")
    version = forms.CharField(required=False, max_length=120, widget=forms.HiddenInput)

    def __init__(self, *args: Any, organization: "Organization", role: Role | None = None, **kwargs: Any) -> None:
        super().__init__(*args, organization=organization, **kwargs)
        below = cast("Any", self.fields["below"])
        if role is not None:
            # Not offered; where it is sent all the same, the service says what is wrong with it.
            others = self.roles.exclude(path__startswith=role.path)
            below.widget.choices = [("", below.empty_label)] + [
                (other.pk, below.label_from_instance(other)) for other in others
            ]

    def refuse(self, refusal: Exception) -> None:
        """Put the service's words beside the field that they are about."""
        self.add_error("name" if isinstance(refusal, NameTaken) else "below", str(refusal))
