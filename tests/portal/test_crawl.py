"""Each kind of person follows every link and search form from the first page: none leads nowhere, and all are found."""

from collections import Counter, deque
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.core.cache import cache
from django.db import transaction
from django.urls import resolve

from tests.browser.pages import ADA, ALAN, GRACE, PAGES, furnish, open_as
from tests.journeys.browsing import Browser

if TYPE_CHECKING:
    from pytest_django import DjangoDbBlocker

    from accounts.testing import PortalClient

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_furnished")]

# So many addresses of one page are opened (the demo has seven organizations), and so many that ask it one thing.
MOST_OF_A_PAGE, MOST_OF_A_QUERY = 7, 2


@pytest.fixture(scope="module")
def _furnished(django_db_setup: None, django_db_blocker: "DjangoDbBlocker") -> Iterator[None]:
    """Furnish the demo once for all tests of this module; it is taken back in the end."""
    cache.clear()
    with django_db_blocker.unblock(), transaction.atomic():
        furnish()
        yield
        transaction.set_rollback(True)


def crawl(client: "PortalClient", *, is_somebody: bool = True) -> tuple[set[str], list[str]]:
    """Follow what leads on, from the first page; return the pages found, by name, and what went wrong."""
    browser = Browser().hold(**{name: cookie.value for name, cookie in client.cookies.items()})
    found, troubles = set[str](), list[str]()
    opened, seen = Counter[tuple[str, str]](), {"/"}
    queue = deque([("/", "the first page")])
    while queue:
        address, source = queue.popleft()
        if not is_news(address, opened):
            continue
        page = browser.open(address)
        if page.status != HTTPStatus.OK:
            troubles.append(f"{page.status} for {address}, linked on {source}")
        troubles += [f"{address} {why}" for why in wrong_headers(page.response.headers, is_somebody=is_somebody)]
        found |= {name_of(address), name_of(page.path)}
        queue += [(way, page.path) for way in page.ways_on if way not in seen]
        seen |= set(page.ways_on)
    return found, troubles


def name_of(address: str) -> str:
    return resolve(urlsplit(address).path).view_name


def is_news(address: str, opened: "Counter[tuple[str, str]]") -> bool:
    """Tell whether an address asks a page anything that it has not been asked often, and count it."""
    name = name_of(address)
    asked = {(name, key) for key, _ in parse_qsl(urlsplit(address).query)} or {(name, "")}
    is_new = any(opened[one] < (MOST_OF_A_QUERY if one[1] else MOST_OF_A_PAGE) for one in asked)
    opened.update(asked if is_new else ())
    return is_new


def wrong_headers(headers: Mapping[str, str], *, is_somebody: bool) -> list[str]:
    """Return what a page says wrongly of what may run on it, and of who may keep it."""
    wrong = []
    if "default-src 'none'" not in headers.get("Content-Security-Policy", ""):
        wrong.append("has no policy")
    if is_somebody and "no-store" not in headers.get("Cache-Control", ""):
        wrong.append("may be kept")
    return wrong


OTHERS = (
    "alan@acme.example",
    "audrey@acme.example",
    "barbara@acme.example",
    "hedy@acme.example",
    "joan@acme.example",
    "margaret@acme.example",
    "hank@hooli.example",
)


@pytest.mark.parametrize("who", sorted({page.who for page in PAGES}.union(OTHERS)), ids=lambda who: who or "nobody")
def test_no_link_leads_nowhere_and_every_page_is_linked(who: str) -> None:
    linked = {page.name for page in PAGES if page.who == who and not page.way and not page.read_only}

    found, troubles = crawl(open_as(who), is_somebody=bool(who))

    assert troubles == []
    assert linked - found == set()


@pytest.mark.parametrize(
    ("who", "worn", "read_only"),
    [
        (ADA, ALAN, False),
        (ADA, ALAN, True),
        (ADA, GRACE, False),
        ("barbara@acme.example", GRACE, False),
        ("sam@support.example", "joan@acme.example", False),
    ],
)
def test_no_link_leads_nowhere_inside_a_visit(who: str, worn: str, read_only: bool) -> None:
    found, troubles = crawl(open_as(who, worn, read_only=read_only))

    assert troubles == []
    assert ("visit_step_up" in found) == read_only
