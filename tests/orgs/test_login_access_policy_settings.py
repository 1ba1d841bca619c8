"""Login Access Policies: all that stands beside the checkbox, who may save it, and the way to being provisioned."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from accounts.enums import EndCause
from orgs.editions import Edition
from orgs.http import Origin
from orgs.models import (
    ActivationState,
    AuditEvent,
    LoginAccessPolicy,
    Organization,
    OrganizationKind,
    SupportAvailability,
)
from orgs.permissions import Permission, PermissionMissing
from orgs.services.login_access_policies import may_save, may_switch, save_login_access_policy
from tests.factories import (
    ActivationRequestFactory,
    LoginAccessGrantFactory,
    OrganizationFactory,
    ProfileFactory,
    SupportAccessFactory,
)
from tests.origins import origin_of
from tests.queries import captured_queries

from .reading import alerts_of, carried_of, choices_of, errors_of, inputs_of, main_of, part_of, rows_of

if TYPE_CHECKING:
    from accounts.models import Profile, User
    from accounts.testing import PortalClient

ClientOf = Callable[["User"], "PortalClient"]
Browser = Callable[[], "PortalClient"]

PAGE = "/setup/login-access-policies/"
AT = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)
SETTING = "Administrators Can Log in as Any User"
SAVED = "Login access policies saved."
STILL_BELOW = "Your choice is still below; save again to let it hold."
ONCE = "Once it is provisioned, the checkbox stands here. Request activation"


def policy_of(organization: Organization) -> LoginAccessPolicy:
    return LoginAccessPolicy.objects.get(organization=organization)


def state_of(organization: Organization) -> tuple[bool, int]:
    policy = policy_of(organization)
    return policy.any_user_login, policy.version


def become_professional(organization: Organization) -> None:
    organization.edition = Edition.PROFESSIONAL
    organization.save()


def become_unprovisioned(organization: Organization) -> None:
    organization.provisioned = False
    organization.save()


# --- all the settings --------------------------------------------------------------------------------------------

# By the name of its field: a value that a form sends, what is stored, and the words of the trail.
CHANGES: dict[str, tuple[str, object, str]] = {
    "reason_required": ("on", True, "Changed Reason required from off to on"),
    "ticket_pattern": ("OPS-[0-9]+", "OPS-[0-9]+", "Changed Pattern for ticket numbers from none to OPS-[0-9]+"),
    "time_limit_minutes": ("5", 5, "Changed Time limit from 60 minutes to 5 minutes"),
    "access_mode": (
        "read_only_first",
        "read_only_first",
        "Changed Access at the start from Full access to Read-only first",
    ),
    "mail_at_start": ("on", True, "Changed E-mail to the user at the start from off to on"),
    "record_pages_opened": ("on", True, "Changed Record pages opened from off to on"),
    "protect_administrators": ("on", True, "Changed Protect administrators from off to on"),
    "sign_in_again_minutes": ("1", 1, "Changed Sign in again after from off to 1 minute"),
}
URL = "https://tickets.example/browse/{ticket}"


@pytest.fixture
def mabel(make: Callable[..., "User"], profiles: dict[str, "Profile"], acme: Organization) -> "User":
    """Saves the page, and holds neither Modify All Data nor Manage Users."""
    permission = (Permission.MANAGE_LOGIN_ACCESS_POLICIES,)
    profiles["Policies"] = ProfileFactory.create(organization=acme, name="Policies", permissions=permission)
    return make("Mabel", "Loomis", "Policies")


@pytest.mark.parametrize("name", CHANGES)
def test_each_setting_is_saved_with_one_row_of_the_trail(
    acme: Organization, mabel: "User", client_of: ClientOf, name: str
) -> None:
    sent, stored, sentence = CHANGES[name]
    before = getattr(policy_of(acme), name)

    response = client_of(mabel).post(PAGE, {name: sent, "version": 1}, follow=True)

    assert alerts_of(response)[0] == SAVED
    assert (getattr(policy_of(acme), name), policy_of(acme).version) == (stored, 2)
    event = AuditEvent.objects.get()
    assert (event.sentence, event.before, event.after) == (sentence, {name: before}, {name: stored})


def test_several_settings_are_one_save_and_a_row_each(acme: Organization, ada: "User") -> None:
    changes = {"reason_required": True, "ticket_pattern": "T[0-9]", "ticket_url": URL, "sign_in_again_minutes": 30}

    save_login_access_policy(acme, version=1, origin=origin_of(ada), at=AT, **changes)  # type: ignore[arg-type]

    assert list(AuditEvent.objects.values_list("sentence", flat=True).order_by("id")) == [
        "Changed Reason required from off to on",
        "Changed Pattern for ticket numbers from none to T[0-9]",
        f"Changed Address of tickets from none to {URL}",
        "Changed Sign in again after from off to 30 minutes",
    ]
    policy = policy_of(acme)
    assert {name: getattr(policy, name) for name in changes} == changes
    assert (policy.version, policy.modified_by_name) == (2, "Ada Lovelace")


def test_what_a_save_does_not_name_stays_as_it_is(acme: Organization, ada: "User", vendor: Organization) -> None:
    SupportAccessFactory.create(organization=acme, support_organization=vendor)
    LoginAccessPolicy.objects.update(time_limit_minutes=45, ticket_pattern="T", mail_at_start=True)

    save_login_access_policy(acme, version=1, origin=origin_of(ada), any_user_login=True)

    policy = policy_of(acme)
    assert (policy.any_user_login, policy.time_limit_minutes, policy.ticket_pattern) == (True, 45, "T")
    assert policy.mail_at_start is True
    assert acme.support_access.get().availability == SupportAvailability.ADMINISTRATORS


@pytest.mark.parametrize("lose", [become_professional, become_unprovisioned, lambda _: None])
def test_the_rest_of_the_page_is_saved_in_every_state(
    acme: Organization, mabel: "User", client_of: ClientOf, lose: Callable[[Organization], None]
) -> None:
    lose(acme)
    LoginAccessPolicy.objects.update(any_user_login=True)

    response = client_of(mabel).post(PAGE, {"reason_required": "on", "version": 1}, follow=True)

    assert alerts_of(response)[0] == SAVED
    policy = policy_of(acme)
    assert (policy.reason_required, policy.any_user_login) == (True, True)


def test_the_form_shows_what_holds(acme: Organization, ada: "User", client_of: ClientOf) -> None:
    LoginAccessPolicy.objects.update(
        reason_required=True, ticket_pattern="T[0-9]", time_limit_minutes=45, access_mode="read_only_first"
    )

    response = client_of(ada).get(PAGE)

    assert inputs_of(response) == {
        "version": "1",
        "any_user_login": "off",
        "reason_required": "on",
        "ticket_pattern": "T[0-9]",
        "ticket_url": "",
        "time_limit_minutes": "45",
        "mail_at_start": "off",
        "record_pages_opened": "off",
        "protect_administrators": "off",
        "sign_in_again_minutes": "",
    }
    assert choices_of(response) == {"access_mode": "read_only_first"}


def test_others_read_the_settings(acme: Organization, audrey: "User", client_of: ClientOf) -> None:
    LoginAccessPolicy.objects.update(ticket_pattern="<b>[0-9]", mail_at_start=True, sign_in_again_minutes=10)

    response = client_of(audrey).get(PAGE)

    assert part_of(response, "While logged in as a user") == (
        "Reason required off Pattern for ticket numbers <b>[0-9] Address of tickets none Time limit 60 minutes "
        "Access at the start Full access E-mail to the user at the start on Record pages opened off "
        "Protect administrators off Sign in again after 10 minutes"
    )
    assert choices_of(response) == {}


# --- bad input ---------------------------------------------------------------------------------------------------

NO_PATTERN = "This pattern cannot be used: {}. Look-around and back references are not taken."
NO_PLACE = "The address needs {ticket} after the name of the site."
NO_URL = "Give an address that begins with https:// or http://"
ODD = "This holds characters that cannot be shown. Type it anew."


@pytest.mark.parametrize(
    ("name", "typed", "told"),
    [
        ("ticket_pattern", "OPS-[", NO_PATTERN.format("missing ]: [")),
        ("ticket_pattern", r"(a)\1", NO_PATTERN.format(r"invalid escape sequence: \1")),
        ("ticket_pattern", "(?=a)", NO_PATTERN.format("invalid perl operator: (?=")),
        ("ticket_pattern", "x" * 201, "Ensure this value has at most 200 characters (it has 201)."),
        ("ticket_pattern", "a\u202eb", ODD),
        ("ticket_url", "tickets.example/{ticket}", NO_PLACE),
        ("ticket_url", "https://tickets.example/", NO_PLACE),
        ("ticket_url", "https://{ticket}.example/{ticket}", NO_PLACE),
        ("ticket_url", "javascript://a/{ticket}", NO_URL),
        ("ticket_url", "https://a b/{ticket}", NO_URL),
        ("ticket_url", "https://[/{ticket}", NO_URL),
        ("time_limit_minutes", "4", "Ensure this value is greater than or equal to 5."),
        ("time_limit_minutes", "481", "Ensure this value is less than or equal to 480."),
        ("time_limit_minutes", "", "This field is required."),
        ("time_limit_minutes", "an hour", "Enter a whole number."),
        ("access_mode", "none", "Select a valid choice. none is not one of the available choices."),
        ("sign_in_again_minutes", "0", "Ensure this value is greater than or equal to 1."),
        ("sign_in_again_minutes", "1441", "Ensure this value is less than or equal to 1440."),
    ],
)
def test_bad_input_is_said_beside_its_field_and_nothing_is_saved_by_half(
    *, acme: Organization, ada: "User", client_of: ClientOf, name: str, typed: str, told: str
) -> None:
    fields = {"any_user_login": "on", "reason_required": "on", "ticket_pattern": "T", "version": 1, name: typed}

    response = client_of(ada).post(PAGE, fields)

    assert response.status_code == 422
    assert alerts_of(response) == ["Nothing was saved. What is wrong is said beside each field below."]
    assert told in errors_of(response)
    kept = inputs_of(response) | choices_of(response)
    assert (kept["any_user_login"], kept["reason_required"]) == ("on", "on")
    assert kept[name] == ("" if name == "access_mode" else typed)
    assert (state_of(acme), policy_of(acme).reason_required) == ((False, 1), False)
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize("name", ["time_limit_minutes", "sign_in_again_minutes"])
@pytest.mark.parametrize("edge", [5, 480])
def test_the_edges_of_what_is_allowed_are_allowed(
    acme: Organization, ada: "User", client_of: ClientOf, name: str, edge: int
) -> None:
    client_of(ada).post(PAGE, {name: edge, "version": 1})

    assert getattr(policy_of(acme), name) == edge


@pytest.mark.parametrize(("pattern", "is_saved"), [("", False), ("T[0-9]", True)])
def test_an_address_of_tickets_needs_a_pattern(
    acme: Organization, ada: "User", client_of: ClientOf, pattern: str, is_saved: bool
) -> None:
    response = client_of(ada).post(PAGE, {"ticket_pattern": pattern, "ticket_url": URL, "version": 1})

    assert response.status_code == (302 if is_saved else 422)
    assert policy_of(acme).ticket_url == (URL if is_saved else "")
    if not is_saved:
        assert errors_of(response) == ["Give a pattern too, or no ticket number is asked for."]


@pytest.mark.parametrize("address", ["http://t.example?id={ticket}", "https://t.example/#{ticket}", URL])
def test_an_address_of_tickets_may_hold_the_number_anywhere_after_the_site(
    acme: Organization, ada: "User", client_of: ClientOf, address: str
) -> None:
    client_of(ada).post(PAGE, {"ticket_pattern": "T", "ticket_url": address, "version": 1})

    assert policy_of(acme).ticket_url == address


def test_an_incomplete_form_goes_on_being_of_the_version_that_was_read(
    acme: Organization, ada: "User", alan: "User", client_of: ClientOf
) -> None:
    client = client_of(ada)
    read = carried_of(client.get(PAGE), "read")
    save_login_access_policy(acme, any_user_login=True, version=1, origin=origin_of(alan))

    response = client.post(PAGE, {"time_limit_minutes": "4", "version": 1, "read": read})

    assert (inputs_of(response)["version"], carried_of(response, "read")) == ("1", read)


# --- support organizations ---------------------------------------------------------------------------------------

USERS, ADMINISTRATORS = "Available to Users", "Available to Administrators Only"


@pytest.fixture
def helpers(vendor: Organization) -> list[Organization]:
    """Three support organizations."""
    names = ("Best Help", "Zebra Help")
    others = [OrganizationFactory.create(name=name, kind=OrganizationKind.OPERATOR) for name in names]
    return [others[0], vendor, others[1]]


def test_each_support_organization_has_a_row_available_to_users_until_changed(
    helpers: list[Organization], stranger: "User", ada: "User", client_of: ClientOf
) -> None:
    SupportAccessFactory.create(organization=ada.organization, support_organization=helpers[2])
    SupportAccessFactory.create(organization=stranger.organization, support_organization=helpers[1])
    SupportAccessFactory.create(
        organization=ada.organization, support_organization=helpers[0], availability=SupportAvailability.USERS
    )

    response = client_of(ada).get(PAGE)

    both = f"{USERS} {ADMINISTRATORS}"
    assert rows_of(response)[1:] == [["Best Help", both], ["Portal Support", both], ["Zebra Help", both]]
    assert choices_of(response) == {
        f"support_{helpers[0].pk}": "users",
        f"support_{helpers[1].pk}": "users",
        f"support_{helpers[2].pk}": "administrators",
        "access_mode": "full",
    }


def test_others_read_who_is_available_to_whom(helpers: list[Organization], audrey: "User", client_of: ClientOf) -> None:
    SupportAccessFactory.create(organization=audrey.organization, support_organization=helpers[2])

    response = client_of(audrey).get(PAGE)

    assert rows_of(response)[1:] == [["Best Help", USERS], ["Portal Support", USERS], ["Zebra Help", ADMINISTRATORS]]


def test_operators_see_the_other_support_organizations_and_not_their_own(
    helpers: list[Organization], sally: "User", client_of: ClientOf
) -> None:
    response = client_of(sally).get(PAGE)

    assert [row[0] for row in rows_of(response)[1:]] == ["Best Help", "Zebra Help"]


def test_where_there_is_no_support_organization_the_page_says_so(
    acme: Organization, ada: "User", client_of: ClientOf
) -> None:
    assert "There is no support organization to grant access to." in main_of(client_of(ada).get(PAGE))


def test_turning_a_support_organization_to_administrators_and_back_is_saved_and_audited(
    helpers: list[Organization], ada: "User"
) -> None:
    acme, origin = ada.organization, origin_of(ada)

    turned = save_login_access_policy(
        acme, version=1, origin=origin, at=AT, administrators_only=frozenset({helpers[1].pk})
    )

    access = acme.support_access.get()
    assert (turned.visits_ended, turned.policy.version) == (0, 2)
    assert (access.support_organization, access.availability) == (helpers[1], SupportAvailability.ADMINISTRATORS)
    assert access.login_access_lost_at == AT

    later = AT + timedelta(hours=1)
    save_login_access_policy(acme, version=2, origin=origin, at=later, administrators_only=frozenset())

    access.refresh_from_db()
    assert (access.availability, access.login_access_lost_at) == (SupportAvailability.USERS, AT)
    first, second = AuditEvent.objects.order_by("id")
    assert first.sentence == f"Changed availability of Portal Support from {USERS} to {ADMINISTRATORS}"
    assert second.sentence == f"Changed availability of Portal Support from {ADMINISTRATORS} to {USERS}"
    assert first.after == {"support_organization": helpers[1].pk, "availability": "administrators"}


def test_an_organization_that_is_no_support_organization_is_not_decided_about(
    vendor: Organization, stranger: "User", ada: "User"
) -> None:
    ids = frozenset({stranger.organization_id, ada.organization_id, 10**9})

    save_login_access_policy(ada.organization, version=1, origin=origin_of(ada), administrators_only=ids)

    assert state_of(ada.organization) == (False, 1)
    assert not ada.organization.support_access.exists()


@pytest.mark.parametrize(("is_admin", "ended"), [(False, 1), (True, 0)])
def test_turning_to_administrators_ends_visits_that_rest_on_other_peoples_grants(
    *, ada: "User", alan: "User", grace: "User", sam: "User", browser: Browser, client_of: ClientOf, is_admin: bool,
    ended: int,
) -> None:  # fmt: skip
    target = alan if is_admin else grace
    LoginAccessGrantFactory.create(user=target, support_organization=sam.organization)
    visit = browser().login_as(target, actor=sam)

    name = f"support_{sam.organization_id}"
    response = client_of(ada).post(PAGE, {name: "administrators", "version": 1}, follow=True)

    assert alerts_of(response) == [SAVED, "1 running visit was ended."][: 1 + ended]
    visit.refresh_from_db()
    assert visit.end_cause == (EndCause.POLICY_CHANGED if ended else "")


def test_protecting_administrators_ends_visits_in_their_accounts(
    any_user_login: Organization, ada: "User", alan: "User", grace: "User", browser: Browser
) -> None:
    in_alans, in_graces = browser().login_as(alan, actor=ada), browser().login_as(grace, actor=ada)

    saved = save_login_access_policy(any_user_login, version=1, origin=origin_of(ada), protect_administrators=True)

    assert saved.visits_ended == 1
    in_alans.refresh_from_db()
    in_graces.refresh_from_db()
    assert (in_alans.end_cause, in_graces.end_cause) == (EndCause.BECAME_PROTECTED, "")


@pytest.mark.parametrize(
    "named", [{"any_user_login": True}, {"protect_administrators": False}, {"mail_at_start": True}]
)
def test_what_takes_no_right_away_ends_nothing(named: dict[str, bool], ada: "User", alan: "User", grace: "User",
    acme: Organization, browser: Browser) -> None:  # fmt: skip
    LoginAccessGrantFactory.create(user=grace)
    LoginAccessPolicy.objects.update(protect_administrators=True)
    visit = browser().login_as(grace, actor=alan)

    saved = save_login_access_policy(acme, version=1, origin=origin_of(ada), **named)  # type: ignore[arg-type]

    assert (saved.visits_ended, saved.policy.version) == (0, 2)
    visit.refresh_from_db()
    assert visit.ended_at is None


def test_a_crafted_choice_about_a_support_organization_is_refused(
    vendor: Organization, ada: "User", client_of: ClientOf
) -> None:
    response = client_of(ada).post(PAGE, {f"support_{vendor.pk}": "nobody", "version": 1})

    assert errors_of(response) == ["Select a valid choice. nobody is not one of the available choices."]
    assert not ada.organization.support_access.exists()


# --- what changed meanwhile, and whose it was --------------------------------------------------------------------


def test_the_second_saver_keeps_their_own_and_takes_over_what_they_did_not_touch(
    acme: Organization, vendor: Organization, ada: "User", alan: "User", client_of: ClientOf
) -> None:
    client = client_of(ada)
    read = carried_of(client.get(PAGE), "read")
    save_login_access_policy(
        acme,
        version=1,
        origin=origin_of(alan),
        any_user_login=True,
        time_limit_minutes=30,
        mail_at_start=True,
        administrators_only=frozenset({vendor.pk}),
    )

    mine = {"time_limit_minutes": "90", "reason_required": "on", "version": 1, "read": read}
    told = client.post(PAGE, {**mine, f"support_{vendor.pk}": "users", "access_mode": "full"})

    assert told.status_code == 409
    told_of = (
        f"{SETTING} is now on. Time limit is now 30 minutes. E-mail to the user at the start is now on. "
        "Portal Support is now Available to Administrators Only."
    )
    meanwhile = "Alan Turing saved this page just now, while you had it open."
    assert alerts_of(told) == [f"{meanwhile} {told_of} Nothing of yours was saved. {STILL_BELOW}"]
    merged = inputs_of(told) | choices_of(told)
    assert (merged["time_limit_minutes"], merged["reason_required"]) == ("90", "on")
    assert (merged["any_user_login"], merged["mail_at_start"]) == ("on", "on")
    assert merged[f"support_{vendor.pk}"] == "administrators"

    fields = {name: value for name, value in merged.items() if value != "off"}
    saved = client.post(PAGE, {**fields, "read": carried_of(told, "read")}, follow=True)

    assert alerts_of(saved) == [SAVED]
    policy = policy_of(acme)
    assert (policy.time_limit_minutes, policy.reason_required) == (90, True)
    assert (policy.any_user_login, policy.mail_at_start, policy.version) == (True, True, 3)


def test_those_without_the_checkbox_are_told_of_the_rest_alone(
    acme: Organization, ada: "User", mabel: "User", client_of: ClientOf
) -> None:
    client = client_of(mabel)
    read = carried_of(client.get(PAGE), "read")
    save_login_access_policy(acme, version=1, origin=origin_of(ada), any_user_login=True, mail_at_start=True)

    told = client.post(PAGE, {"reason_required": "on", "version": 1, "read": read})

    assert alerts_of(told)[0] == (
        "Ada Lovelace saved this page just now, while you had it open. E-mail to the user at the start is now on. "
        f"Nothing of yours was saved. {STILL_BELOW}"
    )
    assert inputs_of(told)["mail_at_start"] == "on"
    client.post(PAGE, {"reason_required": "on", "mail_at_start": "on", "version": 2, "read": carried_of(told, "read")})
    policy = policy_of(acme)
    assert (policy.any_user_login, policy.reason_required, policy.version) == (True, True, 3)


def test_a_page_that_had_no_checkbox_unticks_nothing(
    any_user_login: Organization, ada: "User", client_of: ClientOf
) -> None:
    client = client_of(ada)
    become_unprovisioned(any_user_login)
    read = carried_of(client.get(PAGE), "read")
    Organization.objects.filter(pk=any_user_login.pk).update(provisioned=True)

    client.post(PAGE, {"reason_required": "on", "version": 1, "read": read})

    policy = policy_of(any_user_login)
    assert (policy.any_user_login, policy.reason_required) == (True, True)


# --- guests ------------------------------------------------------------------------------------------------------

GUEST = "This is for the organization's own administrators. You are logged in as a user without being one."


@pytest.fixture
def guest(ada: "User", sam: "User", browser: Browser) -> "PortalClient":
    """A support agent who is logged in as an administrator."""
    LoginAccessGrantFactory.create(user=ada, support_organization=sam.organization)
    client = browser()
    client.login_as(ada, actor=sam)
    return client


def test_a_guest_reads_the_page_and_saves_nothing(acme: Organization, guest: "PortalClient") -> None:
    page = guest.get(PAGE)
    refused = guest.post(PAGE, {"reason_required": "on", "version": 1})

    assert alerts_of(page) == [f"You can read this page. {GUEST}"]
    assert "<form" not in main_of(page)
    assert refused.status_code == 403
    assert GUEST.replace("'", "&#x27;") in refused.content.decode()
    assert (state_of(acme), policy_of(acme).reason_required) == ((False, 1), False)


def test_an_administrator_inside_a_visit_is_no_guest(
    any_user_login: Organization, ada: "User", alan: "User", browser: Browser
) -> None:
    client = browser()
    client.login_as(alan, actor=ada)

    client.post(PAGE, {"any_user_login": "on", "reason_required": "on", "version": 1})

    assert policy_of(any_user_login).reason_required is True


@pytest.mark.parametrize("is_limited", [True, False])
def test_a_guest_may_do_nothing_that_the_worn_account_may(acme: Organization, ada: "User", is_limited: bool) -> None:
    origin = Origin(user=ada, actor=ada, impersonation_id=7, is_limited=is_limited)

    assert (may_save(origin, acme), may_switch(origin, acme)) == (not is_limited, not is_limited)


def test_another_organizations_page_is_not_saved(ada: "User", stranger: "User") -> None:
    with pytest.raises(PermissionMissing):
        save_login_access_policy(stranger.organization, version=1, origin=origin_of(ada), mail_at_start=True)


def test_a_command_may_save(acme: Organization) -> None:
    save_login_access_policy(acme, version=1, origin=Origin.automated("test"), mail_at_start=True)

    assert policy_of(acme).modified_by_name == "test by root"


# --- asking for it -----------------------------------------------------------------------------------------------

REQUEST = "/setup/company/request-activation/"


def test_an_administrator_can_request_activation_from_here(
    acme: Organization, ada: "User", client_of: ClientOf
) -> None:
    become_unprovisioned(acme)

    response = client_of(ada).get(PAGE)

    assert f'<a class="btn btn-primary" href="{REQUEST}">Request activation</a>' in main_of(response)


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        (ActivationState.OPEN, "State Open Support has not answered yet. See your request"),
        (ActivationState.APPROVED, "State Approved Sales provisions it next. See your request"),
        (ActivationState.DECLINED, "State Declined Answer Not now. Request activation"),
    ],
)
def test_the_state_of_the_request_stands_here(
    acme: Organization, ada: "User", client_of: ClientOf, state: ActivationState, shown: str
) -> None:
    become_unprovisioned(acme)
    answer = "Not now." if state == ActivationState.DECLINED else ""
    ActivationRequestFactory.create(requested_by=ada, state=state, answer=answer)

    says = part_of(client_of(ada).get(PAGE), "How to get it")

    assert says.endswith(f"the checkbox stands here. Requested By Ada Lovelace, just now {shown}")


def test_a_request_that_is_done_and_gone_again_is_not_shown(
    acme: Organization, ada: "User", client_of: ClientOf
) -> None:
    become_unprovisioned(acme)
    ActivationRequestFactory.create(requested_by=ada, state=ActivationState.DONE, done_at=AT)

    says = part_of(client_of(ada).get(PAGE), "How to get it")

    assert says.endswith(ONCE)


@pytest.mark.parametrize("has_administrator", [True, False])
def test_others_are_told_who_can_request_it(
    acme: Organization, audrey: "User", request: pytest.FixtureRequest, client_of: ClientOf, has_administrator: bool
) -> None:
    become_unprovisioned(acme)
    if has_administrator:
        request.getfixturevalue("ada")

    response = client_of(audrey).get(PAGE)

    ask = " Ask Ada Lovelace." if has_administrator else ""
    assert part_of(response, "How to get it").endswith(f"An administrator can request activation.{ask}")
    assert REQUEST not in main_of(response)


# --- what it asks the database -----------------------------------------------------------------------------------


@pytest.mark.parametrize("supports", [0, 1, 3])
def test_page_asks_for_the_person_the_policy_and_the_support_organizations(
    acme: Organization, ada: "User", client_of: ClientOf, supports: int
) -> None:
    client = client_of(ada)
    for _ in range(supports):
        SupportAccessFactory.create(organization=acme)

    with captured_queries() as queries:
        client.get(PAGE)

    assert len(queries) == 3, queries


def test_page_asks_for_the_administrators_with_two_more(
    acme: Organization, ada: "User", alan: "User", audrey: "User", client_of: ClientOf
) -> None:
    client = client_of(audrey)

    with captured_queries() as queries:
        client.get(PAGE)

    assert len(queries) == 5, queries


@pytest.mark.parametrize("supports", [0, 1, 3])
def test_a_save_asks_the_same_however_many_support_organizations_there_are(
    acme: Organization, ada: "User", client_of: ClientOf, supports: int
) -> None:
    client = client_of(ada)
    for _ in range(supports):
        SupportAccessFactory.create(organization=acme)

    with captured_queries() as queries:
        client.post(PAGE, {"mail_at_start": "on", "version": 1})

    # The person; policy and support organizations for the form; the same under the lock; policy, event, message.
    assert len(queries) == 9, queries
