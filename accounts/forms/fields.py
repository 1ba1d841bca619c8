"""The fields that several forms have."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from orgs.text import is_plain, is_seen, validate_name, validate_plain_text

# The longest number that is looked up as the id of a row.
ID_DIGITS = 18


class RoleChoice(forms.ModelChoiceField):  # type: ignore[type-arg]  # generic in the stubs only
    """The tree of roles, each as deep as it stands."""

    def label_from_instance(self, obj: Any) -> str:  # noqa: ANN401  # Django's signature
        return f"{'– ' * (obj.depth - 1)}{obj.name}"


class NameField(forms.CharField):
    """What a row of Setup is called, with its spaces in order."""

    def __init__(self, *, label: str) -> None:
        super().__init__(label=label, max_length=80, validators=[validate_name])

    def clean(self, value: Any) -> str:  # noqa: ANN401  # Django's signature
        return " ".join(super().clean(value).split())


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


class SeveralChoice(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]  # as RoleChoice
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
