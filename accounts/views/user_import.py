"""Many users from a CSV file: the page with its check, and the file to begin with."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.forms.users import IMPORT_ROWS, UserImportForm
from accounts.services.user_import import (
    COLUMNS,
    SHOWN_FAULTS,
    TEMPLATE,
    Report,
    TooManyFiles,
    check_users,
    import_users,
    number_of,
)
from orgs.http import Origin
from orgs.permissions import refused_to_guests
from orgs.views.too_many import answer_too_many

from .gates import for_those_who_edit_users
from .user_list_state import ListState
from .users import back_of

if TYPE_CHECKING:
    from django.http import HttpRequest

    from portal.http import PortalRequest

# How long mails may keep whoever clicked waiting. Web servers give up on an answer, and on all that is left to do.
MAIL_FOR = timedelta(seconds=15)
# What htmx swaps.
PART = "import-result"
VARY = ["HX-Request", "HX-Target"]


@refused_to_guests
@require_http_methods(["GET", "HEAD", "POST"])
@for_those_who_edit_users
def user_import(request: "HttpRequest") -> HttpResponse:
    """Import a file of users: all that are in it, or nobody and what is wrong, by row and column."""
    request = cast("PortalRequest", request)
    if request.method != "POST":
        return _page(request, UserImportForm())
    form = UserImportForm(request.POST, request.FILES)
    if not form.is_valid():
        return _page(request, form, status=422)
    try:
        report = import_users(
            request.user.organization,
            form.cleaned_data["file"],
            origin=Origin.of(request),
            site=request.build_absolute_uri("/") if form.cleaned_data["mail"] else "",
            mail_for=MAIL_FOR,
            limit=IMPORT_ROWS,
        )
    except TooManyFiles as refused:
        return _too_many(request, refused)
    if not report.is_imported:
        return _page(request, form, status=422, **_told(report, verdict="Nobody was imported."))
    return _imported(request, report)


@refused_to_guests
@require_POST
@for_those_who_edit_users
def user_import_check(request: "HttpRequest") -> HttpResponse:
    """Say what importing a file would do, or what is wrong with it, and change nothing."""
    request = cast("PortalRequest", request)
    form = UserImportForm(request.POST, request.FILES)
    if not form.is_valid():
        return _page(request, form, status=422)
    organization, file = request.user.organization, form.cleaned_data["file"]
    try:
        report = check_users(organization, file, origin=Origin.of(request), limit=IMPORT_ROWS)
    except TooManyFiles as refused:
        return _too_many(request, refused)
    return _page(request, form, **_told(report, verdict="Nobody will be imported."))


@require_safe
@for_those_who_edit_users
def user_import_template(request: "HttpRequest") -> HttpResponse:  # noqa: ARG001
    """Download a file to begin with: the headings, and an example. It is the same for everyone."""
    disposition = content_disposition_header(as_attachment=True, filename="users.csv")
    return HttpResponse(TEMPLATE, content_type="text/csv; charset=utf-8", headers={"Content-Disposition": disposition})


def _imported(request: "PortalRequest", report: Report) -> HttpResponse:
    """Lead to the users list, in the order in which those stand first who have never signed in."""
    users = number_of(report.users, "user")
    if report.mails is None:
        messages.success(request, f"{users} imported.")
    elif report.unsent:
        messages.warning(
            request,
            f"{users} imported. {number_of(report.unsent, 'mail')} to choose a password did not go out. Those users "
            "can ask for one with “Forgot your password?” where they sign in.",
        )
    else:
        messages.success(request, f"{users} imported, and mailed a link to choose a password.")
    url = ListState(sort="last_login", columns=("created",)).url()
    if _is_part(request):
        return HttpResponse(status=204, headers={"HX-Redirect": url})
    return HttpResponseRedirect(url)


def _page(request: "PortalRequest", form: UserImportForm, *, status: int = 200, **told: Any) -> HttpResponse:
    """Show the page, or the part of it that htmx swaps, with what is ``told`` of a file."""
    is_part = _is_part(request)
    context = {"form": form, "back": back_of(request), "columns": COLUMNS, "is_part": is_part, **told}
    template = "accounts/user_import_part.html" if is_part else "accounts/user_import.html"
    response = render(request, template, context, status=status)
    patch_vary_headers(response, VARY)
    return response


def _too_many(request: "PortalRequest", refused: TooManyFiles) -> HttpResponse:
    """Say that no further file is read for now: on a page of its own, or where htmx shows what became of a file."""
    is_part = _is_part(request)
    template = "accounts/user_import_part.html" if is_part else "429.html"
    response = answer_too_many(request, refused, template=template, is_part=is_part)
    patch_vary_headers(response, VARY)
    return response


def _told(report: Report, *, verdict: str) -> dict[str, Any]:
    """Return what the page says of a file that was read and not imported."""
    if report.is_right:
        summary = f"Nothing is wrong: {number_of(report.users, 'user')} will be created."
    else:
        wrong = "1 thing is" if report.fault_count == 1 else f"{report.fault_count:,} things are"
        summary = f"{wrong} wrong. {verdict}"
    return {
        "report": report,
        "summary": summary,
        "is_cut": f"The first {SHOWN_FAULTS} are shown." if report.fault_count > len(report.faults) else "",
        "more_users": number_of(report.users - len(report.first), "more user"),
    }


def _is_part(request: "PortalRequest") -> bool:
    return request.headers.get("HX-Target") == PART
