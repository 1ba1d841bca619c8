"""What the page of one's personal settings takes in."""

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any
from zoneinfo import available_timezones

from django import forms
from django.contrib.auth import authenticate
from django.utils import timezone

from accounts.enums import DateLanguage, Theme
from accounts.services.personal import PasswordNeeded, PersonalSettings
from accounts.services.users import AddressField
from orgs.moments import UTC_NAME, write_time
from orgs.text import validate_name, validate_plain_text

if TYPE_CHECKING:
    from django.http import HttpRequest

    from accounts.models import User

# The areas of the IANA database that zones are named after places in; the rest are older names of the same zones.
AREAS = frozenset(
    {
        *("Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic"),
        *("Australia", "Europe", "Indian", "Pacific"),
    }
)
Choices = list[tuple[str, str | list[tuple[str, str]]]]


@cache
def time_zone_choices() -> Choices:
    """Return the time zones by area, as a select shows them: "Europe" has "Berlin"."""
    areas: dict[str, list[tuple[str, str]]] = {}
    for name in sorted(available_timezones()):
        area, _, place = name.partition("/")
        if place and area in AREAS:
            areas.setdefault(area, []).append((name, place.replace("_", " ").replace("/", ": ")))
    return [(UTC_NAME, UTC_NAME), *areas.items()]


def _is_offered(name: str) -> bool:
    return any(name == value or name in dict(zones) for value, zones in time_zone_choices() if isinstance(zones, list))


class PersonalForm(forms.Form):
    """One's own name, e-mail address, and how pages look and write times."""

    first_name = forms.CharField(max_length=80, required=False, validators=[validate_plain_text])
    last_name = forms.CharField(max_length=80, validators=[validate_name])
    alias = forms.CharField(
        max_length=20, required=False, validators=[validate_plain_text], help_text="A short name, for lists."
    )
    email = AddressField(label="E-mail address")
    password = forms.CharField(
        label="Current password",
        required=False,
        strip=False,
        help_text="Only to change the e-mail address.",
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    time_zone = forms.ChoiceField(
        choices=time_zone_choices, error_messages={"invalid_choice": "There is no such time zone. Choose one."}
    )
    date_language = forms.ChoiceField(
        label="Dates and times are written as in",
        choices=DateLanguage.choices,
        help_text="The pages themselves are in English.",
    )
    theme = forms.ChoiceField(label="Colours", choices=Theme.choices)
    version = forms.CharField(required=False, max_length=40, widget=forms.HiddenInput)

    def __init__(
        self, data: Mapping[str, Any] | None = None, *, user: "User", request: "HttpRequest", **kwargs: Any
    ) -> None:
        super().__init__(data, **kwargs)
        self.user, self.request = user, request
        # Whether the password that was typed is this person's.
        self.is_confirmed = False
        if user.pending_email:
            words = f"{user.pending_email} waits to be confirmed; {user.email} counts until then."
            self.fields["email"].help_text = words
        if not _is_offered(user.time_zone) and user.time_zone != UTC_NAME:
            # One that was known when it was chosen, or by an older name: it stays until another is chosen.
            zones: Any = self.fields["time_zone"]
            zones.choices = [*time_zone_choices(), (user.time_zone, user.time_zone)]

    def clean(self) -> dict[str, Any]:
        """Try the password, if there is a new address to change to. A wrong one counts as at signing in.

        Whatever else is wrong: all of it is told at once.
        """
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if not self._is_address_new():
            return cleaned
        if not (password := cleaned.get("password")):
            self.add_error("password", str(PasswordNeeded()))
            return cleaned
        self.is_confirmed = authenticate(self.request, username=self.user.username, password=password) is not None
        if not self.is_confirmed:
            self.add_error("password", self._words_of_a_wrong_password())
        return cleaned

    def _is_address_new(self) -> bool:
        """Tell whether another address was typed, one that could be taken or not."""
        typed = str(self["email"].value() or "").strip().lower()
        return typed not in {"", self.user.email.lower()}

    def _words_of_a_wrong_password(self) -> str:
        self.user.refresh_from_db(fields=["locked_until"])
        if self.user.locked_until and self.user.is_locked(timezone.now()):
            return f"Too many wrong passwords. Try again after {write_time(self.user.locked_until)}."
        return "This is not your current password."

    def settings(self) -> PersonalSettings:
        """Return what was chosen."""
        data = self.cleaned_data
        return PersonalSettings(**{name: data[name] for name in data if name not in {"password", "version"}})
