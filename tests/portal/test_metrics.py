"""What is counted, and who may read it."""

from typing import TYPE_CHECKING

import pytest
from django.db import transaction
from prometheus_client import REGISTRY

from accounts.enums import Basis, EndCause, Refusal
from accounts.metrics import ENDS, REFUSALS, STARTS
from accounts.services.impersonation import ImpersonationRefused
from accounts.services.users import deactivate_user
from orgs.http import Origin

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

    from accounts.models import User
    from accounts.testing import PortalClient
    from orgs.models import Organization

    Browser = Callable[[], PortalClient]

pytestmark = pytest.mark.django_db
TOKEN = "what opens the page of the metrics, for a test"


def counted() -> dict[str, float]:
    """Return what stands above nought, by its code."""
    labels = {STARTS: "basis", REFUSALS: "refusal", ENDS: "cause"}
    found = (sample for counter in labels for metric in counter.collect() for sample in metric.samples)
    return {next(iter(one.labels.values())): one.value for one in found if one.name.endswith("_total") and one.value}


def moved(before: dict[str, float]) -> dict[str, float]:
    """Return by how much each count has risen."""
    return {code: value - before.get(code, 0) for code, value in counted().items() if value != before.get(code, 0)}


def test_start_refusal_and_end_move_their_counters(
    any_user_login: "Organization",
    ada: "User",
    grace: "User",
    katherine: "User",
    browser: "Browser",
    django_capture_on_commit_callbacks: "DjangoCaptureOnCommitCallbacks",
) -> None:
    client, before = browser(), counted()
    with django_capture_on_commit_callbacks(execute=True):
        client.login_as(grace, actor=ada)
    started = moved(before)
    with django_capture_on_commit_callbacks(execute=True):
        client.log_out_as()
    ended = moved(before)
    with pytest.raises(ImpersonationRefused):
        client.login_as(katherine, actor=ada)
    refused = moved(before)

    assert started == {Basis.ANY_USER: 1}
    assert ended == {Basis.ANY_USER: 1, EndCause.LOGGED_OUT: 1}
    assert refused == {Basis.ANY_USER: 1, EndCause.LOGGED_OUT: 1, Refusal.INACTIVE: 1}


def test_what_is_rolled_back_moves_nothing(
    any_user_login: "Organization",
    ada: "User",
    grace: "User",
    browser: "Browser",
    django_capture_on_commit_callbacks: "DjangoCaptureOnCommitCallbacks",
) -> None:
    client, before = browser(), counted()
    with django_capture_on_commit_callbacks(execute=True) as callbacks, transaction.atomic():
        client.login_as(grace, actor=ada)
        client.log_out_as()
        transaction.set_rollback(True)

    assert (moved(before), callbacks) == ({}, [])


def test_visits_that_end_together_are_counted_each(
    any_user_login: "Organization",
    ada: "User",
    alan: "User",
    grace: "User",
    browser: "Browser",
    django_capture_on_commit_callbacks: "DjangoCaptureOnCommitCallbacks",
) -> None:
    for actor in (ada, alan):
        browser().login_as(grace, actor=actor)
    before = counted()
    with django_capture_on_commit_callbacks(execute=True):
        deactivate_user(grace, origin=Origin(user=ada, actor=ada))

    assert moved(before) == {EndCause.TARGET_DEACTIVATED: 2}


def test_identity_is_timed_where_a_key_is_asked_about(
    ada: "User", client_of: "Callable[[User], PortalClient]", anonymous: "PortalClient"
) -> None:
    def timed() -> float:
        return REGISTRY.get_sample_value("portal_identity_seconds_count") or 0

    client, before = client_of(ada), timed()
    anonymous.get("/login/")
    of_nobody = timed() - before
    client.get("/settings/")

    assert (of_nobody, timed() - before) == (0, 1)


def test_codes_are_there_before_anything_happened() -> None:
    codes = {
        "portal_impersonation_starts": Basis,
        "portal_impersonation_refusals": Refusal,
        "portal_impersonation_ends": EndCause,
    }
    found = {
        metric.name: {value for sample in metric.samples for value in sample.labels.values()}
        for metric in REGISTRY.collect()
        if metric.name in codes
    }

    assert found == {name: set(choices.values) for name, choices in codes.items()}


@pytest.mark.parametrize(
    ("token", "given", "status"),
    [
        ("", "", 404),
        ("", "Bearer ", 404),
        (TOKEN, "", 404),
        (TOKEN, "Bearer ", 404),
        (TOKEN, TOKEN, 404),
        (TOKEN, f"Bearer {TOKEN}x", 404),
        (TOKEN, "Bearer ü", 404),
        (TOKEN, f"Bearer {TOKEN}", 200),
    ],
)
def test_metrics_are_there_for_whoever_brings_the_token(
    settings: "Settings", anonymous: "PortalClient", token: str, given: str, status: int
) -> None:
    settings.METRICS_TOKEN = token

    assert anonymous.get("/metrics", headers={"Authorization": given}).status_code == status


def test_metrics_name_nobody(
    settings: "Settings", ada: "User", client_of: "Callable[[User], PortalClient]", anonymous: "PortalClient"
) -> None:
    settings.METRICS_TOKEN = TOKEN
    client_of(ada).get("/")

    page = anonymous.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).content.decode()

    assert "portal_identity_seconds_bucket" in page
    assert 'portal_impersonation_refusals_total{refusal="no_climbing"}' in page
    assert "acme" not in page
