"""What the pages of profiles take in."""

from typing import TYPE_CHECKING, Any, cast

from django import forms

from accounts.models import Profile
from accounts.services.guards import NameTaken
from orgs.permissions import Permission

from .fields import NameField
from .users import profiles_to_give

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orgs.http import Origin
    from orgs.models import Organization


class ProfileForm(forms.Form):
    """Edit profile: its name, and what it permits."""

    name = NameField(label="Profile name")
    permissions = forms.MultipleChoiceField(choices=Permission.choices, required=False)
    version = forms.CharField(required=False, max_length=120, widget=forms.HiddenInput)

    def clean_permissions(self) -> frozenset[Permission]:
        """Return what was ticked."""
        return frozenset(map(Permission, self.cleaned_data["permissions"]))

    @property
    def ticked(self) -> frozenset[Permission]:
        """What is ticked as the form stands, whether it can be saved or not."""
        return permissions_in(self["permissions"].value())

    def refuse(self, refusal: Exception) -> None:
        """Put the service's words beside the field that they are about."""
        self.add_error("name" if isinstance(refusal, NameTaken) else "permissions", str(refusal))


def permissions_in(values: "Iterable[str]") -> frozenset[Permission]:
    """Return the permissions that an address or a form names; what is none is left out."""
    return frozenset(map(Permission, set(Permission.values) & set(values)))


class CloneProfileForm(forms.Form):
    """New profile: of which it is a clone, and its name."""

    profile = forms.ModelChoiceField(
        Profile.objects.none(),
        label="Clone of",
        empty_label="Choose a profile",
        help_text="The new profile permits what this one does. A clone for external users is for external users.",
    )
    name = NameField(label="Profile name")

    def __init__(self, *args: Any, organization: "Organization", origin: "Origin", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cast("Any", self.fields["profile"]).queryset = profiles_to_give(organization, origin).order_by("name", "id")

    def refuse(self, refusal: Exception) -> None:
        """Put the service's words beside the field that they are about."""
        self.add_error("name" if isinstance(refusal, NameTaken) else "profile", str(refusal))
