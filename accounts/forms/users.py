"""What pages about users take in."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import F, Q
from django.template.defaultfilters import filesizeformat

from accounts.models import Profile, Role, User
from accounts.services.guards import holds
from accounts.services.users import NotDelegated, PersonForm, UserDetails, delegation_of, is_worn
from orgs.permissions import Permission

from .fields import RoleChoice

if TYPE_CHECKING:
    from django.core.files.uploadedfile import UploadedFile
    from django.db.models import QuerySet

    from orgs.http import Origin
    from orgs.models import Organization


def profiles_to_give(organization: "Organization", origin: "Origin") -> "QuerySet[Profile]":
    """Return the profiles that may be handed out or cloned: Modify All Data only its holders hand on."""
    profiles = Profile.objects.filter(organization=organization)
    if holds(origin, Permission.MODIFY_ALL_DATA):
        return profiles
    return profiles.alias(held=F("permission_bits").bitand(Permission.MODIFY_ALL_DATA.bit)).filter(held=0)


class UserForm(PersonForm):
    """New user, and edit user."""

    # As they stand on the page: the first that is wrong gets the focus.
    field_order = ("first_name", "last_name", "username", "email", "alias", "profile", "role")
    profile = forms.ModelChoiceField(Profile.objects.none(), empty_label=None)
    role = RoleChoice(Role.objects.none(), required=False, empty_label="No role")
    version = forms.CharField(required=False, max_length=40, widget=forms.HiddenInput)

    def __init__(
        self,
        *args: Any,
        organization: "Organization",
        origin: "Origin",
        user: User | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._choose(organization, origin, user)
        if user is None:
            self._field("profile").empty_label = "Choose a profile"
            self.fields["alias"].help_text = "Left empty, it is made of the name."
            return
        pending = user.pending_email
        waits = f"{pending} waits to be confirmed; {user.email} counts until then." if pending else ""
        self.fields["email"].help_text = waits
        if origin.is_limited:
            refused = "Only the organization's own administrators change this."
            for name, words in (("username", ""), ("email", waits), ("profile", ""), ("role", "")):
                self.fields[name].disabled = True
                self.fields[name].help_text = f"{words} {refused}".strip()
        elif is_worn(user, origin):
            refused = f"Not changed while you are logged in as {user}."
            for name, words in (("username", refused), ("email", f"{waits} {refused}".strip())):
                self.fields[name].widget.attrs["readonly"] = True
                self.fields[name].help_text = words
        elif waits:
            self.fields["email"].help_text = f"{waits} Enter that one again to withdraw the change."

    def _choose(self, organization: "Organization", origin: "Origin", user: User | None) -> None:
        """Offer the profiles and roles that may be given; accounts/services/users refuses all others too."""
        profiles, roles = profiles_to_give(organization, origin), Role.objects.filter(organization=organization)
        if (delegation := delegation_of(origin)) is not None:
            kept = [] if user is None else [user.profile_id]
            profiles = profiles.filter(pk__in=[*delegation.profile_ids, *kept])
            # A group without roles reaches nobody, and no condition would be every role.
            below = Q(pk__in=[])
            for path in delegation.paths:
                below |= Q(path__startswith=path)
            roles = roles.filter(below)
            self.fields["role"].required, self._field("role").empty_label = True, "Choose a role"
        self._field("profile").queryset = profiles.order_by("name")
        self._field("role").queryset = roles.order_by("path")

    def _field(self, name: str) -> Any:  # noqa: ANN401  # a ModelChoiceField: what it is given is wider than the stubs
        return self.fields[name]

    def details(self) -> UserDetails:
        """Return what was typed."""
        return UserDetails(**{name: value for name, value in self.cleaned_data.items() if name != "version"})

    def refuse(self, refusal: NotDelegated) -> None:
        """Put what no group of a delegate's gives beside its field, or above them all."""
        self.add_error(refusal.field or None, str(refusal))


# What the page for imports takes: so many users, and 400 bytes for each.
IMPORT_ROWS = 10_000


IMPORT_BYTES = IMPORT_ROWS * 400


class UserImportForm(forms.Form):
    """A CSV file of users. What is in it, the service reads."""

    file = forms.FileField(
        label="CSV file",
        # The service tells what belongs into it.
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": ".csv,text/csv"}),
        help_text=f"In UTF-8, with at most {IMPORT_ROWS:,} users.",
        error_messages={"required": "Choose a file.", "missing": "Choose a file."},
    )
    mail = forms.BooleanField(
        label="Mail each new user a link to choose a password",
        required=False,
        initial=True,
        help_text="Otherwise they ask for one themselves, where they sign in.",
    )

    def clean_file(self) -> "UploadedFile[bytes]":
        """Refuse a file that is larger than the page takes."""
        file: UploadedFile[bytes] = self.cleaned_data["file"]
        if (file.size or 0) > IMPORT_BYTES:
            raise ValidationError(
                f"This file is larger than {filesizeformat(IMPORT_BYTES)}, and the page takes {IMPORT_ROWS:,} users at "
                "most. Split it, or import it with manage.py import_users, which takes any number."
            )
        return file
