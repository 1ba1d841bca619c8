"""What the templates of all apps share: the form token, points in time, kinds of alert."""

from datetime import datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING

from django import template
from django.middleware.csrf import get_token
from django.utils import timezone
from django.utils.html import format_html
from django.utils.timesince import timesince

from accounts.presence import browser_words
from portal.form_mark import FIELD_NAME, mark_of

if TYPE_CHECKING:
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
        get_token(request),
        FIELD_NAME,
        mark_of(request),
    )


@register.simple_tag
def ago(at: datetime | None, *, never: str = "Never") -> "SafeString | str":
    """Render how long ago something was ("3 minutes ago"), with the exact time in UTC as its title."""
    if at is None:
        return never
    now = timezone.now()
    if abs(now - at) < timedelta(minutes=1):
        words = "just now" if at <= now else "in a moment"
    elif at < now:
        words = f"{timesince(at, now, depth=1)} ago"
    else:
        words = f"in {timesince(now, at, depth=1)}"
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', at.isoformat(), exact(at), words.replace("\xa0", " ")
    )


@register.filter
def exact(at: datetime) -> str:
    """Write a point in time out, in UTC."""
    return f"{at.astimezone(timezone.get_default_timezone()):%Y-%m-%d %H:%M:%S} UTC"


@register.filter
def browser(agent: str) -> str:
    """Return a browser's name for itself as people say it: "Firefox on Windows"."""
    return browser_words(agent)


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
