"""What is typed of a person, on a page or in a file: one validation for both."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from accounts.models import User
from orgs.text import validate_name, validate_plain_text

LONGEST_ADDRESS = 254


def validate_length_as_stored(value: str) -> None:
    """Refuse an address that grows too long when it is stored: in one spelling, some characters are several."""
    stored = User._meta.get_field("username").get_prep_value(value)
    # Of one that is too long as it was typed the field says so itself.
    if len(value) <= LONGEST_ADDRESS < len(stored):
        raise ValidationError(f"This is too long: at most {LONGEST_ADDRESS} characters are kept.", code="max_length")


class AddressField(forms.EmailField):
    """A username, or where someone's mail goes."""

    def __init__(self, **kwargs: Any) -> None:
        validators = [validate_plain_text, validate_length_as_stored]
        super().__init__(max_length=LONGEST_ADDRESS, validators=validators, **kwargs)


class PersonForm(forms.Form):
    """Names and addresses of a user."""

    first_name = forms.CharField(max_length=80, required=False, validators=[validate_plain_text])
    last_name = forms.CharField(max_length=80, validators=[validate_name])
    alias = forms.CharField(max_length=20, required=False, validators=[validate_plain_text])
    username = AddressField(
        help_text="Unique everywhere. Capital letters do not matter.",
        error_messages={"invalid": "A username looks like an e-mail address: grace@acme.example."},
    )
    email = AddressField(label="E-mail address")
