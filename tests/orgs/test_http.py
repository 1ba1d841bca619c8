"""What a request says of who and from where."""

import uuid
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import RequestFactory

from orgs.http import Origin, actor_of, client_address, client_agent, safe_path

if TYPE_CHECKING:
    from django.http import HttpRequest
    from pytest_django import Settings

    from accounts.models import User


def request_from(address: str, *, forwarded: str = "", agent: str = "") -> "HttpRequest":
    given = {"X-Forwarded-For": forwarded, "User-Agent": agent}
    return RequestFactory().get("/", REMOTE_ADDR=address, headers={name: text for name, text in given.items() if text})


@pytest.mark.parametrize(
    ("remote", "forwarded", "proxies", "address"),
    [
        ("203.0.113.9", "", 0, "203.0.113.9"),
        # Whoever is not behind a proxy of ours may claim what they like.
        ("203.0.113.9", "198.51.100.1", 0, "203.0.113.9"),
        ("10.0.0.1", "203.0.113.9", 1, "203.0.113.9"),
        ("10.0.0.1", "198.51.100.1, 203.0.113.9", 1, "203.0.113.9"),
        ("10.0.0.1", "198.51.100.1, 203.0.113.9, 10.0.0.2", 2, "203.0.113.9"),
        # Fewer than our proxies would have written: the leftmost is the best there is.
        ("10.0.0.1", "203.0.113.9", 2, "203.0.113.9"),
        ("10.0.0.1", "", 1, "10.0.0.1"),
        ("10.0.0.1", "unknown", 1, None),
        ("2001:DB8::0:1", "", 0, "2001:db8::1"),
        ("::ffff:203.0.113.9", "", 0, "203.0.113.9"),
        ("fe80::1%eth0", "", 0, "fe80::1"),
        ("", "", 0, None),
        ("/run/portal.sock", "", 0, None),
    ],
)
def test_client_address_counts_only_what_our_own_proxies_wrote(
    settings: "Settings", remote: str, forwarded: str, proxies: int, address: str | None
) -> None:
    settings.TRUSTED_PROXY_COUNT = proxies

    assert client_address(request_from(remote, forwarded=forwarded)) == address


def test_client_agent_is_cut_to_what_is_stored() -> None:
    assert client_agent(request_from("203.0.113.9", agent="Lynx")) == "Lynx"
    assert client_agent(request_from("203.0.113.9", agent="x" * 900)) == "x" * 300
    assert client_agent(request_from("203.0.113.9")) == ""


# --- origin ------------------------------------------------------------------------------------------------------


def test_nobody_signed_in_is_nobody() -> None:
    request = request_from("203.0.113.9", agent="Lynx")
    request.user = AnonymousUser()

    assert Origin.of(request) == Origin(address="203.0.113.9", agent="Lynx")


def test_a_request_handed_bare_is_done_by_its_user(ada: "User") -> None:
    request = request_from("203.0.113.9")
    request.user = ada

    assert actor_of(request) == ada
    assert Origin.of(request) == Origin(user=ada, actor=ada, address="203.0.113.9")
    assert not Origin.of(request).is_impersonating


@pytest.mark.parametrize("is_limited", [False, True])
def test_inside_a_visit_account_and_hands_are_two_people(ada: "User", grace: "User", is_limited: bool) -> None:
    public_id = uuid.uuid4()
    request = request_from("203.0.113.9")
    request.user = grace
    request.actor = ada  # type: ignore[attr-defined]
    request.session_row = SimpleNamespace(public_id=public_id)  # type: ignore[attr-defined]
    request.impersonation = SimpleNamespace(pk=7, is_limited=is_limited)  # type: ignore[attr-defined]
    request.request_id = "abc"  # type: ignore[attr-defined]

    origin = Origin.of(request)

    assert origin == Origin(
        user=grace,
        actor=ada,
        address="203.0.113.9",
        session_public_id=public_id,
        impersonation_id=7,
        is_limited=is_limited,
        request_id="abc",
    )
    assert origin.is_impersonating


def test_a_command_is_nobody_with_a_name() -> None:
    assert Origin.automated("seed_demo") == Origin(command="seed_demo", system_user="root")


# --- next --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/setup/", "/setup/users/?q=a+b&cursor=x%2Fy#top", "/" + "a" * 499])
def test_safe_path_follows_a_path_on_this_site(path: str) -> None:
    assert safe_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "setup/",
        "https://elsewhere.example/",
        "//elsewhere.example/",
        "///elsewhere.example/",
        "/\\elsewhere.example/",
        "\\\\elsewhere.example",
        "javascript:alert(1)",
        "https:elsewhere.example",
        "http://user@elsewhere.example/",
        "/a\nb",
        "/a\tb",
        "/\x00",
        "/\t/elsewhere.example",
        " /setup/",
        "/／elsewhere.example",  # a wide solidus, which is the point
        "/é",
        "/" + "a" * 500,
    ],
)
def test_safe_path_follows_nothing_else(path: str) -> None:
    assert safe_path(path) is None
