"""What pages about users take in: parsed, cleaned, and worded where it can't be taken."""

from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import F, Q
from django.utils.formats import date_format

from accounts.enums import GrantDuration
from accounts.models import DelegatedGroup, Profile, Role, User
from accounts.services.delegated_groups import GroupDetails
from accounts.services.guards import NameTaken, holds
from accounts.services.start_policy import StartDetails, asks_before_start
from accounts.services.users import NotDelegated, UserDetails, delegation_of, is_worn
from orgs.permissions import Permission
from orgs.text import is_plain, is_seen, validate_name, validate_plain_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from accounts.services.grants import Grantee
    from orgs.http import Origin
    from orgs.models import LoginAccessPolicy, Organization

# The longest number that is looked up as the id of a row.
ID_DIGITS = 18


class RoleChoice(forms.ModelChoiceField):  # type: ignore[type-arg]  # generic in the stubs only
    """The tree of roles, each as deep as it stands."""

    def label_from_instance(self, obj: Any) -> str:  # noqa: ANN401  # Django's signature
        return f"{'– ' * (obj.depth - 1)}{obj.name}"


class UserForm(forms.Form):
    """New user, and edit user."""

    first_name = forms.CharField(max_length=80, required=False, validators=[validate_plain_text])
    last_name = forms.CharField(max_length=80, validators=[validate_name])
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
        profiles, roles = (
            Profile.objects.filter(organization=organization),
            Role.objects.filter(organization=organization),
        )
        if not holds(origin, Permission.MODIFY_ALL_DATA):
            # Only its holders hand it out.
            profiles = profiles.alias(held=F("permission_bits").bitand(Permission.MODIFY_ALL_DATA.bit)).filter(held=0)
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


class RoleForm(forms.Form):
    """New role, and edit role: its name, and where it stands in the tree."""

    name = forms.CharField(label="Role name", max_length=80, validators=[validate_name])
    below = RoleChoice(
        Role.objects.none(),
        required=False,
        empty_label="None: at the top",
        help_text="Whoever administers a role administers everything below it too.",
    )
    version = forms.CharField(required=False, max_length=120, widget=forms.HiddenInput)

    def __init__(self, *args: Any, organization: "Organization", role: Role | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        roles = Role.objects.filter(organization=organization).order_by("path")
        below = cast("Any", self.fields["below"])
        below.queryset = roles
        if role is not None:
            # Not offered; where it is sent all the same, the service says what is wrong with it.
            others = roles.exclude(path__startswith=role.path)
            below.widget.choices = [("", below.empty_label)] + [
                (other.pk, below.label_from_instance(other)) for other in others
            ]

    def clean_name(self) -> str:
        """Return the name with its spaces in order."""
        return " ".join(self.cleaned_data["name"].split())

    def refuse(self, refusal: Exception) -> None:
        """Put the service's words beside the field that they are about."""
        self.add_error("name" if isinstance(refusal, NameTaken) else "below", str(refusal))


class ReasonField(forms.CharField):
    """Why something is done: one line of plain text, however it was typed. What nobody can see is nothing."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=1000, widget=forms.Textarea(attrs={"rows": 3}), **kwargs)

    def to_python(self, value: Any) -> str:  # noqa: ANN401  # Django's signature
        text = " ".join(str(super().to_python(value) or "").split())
        # What holds odd characters alone is refused for those.
        return text if is_seen(text) or not is_plain(text) else ""

    def run_validators(self, value: Any) -> None:  # noqa: ANN401  # Django's signature
        super().run_validators(value)
        validate_plain_text(value)


class StartForm(forms.Form):
    """What comes before a log-in-as where the policy asks. What must be told, the service knows."""

    reason = ReasonField(required=False)
    ticket = forms.CharField(label="Ticket number", max_length=80, required=False, validators=[validate_plain_text])

    def details(self) -> StartDetails:
        """Return what was told, as far as it could be read."""
        is_unreadable = not self.is_valid()
        return StartDetails(**self.cleaned_data, is_unreadable=is_unreadable)

    def refuse(self, fields: dict[str, str]) -> None:
        """Put the service's words beside the fields, where the form has none of its own."""
        for name, words in fields.items():
            if name not in self.errors:
                self.add_error(name, words)

    def show_what_is_asked(self, policy: "LoginAccessPolicy") -> None:
        """Leave the fields that ``policy`` asks for, or that may be told with them; none where one click would do."""
        reason, ticket = self.fields["reason"], self.fields["ticket"]
        if policy.reason_required:
            reason.widget.attrs["required"] = True
        else:
            reason.label = "Reason (optional)"
        if policy.ticket_pattern:
            ticket.widget.attrs["required"] = True
            ticket.help_text = f"It has to match {policy.ticket_pattern}"
        elif "ticket" not in self.errors:
            del self.fields["ticket"]
        if not asks_before_start(policy) and "reason" not in self.errors:
            del self.fields["reason"]


class StepUpForm(forms.Form):
    """Why a read-only visit needs full access."""

    reason = ReasonField(error_messages={"required": "Say why you need full access. The reason is kept."})


class SeveralChoice(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]  # as above
    """Several rows, each with a box to tick."""

    widget = forms.CheckboxSelectMultiple

    def clean(self, value: Any) -> Any:  # noqa: ANN401  # Django's signature
        for one in value or ():
            if len(str(one)) > ID_DIGITS:
                # SQLite fails at such a number, and no row has it.
                raise ValidationError(self.error_messages["invalid_choice"], "invalid_choice", {"value": one})
        return super().clean(value)


class RolesChoice(SeveralChoice):
    """Several roles of the tree."""

    def label_from_instance(self, obj: Any) -> str:  # noqa: ANN401  # Django's signature
        return f"{'– ' * (obj.depth - 1)}{obj.name}"


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


# Leaves a grant, or the lack of one, as it is.
KEEP = "keep"
GRANTEE = "grantee_"


class GrantField(forms.ChoiceField):
    """How long one grantee has access. To keep and to take away are understood from a stale tab too."""

    def __init__(self, grantee: "Grantee") -> None:
        live = grantee.grant
        offered = GrantDuration.choices[1:] if grantee.is_available else []
        super().__init__(
            label=grantee.name,
            required=False,
            initial=KEEP,
            choices=[
                (KEEP, f"Until {date_format(live.expires_at, 'j F Y, H:i')}" if live else GrantDuration.NONE.label),
                *([(GrantDuration.NONE.value, GrantDuration.NONE.label)] if live else []),
                *offered,
            ],
            widget=forms.Select(attrs={"class": "form-select form-select-sm"}),
            error_messages={"invalid_choice": "Choose one of the durations that are offered."},
        )

    def valid_value(self, value: Any) -> bool:  # noqa: ANN401  # Django's signature
        return value in {KEEP, GrantDuration.NONE} or super().valid_value(value)


class GrantsForm(forms.Form):
    """Grant Account Login Access: a field for each grantee."""

    def __init__(self, *args: Any, grantees: "Sequence[Grantee]", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for grantee in grantees:
            self.fields[f"{GRANTEE}{grantee.key}"] = GrantField(grantee)

    def choices(self) -> dict[str, str]:
        """Return what is to be changed, by the grantee's key; of a grantee that the page does not offer too.

        What can't be granted, the service knows. A stale tab that keeps what is gone asks for nothing.
        """
        unknown = {name: self.data[name] for name in self.data if name.startswith(GRANTEE)}
        chosen = {name.removeprefix(GRANTEE): value for name, value in {**unknown, **self.cleaned_data}.items()}
        return {key: value for key, value in chosen.items() if value and value != KEEP}


class AskForm(forms.Form):
    """Asking a user for access."""

    reason = ReasonField(error_messages={"required": "Say why. The user reads it, and decides."})
    duration = forms.ChoiceField(
        choices=GrantDuration.choices[1:],
        error_messages={"invalid_choice": "Choose one of the durations that are offered."},
    )
