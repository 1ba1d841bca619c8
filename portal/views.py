"""Setup's first page with Quick Find, the two probes, and the pages that word a refusal or an error."""

import sys
from functools import cache
from typing import TYPE_CHECKING, cast

from django import db
from django.contrib.auth.decorators import login_not_required
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpResponse
from django.middleware.csrf import REASON_NO_CSRF_COOKIE
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.views.decorators.csrf import requires_csrf_token
from django.views.decorators.http import require_safe

from accounts.overview import overview_of
from accounts.views.quick_find import find_users
from orgs.http import Origin
from orgs.permissions import Permission, permission_required

from .form_mark import Opener, read_mark
from .setup_menu import clean_query, found_in_words, setup_menu
from .typed import TypedField, typed_fields

if TYPE_CHECKING:
    from django.http import HttpRequest

    from .http import PortalRequest

# What the database's driver raises where neither the statement nor what it was given is to blame.
BUSY = (db.OperationalError, db.InterfaceError)
# Seconds.
RETRY_AFTER = 5


# --- Setup -------------------------------------------------------------------------------------------------------


@require_safe
@permission_required(Permission.VIEW_SETUP)
def setup_home(request: "HttpRequest") -> HttpResponse:
    """Show what matters now and the Setup pages that one may open; of Quick Find those pages and users that match.

    htmx takes the tree alone.
    """
    user = cast("PortalRequest", request).user
    query = clean_query(request.GET.get("q", ""))
    menu, users = setup_menu(user, path=request.path, query=query), find_users(user, query)
    pages = sum(len(group.pages) for group in menu)
    is_narrowing = request.headers.get("HX-Target") == "setup-tree"
    context = {
        "setup_menu": menu,
        "found_users": users,
        "found": found_in_words(pages, len(users.shown), has_more_users=users.has_more),
        "now": None if query or is_narrowing else overview_of(user, origin=Origin.of(request), at=timezone.now()),
    }
    template = "includes/setup_tree_narrowed.html" if is_narrowing else "setup_home.html"
    response = render(request, template, context)
    patch_vary_headers(response, ["HX-Request", "HX-Target"])
    return response


# --- probes ------------------------------------------------------------------------------------------------------


@login_not_required
@require_safe
def healthz(request: "HttpRequest") -> HttpResponse:  # noqa: ARG001  # a view is called with one
    """Answer that the process lives; nothing else is asked."""
    return _plain("ok")


@login_not_required
@require_safe
def readyz(request: "HttpRequest") -> HttpResponse:  # noqa: ARG001  # a view is called with one
    """Answer whether the database can be reached and is migrated as far as this code is."""
    # One statement: whether the table is there, which Django would ask first, its absence says.
    applied = MigrationRecorder.Migration.objects.values_list("app", "name")
    try:
        is_migrated = _known_migrations() <= set(applied)
    except db.Error:
        return _plain("the database cannot be reached", status=503)
    if not is_migrated:
        return _plain("the database is not migrated", status=503)
    return _plain("ready")


@cache
def _known_migrations() -> frozenset[tuple[str, str]]:
    """Return this code's migrations. Read from disk once: an open page must not cost that each time."""
    return frozenset(MigrationLoader(None).graph.nodes)


def _plain(words: str, *, status: int = 200) -> HttpResponse:
    return HttpResponse(words, content_type="text/plain; charset=utf-8", status=status)


# --- refusals and errors -----------------------------------------------------------------------------------------


@requires_csrf_token
def csrf_failure(request: "HttpRequest", reason: str = "") -> HttpResponse:
    """Answer a write whose token is not this session's: nothing was saved, who one now is, and what was typed.

    A double click on Login that comes late finds the visit already begun: that one is answered with where it led.
    """
    now = Opener.of(request)
    opened = read_mark(request)
    if opened and _is_late_double_click(request, opened, now):
        return redirect("home")
    sentence = _what_happened(opened, now)
    # For the list of what was done inside a visit (accounts/visit_log.py).
    cast("PortalRequest", request).refused_because = sentence
    context = {
        "sentence": sentence,
        "why_ended": reason if getattr(request, "ended", None) else "",
        "typed": typed_fields(request) if opened else [],
        "no_cookie": reason == REASON_NO_CSRF_COOKIE,
    }
    return render(request, "csrf_failure.html", context, status=403)


def _is_late_double_click(request: "HttpRequest", opened: Opener, now: Opener) -> bool:
    """Tell whether this asks again for the very visit one is in, from the page it was started from."""
    return (
        now.impersonation_id is not None
        and opened.impersonation_id is None
        and opened.user_id == now.actor_id
        and request.path == reverse("user_login_as", args=[now.user_id])
    )


def _what_happened(opened: Opener | None, now: Opener) -> str:
    """Word who a tab was opened as, who one is now, and that nothing was saved."""
    if opened is None:
        was = "This form was not opened from here, or too long ago."
    elif opened == now:
        was = "This tab was opened before your session was renewed."
    elif opened.user_id is None:
        was = "This tab was opened before you logged in."
    elif opened.user_id == now.user_id:
        was = f"This tab was opened as {opened.user_name}, in another session."
    else:
        was = f"This tab was opened as {opened.user_name}."
    who = "logged out" if now.user_id is None else f"logged in as {now.user_name}"
    return f"{was} You are now {who}. Nothing was saved."


def _given_back(request: "HttpRequest", *, whoever_asks: bool = False) -> list[TypedField]:
    """Return what was typed into a form of ours that is refused or leads nowhere by now: it is kept nowhere else."""
    is_form = request.method == "POST" and (whoever_asks or read_mark(request) is not None)
    return typed_fields(request) if is_form else []


@requires_csrf_token
def permission_denied(request: "HttpRequest", exception: Exception) -> HttpResponse:
    """Word a refusal with what its exception says."""
    context = {
        "reason": str(exception),
        "help_url": getattr(exception, "help_url", ""),
        "help_label": getattr(exception, "help_label", ""),
        "typed": _given_back(request, whoever_asks=getattr(exception, "gives_back", False)),
    }
    return render(request, "403.html", context, status=403)


@requires_csrf_token
def page_not_found(request: "HttpRequest", exception: Exception) -> HttpResponse:  # noqa: ARG001  # unknown and foreign answer alike
    """Answer that there is nothing here for this person; why is nobody's to know."""
    return render(request, "404.html", {"typed": _given_back(request)}, status=404)


@requires_csrf_token
def bad_request(request: "HttpRequest", exception: Exception) -> HttpResponse:  # noqa: ARG001  # says nothing of the server
    """Answer a request that could not be read."""
    return _error_page(request, "400.html", 400)


@requires_csrf_token
def server_error(request: "HttpRequest") -> HttpResponse:
    """Own up to an error of the server's, with the banner wherever it can still be shown.

    A database that is away, full, or waits too long for a lock will be back: that is said, to proxies too.
    """
    if not isinstance(sys.exception(), BUSY):
        return _error_page(request, "500.html", 500)
    response = _error_page(request, "503.html", 503)
    response.headers["Retry-After"] = str(RETRY_AFTER)
    return response


def _error_page(request: "HttpRequest", template: str, status: int) -> HttpResponse:
    """Render an error page, bare where what broke the request breaks its page too."""
    try:
        return render(request, template, status=status)
    except Exception:  # noqa: BLE001  # whatever failed, an error page has to come
        return HttpResponse(render_to_string(template), status=status)
