"""New customers: an organization with its first administrator, all of it or nothing."""

from typing import TYPE_CHECKING, Any

import pytest
from django.core import mail
from django.core.exceptions import PermissionDenied

from accounts.models import Profile, User
from accounts.services.customers import AccountExecutive, FirstAdministrator, create_customer
from accounts.services.guards import NameTaken
from orgs.editions import Edition
from orgs.http import Origin
from orgs.models import AuditEvent, Organization, OrganizationKind
from orgs.services.guards import OperatorNeeded
from orgs.services.organizations import OrganizationNameTaken
from tests.factories import OrganizationFactory

if TYPE_CHECKING:
    from pytest_django import DjangoCaptureOnCommitCallbacks

pytestmark = pytest.mark.django_db

WAYNE: dict[str, Any] = {
    "name": "Wayne",
    "edition": Edition.ENTERPRISE,
    "administrator": FirstAdministrator("Lucius@Wayne.example", "lucius@wayne.example", "Fox", "Lucius"),
}


def create(origin: Origin, **given: Any) -> User:
    return create_customer(**WAYNE | {"site": "https://portal.example", "origin": origin} | given)


def as_themselves(user: User) -> Origin:
    return Origin(user=user, actor=user)


def nothing_was_made() -> bool:
    return not Organization.objects.filter(name="Wayne").exists() and not User.objects.filter(last_name="Fox").exists()


def test_sales_makes_an_organization_with_its_administrator(
    sally: User, django_capture_on_commit_callbacks: "DjangoCaptureOnCommitCallbacks"
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        lucius = create(as_themselves(sally))

    wayne = Organization.objects.get(name="Wayne")
    assert (wayne.kind, wayne.edition, wayne.provisioned) == (OrganizationKind.CUSTOMER, "enterprise", True)
    assert not wayne.login_access_policy.any_user_login
    assert wayne.session_settings.force_relogin
    assert Profile.objects.filter(organization=wayne).count() == 5
    assert (lucius.username, lucius.organization, lucius.is_administrator) == ("lucius@wayne.example", wayne, True)
    assert (lucius.has_usable_password(), lucius.operator_role) == (False, "")
    assert lucius.created_by_name == "Sally Winters (Portal Support)"
    (message,) = mail.outbox
    assert message.to == ["lucius@wayne.example"]
    assert "https://portal.example/account/password/reset/key/" in message.body
    assert "Sally Winters (Portal Support)" in message.body


def test_what_was_done_is_in_the_new_organizations_trail_and_names_the_operator(sally: User) -> None:
    lucius = create(as_themselves(sally), account_executive=AccountExecutive("Erin Vale", "erin@sales.example", "1"))

    rows = AuditEvent.objects.filter(organization=lucius.organization).order_by("id")
    assert [(row.user_name, row.sentence) for row in rows] == [
        ("Sally Winters (Portal Support)", "Created organization Wayne, Enterprise Edition"),
        (
            "Sally Winters (Portal Support)",
            "Changed Account Executive from none to Erin Vale (erin@sales.example, 1)",
        ),
        ("Sally Winters (Portal Support)", "Created new user Lucius Fox"),
    ]
    assert lucius.organization.account_executive_name == "Erin Vale"
    assert not AuditEvent.objects.exclude(organization=lucius.organization).exists()


def test_command_makes_one_without_mail() -> None:
    lucius = create(Origin.automated("shell"), site="")

    assert lucius.created_by_name == "shell by root"
    assert mail.outbox == []


def test_edition_without_the_feature_is_not_provisioned(sally: User) -> None:
    lucius = create(as_themselves(sally), edition=Edition.PROFESSIONAL)

    assert not lucius.organization.provisioned


@pytest.mark.parametrize(
    ("who", "refusal"),
    [("sally", None), ("sam", OperatorNeeded), ("ada", OperatorNeeded), ("nobody", OperatorNeeded)],
)
def test_sales_alone_makes_customers(
    who: str, refusal: type[PermissionDenied] | None, request: pytest.FixtureRequest
) -> None:
    origin = Origin() if who == "nobody" else as_themselves(request.getfixturevalue(who))

    if refusal is None:
        create(origin)
    else:
        with pytest.raises(refusal):
            create(origin)

    assert nothing_was_made() is (refusal is not None)


def test_taken_name_is_refused_and_nothing_is_made(sally: User) -> None:
    OrganizationFactory.create(name="Wayne")

    with pytest.raises(OrganizationNameTaken):
        create(as_themselves(sally))

    assert not User.objects.filter(last_name="Fox").exists()


def test_taken_username_is_refused_and_nothing_is_made(sally: User, grace: User) -> None:
    administrator = FirstAdministrator("GRACE@acme.example", "lucius@wayne.example", "Fox")

    with pytest.raises(NameTaken):
        create(as_themselves(sally), administrator=administrator)

    assert nothing_was_made()
    assert mail.outbox == []
