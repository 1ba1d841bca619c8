"""What pages about users take in: parsed, cleaned, and worded where it can't be taken."""

import unicodedata
from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import F

from accounts.models import Profile, Role, User
from accounts.services.guards import holds
from accounts.services.users import UserDetails, is_worn
from orgs.permissions import Permission

if TYPE_CHECKING:
    from orgs.http import Origin
    from orgs.models import Organization

# Control characters, halves of characters, ends of lines; and what turns the direction of the text around it.
REFUSED_CATEGORIES = frozenset({"Cc", "Cs", "Co", "Cn", "Zl", "Zp"})
TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def validate_plain_text(value: str) -> None:
    """Refuse characters that no page can show as they are, or that make another text look like this one."""
    # Of NUL Django says so itself.
    if any(one in TURNING or unicodedata.category(one) in REFUSED_CATEGORIES for one in value.replace("\0", "")):
        raise ValidationError("This holds characters that cannot be shown. Type it anew.", code="odd")


class RoleChoice(forms.ModelChoiceField):  # type: ignore[type-arg]  # generic in the stubs only
    """The tree of roles, each as deep as it stands."""

    def label_from_instance(self, obj: Any) -> str:  # noqa: ANN401  # Django's signature
        return f"{'– ' * (obj.depth - 1)}{obj.name}"


class UserForm(forms.Form):
    """New user, and edit user."""

    first_name = forms.CharField(max_length=80, required=False, validators=[validate_plain_text])
    last_name = forms.CharField(max_length=80, validators=[validate_plain_text])
    alias = forms.CharField(max_length=20, required=False, validators=[validate_plain_text])
    username = forms.EmailField(
        max_length=254,
        validators=[validate_plain_text],
        help_text="Unique everywhere. Capital letters do not matter.",
        error_messages={"invalid": "A username looks like an e-mail address: grace@acme.example."},
    )
    email = forms.EmailField(label="E-mail address", max_length=254, validators=[validate_plain_text])
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
        profiles = Profile.objects.filter(organization=organization).order_by("name")
        if not holds(origin, Permission.MODIFY_ALL_DATA):
            # Only its holders hand it out (accounts/services/users.py refuses it too).
            profiles = profiles.alias(held=F("permission_bits").bitand(Permission.MODIFY_ALL_DATA.bit)).filter(held=0)
        self._choose(self.fields["profile"], profiles)
        self._choose(self.fields["role"], Role.objects.filter(organization=organization).order_by("path"))
        if user is None:
            cast("forms.ModelChoiceField[Profile]", self.fields["profile"]).empty_label = "Choose a profile"
            self.fields["alias"].help_text = "Left empty, it is made of the name."
        elif is_worn(user, origin):
            for name in ("username", "email"):
                self.fields[name].widget.attrs["readonly"] = True
                self.fields[name].help_text = f"Not changed while you are logged in as {user}."

    @staticmethod
    def _choose(field: Any, queryset: Any) -> None:  # noqa: ANN401  # a ModelChoiceField and its rows
        field.queryset = queryset

    def details(self) -> UserDetails:
        """Return what was typed."""
        return UserDetails(**{name: value for name, value in self.cleaned_data.items() if name != "version"})
