"""What Setup's pages about the organization take in."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import URLValidator

from orgs.models import AccessMode, Organization, SupportAvailability
from orgs.models.login_access_policy import LONGEST_SIGN_IN_AGE, LONGEST_VISIT, SHORTEST_VISIT
from orgs.models.session_settings import LONGEST_ABSOLUTE, LONGEST_HISTORY, SHORTEST_ABSOLUTE, SHORTEST_HISTORY
from orgs.services.login_access_policies import SETTINGS, PolicyChanges, PolicyDetails
from orgs.services.session_settings import SETTINGS as SESSION_SETTINGS
from orgs.services.session_settings import SettingsChanges, minutes_in_words
from orgs.text import validate_name, validate_plain_lines, validate_plain_text
from orgs.tickets import PLACE, NotAPattern, compiled, ticket_url

if TYPE_CHECKING:
    from django.http import QueryDict


def validate_ticket_pattern(value: str) -> None:
    """Refuse what is no pattern, and patterns whose matching may take for ever."""
    try:
        compiled(value)
    except NotAPattern as error:
        raise ValidationError(
            f"This pattern cannot be used: {error}. Look-around and back references are not taken.", code="pattern"
        ) from error


def validate_ticket_url(value: str) -> None:
    """Refuse what leads nowhere, or to no ticket; the ticket never says to which site."""
    site, *where = re.split(r"[/?#]", value.partition("://")[2], maxsplit=1)
    if PLACE in site or PLACE not in "".join(where):
        raise ValidationError(f"The address needs {PLACE} after the name of the site.", code="place")
    URLValidator(schemes=["http", "https"], message="Give an address that begins with https:// or http://")(
        ticket_url(value, "T-1")
    )


# How the names of the fields of support organizations begin.
SUPPORT = "support_"


def support_name(support: Organization) -> str:
    """Return the name of the field of a support organization."""
    return f"{SUPPORT}{support.pk}"


def form_values(details: PolicyDetails, supports: Sequence[Organization]) -> dict[str, Any]:
    """Return what the page holds by the names of its fields."""
    values = {name: getattr(details, name) for name in SETTINGS}
    for support in supports:
        is_only = support.pk in details.administrators_only
        values[support_name(support)] = (
            SupportAvailability.ADMINISTRATORS if is_only else SupportAvailability.USERS
        ).value
    return values


def _keep_what_was_not_sent(form: forms.Form) -> None:
    """Let a text or a choice that is not in the request at all stay as it is; a checkbox that is not is off."""
    data = cast("QueryDict", form.data)
    for name, value in form.initial.items():
        if not isinstance(form.fields[name], forms.BooleanField):
            data.setdefault(name, "" if value is None else str(value))


class LoginAccessPolicyForm(forms.Form):
    """The Login Access Policies page, and the version at which it was read. ``initial`` is :func:`form_values`."""

    any_user_login = forms.BooleanField(
        label="Enabled",
        required=False,
        widget=forms.CheckboxInput(
            attrs={"class": "form-check-input", "aria-describedby": "any-user-login-setting any-user-login-help"}
        ),
    )
    reason_required = forms.BooleanField(
        label=SETTINGS["reason_required"][0],
        required=False,
        help_text="Whoever clicks Login says why first. The user reads it.",
    )
    ticket_pattern = forms.CharField(
        label=SETTINGS["ticket_pattern"][0],
        max_length=200,
        required=False,
        validators=[validate_plain_text, validate_ticket_pattern],
        help_text="Asks for a ticket number that matches the whole pattern, such as OPS-[0-9]+. Empty: none is asked.",
    )
    ticket_url = forms.CharField(
        label=SETTINGS["ticket_url"][0],
        max_length=500,
        required=False,
        validators=[validate_plain_text, validate_ticket_url],
        help_text=f"Makes each ticket number a link: https://tickets.example/browse/{PLACE}",
    )
    time_limit_minutes = forms.IntegerField(
        label=SETTINGS["time_limit_minutes"][0],
        min_value=SHORTEST_VISIT,
        max_value=LONGEST_VISIT,
        help_text=f"In minutes, {SHORTEST_VISIT} to {LONGEST_VISIT}. Visits that run keep the limit they began with.",
    )
    access_mode = forms.ChoiceField(label=SETTINGS["access_mode"][0], choices=AccessMode.choices)
    mail_at_start = forms.BooleanField(
        label=SETTINGS["mail_at_start"][0],
        required=False,
        help_text="The user gets a mail whenever someone logs in as them.",
    )
    record_pages_opened = forms.BooleanField(
        label=SETTINGS["record_pages_opened"][0],
        required=False,
        help_text="Pages that were only read are then listed with the visit.",
    )
    protect_administrators = forms.BooleanField(
        label=SETTINGS["protect_administrators"][0],
        required=False,
        help_text="An administrator is logged in as only with a grant of their own.",
    )
    sign_in_again_minutes = forms.IntegerField(
        label=SETTINGS["sign_in_again_minutes"][0],
        min_value=1,
        max_value=LONGEST_SIGN_IN_AGE,
        required=False,
        help_text=f"In minutes, 1 to {LONGEST_SIGN_IN_AGE}: whoever signed in longer ago gives their password again "
        "before they log in as someone. Empty: however long ago.",
    )
    version = forms.IntegerField(min_value=0)

    def __init__(
        self, data: "QueryDict | None" = None, *, initial: dict[str, Any], supports: Sequence[Organization]
    ) -> None:
        super().__init__(data.copy() if data is not None else None, initial=initial)
        self.supports = supports
        for support in supports:
            self.fields[support_name(support)] = forms.ChoiceField(
                choices=SupportAvailability.choices,
                widget=forms.Select(attrs={"class": "form-select form-select-sm", "aria-label": str(support)}),
            )
        if self.is_bound:
            _keep_what_was_not_sent(self)

    def clean(self) -> None:
        """Refuse an address of tickets where nobody is asked for one."""
        if self.cleaned_data.get("ticket_url") and not self.cleaned_data.get("ticket_pattern", True):
            self.add_error("ticket_url", "Give a pattern too, or no ticket number is asked for.")

    def values(self, *, switches: bool) -> dict[str, Any]:
        """Return what was chosen, by the names of the fields; the checkbox with ``switches`` only."""
        names = [name for name in self.initial if switches or name != "any_user_login"]
        return {name: self.cleaned_data[name] for name in names}

    def changes(self, *, switches: bool) -> PolicyChanges:
        """Return what is to be saved, as the service takes it."""
        values = self.values(switches=switches)
        only = [one.pk for one in self.supports if values[support_name(one)] == SupportAvailability.ADMINISTRATORS]
        named = {name: value for name, value in values.items() if name in SETTINGS}
        return cast("PolicyChanges", {**named, "administrators_only": frozenset(only)})


# What a timeout usually is; whatever is stored stands among them.
USUAL_TIMEOUTS = frozenset({15, 30, 60, 120, 240, 480, 720, 1440})


class SessionSettingsForm(forms.Form):
    """The Session Settings page, and the version at which it was read. ``initial`` is what holds."""

    idle_minutes = forms.TypedChoiceField(
        label=SESSION_SETTINGS["idle_minutes"][0],
        coerce=int,
        help_text="Without activity a session ends after this time; never above the absolute limit.",
    )
    absolute_hours = forms.IntegerField(
        label=SESSION_SETTINGS["absolute_hours"][0],
        min_value=SHORTEST_ABSOLUTE,
        max_value=LONGEST_ABSOLUTE,
        help_text=f"In hours, {SHORTEST_ABSOLUTE} to {LONGEST_ABSOLUTE}, from signing in, whatever is done. "
        "Whoever has been signed in for longer, you too, is signed out at once.",
    )
    warn_before_timeout = forms.BooleanField(
        label=SESSION_SETTINGS["warn_before_timeout"][0],
        required=False,
        help_text="Every page says when one would be signed out, and asks two minutes before whether to stay.",
    )
    force_relogin = forms.BooleanField(
        label=SESSION_SETTINGS["force_relogin"][0],
        required=False,
        help_text="Whoever logs out as another user signs in again to go on as themselves.",
    )
    end_on_password_reset = forms.BooleanField(
        label=SESSION_SETTINGS["end_on_password_reset"][0],
        required=False,
        help_text="A user who is sent a password reset is signed out everywhere at once.",
    )
    lock_to_address = forms.BooleanField(
        label=SESSION_SETTINGS["lock_to_address"][0],
        required=False,
        help_text="A session ends when it is used from another address than the one it began at. "
        "People who move between networks sign in again each time.",
    )
    history_months = forms.IntegerField(
        label=SESSION_SETTINGS["history_months"][0],
        min_value=SHORTEST_HISTORY,
        max_value=LONGEST_HISTORY,
        help_text=f"In months, {SHORTEST_HISTORY} to {LONGEST_HISTORY}. "
        "Sign-ins and ended sessions that are older are deleted for good.",
    )
    version = forms.IntegerField(min_value=0)

    def __init__(
        self, data: "QueryDict | None" = None, *, initial: dict[str, Any], read: dict[str, Any] | None = None
    ) -> None:
        """``read`` is what held when the page was opened: what was offered then is taken."""
        super().__init__(data.copy() if data is not None else None, initial=initial)
        held = {values["idle_minutes"] for values in (initial, read or initial)}
        timeouts = sorted(USUAL_TIMEOUTS | held)
        cast("forms.ChoiceField", self.fields["idle_minutes"]).choices = [
            (minutes, minutes_in_words(minutes)) for minutes in timeouts
        ]
        if self.is_bound:
            _keep_what_was_not_sent(self)

    def clean(self) -> None:
        """Refuse a timeout that the absolute limit would never let come."""
        idle, absolute = self.cleaned_data.get("idle_minutes"), self.cleaned_data.get("absolute_hours")
        if idle is not None and absolute is not None and idle > absolute * 60:
            words = minutes_in_words(absolute * 60)
            self.add_error("idle_minutes", f"The timeout cannot be longer than the absolute limit, {words}.")

    def changes(self) -> SettingsChanges:
        """Return what was chosen, as the service takes it."""
        return cast("SettingsChanges", {name: self.cleaned_data[name] for name in SESSION_SETTINGS})


class CompanyForm(forms.Form):
    """What an organization says of itself."""

    name = forms.CharField(label="Organization name", max_length=80, validators=[validate_name])

    def clean_name(self) -> str:
        """Return the name with its spaces in order."""
        return " ".join(self.cleaned_data["name"].split())


class ActivationRequestForm(forms.Form):
    """Asking for any-user login. What must be told, the service knows."""

    has_read = forms.BooleanField(label="I have read what it is and does", required=False)
    business_case = forms.CharField(
        required=False,
        validators=[validate_plain_lines],
        widget=forms.Textarea(attrs={"rows": 6}),
        help_text="Who needs to log in as whom, and what for. Up to 4,000 characters; Support reads it.",
    )

    def clean_business_case(self) -> str:
        """Count an end of line once, as the browser does."""
        return str(self.cleaned_data["business_case"]).replace("\r\n", "\n")
