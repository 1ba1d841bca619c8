"""What comes before a log-in-as, and before full access inside one."""

from typing import TYPE_CHECKING

from django import forms

from accounts.services.start_policy import StartDetails, asks_before_start
from orgs.text import validate_plain_text
from orgs.tickets import example_of

from .fields import ReasonField

if TYPE_CHECKING:
    from orgs.models import LoginAccessPolicy


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
            reason.label = self["reason"].label = "Reason (optional)"
        if policy.ticket_pattern:
            ticket.widget.attrs["required"] = True
            example = example_of(policy.ticket_pattern)
            whole = f"The whole number matches the pattern {policy.ticket_pattern}"
            # Of the bound field: once the form was read, that one no longer looks at the field's own.
            self["ticket"].help_text = f"One looks like {example}. {whole}" if example else whole
        elif "ticket" not in self.errors:
            del self.fields["ticket"]
        if not asks_before_start(policy) and "reason" not in self.errors:
            del self.fields["reason"]


class StepUpForm(forms.Form):
    """Why a read-only visit needs full access."""

    reason = ReasonField(error_messages={"required": "Say why you need full access. The reason is kept."})
