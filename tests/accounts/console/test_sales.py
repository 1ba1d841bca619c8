"""What Sales does with organizations in the operator console."""

import re
from typing import TYPE_CHECKING

import pytest
from django.core import mail

from accounts.models import User
from orgs.models import (
    ActivationRequest,
    ActivationState,
    Organization,
)
from orgs.services.activation_requests import approve_activation_request
from tests.accounts.reading import html_of
from tests.factories import OrganizationFactory

from .reading import WAYNE, as_themselves, errors_of, messages_of, to, trail_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_django import DjangoCaptureOnCommitCallbacks

    from accounts.testing import PortalClient

    ClientOf = Callable[[User], PortalClient]
    Make = Callable[..., User]

pytestmark = pytest.mark.django_db


def test_sales_changes_the_edition(sally: User, acme: Organization, client_of: "ClientOf") -> None:
    client, address = client_of(sally), to("orgs_organization_edition", acme.pk)

    form, saved = client.get(address), client.post(address, {"edition": "professional"}, follow=True)

    assert '<option value="enterprise" selected>' in html_of(form)
    assert messages_of(saved) == ["Acme has Professional Edition now."]
    assert saved.redirect_chain == [(to("orgs_organization_change", acme.pk), 302)]
    acme.refresh_from_db()
    assert (acme.edition, acme.provisioned) == ("professional", True)
    assert trail_of(acme) == [
        ("Sally Winters (Portal Support)", "Changed edition from Enterprise to Professional"),
    ]


def test_downgrade_ends_visits_and_says_how_many(
    sally: User,
    any_user_login: Organization,
    ada: User,
    alan: User,
    grace: User,
    hedy: User,
    browser: "Callable[[], PortalClient]",
    client_of: "ClientOf",
) -> None:
    browser().login_as(grace, actor=ada)
    browser().login_as(hedy, actor=alan)
    address = to("orgs_organization_edition", any_user_login.pk)

    saved = client_of(sally).post(address, {"edition": "group"}, follow=True)

    assert messages_of(saved) == ["Acme has Group Edition now. 2 running visits ended."]
    assert {visit.end_cause for visit in (*ada.impersonations_made.all(), *alan.impersonations_made.all())} == {
        "edition_changed"
    }


def test_sales_provisions_and_deprovisions(
    sally: User,
    initech: Organization,
    asked: ActivationRequest,
    sam: User,
    client_of: "ClientOf",
    django_capture_on_commit_callbacks: "DjangoCaptureOnCommitCallbacks",
) -> None:
    client = client_of(sally)
    approve_activation_request(asked, origin=as_themselves(sam))

    with django_capture_on_commit_callbacks(execute=True):
        given = client.post(to("orgs_organization_provision", initech.pk), follow=True)
    initech.refresh_from_db()
    asked.refresh_from_db()
    was = (initech.provisioned, asked.state)
    taken = client.post(to("orgs_organization_deprovision", initech.pk), follow=True)
    initech.refresh_from_db()

    words = "Administrators Can Log in as Any User is provisioned for Initech. Its administrators can switch it on."
    assert messages_of(given) == [words]
    assert was == (True, ActivationState.DONE)
    assert [message.to for message in mail.outbox] == [["ivan@initech.example"]]
    assert messages_of(taken) == ["Administrators Can Log in as Any User is not provisioned for Initech any more."]
    assert not initech.provisioned
    assert trail_of(initech)[1:] == [
        ("Sally Winters (Portal Support)", "Provisioned Administrators Can Log in as Any User"),
        ("Sally Winters (Portal Support)", "Deprovisioned Administrators Can Log in as Any User"),
    ]


def test_provisioning_what_was_ticked_before_says_that_it_is_on(
    sally: User, initech: Organization, client_of: "ClientOf"
) -> None:
    initech.login_access_policy.any_user_login = True
    initech.login_access_policy.save()

    given = client_of(sally).post(to("orgs_organization_provision", initech.pk), follow=True)

    assert messages_of(given) == [
        "Administrators Can Log in as Any User is provisioned for Initech. They had ticked it before: it is on."
    ]


def test_deprovisioning_ends_a_visit(
    sally: User,
    any_user_login: Organization,
    ada: User,
    grace: User,
    browser: "Callable[[], PortalClient]",
    client_of: "ClientOf",
) -> None:
    visit = browser().login_as(grace, actor=ada)

    said = client_of(sally).post(to("orgs_organization_deprovision", any_user_login.pk), follow=True)

    visit.refresh_from_db()
    assert messages_of(said)[0].endswith("any more. 1 running visit ended.")
    assert visit.end_cause == "deprovisioned"


def test_provisioning_an_ineligible_edition_is_refused_in_words(
    sally: User, initech: Organization, client_of: "ClientOf"
) -> None:
    Organization.objects.filter(pk=initech.pk).update(edition="group")

    page = client_of(sally).post(to("orgs_organization_provision", initech.pk))

    assert page.status_code == 422
    assert "an edition upgrade is needed" in errors_of(page)[0]
    initech.refresh_from_db()
    assert not initech.provisioned
    assert trail_of(initech) == []


def test_sales_sets_the_account_executive(sally: User, acme: Organization, client_of: "ClientOf") -> None:
    client, address = client_of(sally), to("orgs_organization_account_executive", acme.pk)
    nora = {"name": "Nora Fields", "email": "nora@sales.example", "phone": "+1 415 555 0142"}

    saved = client.post(address, nora, follow=True)
    form = html_of(client.get(address))

    assert messages_of(saved) == ["The Account Executive of Acme has been saved."]
    assert all(f'value="{value}"' in form for value in nora.values())
    assert trail_of(acme) == [
        (
            "Sally Winters (Portal Support)",
            "Changed Account Executive from none to Nora Fields (nora@sales.example, +1 415 555 0142)",
        )
    ]


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"email": "nora@sales.example"}, "Whose address is this? Say the name, or empty all three."),
        ({"phone": "1"}, "Whose address is this? Say the name, or empty all three."),
        ({"name": "Nora", "email": "nora"}, "Enter a valid email address."),
        ({"name": "x" * 81}, "Ensure this value has at most 80 characters (it has 81)."),
        ({"name": "x" * 81, "phone": "1"}, "Ensure this value has at most 80 characters (it has 81)."),
        ({"name": "No\u202era"}, "This holds characters that cannot be shown. Type it anew."),
    ],
)
def test_account_executive_that_can_not_be_is_refused(
    given: dict[str, str], error: str, sally: User, acme: Organization, client_of: "ClientOf"
) -> None:
    page = client_of(sally).post(to("orgs_organization_account_executive", acme.pk), given)

    assert (page.status_code, errors_of(page)) == (422, [error])
    assert trail_of(acme) == []


def test_sales_creates_a_customer(
    sally: User, client_of: "ClientOf", django_capture_on_commit_callbacks: "DjangoCaptureOnCommitCallbacks"
) -> None:
    executive = {"executive_name": "Nora Fields", "executive_email": "nora@sales.example", "executive_phone": "1"}

    with django_capture_on_commit_callbacks(execute=True):
        page = client_of(sally).post(to("orgs_organization_add"), WAYNE | executive, follow=True)

    words = "with Lucius Fox as its administrator. A mail to choose a password is on its way to lucius@wayne.example."
    assert messages_of(page) == [f"Wayne Enterprises has been created, {words}"]
    wayne = Organization.objects.get(name="Wayne Enterprises")
    assert (wayne.account_executive_name, wayne.account_executive_email) == ("Nora Fields", "nora@sales.example")
    assert [message.to for message in mail.outbox] == [["lucius@wayne.example"]]
    assert "http://testserver/account/password/reset/key/" in str(mail.outbox[0].body)


def test_who_was_invited_chooses_a_password_and_signs_in(
    sally: User,
    client_of: "ClientOf",
    anonymous: "PortalClient",
    django_capture_on_commit_callbacks: "DjangoCaptureOnCommitCallbacks",
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        client_of(sally).post(to("orgs_organization_add"), WAYNE)
    link = re.findall(r"http://testserver(\S+/key/\S+)", str(mail.outbox[0].body))[0]

    form = anonymous.get(link, follow=True)
    chosen = {"password1": "a password of one's own", "password2": "a password of one's own"}
    anonymous.post(form.redirect_chain[-1][0], chosen)
    anonymous.post("/login/", {"login": "lucius@wayne.example", "password": chosen["password1"]})

    assert "Welcome, Lucius" in html_of(anonymous.get("/"))
    assert anonymous.get("/setup/users/").status_code == 200


@pytest.mark.parametrize(
    ("given", "field", "error"),
    [
        ({"username": "GRACE@acme.example"}, "username", "This username is taken."),
        ({"name": "Acme"}, "name", "This name is taken."),
        ({"name": "ACME"}, "name", "This name is taken."),
        ({"name": "   "}, "name", "This field is required."),
        ({"name": "x" * 81}, "name", "Ensure this value has at most 80 characters (it has 81)."),
        ({"name": "Wa\x00yne"}, "name", "Null characters are not allowed."),
        ({"edition": "stone age"}, "edition", "Select a valid choice."),
        ({"username": "lucius"}, "username", "A username looks like an e-mail address"),
        ({"email": "lucius"}, "email", "Enter a valid email address."),
        ({"last_name": ""}, "last_name", "This field is required."),
        ({"last_name": "\u200b"}, "last_name", "Nothing of this shows on a page."),
        ({"name": "\u200b"}, "name", "Nothing of this shows on a page."),
        ({"executive_email": "nora@sales.example"}, "executive_name", "Whose address is this?"),
        ({"executive_phone": "1"}, "executive_name", "Whose address is this?"),
        ({"executive_name": "\u200b", "executive_phone": "1"}, "executive_name", "Nothing of this shows on a page."),
    ],
)
def test_customer_that_can_not_be_is_refused_beside_the_field_and_nothing_is_saved(
    given: dict[str, str], field: str, error: str, sally: User, grace: User, client_of: "ClientOf"
) -> None:
    there = Organization.objects.count(), User.objects.count()

    page = client_of(sally).post(to("orgs_organization_add"), WAYNE | given)

    assert page.status_code == 422
    (said,) = page.context["form"].errors[field]
    assert said.startswith(error)
    assert list(page.context["form"].errors) == [field]
    assert (Organization.objects.count(), User.objects.count()) == there
    assert mail.outbox == []


def test_name_taken_in_the_last_moment_is_told_too(
    sally: User, client_of: "ClientOf", monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if another had made it after the form was read.
    OrganizationFactory.create(name="Wayne Enterprises")
    monkeypatch.setattr("accounts.console_forms.CustomerForm.clean_name", lambda form: "Wayne Enterprises")

    page = client_of(sally).post(to("orgs_organization_add"), WAYNE)

    assert page.context["form"].errors == {
        "name": ["This name is taken. Names of organizations are unique everywhere."]
    }
    assert not User.objects.filter(last_name="Fox").exists()
