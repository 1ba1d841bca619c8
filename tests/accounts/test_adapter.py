"""Where allauth asks the portal."""

from datetime import UTC, datetime

import pytest
from allauth.account.adapter import get_adapter
from django.test import RequestFactory
from pytest_django import Settings

from accounts.adapter import AccountAdapter, user_display
from accounts.models import User
from accounts.testing import PortalClient
from orgs.moments import read_by, reader_of
from portal.settings import ACCOUNT_USER_DISPLAY


@pytest.fixture
def adapter() -> AccountAdapter:
    found = get_adapter()
    assert isinstance(found, AccountAdapter)
    return found


def test_mails_are_in_utc_whoever_clicks(adapter: AccountAdapter) -> None:
    words = {"user": User(last_name="Hopper"), "timestamp": datetime(2026, 11, 22, 23, 17, 3, tzinfo=UTC)}

    with read_by(reader_of("Europe/Berlin", "de")):
        mail = adapter.render_mail("account/email/password_changed", "grace@acme.example", words)

    assert "2026-11-22 23:17:03 UTC" in mail.body


def test_sign_up_is_closed(adapter: AccountAdapter, rf: RequestFactory) -> None:
    assert not adapter.is_open_for_signup(rf.get("/"))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("/setup/", True),
        ("//elsewhere.example/", False),
        ("https://testserver/", False),
        ("", False),
        (None, False),
    ],
)
def test_redirects_stay_on_this_site(adapter: AccountAdapter, url: str | None, expected: bool) -> None:
    assert adapter.is_safe_url(url) is expected


@pytest.mark.parametrize(("proxies", "expected"), [(0, "192.0.2.1"), (1, "192.0.2.3"), (2, "192.0.2.2")])
def test_addresses_are_counted_as_everywhere_else(
    adapter: AccountAdapter, rf: RequestFactory, settings: Settings, proxies: int, expected: str
) -> None:
    settings.TRUSTED_PROXY_COUNT = proxies
    request = rf.get("/", REMOTE_ADDR="192.0.2.1", headers={"X-Forwarded-For": "192.0.2.9, 192.0.2.2, 192.0.2.3"})

    assert adapter.get_client_ip(request) == expected


def test_address_that_nobody_knows_is_counted_as_one(adapter: AccountAdapter, rf: RequestFactory) -> None:
    assert adapter.get_client_ip(rf.get("/", REMOTE_ADDR="")) == "unknown"


def test_people_are_named_in_full(grace: User) -> None:
    assert user_display(grace) == "Grace Hopper"
    assert ACCOUNT_USER_DISPLAY == "accounts.adapter.user_display"


def test_changed_password_leads_home(adapter: AccountAdapter, rf: RequestFactory) -> None:
    assert adapter.get_password_change_redirect_url(rf.get("/")) == "/"


def test_sign_up_has_no_page(anonymous: PortalClient, db: None) -> None:
    statuses = [anonymous.get(path).status_code for path in ("/account/signup/", "/signup/", "/accounts/signup/")]

    assert statuses == [404, 404, 404]
