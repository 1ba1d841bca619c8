"""What the operator console takes in about new customers."""

from django import forms
from django.core.exceptions import ValidationError

from orgs.console_forms import NOBODYS_ADDRESS
from orgs.editions import Edition
from orgs.models import Organization
from orgs.services.organizations import OrganizationNameTaken
from orgs.text import validate_name, validate_plain_text

from .services.customers import AccountExecutive, FirstAdministrator


class CustomerForm(forms.Form):
    """A new customer in the operator console: the organization, its first administrator, its Account Executive."""

    name = forms.CharField(label="Name of the organization", max_length=80, validators=[validate_name])
    edition = forms.ChoiceField(choices=Edition.choices)
    first_name = forms.CharField(
        label="Administrator’s first name", max_length=80, required=False, validators=[validate_plain_text]
    )
    last_name = forms.CharField(label="Administrator’s last name", max_length=80, validators=[validate_name])
    username = forms.EmailField(
        label="Administrator’s username",
        max_length=254,
        validators=[validate_plain_text],
        help_text="Unique everywhere. Capital letters do not matter.",
        error_messages={"invalid": "A username looks like an e-mail address: grace@acme.example."},
    )
    email = forms.EmailField(
        label="Administrator’s e-mail address",
        max_length=254,
        validators=[validate_plain_text],
        help_text="A mail with a link to choose a password goes there.",
    )
    executive_name = forms.CharField(
        label="Account Executive", max_length=80, required=False, validators=[validate_name]
    )
    executive_email = forms.EmailField(
        label="Account Executive’s e-mail address", required=False, validators=[validate_plain_text]
    )
    executive_phone = forms.CharField(
        label="Account Executive’s telephone", max_length=40, required=False, validators=[validate_plain_text]
    )

    def clean_name(self) -> str:
        """Return the name with its spaces in order; names that differ in capital letters alone are taken for one."""
        name = " ".join(self.cleaned_data["name"].split())
        if Organization.objects.filter(name__iexact=name).exists():
            raise ValidationError(str(OrganizationNameTaken()))
        return name

    def clean(self) -> None:
        """Refuse the address of nobody."""
        super().clean()
        typed = self.cleaned_data
        if typed.get("executive_name") == "" and (typed.get("executive_email") or typed.get("executive_phone")):
            self.add_error("executive_name", NOBODYS_ADDRESS)

    def administrator(self) -> FirstAdministrator:
        """Return who is to administer it."""
        return FirstAdministrator(
            **{name: self.cleaned_data[name] for name in ("first_name", "last_name", "username", "email")}
        )

    def account_executive(self) -> AccountExecutive:
        """Return who of Sales looks after it."""
        return AccountExecutive(**{name: self.cleaned_data[f"executive_{name}"] for name in ("name", "email", "phone")})
