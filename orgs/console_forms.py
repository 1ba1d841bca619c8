"""What the operator console takes in about customers and their requests."""

from typing import cast

from django import forms

from .editions import Edition
from .text import validate_name, validate_plain_lines, validate_plain_text

NOBODYS_ADDRESS = "Whose address is this? Say the name, or empty all three."


class ConfirmForm(forms.Form):
    """Nothing but the button."""


class EditionForm(forms.Form):
    """What an organization has bought."""

    edition = forms.ChoiceField(choices=Edition.choices)


class AccountExecutiveForm(forms.Form):
    """Who of Sales looks after an organization; with everything empty, nobody."""

    name = forms.CharField(max_length=80, required=False, validators=[validate_name])
    email = forms.EmailField(label="E-mail address", required=False, validators=[validate_plain_text])
    phone = forms.CharField(max_length=40, required=False, validators=[validate_plain_text])

    def clean(self) -> None:
        """Refuse the address of nobody."""
        super().clean()
        typed = self.cleaned_data
        if typed.get("name") == "" and (typed.get("email") or typed.get("phone")):
            self.add_error("name", NOBODYS_ADDRESS)


class AnswerForm(forms.Form):
    """What Support answers an activation request."""

    decision = forms.ChoiceField(choices=[("approve", "Approve"), ("decline", "Decline")])
    answer = forms.CharField(
        max_length=4000,
        required=False,
        validators=[validate_plain_lines],
        widget=forms.Textarea(attrs={"rows": 6, "cols": 60}),
        help_text="The requester reads it. To decline, say why.",
    )

    def leave_declining(self) -> None:
        """Offer that alone: what is approved already is not approved again."""
        cast("forms.ChoiceField", self.fields["decision"]).choices = [("decline", "Decline")]
        self.initial["decision"] = "decline"
