"""Where the keyboard is after a form was refused: on the first field that is wrong, with scripts off too."""

from typing import Any

from django.forms import BaseForm, BoundField, Widget
from django.forms.renderers import DjangoTemplates


def first_invalid(form: BaseForm) -> str:
    """Return the name of the first field with an error that can take the focus; empty where there is none.

    A group of boxes is no single field, and a hidden one is not seen: the alert above takes the focus for them
    (includes/not_saved.html).
    """
    names = (name for name in form.fields if name in form.errors)
    return next((name for name in names if _can_be_focused(form[name])), "")


def _can_be_focused(field: BoundField) -> bool:
    return not field.is_hidden and not field.use_fieldset


class FocusedField(BoundField):
    """A field that asks for the focus where it is the first wrong one of its form."""

    def build_widget_attrs(self, attrs: dict[str, Any], widget: Widget | None = None) -> dict[str, Any]:
        attrs = super().build_widget_attrs(attrs, widget)
        if self.form.is_bound and self.name == first_invalid(self.form):
            attrs["autofocus"] = True
        return attrs


class FormRenderer(DjangoTemplates):
    """What renders every form, ours and those of other packages."""

    bound_field_class = FocusedField
