"""``manage.py seed_demo``: it prints how to sign in, and a second run changes nothing."""

from datetime import UTC, datetime
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import Impersonation, ImpersonationActivity, Login, Profile, Role, Session, User
from accounts.services.demo import seed_demo
from accounts.services.demo.people import HOUSES
from orgs.models import AuditEvent, LoginAccessPolicy, Organization

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 22, 0, 30, tzinfo=UTC)
MADE: tuple[Any, ...] = (
    Organization,
    LoginAccessPolicy,
    Profile,
    Role,
    User,
    Session,
    Impersonation,
    ImpersonationActivity,
    Login,
    AuditEvent,
)


def everything() -> dict[str, list[dict[str, Any]]]:
    """Return every row that the demo makes."""
    return {model.__name__: list(model.objects.order_by("pk").values()) for model in MADE}


def run() -> str:
    out = StringIO()
    call_command("seed_demo", stdout=out)
    return out.getvalue()


def test_a_first_run_prints_how_to_sign_in_and_a_second_one_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "8123")
    printed = run().splitlines()
    User.objects.filter(username="gus@globex.example").update(is_active=False, is_frozen=True)
    LoginAccessPolicy.objects.filter(organization__name="Acme").update(any_user_login=True)
    before = everything()
    monkeypatch.delenv("PORT")

    second = run().splitlines()

    assert everything() == before
    assert printed[:4] == [
        "Made Acme, Globex, Initech, Umbrella, Hooli, Soylent, Portal Support.",
        "",
        "Sign in at http://127.0.0.1:8123/ with the password portal-demo-2026",
        "",
    ]
    assert printed[4:17] == [
        "Acme: Enterprise Edition, any-user login off",
        "  ada@acme.example          Ada Lovelace        System Administrator",
        "  alan@acme.example         Alan Turing         System Administrator, role Sales Manager",
        "  grace@acme.example        Grace Hopper        Standard User, role Sales Rep",
        "  linus@acme.example        Linus Pauling       Standard User, role Engineer",
        "  joan@acme.example         Joan Clarke         Standard User, role Support Agent",
        "  katherine@acme.example    Katherine Johnson   Standard User, role Accountant, inactive",
        "  dennis@acme.example       Dennis Ritchie      Standard User, role Engineer, frozen",
        "  margaret@acme.example     Margaret Hamilton   External User",
        "  barbara@acme.example      Barbara Liskov      Delegated Administrator",
        "  hedy@acme.example         Hedy Lamarr         User Manager",
        "  audrey@acme.example       Audrey Tang         Auditor",
        "  and 60 more: Setup, Users",
    ]
    assert [line for line in printed if ": " in line and not line.startswith(" ")][1:] == [
        "Globex: Professional Edition, any-user login not eligible",
        "Initech: Unlimited Edition, any-user login not provisioned",
        "Umbrella: Performance Edition, any-user login not provisioned",
        "Hooli: Developer Edition, any-user login on",
        "Soylent: Unlimited Edition, any-user login on",
        "Portal Support: Unlimited Edition, any-user login off",
    ]
    assert second[:5] == [
        "The demo is there already; nothing was changed.",
        "",
        "Sign in at http://127.0.0.1:8000/ with the password portal-demo-2026",
        "",
        "Acme: Enterprise Edition, any-user login on",
    ]
    assert "  gus@globex.example        Gus Gorman          Standard User, inactive, frozen" in second


def test_what_is_missing_is_made_and_the_rest_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accounts.services.demo.HOUSES", HOUSES[1:2])
    seed_demo(NOW)
    before = User.objects.get(username="gus@globex.example")
    monkeypatch.setattr("accounts.services.demo.HOUSES", HOUSES[1:3])

    made = seed_demo(NOW)

    assert [organization.name for organization in made] == ["Initech"]
    assert User.objects.get(username="gus@globex.example") == before


def test_production_is_left_alone(settings: "Settings") -> None:
    settings.DEVELOPMENT = False

    with pytest.raises(CommandError, match="It runs with DEBUG=true only"):
        call_command("seed_demo")

    assert not Organization.objects.exists()
