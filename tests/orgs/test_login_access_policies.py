"""Login Access Policies: the service, and the page in all its states."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from django.urls import reverse

from accounts.enums import EndCause
from accounts.login_access import Facts
from accounts.models import Impersonation
from orgs.audit import AuditAction
from orgs.editions import Edition
from orgs.http import Origin
from orgs.models import AuditEvent, LoginAccessPolicy, Organization
from orgs.permissions import PermissionMissing
from orgs.services.login_access_policies import (
    Availability,
    PolicyChangedMeanwhile,
    PolicyNotAvailable,
    is_any_user_login_in_effect,
    refuse_unless_savable,
    save_login_access_policy,
)
from tests.origins import origin_of

from .reading import alerts_of, carried_of, inputs_of, main_of, part_of, rows_of

if TYPE_CHECKING:
    from django.http import HttpResponse
    from pytest_django import Settings

    from accounts.models import User
    from accounts.testing import PortalClient

    from .reading import Answer

ClientOf = Callable[["User"], "PortalClient"]
Browser = Callable[[], "PortalClient"]

PAGE = "/setup/login-access-policies/"
AT = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)
SETTING = "Administrators Can Log in as Any User"
ABOUT = f"{SETTING} System administrators log in as any active user of Acme without asking them first."
SAVED = "Login access policies saved."


def policy_of(organization: Organization) -> LoginAccessPolicy:
    return LoginAccessPolicy.objects.get(organization=organization)


def switch_of(response: "Answer") -> dict[str, str]:
    """Return the version and, where there is one, the checkbox; the rest of the form aside."""
    return {name: value for name, value in inputs_of(response).items() if name in {"version", "any_user_login"}}


def state_of(organization: Organization) -> tuple[bool, int]:
    policy = policy_of(organization)
    return policy.any_user_login, policy.version


def become_professional(organization: Organization) -> None:
    organization.edition = Edition.PROFESSIONAL
    organization.save()


def become_unprovisioned(organization: Organization) -> None:
    organization.provisioned = False
    organization.save()


# --- the service -------------------------------------------------------------------------------------------------


def test_switching_on_is_saved_with_who_and_when(acme: Organization, ada: "User") -> None:
    saved = save_login_access_policy(acme, any_user_login=True, version=1, origin=origin_of(ada), at=AT)

    policy = policy_of(acme)
    assert saved.policy == policy
    assert saved.visits_ended == 0
    assert (policy.any_user_login, policy.version, policy.login_access_lost_at) == (True, 2, None)
    assert (policy.modified_at, policy.modified_by_name) == (AT, "Ada Lovelace")


def test_a_change_is_one_row_of_the_trail(acme: Organization, ada: "User") -> None:
    save_login_access_policy(acme, any_user_login=True, version=1, origin=origin_of(ada), at=AT)

    event = AuditEvent.objects.get()
    assert (event.action, event.created_at, event.user_name) == (AuditAction.POLICY_CHANGED, AT, "Ada Lovelace")
    assert event.sentence == f"Changed {SETTING} from off to on"
    assert (event.before, event.after) == ({"any_user_login": False}, {"any_user_login": True})


def test_switching_off_remembers_when_the_right_was_lost(any_user_login: Organization, ada: "User") -> None:
    save_login_access_policy(any_user_login, any_user_login=False, version=1, origin=origin_of(ada), at=AT)

    policy = policy_of(any_user_login)
    assert (policy.any_user_login, policy.version, policy.login_access_lost_at) == (False, 2, AT)
    assert AuditEvent.objects.get().sentence == f"Changed {SETTING} from on to off"


@pytest.mark.parametrize("is_on", [True, False])
def test_saving_what_holds_already_writes_nothing(acme: Organization, ada: "User", is_on: bool) -> None:
    LoginAccessPolicy.objects.update(any_user_login=is_on)

    saved = save_login_access_policy(acme, any_user_login=is_on, version=1, origin=origin_of(ada), at=AT)

    assert saved.visits_ended == 0
    assert state_of(acme) == (is_on, 1)
    assert not AuditEvent.objects.exists()


def test_switching_off_ends_running_visits_and_counts_them(
    any_user_login: Organization, ada: "User", alan: "User", grace: "User", browser: Browser
) -> None:
    visit = browser().login_as(grace, actor=alan)
    at = visit.started_at + timedelta(minutes=5)

    saved = save_login_access_policy(any_user_login, any_user_login=False, version=1, origin=origin_of(ada), at=at)

    assert saved.visits_ended == 1
    visit.refresh_from_db()
    assert (visit.ended_at, visit.end_cause, visit.ended_by) == (at, EndCause.POLICY_CHANGED, ada)
    assert visit.actor_session.ended_at is None


def test_visits_of_other_organizations_go_on(
    *, any_user_login: Organization, ada: "User", alan: "User", grace: "User", browser: Browser, stranger: "User"
) -> None:
    visit = browser().login_as(grace, actor=alan)
    elsewhere = stranger.organization
    LoginAccessPolicy.objects.filter(organization=elsewhere).update(any_user_login=True)
    stranger.profile = ada.profile

    saved = save_login_access_policy(elsewhere, any_user_login=False, version=1, origin=origin_of(stranger))

    assert saved.visits_ended == 0
    visit.refresh_from_db()
    assert visit.ended_at is None


def test_the_second_of_two_who_save_is_told_and_changes_nothing(acme: Organization, ada: "User", alan: "User") -> None:
    save_login_access_policy(acme, any_user_login=True, version=1, origin=origin_of(alan), at=AT)

    with pytest.raises(PolicyChangedMeanwhile) as told:
        save_login_access_policy(acme, any_user_login=False, version=1, origin=origin_of(ada))

    assert str(told.value) == "Alan Turing changed this page meanwhile."
    assert told.value.policy.any_user_login is True
    assert state_of(acme) == (True, 2)


def test_whoever_lacks_the_pair_saves_nothing(acme: Organization, hedy: "User") -> None:
    with pytest.raises(PermissionMissing) as refused:
        save_login_access_policy(acme, any_user_login=True, version=1, origin=origin_of(hedy))

    assert str(refused.value) == "You need Modify All Data and Manage Users on your profile. Ask your administrator."
    assert state_of(acme) == (False, 1)


def test_nobody_signed_in_saves_nothing(acme: Organization) -> None:
    with pytest.raises(PermissionMissing):
        save_login_access_policy(acme, any_user_login=True, version=1, origin=Origin())


@pytest.mark.parametrize("lose", [become_professional, become_unprovisioned])
def test_where_it_is_not_available_nothing_is_saved(
    acme: Organization, ada: "User", lose: Callable[[Organization], None]
) -> None:
    lose(Organization.objects.get(pk=acme.pk))

    with pytest.raises(PolicyNotAvailable):
        save_login_access_policy(acme, any_user_login=True, version=1, origin=origin_of(ada))

    assert state_of(acme) == (False, 1)


@pytest.mark.parametrize(
    ("edition", "provisioned", "availability"),
    [
        (Edition.ENTERPRISE, True, Availability.AVAILABLE),
        (Edition.ENTERPRISE, False, Availability.NOT_PROVISIONED),
        (Edition.PROFESSIONAL, True, Availability.NOT_ELIGIBLE),
        (Edition.PROFESSIONAL, False, Availability.NOT_ELIGIBLE),
    ],
)
@pytest.mark.parametrize("is_ticked", [True, False])
def test_in_effect_is_what_the_rule_takes_for_it(
    edition: Edition, provisioned: bool, availability: Availability, is_ticked: bool
) -> None:
    organization = Organization(edition=edition, provisioned=provisioned)
    policy = LoginAccessPolicy(organization=organization, any_user_login=is_ticked)

    in_effect = is_any_user_login_in_effect(organization, policy)

    assert Availability.of(organization) is availability
    assert in_effect is (availability is Availability.AVAILABLE and is_ticked)
    assert in_effect is Facts.of(organization, policy).is_any_user_login_in_effect


def test_those_who_may_save_are_not_refused(acme: Organization, ada: "User") -> None:
    refuse_unless_savable(origin_of(ada), acme, switches=True)


def test_who_changed_something_is_both_inside_a_visit(ada: "User", alan: "User") -> None:
    assert origin_of(ada).doer_name == "Ada Lovelace"
    assert Origin(user=alan, actor=ada, impersonation_id=7).doer_name == "Alan Turing (by Ada Lovelace)"
    assert Origin.automated("seed_demo").doer_name == "seed_demo by root"


# --- the page, available -----------------------------------------------------------------------------------------


def test_url_is_the_specified_one() -> None:
    assert reverse("login_access_policies") == PAGE


@pytest.mark.parametrize(("is_on", "shown"), [(False, "off"), (True, "on")])
def test_administrators_see_a_checkbox_as_it_holds(
    acme: Organization, ada: "User", client_of: ClientOf, is_on: bool, shown: str
) -> None:
    LoginAccessPolicy.objects.update(any_user_login=is_on)

    response = client_of(ada).get(PAGE)

    assert rows_of(response) == [[ABOUT, "Enabled"]]
    assert switch_of(response) == {"version": "1", "any_user_login": shown}
    assert alerts_of(response) == []
    assert part_of(response, "How to get it") == ""


def test_page_says_what_it_does_and_how_long_a_visit_lasts(
    acme: Organization, ada: "User", client_of: ClientOf
) -> None:
    LoginAccessPolicy.objects.update(time_limit_minutes=45)

    says = part_of(client_of(ada).get(PAGE), "What it does")

    assert says == (
        "On Whoever holds Modify All Data and Manage Users gets a Login beside every active user. Inactive users and "
        "external site users are never logged in as, and nobody logs in as a second user from inside the first. "
        "Off Login needs a grant of the user’s own, and running visits without one end at once. Whoever was logged in "
        "as someone is back in their own session. "
        "Time limit A visit lasts 45 minutes at most. "
        "Trail Every start, end and refusal stands in the Setup Audit Trail with both names, and every visit on "
        "the user’s own Home."
    )


def test_ticking_and_saving_switches_it_on(acme: Organization, ada: "User", client_of: ClientOf) -> None:
    client = client_of(ada)

    response = client.post(PAGE, {"any_user_login": "on", "version": 1}, follow=True)

    assert response.redirect_chain == [(PAGE, 302)]
    assert alerts_of(response) == [SAVED]
    assert switch_of(response) == {"version": "2", "any_user_login": "on"}
    assert part_of(response, "What it does").endswith("Last changed By Ada Lovelace, just now")


def test_unticking_and_saving_switches_it_off(any_user_login: Organization, ada: "User", client_of: ClientOf) -> None:
    response = client_of(ada).post(PAGE, {"version": 1}, follow=True)

    assert alerts_of(response) == [SAVED]
    assert switch_of(response) == {"version": "2", "any_user_login": "off"}


def test_saving_without_a_change_says_the_same(acme: Organization, ada: "User", client_of: ClientOf) -> None:
    response = client_of(ada).post(PAGE, {"version": 1}, follow=True)

    assert alerts_of(response) == [SAVED]
    assert state_of(acme) == (False, 1)


@pytest.mark.parametrize(("visits", "told"), [(1, "1 running visit was ended."), (2, "2 running visits were ended.")])
def test_switching_off_says_how_many_visits_it_ended(
    *,
    any_user_login: Organization,
    ada: "User",
    alan: "User",
    grace: "User",
    browser: Browser,
    client_of: ClientOf,
    visits: int,
    told: str,
) -> None:
    for _ in range(visits):
        browser().login_as(grace, actor=alan)

    response = client_of(ada).post(PAGE, {"version": 1}, follow=True)

    assert alerts_of(response) == [SAVED, told]
    assert not Impersonation.objects.open().exists()


def test_inside_a_visit_the_change_is_the_targets_by_the_actors_hands(
    any_user_login: Organization, ada: "User", alan: "User", browser: Browser
) -> None:
    client = browser()
    client.login_as(alan, actor=ada)

    client.post(PAGE, {"version": 1})

    event = AuditEvent.objects.get(action=AuditAction.POLICY_CHANGED)
    assert (event.user_name, event.delegate_user_name) == ("Alan Turing", "Ada Lovelace")
    assert policy_of(any_user_login).modified_by_name == "Alan Turing (by Ada Lovelace)"
    assert not Impersonation.objects.open().exists()


# --- two at once -------------------------------------------------------------------------------------------------


MEANWHILE = f"Alan Turing saved this page just now, while you had it open. {SETTING} is now on."
STILL_BELOW = "Your choice is still below; save again to let it hold."


NOTHING_LEFT = "There is nothing of yours left to save."


def save_meanwhile(client: "PortalClient", by: "User", *, on: bool, read: bool = False) -> "HttpResponse":
    """Let ``by`` switch it on while the other has the page open, who then saves too.

    Without ``read``, what the form carries along of the page as it was, whatever is sent was chosen.
    """
    carried = {"read": carried_of(client.get(PAGE), "read")} if read else {}
    save_login_access_policy(by.organization, any_user_login=True, version=1, origin=origin_of(by))
    response: HttpResponse = client.post(PAGE, {"version": 1, **carried, **({"any_user_login": "on"} if on else {})})  # type: ignore[assignment]
    return response


def test_the_second_saver_is_told_what_changed_and_keeps_their_choice(
    acme: Organization, ada: "User", alan: "User", client_of: ClientOf
) -> None:
    response = save_meanwhile(client_of(ada), alan, on=False)

    assert response.status_code == 409
    assert alerts_of(response) == [f"{MEANWHILE} Nothing of yours was saved. {STILL_BELOW}"]
    assert switch_of(response) == {"version": "2", "any_user_login": "off"}
    assert state_of(acme) == (True, 2)


def test_saving_again_after_being_told_lets_ones_choice_hold(
    acme: Organization, ada: "User", alan: "User", client_of: ClientOf
) -> None:
    client = client_of(ada)
    save_meanwhile(client, alan, on=False)

    response = client.post(PAGE, {"version": 2}, follow=True)

    assert alerts_of(response) == [SAVED]
    assert state_of(acme) == (False, 3)


def test_the_second_saver_who_wanted_the_same_is_told_that_it_holds(
    acme: Organization, ada: "User", alan: "User", client_of: ClientOf
) -> None:
    response = save_meanwhile(client_of(ada), alan, on=True, read=True)

    assert response.status_code == 409
    assert alerts_of(response) == [f"{MEANWHILE} {NOTHING_LEFT}"]
    assert switch_of(response) == {"version": "2", "any_user_login": "on"}


def test_the_second_saver_who_changed_nothing_sees_what_holds_now(
    acme: Organization, ada: "User", alan: "User", client_of: ClientOf
) -> None:
    response = save_meanwhile(client_of(ada), alan, on=False, read=True)

    assert alerts_of(response) == [f"{MEANWHILE} {NOTHING_LEFT}"]
    assert switch_of(response) == {"version": "2", "any_user_login": "on"}
    assert state_of(acme) == (True, 2)


def test_a_version_that_never_was_saves_nothing(acme: Organization, ada: "User", client_of: ClientOf) -> None:
    response = client_of(ada).post(PAGE, {"any_user_login": "on", "version": 99})

    assert response.status_code == 409
    assert alerts_of(response) == [
        f"This page was saved, while you had it open. {SETTING} is now off. Nothing of yours was saved. {STILL_BELOW}"
    ]
    assert state_of(acme) == (False, 1)


@pytest.mark.parametrize("version", ["", "one", "-1", "1.5", "9" * 5000])
def test_an_odd_version_saves_nothing_and_keeps_the_choice(
    acme: Organization, ada: "User", client_of: ClientOf, version: str
) -> None:
    response = client_of(ada).post(PAGE, {"any_user_login": "on", "version": version})

    assert response.status_code == 422
    assert alerts_of(response) == [
        "Nothing was saved: this form was incomplete. Your choice is still below; save it again."
    ]
    assert switch_of(response) == {"version": "1", "any_user_login": "on"}
    assert state_of(acme) == (False, 1)


# --- read only ---------------------------------------------------------------------------------------------------

TOLD = (
    "You can read this page. Changing it needs Manage Login Access Policies on your profile; "
    "Administrators Can Log in as Any User needs Modify All Data and Manage Users too."
)
TOLD_OF_THE_CHECKBOX = (
    "You can change this page, but for Administrators Can Log in as Any User: that needs Modify All Data and Manage "
    "Users on your profile."
)


@pytest.mark.parametrize(("is_on", "shown"), [(False, "Off"), (True, "On")])
def test_others_with_view_setup_read_it(
    acme: Organization, audrey: "User", client_of: ClientOf, is_on: bool, shown: str
) -> None:
    LoginAccessPolicy.objects.update(any_user_login=is_on)

    response = client_of(audrey).get(PAGE)

    assert rows_of(response) == [[ABOUT, shown]]
    assert inputs_of(response) == {}
    assert "<form" not in main_of(response)
    assert alerts_of(response) == [TOLD]


def test_manage_users_alone_saves_the_rest_and_is_told_whom_to_ask(
    acme: Organization, ada: "User", alan: "User", hedy: "User", client_of: ClientOf
) -> None:
    response = client_of(hedy).get(PAGE)

    assert alerts_of(response) == [f"{TOLD_OF_THE_CHECKBOX} Ask Ada Lovelace or Alan Turing."]
    assert rows_of(response) == [[ABOUT, "Off"]]
    assert switch_of(response) == {"version": "1"}


def test_three_administrators_who_can_sign_in_are_named(
    make: Callable[..., "User"], audrey: "User", client_of: ClientOf
) -> None:
    administrator = "System Administrator"
    make("Zora", "Zed", administrator)
    make("Bea", "Able", administrator)
    make("Cy", "Able", administrator)
    make("Dan", "Able", administrator)
    make("Al", "Frozen", administrator, is_frozen=True)
    make("Abe", "Gone", administrator, is_active=False)

    response = client_of(audrey).get(PAGE)

    assert alerts_of(response) == [f"{TOLD} Ask Bea Able, Cy Able or Dan Able."]


# --- not available -----------------------------------------------------------------------------------------------


def give_account_executive(organization: Organization, *, email: str = "", phone: str = "") -> None:
    organization.account_executive_name = "Erin Vale"
    organization.account_executive_email = email
    organization.account_executive_phone = phone
    organization.save()


PROVISIONING = "Enterprise Edition has this setting. A member of Sales must provision this."
ONCE = "Once it is provisioned, the checkbox stands here. Request activation"
EDITIONS = (
    "This setting exists in Enterprise, Performance, Unlimited and Developer Editions. "
    "Acme has Professional Edition, as Company Information shows."
)


def test_not_eligible_without_account_executive_names_sales(
    acme: Organization, ada: "User", client_of: ClientOf
) -> None:
    become_professional(acme)

    response = client_of(ada).get(PAGE)

    assert rows_of(response) == [[SETTING, "Not in your edition"]]
    assert switch_of(response) == {"version": "1"}
    assert part_of(response, "How to get it") == (
        f"{EDITIONS} An edition upgrade is needed. Call Sales: 1-800-NO-SOFTWARE."
    )
    assert f'<a href="{reverse("company")}">Company Information</a>' in main_of(response)
    # What it does on and off is of those who have it.
    assert part_of(response, "What it does").startswith("Time limit A visit lasts 60 minutes at most.")


@pytest.mark.parametrize(
    ("email", "phone", "asked"),
    [
        ("erin@sales.example", "+1 415 555 0117", "Erin Vale (erin@sales.example, +1 415 555 0117)"),
        ("erin@sales.example", "", "Erin Vale (erin@sales.example)"),
        ("", "+1 415 555 0117", "Erin Vale (+1 415 555 0117)"),
        ("", "", "Erin Vale"),
    ],
)
def test_not_eligible_with_account_executive_names_them(
    *, acme: Organization, ada: "User", client_of: ClientOf, email: str, phone: str, asked: str
) -> None:
    become_professional(acme)
    give_account_executive(acme, email=email, phone=phone)

    says = part_of(client_of(ada).get(PAGE), "How to get it")

    assert says == f"{EDITIONS} An edition upgrade is needed. Ask your Account Executive, {asked}."


def test_the_idea_can_be_voted_for_where_it_has_an_address(
    acme: Organization, ada: "User", client_of: ClientOf, settings: "Settings"
) -> None:
    become_professional(acme)
    settings.IDEA_URL = "https://ideas.example/42"

    response = client_of(ada).get(PAGE)

    assert part_of(response, "How to get it").endswith("Should your edition have it too? Vote for the idea.")
    assert 'href="https://ideas.example/42"' in main_of(response)


@pytest.mark.parametrize(
    ("lose", "says"),
    [
        (become_professional, f"{EDITIONS} An edition upgrade is needed."),
        (become_unprovisioned, f"{PROVISIONING} Your organization ID is ID. {ONCE}"),
    ],
)
def test_what_has_no_setting_is_left_out(
    *,
    acme: Organization,
    ada: "User",
    client_of: ClientOf,
    settings: "Settings",
    lose: Callable[[Organization], None],
    says: str,
) -> None:
    lose(acme)
    settings.SALES_PHONE = ""
    settings.IDEA_URL = ""

    response = client_of(ada).get(PAGE)

    assert part_of(response, "How to get it") == says.replace("ID is ID", f"ID is {acme.reference}")
    assert 'href=""' not in response.content.decode()


def test_not_provisioned_without_account_executive_names_sales(
    acme: Organization, ada: "User", client_of: ClientOf
) -> None:
    become_unprovisioned(acme)

    response = client_of(ada).get(PAGE)

    assert rows_of(response) == [[SETTING, "Not provisioned"]]
    assert switch_of(response) == {"version": "1"}
    assert part_of(response, "How to get it") == (
        f"{PROVISIONING} Call Sales: 1-800-NO-SOFTWARE. Your organization ID is {acme.reference}. {ONCE}"
    )


def test_not_provisioned_with_account_executive_asks_for_manual_provisioning(
    acme: Organization, ada: "User", client_of: ClientOf
) -> None:
    become_unprovisioned(acme)
    give_account_executive(acme, email="erin@sales.example", phone="+1 415 555 0117")

    says = part_of(client_of(ada).get(PAGE), "How to get it")

    assert says == (
        f"{PROVISIONING} Ask Erin Vale (erin@sales.example, +1 415 555 0117) to run Manual Provisioning for "
        f"organization {acme.reference}. Your organization ID is {acme.reference}. {ONCE}"
    )


@pytest.mark.parametrize("lose", [become_professional, become_unprovisioned])
def test_a_tick_that_was_kept_through_a_loss_shows_no_checkbox(
    any_user_login: Organization, ada: "User", client_of: ClientOf, lose: Callable[[Organization], None]
) -> None:
    lose(any_user_login)

    response = client_of(ada).get(PAGE)

    assert switch_of(response) == {"version": "1"}


# --- crafted saves -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lose", [become_professional, become_unprovisioned])
@pytest.mark.parametrize("data", [{"any_user_login": "on", "version": 1}, {"any_user_login": "on"}])
def test_a_crafted_save_is_refused_where_it_is_not_available(
    acme: Organization,
    ada: "User",
    client_of: ClientOf,
    lose: Callable[[Organization], None],
    data: dict[str, str | int],
) -> None:
    lose(acme)

    response = client_of(ada).post(PAGE, data)

    assert response.status_code == 403
    assert state_of(acme) == (False, 1)
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize("name", ["hedy", "audrey", "grace"])
def test_a_crafted_save_is_refused_to_those_without_the_pair(
    acme: Organization, request: pytest.FixtureRequest, client_of: ClientOf, name: str
) -> None:
    client = client_of(request.getfixturevalue(name))

    response = client.post(PAGE, {"any_user_login": "on", "version": 1})

    assert response.status_code == 403
    assert state_of(acme) == (False, 1)


def test_whoever_may_not_open_setup_is_refused(acme: Organization, grace: "User", client_of: ClientOf) -> None:
    assert client_of(grace).get(PAGE).status_code == 403


def test_other_methods_are_not_allowed(acme: Organization, ada: "User", client_of: ClientOf) -> None:
    assert client_of(ada).put(PAGE).status_code == 405
