"""Organizations: made, bought up and down, provisioned, named. Sales does all of it but the naming."""

from datetime import datetime
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.text import get_text_list

from orgs.audit import AuditAction, record
from orgs.editions import Edition, Feature, editions_with, has_feature
from orgs.mails import mail_after_commit
from orgs.models import ActivationState, LoginAccessPolicy, Organization, OrganizationKind, SessionSettings
from orgs.models.activation_request import PENDING
from orgs.permissions import Permission
from orgs.signals import tell_login_access_changed

from .guards import SALES, lock_organization, require_all, require_operator

if TYPE_CHECKING:
    from orgs.http import Origin


class NotEligible(PermissionDenied):
    """The edition does not have any-user login. Says what would help."""

    def __init__(self, organization: Organization) -> None:
        super().__init__(sentence_for_ineligible(organization))


class OrganizationNameTaken(Exception):  # noqa: N818  # said as a page says it
    """Another organization is called so. The message is what stands beside the field."""

    def __init__(self) -> None:
        super().__init__("This name is taken. Names of organizations are unique everywhere.")


@transaction.atomic
def create_organization(
    *,
    name: str,
    edition: Edition,
    origin: "Origin",
    kind: OrganizationKind = OrganizationKind.CUSTOMER,
    at: datetime | None = None,
) -> Organization:
    """Create an organization with its policy and session settings; on an eligible edition it is provisioned."""
    require_operator(origin, SALES)
    at = at or timezone.now()
    organization = Organization.objects.create(
        name=name,
        edition=edition,
        kind=kind,
        provisioned=has_feature(edition, Feature.ANY_USER_LOGIN),
        created_at=at,
    )
    LoginAccessPolicy.objects.create(organization=organization)
    SessionSettings.objects.create(organization=organization)
    record(
        AuditAction.ORGANIZATION_CREATED,
        origin=origin,
        organization=organization,
        at=at,
        after={"name": name, "edition": edition.value, "provisioned": organization.provisioned},
        name=name,
        edition=str(edition.label),
    )
    return organization


@transaction.atomic
def rename_organization(
    organization: Organization, name: str, *, origin: "Origin", at: datetime | None = None
) -> Organization:
    """Give an organization another name, for those with Customize Application; return it as it now is.

    Raises :class:`OrganizationNameTaken`.
    """
    organization = lock_organization(organization.pk)
    require_all(origin, organization, (Permission.CUSTOMIZE_APPLICATION,))
    old = organization.name
    if name == old:
        return organization
    organization.name = name
    try:
        with transaction.atomic():
            organization.save(update_fields=["name"])
    except IntegrityError as error:
        raise OrganizationNameTaken from error
    if Organization.objects.filter(name__iexact=name).exclude(pk=organization.pk).exists():
        # One that differs in capital letters alone would pass for the other in everyone's trail.
        raise OrganizationNameTaken
    record(
        AuditAction.ORGANIZATION_CHANGED,
        origin=origin,
        organization=organization,
        at=at,
        before={"name": old},
        after={"name": name},
        old=old,
        new=name,
    )
    return organization


# --- what Sales does ---------------------------------------------------------------------------------------------


@transaction.atomic
def change_edition(
    organization: Organization, edition: Edition, *, origin: "Origin", at: datetime | None = None
) -> int:
    """Change what an organization has bought, and return how many visits that ended.

    An upgrade never provisions, and what was provisioned before stays so. A downgrade keeps both facts, provisioned
    and ticked, and takes their effect away at once.
    """
    organization, at = _begin(organization, origin, at)
    old, edition = Edition(organization.edition), Edition(edition)
    if edition == old:
        return 0
    is_lost = has_feature(old, Feature.ANY_USER_LOGIN) and not has_feature(edition, Feature.ANY_USER_LOGIN)
    organization.edition = edition
    if is_lost:
        organization.edition_lost_at = at
    organization.save(update_fields=["edition", "edition_lost_at"])
    record(
        AuditAction.EDITION_CHANGED,
        origin=origin,
        organization=organization,
        at=at,
        before={"edition": old.value},
        after={"edition": edition.value},
        old=str(old.label),
        new=str(edition.label),
    )
    return tell_login_access_changed(organization, origin=origin, at=at) if is_lost else 0


@transaction.atomic
def provision_organization(organization: Organization, *, origin: "Origin", at: datetime | None = None) -> Organization:
    """Provision any-user login (Salesforce's *Manual Provisioning*), and return the organization as it now is.

    The request that asked for it is done, and the requester has mail. Raises :class:`NotEligible` on an edition that
    does not have it.
    """
    organization, at = _begin(organization, origin, at)
    if not organization.has(Feature.ANY_USER_LOGIN):
        raise NotEligible(organization)
    if organization.provisioned:
        return organization
    organization.provisioned = True
    organization.save(update_fields=["provisioned"])
    _record_provisioning(AuditAction.ORGANIZATION_PROVISIONED, organization, origin=origin, at=at)
    _finish_request(organization, at=at)
    return organization


@transaction.atomic
def deprovision_organization(organization: Organization, *, origin: "Origin", at: datetime | None = None) -> int:
    """Take any-user login away again, and return how many visits that ended. The tick stays as it was."""
    organization, at = _begin(organization, origin, at)
    if not organization.provisioned:
        return 0
    organization.provisioned, organization.deprovisioned_at = False, at
    organization.save(update_fields=["provisioned", "deprovisioned_at"])
    _record_provisioning(AuditAction.ORGANIZATION_DEPROVISIONED, organization, origin=origin, at=at)
    return tell_login_access_changed(organization, origin=origin, at=at)


@transaction.atomic
def set_account_executive(
    organization: Organization,
    *,
    name: str,
    email: str = "",
    phone: str = "",
    origin: "Origin",
    at: datetime | None = None,
) -> Organization:
    """Say who of Sales looks after an organization, nobody with an empty name; return it as it now is."""
    organization, at = _begin(organization, origin, at)
    before, old = _account_executive_of(organization), account_executive_words(organization)
    after = {"name": name, "email": email, "phone": phone}
    if after == before:
        return organization
    organization.account_executive_name = name
    organization.account_executive_email = email
    organization.account_executive_phone = phone
    organization.save(update_fields=[f"account_executive_{field}" for field in after])
    record(
        AuditAction.ACCOUNT_EXECUTIVE_CHANGED,
        origin=origin,
        organization=organization,
        at=at,
        before=before,
        after=after,
        old=old or "none",
        new=account_executive_words(organization) or "none",
    )
    return organization


# --- in words ----------------------------------------------------------------------------------------------------


def account_executive_words(organization: Organization) -> str:
    """Name an organization's Account Executive and how to reach them; empty where there is none."""
    reached_by = [organization.account_executive_email, organization.account_executive_phone]
    contact = ", ".join(filter(None, reached_by))
    name = organization.account_executive_name
    return f"{name} ({contact})" if name and contact else name


def sentence_for_ineligible(organization: Organization) -> str:
    """Word what Support passes on to whoever asks for any-user login on an edition without it; empty where it has it.

    The seed article: "any member of Support can point the customer to their Account Executive. If the org has no AE,
    please provide them with the following contact information for Sales".
    """
    if organization.has(Feature.ANY_USER_LOGIN):
        return ""
    editions = get_text_list([str(edition.label) for edition in editions_with(Feature.ANY_USER_LOGIN)], "and")
    sentences = [
        f"Administrators Can Log in as Any User is only available for {editions} Editions.",
        f"{organization.name} has {organization.get_edition_display()} Edition: an edition upgrade is needed.",
    ]
    if executive := account_executive_words(organization):
        sentences.append(f"Please ask your Account Executive, {executive}.")
    elif settings.SALES_PHONE:
        sentences.append(f"Please call Sales: {settings.SALES_PHONE}.")
    return " ".join(sentences)


# --- what they share ---------------------------------------------------------------------------------------------


def _begin(organization: Organization, origin: "Origin", at: datetime | None) -> tuple[Organization, datetime]:
    """Refuse whoever is not of Sales, lock the organization and read it anew."""
    require_operator(origin, SALES)
    return lock_organization(organization.pk), at or timezone.now()


def _record_provisioning(action: AuditAction, organization: Organization, *, origin: "Origin", at: datetime) -> None:
    is_on = organization.provisioned
    record(
        action,
        origin=origin,
        organization=organization,
        at=at,
        before={"provisioned": not is_on},
        after={"provisioned": is_on},
    )


def _finish_request(organization: Organization, *, at: datetime) -> None:
    """Close the request that asked for it, if one did, and mail the requester if they are still there."""
    pending = organization.activation_requests.filter(state__in=PENDING).select_related("requested_by").first()
    if pending is None:
        return
    pending.state, pending.done_at = ActivationState.DONE, at
    pending.save(update_fields=["state", "done_at"])
    if pending.requested_by.is_active:
        mail_after_commit("orgs/activation_done", to=pending.requested_by.email, asked=pending)


def _account_executive_of(organization: Organization) -> dict[str, str]:
    return {
        "name": organization.account_executive_name,
        "email": organization.account_executive_email,
        "phone": organization.account_executive_phone,
    }
