"""Every page of Setup: its title, its place in the breadcrumbs, and as whom one reads it."""

import re
from html import unescape
from typing import TYPE_CHECKING

import pytest
from django.utils.html import strip_tags

from accounts.models import Impersonation
from orgs.audit import AuditAction, record
from orgs.http import Origin
from tests.factories import DelegatedGroupFactory

from .test_urls import ROUTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from accounts.models import User
    from accounts.testing import PortalClient
    from orgs.models import Organization

pytestmark = pytest.mark.django_db

# Setup's first page is where the breadcrumbs begin.
ROOT = "setup_home"
# Called as its group is, which is said once.
AT_THE_TOP = "user_list"


def answered_pages(client: "PortalClient", parameters: dict[str, object]) -> dict[str, str]:
    """Return the pages of Setup that are answered, by the name of their URL."""
    pages = {}
    for name, route in ROUTES.items():
        if route.path.startswith("/setup/"):
            response = client.get(route.to(**parameters))
            if response.status_code == 200 and response.headers["Content-Type"].startswith("text/html"):
                pages[name] = response.content.decode()
    return pages


def title_of(page: str) -> str:
    return unescape(re.findall(r"<title>(.*)</title>", page)[0])


def crumbs_of(page: str) -> list[str]:
    found = re.search(r'<nav class="crumbs" aria-label="Breadcrumb">(.*?)</nav>', page, re.DOTALL)
    return (
        [" ".join(unescape(strip_tags(one)).split()) for one in re.findall(r"<li.*?</li>", found[1])] if found else []
    )


def heading_of(page: str) -> str:
    return " ".join(unescape(strip_tags(re.findall(r"<h1.*?</h1>", page, re.DOTALL)[0])).split())


@pytest.fixture
def parameters(
    any_user_login: "Organization",
    ada: "User",
    alan: "User",
    grace: "User",
    browser: "Callable[[], PortalClient]",
) -> dict[str, object]:
    """One of everything, about Grace, whom Alan once visited."""
    client = browser()
    client.login_as(grace, actor=alan)
    client.log_out_as()
    event = record(
        AuditAction.USER_FROZEN, origin=Origin(user=ada, actor=ada), organization=any_user_login, about=grace
    )
    return {
        "user_id": grace.pk,
        "role_id": grace.role_id,
        "profile_id": grace.profile_id,
        "group_id": DelegatedGroupFactory.create(organization=any_user_login).pk,
        "visit_id": Impersonation.objects.get().pk,
        "event_id": event.pk,
        "public_id": "00000000-0000-0000-0000-000000000000",
    }


def test_every_page_of_setup_says_what_and_where_it_is(
    parameters: dict[str, object], ada: "User", client_of: "Callable[[User], PortalClient]"
) -> None:
    pages = answered_pages(client_of(ada), parameters)

    titles = {name: title_of(page) for name, page in pages.items()}
    assert all(re.fullmatch(r"\S.* · Portal", title) for title in titles.values()), titles
    assert len(set(titles.values())) == len(titles), titles
    crumbs = {name: crumbs_of(page) for name, page in pages.items()}
    assert [name for name, found in crumbs.items() if len(found) < 3 or found[0] != "Setup"] == [AT_THE_TOP, ROOT]
    assert all(heading_of(page) for page in pages.values())


def test_every_page_of_setup_says_as_whom(
    parameters: dict[str, object], ada: "User", alan: "User", browser: "Callable[[], PortalClient]"
) -> None:
    client = browser()
    client.login_as(alan, actor=ada)

    titles = {name: title_of(page) for name, page in answered_pages(client, parameters).items()}

    assert [name for name, title in titles.items() if not title.endswith(" as Alan Turing · Portal")] == []
    assert len(titles) > 15
