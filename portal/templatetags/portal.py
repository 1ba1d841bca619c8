"""What the templates of all apps share: the form token, points in time, kinds of alert."""

from datetime import UTC, datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING, Any

from django import template
from django.middleware.csrf import get_token
from django.utils import timezone
from django.utils.html import format_html
from django.utils.timesince import timesince

from accounts.presence import browser_words
from orgs.moments import reader, write, write_day, write_minute, write_utc
from portal.form_focus import first_invalid
from portal.form_mark import FIELD_NAME, mark_of

if TYPE_CHECKING:
    from django.forms import BaseForm
    from django.http import HttpRequest
    from django.template import RequestContext
    from django.utils.safestring import SafeString

register = template.Library()

ALERT_KINDS = {"error": "danger", "debug": "secondary"}


@register.simple_tag(takes_context=True)
def form_token(context: "RequestContext") -> "SafeString | str":
    """Render the CSRF token and the signed mark of who this page was opened as; for inside every POST form."""
    request = getattr(context, "request", None)
    if request is None:
        return ""
    return format_html(
        '<input type="hidden" name="csrfmiddlewaretoken" value="{}"><input type="hidden" name="{}" value="{}">',
        _token_of(request),
        FIELD_NAME,
        mark_of(request),
    )


def _token_of(request: "HttpRequest") -> str:
    """Return the CSRF token, masked once for all the forms of a page: a mask asks the system 32 times for random."""
    secret, token = request.META.get("portal.csrf_token", ("", ""))
    # The secret is another one where somebody else has signed in since.
    if not secret or secret != request.META.get("CSRF_COOKIE"):
        token = get_token(request)
        request.META["portal.csrf_token"] = request.META["CSRF_COOKIE"], token
    masked: str = token
    return masked


@register.inclusion_tag("includes/not_saved.html")
def not_saved(form: "BaseForm", words: str = "Nothing was saved.") -> "dict[str, Any]":
    """Render the alert above a form that was refused, with what belongs to no field; nothing for any other form."""
    return {
        "form": form,
        "words": words,
        "has_field_errors": any(name in form.errors for name in form.fields),
        "takes_focus": not first_invalid(form),
    }


@register.simple_tag
def ago(at: datetime | None, *, never: str = "Never") -> "SafeString | str":
    """Render how long ago something was ("3 minutes ago"), with the reader's exact time, and UTC, as its title."""
    if at is None:
        return never
    return format_html('<time datetime="{}" title="{}">{}</time>', _machine(at), ago_title(at), ago_words(at))


@register.filter
def ago_words(at: datetime | None) -> str:
    """Write how long ago something was; with :func:`ago_title` as a cell's title, half of what an element weighs."""
    if at is None:
        return "Never"
    now = timezone.now()
    if abs(now - at) < timedelta(minutes=1):
        return "just now" if at <= now else "in a moment"
    # What is left is cut less: "in 1 hour" would be said of nearly two.
    words = f"{timesince(at, now, depth=1)} ago" if at < now else f"in {timesince(now, at, depth=2)}"
    return words.replace("\xa0", " ")


@register.filter
def ago_title(at: datetime) -> str:
    """Write a point in time out as the reader has chosen, and in UTC where that is another text."""
    return ", ".join(dict.fromkeys((write(at), write_utc(at))))


@register.simple_tag
def moment(at: datetime) -> "SafeString":
    """Render a point in time as the reader has chosen, with UTC as its title where that is another text."""
    words, utc = write(at), write_utc(at)
    title = "" if words == utc else format_html(' title="{}"', utc)
    return format_html('<time datetime="{}"{}>{}</time>', _machine(at), title, words)


@register.simple_tag
def moment_now() -> "SafeString":
    """Render when the page was made: what is printed says as of when it is."""
    return moment(timezone.now())


def _machine(at: datetime) -> str:
    """Write a point in time for machines, to the second: a list has hundreds of them."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


@register.filter
def exact(at: datetime) -> str:
    """Write a point in time out as the reader has chosen: for titles and labels, where no element can stand."""
    return write(at)


@register.filter
def minute(at: datetime) -> str:
    """Write the same without the seconds."""
    return write_minute(at)


@register.filter
def day(at: datetime) -> str:
    """Write the reader's day of a point in time."""
    return write_day(at)


@register.simple_tag
def time_zone() -> str:
    """Return the name of the zone that times are shown in."""
    return reader().zone_name


@register.filter
def browser(agent: str) -> str:
    """Return a browser's name for itself as people say it: "Firefox on Windows"."""
    return browser_words(agent)


@register.filter
def may_break(address: str) -> "SafeString":
    """Write a username or an e-mail address so that a narrow place breaks it before the @, and not inside a word."""
    name, at, host = address.partition("@")
    return format_html("{}<wbr>{}{}", name, at, host)


@register.simple_tag
def time_left(ends_at: datetime) -> "SafeString":
    """Render the whole minutes that are left; portal.js counts them down from the seconds."""
    seconds = max(0, ceil((ends_at - timezone.now()).total_seconds()))
    minutes = ceil(seconds / 60)
    words = f"{minutes} minute{'' if minutes == 1 else 's'} left" if seconds else "Time is up"
    return format_html('<span data-seconds-left="{}">{}</span>', seconds, words)


@register.filter
def alert_kind(level: str) -> str:
    """Return Bootstrap's word for a message's level."""
    return ALERT_KINDS.get(level, level) or "info"
