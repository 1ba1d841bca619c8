"""``manage.py create_operator``: the first operator in production, and the next."""

import os
import pwd
from io import StringIO
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from django.core import mail
from django.core.management import CommandError, call_command

from accounts.models import User
from orgs.models import AuditEvent, Organization
from tests.factories import OrganizationFactory, UserFactory

if TYPE_CHECKING:
    from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

pytestmark = pytest.mark.django_db

PASSWORD = "a long enough password"
OLGA = {
    "username": "Olga@Vendor.example",
    "email": "olga@vendor.example",
    "first_name": "Olga",
    "last_name": "Orlova",
    "role": "sales",
}


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PORTAL_PASSWORD", raising=False)
    monkeypatch.delenv("PORT", raising=False)


@pytest.fixture
def password(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PORTAL_PASSWORD", PASSWORD)
    return PASSWORD


def run(**given: Any) -> str:
    out = StringIO()
    call_command("create_operator", stdout=out, **OLGA | given)
    return out.getvalue()


def facts_of(username: str) -> tuple[str, str, str, str, str]:
    user = User.objects.select_related("organization", "profile").get(username=username)
    return user.full_name, user.organization.name, user.organization.kind, user.profile.name, user.operator_role


# --- the first, and the next -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("password")
def test_the_first_operator_makes_the_organization_and_is_its_administrator() -> None:
    said = run()

    assert said == (
        "Made Olga Orlova, Sales, in Portal Support (System Administrator), with the password of PORTAL_PASSWORD.\n"
    )
    assert facts_of("olga@vendor.example") == (
        "Olga Orlova",
        "Portal Support",
        "operator",
        "System Administrator",
        "sales",
    )
    assert User.objects.get().check_password(PASSWORD)
    assert mail.outbox == []


@pytest.mark.usefixtures("password")
def test_the_trail_names_the_command_and_the_system_user() -> None:
    run()

    events = AuditEvent.objects.order_by("pk")
    assert [(event.user_name, event.sentence, event.after.get("operator_role")) for event in events] == [
        ("Automated Process (create_operator by root)", "Created organization Portal Support, Unlimited Edition", None),
        ("Automated Process (create_operator by root)", "Created new user Olga Orlova", None),
        ("Automated Process (create_operator by root)", "Changed operator role of user Olga Orlova", "sales"),
    ]
    assert User.objects.get().created_by_name == "create_operator by root"


@pytest.mark.usefixtures("password")
def test_the_next_operator_joins_the_same_organization_as_a_standard_user() -> None:
    run()

    run(username="sam@vendor.example", first_name="Sam", last_name="Carter", role="support")

    assert facts_of("sam@vendor.example") == ("Sam Carter", "Portal Support", "operator", "Standard User", "support")
    assert Organization.objects.count() == 1


@pytest.mark.usefixtures("password")
def test_an_organization_without_an_administrator_who_can_sign_in_gets_one() -> None:
    run()
    User.objects.update(is_frozen=True)

    run(username="sam@vendor.example")

    assert facts_of("sam@vendor.example")[3] == "System Administrator"


@pytest.mark.usefixtures("password")
def test_an_organization_can_be_named() -> None:
    run(organization="Vendor Nord")
    run(username="two@vendor.example", organization="Vendor Süd")
    run(username="three@vendor.example", organization="Vendor Nord")

    people = User.objects.order_by("pk")
    assert [user.organization.name for user in people] == ["Vendor Nord", "Vendor Süd", "Vendor Nord"]


@pytest.mark.usefixtures("password")
def test_a_system_user_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless(uid: int) -> NoReturn:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr(pwd, "getpwuid", nameless)
    monkeypatch.setattr(os, "getuid", lambda: 10001)

    run()

    assert User.objects.get().created_by_name == "create_operator by user 10001"


# --- the mail ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("is_development", "hosts", "site", "address"),
    [
        (True, ["testserver"], "", "http://127.0.0.1:8000/account/password/reset/key/"),
        (False, ["portal.vendor.example"], "", "https://portal.vendor.example/account/password/reset/key/"),
        (False, ["*"], "https://a.vendor.example/", "https://a.vendor.example/account/password/reset/key/"),
        (True, [], "http://b.vendor.example:81", "http://b.vendor.example:81/account/password/reset/key/"),
    ],
)
def test_without_a_password_a_mail_with_a_link_goes_out(
    *,
    settings: "Settings",
    django_capture_on_commit_callbacks: "DjangoCaptureOnCommitCallbacks",
    is_development: bool,
    hosts: list[str],
    site: str,
    address: str,
) -> None:
    settings.DEVELOPMENT = is_development
    settings.ALLOWED_HOSTS = hosts

    with django_capture_on_commit_callbacks(execute=True):
        said = run(site=site)

    assert said == (
        "Made Olga Orlova, Sales, in Portal Support (System Administrator), "
        "who has mail at olga@vendor.example to choose a password.\n"
    )
    assert not User.objects.get().has_usable_password()
    assert [message.to for message in mail.outbox] == [["olga@vendor.example"]]
    assert address in str(mail.outbox[0].body)


@pytest.mark.parametrize(
    ("hosts", "site"),
    [([], ""), (["*"], ""), ([".vendor.example"], ""), (["portal"], "portal"), ([], "ftp://a.example")],
)
def test_without_a_password_it_must_be_known_where_the_portal_answers(
    settings: "Settings", hosts: list[str], site: str
) -> None:
    settings.DEVELOPMENT = False
    settings.ALLOWED_HOSTS = hosts

    with pytest.raises(CommandError, match="needs to know where the portal answers: --site"):
        run(site=site)

    assert not Organization.objects.exists()


# --- refused, with nothing made ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("password")
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"username": "olga"}, "--username: Enter a valid email address."),
        ({"email": "olga"}, "--email: Enter a valid email address."),
        ({"last_name": ""}, "--last-name: This field cannot be blank."),
        ({"first_name": "x" * 81}, "--first-name: Ensure this value has at most 80 characters (it has 81)."),
        ({"organization": "x" * 81}, "--organization: Ensure this value has at most 80 characters (it has 81)."),
    ],
)
def test_what_the_fields_refuse_is_said_by_option(given: dict[str, str], said: str) -> None:
    with pytest.raises(CommandError) as refused:
        run(**given)

    assert str(refused.value) == said
    assert not User.objects.exists()
    assert not Organization.objects.exists()


@pytest.mark.usefixtures("password")
def test_a_taken_username_is_refused_whatever_its_case() -> None:
    UserFactory.create(username="olga@vendor.example")

    with pytest.raises(CommandError, match="--username: This username is taken"):
        run()


@pytest.mark.parametrize("weak", ["short", "password1234", "olga@vendor.example"])
def test_a_weak_password_is_refused(monkeypatch: pytest.MonkeyPatch, weak: str) -> None:
    monkeypatch.setenv("PORTAL_PASSWORD", weak)

    with pytest.raises(CommandError, match=r"^PORTAL_PASSWORD: (This password|The password) is too "):
        run()

    assert not Organization.objects.exists()


@pytest.mark.usefixtures("password")
def test_operators_do_not_belong_to_customers() -> None:
    OrganizationFactory.create(name="Acme")

    with pytest.raises(CommandError) as refused:
        run(organization="Acme")

    assert str(refused.value) == "Acme is a customer. Operators belong to the vendor's own organization."
    assert not User.objects.exists()


@pytest.mark.usefixtures("password")
def test_with_several_organizations_one_must_be_named() -> None:
    run(organization="Vendor Nord")
    run(username="two@vendor.example", organization="Vendor Süd")

    with pytest.raises(CommandError) as refused:
        run(username="three@vendor.example")

    assert str(refused.value) == (
        "There are several organizations of operators (Vendor Nord, Vendor Süd). Say which: --organization NAME"
    )


@pytest.mark.parametrize("missing", ["username", "email", "first_name", "last_name", "role"])
def test_nothing_is_asked_for_while_it_runs(missing: str) -> None:
    options = [f"--{name.replace('_', '-')}={value}" for name, value in OLGA.items() if name != missing]

    with pytest.raises(CommandError, match=f"required: --{missing.replace('_', '-')}"):
        call_command("create_operator", *options)
