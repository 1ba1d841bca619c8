"""What a page of the console says, as its tests read it."""

import re

from django.urls import reverse

from accounts.models import User
from orgs.http import Origin
from orgs.models import AuditEvent, Organization
from tests.accounts.reading import Answer, html_of, words_of

# What creates an organization, as it may be typed.
WAYNE = {
    "name": "  Wayne   Enterprises ",
    "edition": "enterprise",
    "first_name": "Lucius",
    "last_name": "Fox",
    "username": "Lucius@Wayne.example",
    "email": "lucius@wayne.example",
}


def as_themselves(user: User) -> Origin:
    return Origin(user=user, actor=user)


def to(name: str, row: object = None) -> str:
    return reverse(f"admin:{name}", args=[row] if row else [])


def messages_of(response: Answer) -> list[str]:
    return [words_of(one) for one in re.findall(r"<li class=\"success\">(.*?)</li>", html_of(response), re.DOTALL)]


def errors_of(response: Answer) -> list[str]:
    lists = re.findall(r"<ul class=\"errorlist[^>]*>(.*?)</ul>", response.content.decode(), re.DOTALL)
    return [words_of(one) for part in lists for one in re.findall(r"<li>(.*?)</li>", part, re.DOTALL)]


def facts_of(response: Answer) -> dict[str, str]:
    """Return what a row's page shows of it."""
    found = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", html_of(response), re.DOTALL)
    return {words_of(name): words_of(value) for name, value in found}


def rows_of(response: Answer) -> list[list[str]]:
    """Return the cells of a list."""
    body = re.search(r"<tbody>(.*?)</tbody>", html_of(response), re.DOTALL)
    rows = re.findall(r"<tr>(.*?)</tr>", body[1], re.DOTALL) if body else []
    return [[words_of(cell) for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL)] for row in rows]


def trail_of(organization: Organization) -> list[tuple[str, str]]:
    rows = AuditEvent.objects.filter(organization=organization).order_by("id")
    return [(row.user_name, row.sentence) for row in rows]
