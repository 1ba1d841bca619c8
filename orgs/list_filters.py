"""What narrows a list, read from its address. What can't be read is told beside its field, and left out."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.auth import get_user_model
from django.urls import reverse
from django.utils.choices import flatten_choices
from django.utils.http import urlencode

from .models import AuditEvent, OrganizationKind
from .moments import UTC_NAME, midnight, reader
from .text import validate_plain_text

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from accounts.models import User
    from orgs.models import Organization

PEOPLE_SHOWN = 8
NOT_A_CHOICE = "There is no such choice. Nothing is narrowed by it."


class DayField(forms.DateField):
    """A day, as browsers send it and as an address writes it: 2026-11-22."""

    def __init__(self, label: str) -> None:
        widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
        words = {"invalid": "This is not a day. Write it as 2026-11-22."}
        super().__init__(label=label, required=False, widget=widget, input_formats=["%Y-%m-%d"], error_messages=words)


class ListFilterForm(forms.Form):
    """A list's filters: a GET form, every filter a parameter of the address. Days are the reader's, both included.

    Bound to ``request.GET``. :attr:`chosen` holds what was given and can be read, by field; a list that shows
    :attr:`errors` narrows by the rest.
    """

    start = DayField("From")
    end = DayField("To")

    def __init__(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self.order_fields([*(name for name in self.fields if name not in {"start", "end"}), "start", "end"])
        for name, field in self.fields.items():
            kind = "select" if isinstance(field.widget, forms.Select) else "control"
            field.widget.attrs["class"] = f"form-{kind} form-{kind}-sm"
            if name in self.errors:
                field.widget.attrs["class"] += " is-invalid"
                field.widget.attrs["aria-describedby"] = f"id_{name}_error"
            if isinstance(field, DayField) and self.has_error(name, "invalid"):
                # A browser empties a date field that holds no date: what was typed would be gone.
                field.widget.input_type = "text"

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        start, end = cleaned.get("start"), cleaned.get("end")
        if start and end and end < start:
            self.add_error("end", "This is before the first day. Nothing is narrowed by it.")
        return cleaned

    def pin(self, name: str, value: str) -> None:
        """Take ``value`` for what was given in a field, in the field and in every address: the one who was meant."""
        self.cleaned_data[name] = value
        # Not **self.data: of a QueryDict that is lists, and a day in a list is none to its field.
        self.data = {**dict(self.data.items()), name: value}

    @property
    def chosen(self) -> dict[str, Any]:
        """What was given and can be read."""
        return {name: value for name, value in self.cleaned_data.items() if value not in (None, "")}

    @property
    def parameters(self) -> dict[str, str]:
        """The same as parameters of an address."""
        return {name: str(value) for name, value in self.chosen.items()}

    @property
    def narrowed_by(self) -> dict[str, str]:
        """The same for the trail, with the zone that a day is meant in where that is not UTC."""
        zone = reader().zone_name
        has_days = not {"start", "end"}.isdisjoint(self.chosen)
        return self.parameters | ({"time_zone": zone} if has_days and zone != UTC_NAME else {})

    @property
    def is_narrowed(self) -> bool:
        """Whether anything narrows the list."""
        return bool(self.chosen)

    @property
    def in_words(self) -> list[str]:
        """What narrows the list, as its fields show it: "Section: Manage Users"."""
        return [f"{self[name].label}: {self._words_of(name)}" for name in self.chosen]

    def _words_of(self, name: str) -> str:
        field, value = self.fields[name], self.chosen[name]
        labels: dict[Any, Any] = {}
        if isinstance(field, forms.ChoiceField):
            labels = dict(flatten_choices(field.choices))  # type: ignore[arg-type]  # the stubs know plain tuples alone
        return str(labels.get(value, value))

    @property
    def is_unfolded(self) -> bool:
        """Whether a filter beside the first is in use, or was refused: a narrow screen folds them away otherwise."""
        _, *others = self.fields
        return any(name in self.chosen or name in self.errors for name in others)

    def between(self, field: str) -> dict[str, datetime]:
        """Return the condition on a time that the chosen days make, for ``filter(**…)``."""
        start, end = self.chosen.get("start"), self.chosen.get("end")
        condition = {}
        if start:
            condition[f"{field}__gte"] = midnight(start)
        # The last day that there is has no next one.
        if end and end < date.max:
            condition[f"{field}__lt"] = midnight(end + timedelta(days=1))
        return condition

    def url(self, name: str, cursor: str | None = None) -> str:
        """Return the address of this list, narrowed as it is, from ``cursor`` on."""
        asked = {**self.parameters, **({"cursor": cursor} if cursor else {})}
        return f"{reverse(name)}{f'?{urlencode(asked)}' if asked else ''}"

    def page_url(self, name: str, cursor: str | None) -> str:
        """Return the address of another page, or nothing where there is none."""
        return self.url(name, cursor) if cursor else ""


class PersonField(forms.CharField):
    """A person, by username, or by a part of the name."""

    def __init__(self, label: str = "Person", **kwargs: Any) -> None:
        kwargs = {"required": False, "max_length": 254, "validators": [validate_plain_text], **kwargs}
        super().__init__(label=label, **kwargs)
        self.widget.attrs |= {"autocomplete": "off", "placeholder": "Name or username", "type": "search"}


class PersonFilter:
    """Whom a typed name means, in one organization: one person, several to choose from, or nobody.

    Usernames are unique, and stand in the address. Someone of a support organization counts where the organization's
    trail names them. A reader who does not see every user is told of those alone whom the trail names, by username.
    """

    def __init__(self, typed: str, organization: "Organization", *, sees_users: bool = True) -> None:
        self.typed = typed
        # The one who is meant, or the several who may be.
        self.person: User | None = None
        self.candidates: Sequence[User] = ()
        if typed:
            self._find(organization, sees_users=sees_users)

    @classmethod
    def of(cls, form: ListFilterForm, organization: "Organization", *, sees_users: bool = True) -> "PersonFilter":
        """Return whom the field ``person`` of a form means; the one who is found stands in it by username."""
        found = cls(form.chosen.get("person", ""), organization, sees_users=sees_users)
        if found.person is not None:
            form.pin("person", found.person.username)
        return found

    @property
    def is_open(self) -> bool:
        """Whether a name was typed that does not mean one person: nothing is to be listed for it."""
        return bool(self.typed) and self.person is None

    @property
    def has_more(self) -> bool:
        """Whether there are more candidates than are shown."""
        return len(self.candidates) > PEOPLE_SHOWN

    @property
    def shown(self) -> "Sequence[User]":
        """The candidates that are shown."""
        return self.candidates[:PEOPLE_SHOWN]

    def _find(self, organization: "Organization", *, sees_users: bool) -> None:
        users: QuerySet[Any] = get_user_model().objects.select_related("organization")
        exact = users.filter(username=self.typed).first()
        if exact is not None and self._is_shown(exact, organization, sees_users=sees_users):
            self.person = exact
            return
        if not sees_users:
            return
        here: Any = users.filter(organization=organization)
        found = here.first_found(self.typed, organization, size=PEOPLE_SHOWN + 1).rows
        if len(found) == 1:
            (self.person,) = found
        else:
            self.candidates = found

    @staticmethod
    def _is_shown(person: "User", organization: "Organization", *, sees_users: bool) -> bool:
        """Tell whether the reader may know of ``person``: from the users list, or from the trail."""
        is_own = person.organization_id == organization.pk
        if is_own and sees_users:
            return True
        may_be_named = is_own or person.organization.kind == OrganizationKind.OPERATOR
        return may_be_named and _is_named(person, organization)


def _is_named(person: "User", organization: "Organization") -> bool:
    """Tell whether an organization's trail has rows by, for or about someone."""
    named = (AuditEvent.objects.filter(**{role: person}) for role in ("user", "delegate_user", "about"))
    return any(rows.filter(organization=organization).exists() for rows in named)
