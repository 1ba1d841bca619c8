"""What the pages of delegated groups take in."""

from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import F, Q

from accounts.models import DelegatedGroup, Profile, Role, User
from accounts.services.delegated_groups import GroupDetails
from orgs.permissions import Permission
from orgs.text import validate_plain_text

from .fields import RolesChoice, SeveralChoice

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orgs.models import Organization


class DelegatedGroupForm(forms.Form):
    """New delegated group, and edit one."""

    name = forms.CharField(max_length=80, validators=[validate_plain_text])
    delegates = forms.CharField(
        label="Delegated administrators",
        required=False,
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 5, "spellcheck": "false", "autocapitalize": "none"}),
        help_text="Usernames, one on each line. Everyone needs View Setup and Configuration.",
    )
    roles = RolesChoice(
        Role.objects.none(),
        required=False,
        help_text="Each with everything below it. Users without a role are in no group.",
    )
    profiles = SeveralChoice(
        Profile.objects.none(),
        label="Assignable profiles",
        required=False,
        help_text="What delegated administrators may give to users in these roles.",
    )
    login_access = forms.BooleanField(
        label="Enable Group for Login Access",
        required=False,
        help_text="Delegated administrators may log in as users in these roles, by the rules for administrators.",
    )
    version = forms.IntegerField(min_value=0, required=False, widget=forms.HiddenInput)

    def __init__(
        self, *args: Any, organization: "Organization", group: DelegatedGroup | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.organization = organization
        profiles = Profile.objects.filter(organization=organization)
        held = F("permission_bits").bitand(Permission.MODIFY_ALL_DATA.bit)
        may_be_given = Q(is_external=False, held=0)
        if group is not None:
            # One that came to hold it since is shown, so that it can be taken out; it is handed out no more.
            may_be_given |= Q(pk__in=group.profiles.values("pk"))
        self._set("profiles", profiles.alias(held=held).filter(may_be_given).order_by("name"))
        self._set("roles", Role.objects.filter(organization=organization).order_by("path"))

    def _set(self, name: str, queryset: Any) -> None:  # noqa: ANN401  # its rows
        cast("Any", self.fields[name]).queryset = queryset

    def clean_delegates(self) -> frozenset[User]:
        """Return the people whose usernames were typed; whoever is not here is named."""
        to_username = User._meta.get_field("username").get_prep_value
        lines = [line.strip() for line in self.cleaned_data["delegates"].splitlines()]
        typed = {to_username(line): line for line in lines if line}
        people = User.objects.in_organization(self.organization).filter(username__in=list(typed))
        found = {user.username: user for user in people.select_related("profile")}
        if unknown := [line for username, line in typed.items() if username not in found]:
            raise ValidationError([f"There is no user {line} here." for line in unknown])
        return frozenset(found.values())

    @staticmethod
    def initial_of(group: DelegatedGroup) -> dict[str, Any]:
        """Return what the form of a group starts with."""
        has = GroupDetails.of(group)
        return {
            "name": has.name,
            "delegates": "\n".join(sorted(user.username for user in has.delegates)),
            "roles": has.roles,
            "profiles": has.profiles,
            "login_access": has.login_access,
            "version": group.version,
        }

    def details(self) -> GroupDetails:
        """Return what was typed."""
        data = self.cleaned_data
        return GroupDetails(
            name=data["name"],
            delegates=data["delegates"],
            roles=frozenset(data["roles"]),
            profiles=frozenset(data["profiles"]),
            login_access=data["login_access"],
        )

    def refuse(self, faults: "Iterable[tuple[str, str]]") -> None:
        """Put the service's words beside the fields."""
        for name, words in faults:
            self.add_error(name, words)
