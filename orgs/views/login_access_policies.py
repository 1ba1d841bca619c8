"""Login Access Policies: read it, and, for those who may, save it."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from django.conf import settings
from django.contrib import messages
from django.shortcuts import redirect, render
from django.utils.text import get_text_list
from django.views.decorators.http import require_http_methods

from orgs.editions import Feature, editions_with
from orgs.forms import LoginAccessPolicyForm, form_values, support_name
from orgs.http import Origin
from orgs.models import SupportAvailability
from orgs.permissions import ADMINISTRATOR, Permission, RefusedToGuest, permission_required
from orgs.querysets import support_organizations_of
from orgs.services.activation_requests import latest_request_of
from orgs.services.guards import holds_all
from orgs.services.login_access_policies import (
    PAGE_PERMISSIONS,
    SETTINGS,
    Availability,
    PolicyChangedMeanwhile,
    PolicyDetails,
    may_save,
    may_switch,
    refuse_unless_savable,
    save_login_access_policy,
)

from .meanwhile import FIELD, Merged, as_read, carry
from .whom_to_ask import administrators_to_ask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.http import HttpRequest, HttpResponse

    from orgs.models import LoginAccessPolicy, Organization
    from portal.http import PortalRequest

SALT = "orgs.login_access_policies"


@dataclass(frozen=True, slots=True)
class _Page:
    """The page as it is asked for: by whom, and what holds."""

    request: "PortalRequest"
    origin: Origin
    organization: "Organization"
    policy: "LoginAccessPolicy"
    supports: "Sequence[Organization]"
    details: PolicyDetails
    values: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, request: "PortalRequest") -> "_Page":
        """Read what holds."""
        organization = request.user.organization
        policy, supports = organization.login_access_policy, list(support_organizations_of(organization))
        details = PolicyDetails.of(policy, supports)
        values = form_values(details, supports)
        return cls(request, Origin.of(request), organization, policy, supports, details, values)

    @property
    def has_switch(self) -> bool:
        """Whether the form has the checkbox."""
        return may_switch(self.origin, self.organization)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required(Permission.VIEW_SETUP)
def login_access_policies(request: "HttpRequest") -> "HttpResponse":
    """Show the page in whichever of its states holds, or save it."""
    request = cast("PortalRequest", request)
    if request.method == "POST":
        return _save(request)
    page = _Page.of(request)
    return _show(page, LoginAccessPolicyForm(initial=page.values, supports=page.supports))


def _save(request: "PortalRequest") -> "HttpResponse":
    origin, organization = Origin.of(request), request.user.organization
    refuse_unless_savable(origin, organization, switches="any_user_login" in request.POST)
    page, read = _Page.of(request), as_read(request, salt=SALT)
    form = LoginAccessPolicyForm(request.POST, initial=page.values, supports=page.supports)
    if not form.is_valid():
        return _show(page, form, status=422)
    # A page that had no checkbox, since it was not available then, unticks nothing.
    switches = page.has_switch and (not read or "any_user_login" in read)
    try:
        saved = save_login_access_policy(
            organization, version=form.cleaned_data["version"], origin=origin, **form.changes(switches=switches)
        )
    except PolicyChangedMeanwhile as changed:
        return _changed_meanwhile(page, form.values(switches=switches), read, changed)
    messages.success(request, "Login access policies saved.")
    if saved.visits_ended:
        messages.info(request, _visits_ended(saved.visits_ended))
    return redirect("login_access_policies")


def _visits_ended(count: int) -> str:
    return "1 running visit was ended." if count == 1 else f"{count} running visits were ended."


# --- two at once -------------------------------------------------------------------------------------------------


def _changed_meanwhile(
    page: _Page, chosen: dict[str, Any], read: dict[str, Any], changed: PolicyChangedMeanwhile
) -> "HttpResponse":
    """Show the form again and tell what changed. What one chose oneself is kept; the rest is as it now is."""
    stored = form_values(changed.details, page.supports)
    merged, words = Merged.of(chosen, read=read, stored=stored), _words_of(page, stored)
    fresh = LoginAccessPolicyForm(initial=merged.values, supports=page.supports)
    return _show(
        page,
        fresh,
        status=409,
        policy=changed.policy,
        read=stored,
        was_changed=True,
        changed_words=[words[name] for name in merged.theirs],
        agrees=merged.agrees,
    )


def _words_of(page: _Page, values: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Return how each of ``values`` is called and written."""
    own = {name: (label, words(values[name])) for name, (label, words) in SETTINGS.items()}
    return own | {
        support_name(support): (str(support), SupportAvailability(values[support_name(support)]).label)
        for support in page.supports
    }


# --- the page ----------------------------------------------------------------------------------------------------


def _show(
    page: _Page,
    form: LoginAccessPolicyForm,
    *,
    status: int = 200,
    policy: "LoginAccessPolicy | None" = None,
    read: dict[str, Any] | None = None,
    **more: Any,
) -> "HttpResponse":
    policy = policy or page.policy
    is_kept = form.is_bound and "version" not in form.errors
    words = _words_of(page, page.values)
    context = {
        **more,
        **_who_may(page),
        **_state_of(page),
        "policy": policy,
        "form": form,
        # An incomplete form goes on being of the version that was read.
        "version": form["version"].value() if is_kept else policy.version,
        "read": page.request.POST.get(FIELD, "") if is_kept else _to_carry(page, read or page.values),
        "has_switch": page.has_switch,
        "supports": [
            (support, form[support_name(support)], words[support_name(support)][1]) for support in page.supports
        ],
        "settings": [words[name] for name in SETTINGS if name != "any_user_login"],
    }
    return render(page.request, "orgs/login_access_policies.html", context, status=status)


def _to_carry(page: _Page, values: dict[str, Any]) -> str:
    return carry({name: values[name] for name in values if page.has_switch or name != "any_user_login"}, salt=SALT)


def _who_may(page: _Page) -> dict[str, Any]:
    """Say what the person may do here, and whom to ask for the rest."""
    may_save_page = may_save(page.origin, page.organization)
    lacks_pair = not holds_all(page.origin, page.organization, ADMINISTRATOR)
    return {
        "has_form": may_save_page,
        "guest_words": str(RefusedToGuest()) if page.origin.is_limited else "",
        "lacks_page": not holds_all(page.origin, page.organization, PAGE_PERMISSIONS),
        "lacks_pair": lacks_pair,
        "administrators": administrators_to_ask(page.organization) if lacks_pair else "",
    }


def _state_of(page: _Page) -> dict[str, Any]:
    """Say which of its three states any-user login is in, and what would help."""
    availability = Availability.of(page.organization)
    is_waiting = availability is Availability.NOT_PROVISIONED
    return {
        "organization": page.organization,
        "is_eligible": availability is not Availability.NOT_ELIGIBLE,
        "is_available": availability is Availability.AVAILABLE,
        "asked": latest_request_of(page.organization) if is_waiting else None,
        "editions": get_text_list([str(edition.label) for edition in editions_with(Feature.ANY_USER_LOGIN)], "and"),
        "sales_phone": settings.SALES_PHONE,
        "idea_url": settings.IDEA_URL,
    }
