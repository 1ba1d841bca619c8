"""What had been typed into a form that was refused, given back so that it can be copied: it is kept nowhere else."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django import forms
from django.forms.utils import pretty_name

from accounts.forms.delegated_groups import DelegatedGroupForm
from accounts.forms.grants import GRANTEE, AskForm, GrantsForm
from accounts.forms.personal import PersonalForm
from accounts.forms.profiles import CloneProfileForm, ProfileForm
from accounts.forms.roles import MoveRoleForm, RoleForm
from accounts.forms.users import UserForm, UserImportForm
from accounts.forms.visits import StartForm, StepUpForm
from orgs.forms import SUPPORT, ActivationRequestForm, CompanyForm, LoginAccessPolicyForm, SessionSettingsForm

from .form_mark import FIELD_NAME

if TYPE_CHECKING:
    from django.http import HttpRequest

# A field whose name holds one of these is never shown back, whatever was typed.
SECRET_WORDS = ("pass", "secret", "token", "key", "code", "otp")
# What pages send along or offer beside their forms, and nobody typed; and how names of choices begin that are made.
CARRIED_FIELDS = frozenset(
    {"csrfmiddlewaretoken", FIELD_NAME, "act", "answer", "asked", "back", "before", "below", "format", "from", "id"}
    | {"next", "permissions", "profile", "profiles", "read", "role", "roles", "version"}
)
CHOSEN = (GRANTEE, SUPPORT)
# The form of a page, by the name of its URL: what its fields are called there, and which are typed into.
FORMS: dict[str, type[forms.Form]] = {
    "activation_request": ActivationRequestForm,
    "company_edit": CompanyForm,
    "delegated_group_create": DelegatedGroupForm,
    "delegated_group_edit": DelegatedGroupForm,
    "login_access": GrantsForm,
    "login_access_policies": LoginAccessPolicyForm,
    "profile_create": CloneProfileForm,
    "profile_edit": ProfileForm,
    "role_create": RoleForm,
    "role_edit": RoleForm,
    "role_move": MoveRoleForm,
    "session_settings": SessionSettingsForm,
    "settings_personal": PersonalForm,
    "user_ask_for_access": AskForm,
    "user_create": UserForm,
    "user_edit": UserForm,
    "user_import": UserImportForm,
    "user_import_check": UserImportForm,
    "user_login_as": StartForm,
    "visit_step_up": StepUpForm,
}
# The kinds of <input> that one types into.
TYPED_INTO = frozenset({"text", "email", "number", "search", "tel", "url"})
# Of a form that is made by its page.
OTHER_LABELS = {"login": "Username"}


@dataclass(frozen=True, slots=True)
class TypedField:
    """One field of a form that was refused."""

    label: str
    value: str
    rows: int


def typed_fields(request: "HttpRequest") -> list[TypedField]:
    """Return what was typed into the refused form, secrets aside. Of a field that no form here has: whatever it holds.

    A download is asked for with what its list was narrowed by, and nothing is typed.
    """
    page = request.resolver_match.url_name or "" if request.resolver_match else ""
    if page.endswith("_download"):
        return []
    known = FORMS[page].base_fields if page in FORMS else {}
    fields = []
    for name, values in request.POST.lists():
        value = "\n".join(values)
        if value and _may_be_shown(name) and (name not in known or _is_typed_into(known[name])):
            rows = min(value.count("\n") + 1 + len(value) // 80, 8)
            fields.append(TypedField(_label(name, known.get(name)), value, rows=rows))
    return fields


def _may_be_shown(name: str) -> bool:
    is_secret = any(word in name.casefold() for word in SECRET_WORDS)
    return not is_secret and name not in CARRIED_FIELDS and not name.startswith(CHOSEN)


def _is_typed_into(field: forms.Field) -> bool:
    """Tell whether a field takes text: not what is chosen, ticked, hidden or secret."""
    return isinstance(field.widget, forms.Textarea) or getattr(field.widget, "input_type", "") in TYPED_INTO


def _label(name: str, field: forms.Field | None) -> str:
    """Return what the page calls a field."""
    if field is not None and field.label:
        return str(field.label)
    return OTHER_LABELS.get(name) or pretty_name(name.replace("-", " ").strip())
