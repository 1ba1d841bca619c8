"""Organizations: made, bought up and down, provisioned, named."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import IntegrityError, transaction

from accounts.enums import EndCause
from orgs.editions import Edition
from orgs.http import Origin
from orgs.models import ActivationState, AuditEvent, LoginAccessPolicy, Organization, OrganizationKind
from orgs.permissions import PermissionMissing, RefusedInside
from orgs.services.guards import OperatorNeeded
from orgs.services.organizations import (
    NotEligible,
    OrganizationNameTaken,
    account_executive_words,
    change_edition,
    create_organization,
    deprovision_organization,
    provision_organization,
    rename_organization,
    sentence_for_ineligible,
    set_account_executive,
)
from tests.factories import ActivationRequestFactory

if TYPE_CHECKING:
    from django.core.mail import EmailMessage
    from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

    from accounts.models import User
    from accounts.testing import PortalClient

Browser = Callable[[], "PortalClient"]

pytestmark = pytest.mark.django_db

AT = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)
COMMAND = Origin.automated("test")


@pytest.mark.parametrize(
    ("edition", "provisioned"),
    [
        (Edition.ESSENTIALS, False),
        (Edition.GROUP, False),
        (Edition.PROFESSIONAL, False),
        (Edition.ENTERPRISE, True),
        (Edition.PERFORMANCE, True),
        (Edition.UNLIMITED, True),
        (Edition.DEVELOPER, True),
    ],
)
def test_an_organization_made_on_an_eligible_edition_is_provisioned_and_off(
    edition: Edition, provisioned: bool
) -> None:
    made = create_organization(name="Acme", edition=edition, origin=Origin.automated("test"), at=AT)

    stored = Organization.objects.select_related("login_access_policy", "session_settings").get()
    assert stored == made
    assert (stored.name, stored.edition, stored.kind, stored.created_at) == ("Acme", edition, "customer", AT)
    assert stored.provisioned is provisioned
    assert stored.login_access_policy.any_user_login is False
    assert stored.session_settings.force_relogin is True


def test_its_creation_is_the_first_row_of_its_trail() -> None:
    made = create_organization(
        name="Vendor", edition=Edition.UNLIMITED, kind=OrganizationKind.OPERATOR, origin=Origin.automated("test"), at=AT
    )

    event = AuditEvent.objects.get()
    assert (event.organization, event.created_at) == (made, AT)
    assert event.sentence == "Created organization Vendor, Unlimited Edition"
    assert event.after == {"name": "Vendor", "edition": "unlimited", "provisioned": True}


def test_names_are_unique_and_a_second_one_leaves_nothing() -> None:
    create_organization(name="Acme", edition=Edition.GROUP, origin=COMMAND)

    with pytest.raises(IntegrityError), transaction.atomic():
        create_organization(name="Acme", edition=Edition.GROUP, origin=COMMAND)

    assert (Organization.objects.count(), AuditEvent.objects.count()) == (1, 1)


# --- what Sales does ---------------------------------------------------------------------------------------------

ELIGIBLE = (Edition.ENTERPRISE, Edition.PERFORMANCE, Edition.UNLIMITED, Edition.DEVELOPER)
FEATURE = "Administrators Can Log in as Any User"


def origin_of(user: "User", **more: Any) -> Origin:
    return Origin(user=user, actor=user, **more)


def facts_of(organization: Organization) -> tuple[str, bool, datetime | None, datetime | None]:
    stored = Organization.objects.get(pk=organization.pk)
    return stored.edition, stored.provisioned, stored.edition_lost_at, stored.deprovisioned_at


def sentences() -> list[str]:
    return list(AuditEvent.objects.order_by("id").values_list("sentence", flat=True))


ACTS: dict[str, Callable[[Organization, Origin], object]] = {
    "create": lambda _, origin: create_organization(name="New", edition=Edition.GROUP, origin=origin),
    "edition": lambda acme, origin: change_edition(acme, Edition.GROUP, origin=origin),
    "provision": lambda acme, origin: provision_organization(acme, origin=origin),
    "deprovision": lambda acme, origin: deprovision_organization(acme, origin=origin),
    "executive": lambda acme, origin: set_account_executive(acme, name="Erin Vale", origin=origin),
}


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize(
    ("who", "refusal"),
    [
        ("sally", None),
        ("command", None),
        ("sam", OperatorNeeded),
        ("ada", OperatorNeeded),
        ("nobody", OperatorNeeded),
        ("ada as sally", RefusedInside),
    ],
)
def test_sales_and_commands_alone_do_what_sales_does(
    *, acme: Organization, ada: "User", sally: "User", sam: "User", act: str, who: str,
    refusal: type[Exception] | None,
) -> None:  # fmt: skip
    origin = {
        "sally": origin_of(sally),
        "command": COMMAND,
        "sam": origin_of(sam),
        "ada": origin_of(ada),
        "nobody": Origin(),
        "ada as sally": Origin(user=sally, actor=ada, impersonation_id=7),
    }[who]

    if refusal is None:
        ACTS[act](acme, origin)
    else:
        with pytest.raises(refusal):
            ACTS[act](acme, origin)

    assert AuditEvent.objects.exists() is (refusal is None and act != "provision")


def test_the_refusal_names_the_role(acme: Organization, sam: "User") -> None:
    with pytest.raises(OperatorNeeded) as refused:
        provision_organization(acme, origin=origin_of(sam))

    assert str(refused.value) == "Only a member of Sales may do this."


@pytest.mark.parametrize("edition", ELIGIBLE)
def test_an_upgrade_provisions_nothing(acme: Organization, sally: "User", edition: Edition) -> None:
    Organization.objects.filter(pk=acme.pk).update(edition=Edition.PROFESSIONAL, provisioned=False)

    ended = change_edition(acme, edition, origin=origin_of(sally), at=AT)

    assert ended == 0
    assert facts_of(acme) == (edition, False, None, None)
    assert sentences() == [f"Changed edition from Professional to {edition.label}"]
    event = AuditEvent.objects.get()
    assert (event.organization, event.user_name, event.created_at) == (acme, "Sally (Portal Support)", AT)
    assert (event.before, event.after) == ({"edition": "professional"}, {"edition": edition.value})


def test_what_was_provisioned_stays_so_through_a_downgrade_and_back(
    any_user_login: Organization, sally: "User"
) -> None:
    change_edition(any_user_login, Edition.PROFESSIONAL, origin=origin_of(sally), at=AT)
    assert facts_of(any_user_login) == (Edition.PROFESSIONAL, True, AT, None)

    change_edition(any_user_login, Edition.UNLIMITED, origin=origin_of(sally))

    assert facts_of(any_user_login) == (Edition.UNLIMITED, True, AT, None)
    assert LoginAccessPolicy.objects.get(organization=any_user_login).any_user_login is True


@pytest.mark.parametrize(
    ("edition", "ended", "cause", "lost_at"),
    [(Edition.PROFESSIONAL, 1, EndCause.EDITION_CHANGED, AT), (Edition.DEVELOPER, 0, "", None)],
)
def test_a_downgrade_ends_running_visits_at_once(
    *, any_user_login: Organization, ada: "User", grace: "User", sally: "User", browser: Browser, edition: Edition,
    ended: int, cause: str, lost_at: datetime | None,
) -> None:  # fmt: skip
    visit = browser().login_as(grace, actor=ada, at=AT - timedelta(minutes=5))

    assert change_edition(any_user_login, edition, origin=origin_of(sally), at=AT) == ended

    visit.refresh_from_db()
    assert (visit.end_cause, visit.ended_at) == (cause, lost_at)
    assert facts_of(any_user_login)[2] == lost_at


def test_changing_to_the_same_edition_writes_nothing(acme: Organization, sally: "User") -> None:
    assert change_edition(acme, Edition.ENTERPRISE, origin=origin_of(sally)) == 0
    assert sentences() == []


def test_what_the_console_hands_on_may_be_the_stored_value(acme: Organization, sally: "User") -> None:
    change_edition(acme, "group", origin=origin_of(sally))  # type: ignore[arg-type]

    assert facts_of(acme)[0] == Edition.GROUP


def test_provisioning_is_done_once(acme: Organization, sally: "User") -> None:
    Organization.objects.filter(pk=acme.pk).update(provisioned=False)

    first = provision_organization(acme, origin=origin_of(sally), at=AT)
    second = provision_organization(acme, origin=origin_of(sally))

    assert (first.provisioned, second.provisioned, facts_of(acme)[1]) == (True, True, True)
    assert sentences() == [f"Provisioned {FEATURE}"]


def test_deprovisioning_ends_running_visits_and_keeps_the_tick(
    any_user_login: Organization, ada: "User", grace: "User", sally: "User", browser: Browser
) -> None:
    visit = browser().login_as(grace, actor=ada, at=AT - timedelta(minutes=5))

    ended = deprovision_organization(any_user_login, origin=origin_of(sally), at=AT)

    assert ended == 1
    visit.refresh_from_db()
    assert (visit.end_cause, visit.ended_at, visit.ended_by) == (EndCause.DEPROVISIONED, AT, sally)
    assert facts_of(any_user_login) == (Edition.ENTERPRISE, False, None, AT)
    assert LoginAccessPolicy.objects.get(organization=any_user_login).any_user_login is True
    assert f"Deprovisioned {FEATURE}" in sentences()


def test_deprovisioning_what_is_not_provisioned_writes_nothing(acme: Organization, sally: "User") -> None:
    Organization.objects.filter(pk=acme.pk).update(provisioned=False)

    assert deprovision_organization(acme, origin=origin_of(sally)) == 0
    assert (facts_of(acme)[3], sentences()) == (None, [])


@pytest.mark.parametrize("state", [ActivationState.OPEN, ActivationState.APPROVED])
def test_provisioning_closes_the_request_and_mails_the_requester(
    *, acme: Organization, ada: "User", sally: "User", state: ActivationState, mailoutbox: list["EmailMessage"],
    django_capture_on_commit_callbacks: "DjangoCaptureOnCommitCallbacks",
) -> None:  # fmt: skip
    Organization.objects.filter(pk=acme.pk).update(provisioned=False)
    asked = ActivationRequestFactory.create(requested_by=ada, state=state, created_at=AT)

    with django_capture_on_commit_callbacks(execute=True):
        provision_organization(acme, origin=origin_of(sally), at=AT)

    asked.refresh_from_db()
    assert (asked.state, asked.done_at) == (ActivationState.DONE, AT)
    (mail,) = mailoutbox
    assert (mail.to, mail.subject) == ([ada.email], f"{FEATURE} can now be enabled")
    assert mail.body == (
        "Hello Ada,\n\n"
        f"what you asked for on 22 November 2026 has been provisioned for Acme\n({acme.reference}).\n\n"
        'It is off until an administrator enables it: Setup, Login Access Policies, tick "Administrators Can Log in '
        'as\nAny User", Save.\n'
    )


def test_mail_does_not_call_it_off_where_it_was_ticked_before(
    *, acme: Organization, ada: "User", sally: "User", mailoutbox: list["EmailMessage"],
    django_capture_on_commit_callbacks: "DjangoCaptureOnCommitCallbacks",
) -> None:  # fmt: skip
    Organization.objects.filter(pk=acme.pk).update(provisioned=False)
    LoginAccessPolicy.objects.update(any_user_login=True)
    ActivationRequestFactory.create(requested_by=ada, created_at=AT)

    with django_capture_on_commit_callbacks(execute=True):
        provision_organization(acme, origin=origin_of(sally), at=AT)

    assert mailoutbox[0].subject == f"{FEATURE} is on"
    assert str(mailoutbox[0].body).endswith(
        "It is on: an administrator had ticked it before, in Setup, Login Access Policies.\n"
    )


@pytest.mark.parametrize(("is_active", "state"), [(False, "open"), (True, "declined")])
def test_no_mail_to_who_has_left_or_was_declined(
    *, acme: Organization, ada: "User", sally: "User", is_active: bool, state: str,
    mailoutbox: list["EmailMessage"], django_capture_on_commit_callbacks: "DjangoCaptureOnCommitCallbacks",
) -> None:  # fmt: skip
    Organization.objects.filter(pk=acme.pk).update(provisioned=False)
    type(ada).objects.filter(pk=ada.pk).update(is_active=is_active)
    asked = ActivationRequestFactory.create(requested_by=ada, state=state)

    with django_capture_on_commit_callbacks(execute=True):
        provision_organization(acme, origin=origin_of(sally))

    asked.refresh_from_db()
    assert asked.state == (ActivationState.DECLINED if is_active else ActivationState.DONE)
    assert mailoutbox == []


# --- Account Executive, and the sentence to pass on --------------------------------------------------------------

EDITIONS = f"{FEATURE} is only available for Enterprise, Performance, Unlimited and Developer Editions."
UPGRADE = "Acme has Professional Edition: an edition upgrade is needed."


def test_an_account_executive_is_set_changed_and_taken_away(acme: Organization, sally: "User") -> None:
    origin = origin_of(sally)

    for _ in range(2):
        set_account_executive(acme, name="Erin Vale", email="erin@sales.example", phone="+1 415", origin=origin)
    made = set_account_executive(acme, name="Erin Vale", origin=origin)
    assert account_executive_words(made) == "Erin Vale"
    gone = set_account_executive(acme, name="", origin=origin)

    assert account_executive_words(gone) == ""
    assert sentences() == [
        "Changed Account Executive from none to Erin Vale (erin@sales.example, +1 415)",
        "Changed Account Executive from Erin Vale (erin@sales.example, +1 415) to Erin Vale",
        "Changed Account Executive from Erin Vale to none",
    ]
    first = AuditEvent.objects.earliest("id")
    assert first.before == {"name": "", "email": "", "phone": ""}
    assert first.after == {"name": "Erin Vale", "email": "erin@sales.example", "phone": "+1 415"}


@pytest.mark.parametrize(
    ("executive", "phone", "ask"),
    [
        ("Erin Vale", "1-800", " Please ask your Account Executive, Erin Vale (erin@sales.example)."),
        ("", "1-800", " Please call Sales: 1-800."),
        ("", "", ""),
    ],
)
def test_the_sentence_for_an_ineligible_organization_says_what_is_needed_and_whom_to_ask(
    acme: Organization, sally: "User", settings: "Settings", executive: str, phone: str, ask: str
) -> None:
    settings.SALES_PHONE = phone
    acme.edition, acme.provisioned = Edition.PROFESSIONAL, False
    acme.account_executive_name, acme.account_executive_email = executive, "erin@sales.example"
    acme.save()

    assert sentence_for_ineligible(acme) == f"{EDITIONS} {UPGRADE}{ask}"
    with pytest.raises(NotEligible) as refused:
        provision_organization(acme, origin=origin_of(sally))
    assert str(refused.value) == f"{EDITIONS} {UPGRADE}{ask}"
    assert facts_of(acme)[1] is False


def test_there_is_no_such_sentence_for_an_eligible_one(acme: Organization) -> None:
    assert sentence_for_ineligible(acme) == ""


# --- the name ----------------------------------------------------------------------------------------------------


def test_an_organization_is_renamed_by_its_own(acme: Organization, ada: "User") -> None:
    renamed = rename_organization(acme, "Acme Corporation", origin=origin_of(ada), at=AT)
    rename_organization(acme, "Acme Corporation", origin=origin_of(ada))

    assert (renamed.name, Organization.objects.get(pk=acme.pk).name) == ("Acme Corporation", "Acme Corporation")
    assert sentences() == ["Changed organization name from Acme to Acme Corporation"]


@pytest.mark.parametrize("who", ["hedy", "stranger", "sally"])
def test_nobody_else_renames_it(acme: Organization, request: pytest.FixtureRequest, who: str) -> None:
    with pytest.raises(PermissionMissing) as refused:
        rename_organization(acme, "Else", origin=origin_of(request.getfixturevalue(who)))

    assert str(refused.value) == "You need Customize Application on your profile. Ask your administrator."
    assert sentences() == []


def test_an_organization_may_write_its_own_name_otherwise(acme: Organization, ada: "User") -> None:
    assert rename_organization(acme, "ACME", origin=origin_of(ada)).name == "ACME"


@pytest.mark.parametrize("name", ["Globex", "GLOBEX"])
def test_a_name_that_is_taken_is_refused(acme: Organization, ada: "User", stranger: "User", name: str) -> None:
    with pytest.raises(OrganizationNameTaken):
        rename_organization(acme, name, origin=origin_of(ada))

    assert Organization.objects.get(pk=acme.pk).name == "Acme"
    assert sentences() == []
