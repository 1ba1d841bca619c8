"""What the pages of login access grants take in: granting it, and asking for it."""

from typing import TYPE_CHECKING, Any

from django import forms

from accounts.enums import GrantDuration
from orgs.moments import write_minute

from .fields import ReasonField

if TYPE_CHECKING:
    from collections.abc import Sequence

    from accounts.services.grants import Grantee

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
                (KEEP, f"Until {write_minute(live.expires_at)}" if live else GrantDuration.NONE.label),
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
