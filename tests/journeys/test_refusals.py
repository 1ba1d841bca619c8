"""Where Login is missing the page says why; whoever asks all the same is refused with the reason, on record."""

from typing import TYPE_CHECKING

import pytest

from accounts.models import Impersonation, Login, Profile, Session, User
from orgs.models import AuditEvent, Organization
from orgs.permissions import Permission
from tests.factories import ProfileFactory

from .browsing import HOST, Browser, Page

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., User]
    State = Callable[[Organization], None]

OFF = "Administrators Can Log in as Any User is off in Login Access Policies."
NOT_PROVISIONED = "Administrators Can Log in as Any User is not provisioned for your organization yet."
EDITION = "Your organization's edition does not have Administrators Can Log in as Any User."
SELF = "This is you."
INACTIVE = "This user is inactive. Only active users can be logged in as."
EXTERNAL = "This is an external site user. External users are never logged in as from here."
PROTECTED = "This user is an administrator, and your organization protects administrators."
NESTED = "You are already logged in as a user. Log out as that user first."
NO_PERMISSION = "To log in as users you need Modify All Data and Manage Users on your profile. Ask your administrator."


def nothing_started() -> bool:
    """Tell whether no visit, worn session or Login-As row is there."""
    return not (
        Impersonation.objects.exists()
        or Session.objects.filter(type="SubstituteUser").exists()
        or Login.objects.filter(type="login_as").exists()
    )


def refusals() -> list[tuple[str, str, str, str]]:
    """Return what the trail says was refused: User, Delegate User, whom, the sentence's reason."""
    rows = AuditEvent.objects.filter(action="impersonation.refused").order_by("id")
    return [(row.user_name, row.delegate_user_name, row.about_name, row.sentence.partition(": ")[2]) for row in rows]


def ask_anyway(browser: Browser, target: User, **headers: str) -> tuple[int, str]:
    """Send what the Login button would send if there were one, with a good token, and return the status and words."""
    fields = browser.open("/account/password/reset/done/").token or browser.open("/").token
    page = browser.send("post", f"/setup/users/{target.pk}/login-as/", fields, **headers)
    return page.status, page.text


# --- one reason for everyone: it stands once above the list ------------------------------------------------------


def switched_off(organization: Organization) -> None:
    """Leave it as it is."""


def not_provisioned(organization: Organization) -> None:
    organization.provisioned = False
    organization.save()


def not_eligible(organization: Organization) -> None:
    organization.edition = "professional"
    organization.save()


SHARED: dict[str, tuple["State", str, str]] = {
    "off": (switched_off, OFF, "switched off"),
    "not provisioned": (not_provisioned, NOT_PROVISIONED, "not provisioned"),
    "edition": (not_eligible, EDITION, "not in edition"),
}


@pytest.mark.parametrize(("brings_about", "reason", "short"), SHARED.values(), ids=SHARED)
def test_reason_that_all_rows_share_stands_once_above_the_list(
    acme: Organization, adas: Browser, grace: User, brings_about: "State", reason: str, short: str
) -> None:
    brings_about(acme)

    page = adas.open("/setup/users/")

    login = page.button("Login", row="Grace Hopper")
    assert (login.get("aria-disabled"), login.get("type")) == ("true", "button")
    # Where a grant would help, it can be asked for.
    asking = "" if short == "not in edition" else " · Or ask a user for access, on the user’s page."
    assert page.reason(login).endswith(f"{reason} Login Access Policies{asking}")
    assert page.text.count(reason) == 1
    assert [row[0].partition(" ")[2] for row in page.rows if row[1] == "Grace Hopper"] == [short]
    assert page.click("Login Access Policies").heading == "Login Access Policies"


@pytest.mark.parametrize(("brings_about", "reason", "short"), SHARED.values(), ids=SHARED)
def test_user_page_says_why_with_a_link_to_what_would_help(
    acme: Organization, adas: Browser, grace: User, brings_about: "State", reason: str, short: str
) -> None:
    brings_about(acme)

    page = adas.open(f"/setup/users/{grace.pk}/")

    login = page.button("Login")
    assert login.get("aria-disabled") == "true"
    # Where a grant would help, it can be asked for.
    asking = "" if short == "not in edition" else " · Ask for access"
    assert page.reason(login) == f"No login: {reason} Login Access Policies{asking}"


@pytest.mark.parametrize(("brings_about", "reason", "short"), SHARED.values(), ids=SHARED)
def test_asked_anyway_it_is_refused_with_that_reason(
    acme: Organization, adas: Browser, grace: User, brings_about: "State", reason: str, short: str
) -> None:
    brings_about(acme)

    status, words = ask_anyway(adas, grace)

    assert status == 403
    assert words == f"Not allowed {reason} Login Access Policies Home"
    assert refusals() == [("Ada Lovelace", "", "Grace Hopper", reason)]
    assert nothing_started()


# --- reasons that lie in the one row -----------------------------------------------------------------------------


@pytest.fixture
def protected(any_user_login: Organization) -> None:
    """Acme protects its administrators."""
    any_user_login.login_access_policy.protect_administrators = True
    any_user_login.login_access_policy.save()


ONE = {"ada": SELF, "katherine": INACTIVE, "margaret": EXTERNAL, "alan": PROTECTED}
SHORT = {SELF: "this is you", INACTIVE: "inactive", EXTERNAL: "external user", PROTECTED: "protected"}


@pytest.mark.usefixtures("protected")
@pytest.mark.parametrize(("name", "reason"), ONE.items(), ids=ONE)
def test_reason_of_one_row_stands_in_it_and_on_the_users_page(
    adas: Browser, name: str, reason: str, request: pytest.FixtureRequest
) -> None:
    user: User = request.getfixturevalue(name)

    users, page = adas.open("/setup/users/"), adas.open(f"/setup/users/{user.pk}/")

    in_list, alone = users.button("Login", row=user.full_name), page.button("Login")
    assert [button.get("aria-disabled") for button in (in_list, alone)] == ["true", "true"]
    assert users.reason(in_list) == reason
    assert [row[0].partition(" ")[2] for row in users.rows if row[1] == user.full_name] == [SHORT[reason]]
    help_with = " Login Access Policies · Ask for access" if reason == PROTECTED else ""
    assert page.reason(alone) == f"No login: {reason}{help_with}"
    assert users.alerts == []


@pytest.mark.usefixtures("protected")
@pytest.mark.parametrize(("name", "reason"), ONE.items(), ids=ONE)
def test_one_row_asked_anyway_is_refused_with_its_reason(
    adas: Browser, name: str, reason: str, request: pytest.FixtureRequest
) -> None:
    user: User = request.getfixturevalue(name)

    status, words = ask_anyway(adas, user)

    assert status == 403
    assert words.removesuffix(" Home").removesuffix(" Login Access Policies") == f"Not allowed {reason}"
    assert refusals() == [("Ada Lovelace", "", user.full_name, reason)]
    assert nothing_started()


def test_login_is_there_where_nothing_speaks_against_it(
    any_user_login: Organization, adas: Browser, grace: User, dennis: User, alan: User
) -> None:
    """The same without the one fact: a frozen user, and an administrator who is not protected, may be logged in as."""
    users = adas.open("/setup/users/")

    assert {
        person: users.button("Login", row=person).get("aria-disabled")
        for person in ("Grace Hopper", "Dennis Ritchie", "Alan Turing")
    } == {"Grace Hopper": "", "Dennis Ritchie": "", "Alan Turing": ""}
    assert (
        adas.open(f"/setup/users/{dennis.pk}/")
        .press("Login")
        .banner.startswith("Ada Lovelace, you are logged in as Dennis Ritchie. This user is frozen.")
    )


# --- whoever may not log in as anyone ----------------------------------------------------------------------------


@pytest.mark.usefixtures("any_user_login")
@pytest.mark.parametrize("name", ["hedy", "audrey"])
def test_who_may_log_in_as_nobody_reads_that_once_and_sees_no_login(
    grace: User, name: str, request: pytest.FixtureRequest
) -> None:
    browser = Browser()
    browser.sign_in(request.getfixturevalue(name))

    users, page = browser.open("/setup/users/"), browser.open(f"/setup/users/{grace.pk}/")

    assert users.text.count(NO_PERMISSION) == 1
    assert "Login as" not in users.html
    assert page.reason(page.button("Login")) == f"No login: {NO_PERMISSION}"


@pytest.fixture
def tim(make: "Make", profiles: dict[str, Profile], acme: Organization) -> User:
    """Holds Modify All Data and no Manage Users: the other half of what it needs."""
    held = (Permission.MODIFY_ALL_DATA, Permission.VIEW_ALL_USERS)
    profiles["Data Manager"] = ProfileFactory.create(organization=acme, name="Data Manager", permissions=held)
    return make("Tim", "Lee", "Data Manager")


@pytest.mark.usefixtures("any_user_login")
@pytest.mark.parametrize("name", ["hedy", "tim", "audrey", "dora"])
def test_who_may_log_in_as_nobody_is_refused(
    make: "Make", tim: User, grace: User, name: str, request: pytest.FixtureRequest
) -> None:
    user: User = make("Dora", "Standard") if name == "dora" else request.getfixturevalue(name)
    browser = Browser()
    browser.sign_in(user)

    status, words = ask_anyway(browser, grace)

    assert status == 403
    assert words == f"Not allowed {NO_PERMISSION} Home"
    assert refusals() == [(user.full_name, "", "Grace Hopper", NO_PERMISSION)]
    assert nothing_started()


# --- already logged in as someone --------------------------------------------------------------------------------


@pytest.fixture
def inside(any_user_login: Organization, adas: Browser, audrey: User) -> Browser:
    """Ada's browser, logged in as Audrey, who sees the users list."""
    assert adas.open(f"/setup/users/{audrey.pk}/").press("Login").banner != ""
    return adas


def test_inside_every_login_is_disabled_for_one_reason(inside: Browser, grace: User) -> None:
    users, page = inside.open("/setup/users/"), inside.open(f"/setup/users/{grace.pk}/")

    in_list, alone = users.button("Login", row="Grace Hopper"), page.button("Login")
    assert [button.get("aria-disabled") for button in (in_list, alone)] == ["true", "true"]
    assert users.reason(in_list).endswith(NESTED)
    assert users.text.count(NESTED) == 1
    assert page.reason(alone) == f"No login: {NESTED}"


def test_inside_nobody_is_logged_in_as_a_second_user(inside: Browser, grace: User) -> None:
    status, words = ask_anyway(inside, grace)

    assert status == 403
    assert words == f"Not allowed as Audrey Tang {NESTED} Home"
    assert refusals() == [("Ada Lovelace", "", "Grace Hopper", NESTED)]
    assert Impersonation.objects.count() == 1
    assert inside.open("/").banner.startswith("Ada Lovelace, you are logged in as Audrey Tang.")


def test_inside_nobody_is_logged_in_as_the_same_user_again(inside: Browser, audrey: User) -> None:
    status, _ = ask_anyway(inside, audrey)

    assert status == 403
    assert Impersonation.objects.count() == 1


# --- not asked by the button -------------------------------------------------------------------------------------

Ask = dict[str, tuple[str, dict[str, str], dict[str, str]]]

# Method, fields, headers. A good token stands where GOOD does.
GOOD = "the token of the page"
NOT_THE_BUTTON: Ask = {
    "GET": ("get", {}, {}),
    "GET with fields": ("get", {"csrfmiddlewaretoken": GOOD}, {}),
    "HEAD": ("head", {}, {}),
    "OPTIONS": ("options", {}, {}),
    "PUT": ("put", {}, {"X-CSRFToken": GOOD}),
    "PATCH": ("patch", {}, {"X-CSRFToken": GOOD}),
    "DELETE": ("delete", {}, {"X-CSRFToken": GOOD}),
    "no token": ("post", {}, {}),
    "empty token": ("post", {"csrfmiddlewaretoken": ""}, {}),
    "someone else's token": ("post", {"csrfmiddlewaretoken": "a" * 64}, {}),
    "foreign origin": ("post", {"csrfmiddlewaretoken": GOOD}, {"Origin": "https://evil.example"}),
    "this host, another scheme": ("post", {"csrfmiddlewaretoken": GOOD}, {"Origin": "https://testserver"}),
    "this host, another port": ("post", {"csrfmiddlewaretoken": GOOD}, {"Origin": f"{HOST}:8080"}),
    "opaque origin": ("post", {"csrfmiddlewaretoken": GOOD}, {"Origin": "null"}),
}


def ask(browser: Browser, path: str, method: str, fields: dict[str, str], headers: dict[str, str]) -> Page:
    token = browser.open("/").token

    def with_token(values: dict[str, str]) -> dict[str, str]:
        return {name: token["csrfmiddlewaretoken"] if value == GOOD else value for name, value in values.items()}

    mark = {"opened_as": token["opened_as"], "comment": "typed"} if method == "post" else {}
    return browser.send(method, path, mark | with_token(fields), **with_token(headers))


@pytest.mark.usefixtures("any_user_login")
@pytest.mark.parametrize(("method", "fields", "headers"), NOT_THE_BUTTON.values(), ids=NOT_THE_BUTTON)
def test_nothing_but_the_button_starts(
    adas: Browser, grace: User, method: str, fields: dict[str, str], headers: dict[str, str]
) -> None:
    page = ask(adas, f"/setup/users/{grace.pk}/login-as/", method, fields, headers)

    assert page.status == (403 if method == "post" else 405)
    assert nothing_started()
    assert adas.open("/").heading == "Welcome, Ada"


@pytest.mark.parametrize(("method", "fields", "headers"), NOT_THE_BUTTON.values(), ids=NOT_THE_BUTTON)
def test_nothing_but_the_button_ends(
    inside: Browser, method: str, fields: dict[str, str], headers: dict[str, str]
) -> None:
    page = ask(inside, "/logout/", method, fields, headers)

    # To be asked for, it shows the button.
    assert page.status == {"post": 403, "get": 200, "head": 200}.get(method, 405)
    assert Impersonation.objects.open().count() == 1
    assert inside.open("/").banner != ""


@pytest.mark.usefixtures("any_user_login")
def test_refused_token_says_who_one_is_and_gives_back_what_was_typed_here(adas: Browser, grace: User) -> None:
    no_token = ask(adas, f"/setup/users/{grace.pk}/login-as/", *NOT_THE_BUTTON["no token"])
    foreign = ask(adas, f"/setup/users/{grace.pk}/login-as/", *NOT_THE_BUTTON["foreign origin"])

    assert "You are now logged in as Ada Lovelace. Nothing was saved." in no_token.text
    assert "You are now logged in as Ada Lovelace. Nothing was saved." in foreign.text
    assert (no_token.typed, foreign.typed) == ({"Comment": "typed"}, {})


@pytest.mark.usefixtures("any_user_login")
def test_the_button_starts_and_ends(adas: Browser, grace: User) -> None:
    """The same requests with all that the button sends."""
    fields = {"csrfmiddlewaretoken": GOOD}

    started = ask(adas, f"/setup/users/{grace.pk}/login-as/", "post", fields, {})
    ended = ask(adas, "/logout/", "post", fields, {})

    assert (started.status, started.banner != "") == (200, True)
    assert (ended.status, ended.heading) == (200, "Log in")
