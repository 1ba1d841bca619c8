"""``manage.py create_operator``: one of the vendor's own staff. The first one makes the operators' organization too."""

import os
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import URLValidator
from django.db import transaction

from accounts.enums import OperatorRole
from accounts.models import User
from accounts.models.profile import StandardProfile
from accounts.services.profiles import create_standard_profiles
from accounts.services.users import UserDetails, create_user
from orgs.audit import AuditAction, record
from orgs.editions import Edition
from orgs.http import Origin
from orgs.models import Organization, OrganizationKind
from orgs.services.organizations import create_organization

if TYPE_CHECKING:
    from django.core.management.base import CommandParser
    from django.db.models import Model

PASSWORD = "PORTAL_PASSWORD"  # noqa: S105  # the name of the variable
FIRST_ORGANIZATION = "Portal Support"


class Command(BaseCommand):
    """Make an operator, in one transaction, and write the trail as an automated process."""

    help = (
        "Make an operator: one of the vendor's own staff. The password is that of the environment variable "
        f"{PASSWORD}; without it a mail with a link to choose one goes out."
    )

    def add_arguments(self, parser: "CommandParser") -> None:
        parser.add_argument("--username", required=True, help="shaped like an e-mail address")
        parser.add_argument("--email", required=True)
        parser.add_argument("--first-name", required=True)
        parser.add_argument("--last-name", required=True)
        parser.add_argument("--role", required=True, choices=[OperatorRole.SALES.value, OperatorRole.SUPPORT.value])
        parser.add_argument(
            "--organization",
            default="",
            metavar="NAME",
            help=f"an operators' organization, made if there is none of that name (first: {FIRST_ORGANIZATION})",
        )
        parser.add_argument("--site", default="", metavar="URL", help="where the portal answers, for the mailed link")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        person = User(
            username=options["username"],
            email=options["email"],
            first_name=options["first_name"],
            last_name=options["last_name"],
        )
        _check(person, leave_out={"password", "organization", "profile"})
        password = _password_for(person)
        site = "" if password else _site(options["site"])
        user = _create(person, OperatorRole(options["role"]), options["organization"], password=password, site=site)
        then = f"with the password of {PASSWORD}" if password else f"who has mail at {user.email} to choose a password"
        where = f"{user.organization} ({user.profile})"
        self.stdout.write(f"Made {user}, {user.get_operator_role_display()}, in {where}, {then}.")


@transaction.atomic
def _create(person: User, role: OperatorRole, organization_name: str, *, password: str, site: str) -> User:
    origin = Origin.automated("create_operator")
    organization = _operators_organization(organization_name, origin)
    # Every organization has an administrator: the first operator is this one's.
    has_administrator = User.objects.in_organization(organization).able_to_sign_in().administrators().exists()
    standard = StandardProfile.STANDARD_USER if has_administrator else StandardProfile.SYSTEM_ADMINISTRATOR
    details = UserDetails(
        username=person.username,
        email=person.email,
        first_name=person.first_name,
        last_name=person.last_name,
        profile=organization.profiles.get(standard=standard),
    )
    user = create_user(organization, details, origin=origin, site=site)
    user.operator_role = role
    if password:
        user.set_password(password)
    user.save(update_fields=["operator_role", "password"])
    record(
        AuditAction.USER_CHANGED,
        origin=origin,
        organization=organization,
        about=user,
        before={"operator_role": ""},
        after={"operator_role": role.value},
        fields="operator role",
    )
    return user


def _operators_organization(name: str, origin: Origin) -> Organization:
    """Return the organization called ``name``, or the only one that operators have; make it where there is none."""
    there = list(Organization.objects.filter(kind=OrganizationKind.OPERATOR).order_by("name"))
    if not name and len(there) > 1:
        names = ", ".join(organization.name for organization in there)
        raise CommandError(f"There are several organizations of operators ({names}). Say which: --organization NAME")
    name = name or (there[0].name if there else FIRST_ORGANIZATION)
    organization = Organization.objects.filter(name=name).first()
    if organization is None:
        _check(Organization(name=name, kind=OrganizationKind.OPERATOR, edition=Edition.UNLIMITED))
        organization = create_organization(
            name=name, edition=Edition.UNLIMITED, kind=OrganizationKind.OPERATOR, origin=origin
        )
        create_standard_profiles(organization)
    if organization.kind != OrganizationKind.OPERATOR:
        raise CommandError(f"{name} is a customer. Operators belong to the vendor's own organization.")
    return organization


def _password_for(person: User) -> str:
    password = os.environ.get(PASSWORD, "")
    if password:
        try:
            validate_password(password, person)
        except ValidationError as error:
            raise CommandError(f"{PASSWORD}: {' '.join(error.messages)}") from error
    return password


def _site(given: str) -> str:
    """Return where the portal answers: what was given, or what the settings tell."""
    host = settings.ALLOWED_HOSTS[0] if settings.ALLOWED_HOSTS else ""
    if settings.DEVELOPMENT:
        site = given or f"http://127.0.0.1:{os.environ.get('PORT') or 8000}"
    else:
        site = given or f"https://{host}"
    try:
        URLValidator(schemes=["http", "https"])(site)
    except ValidationError as error:
        raise CommandError(
            f"The mail with the link needs to know where the portal answers: --site https://… (or set {PASSWORD})."
        ) from error
    return site


def _check(row: "Model", *, leave_out: set[str] | None = None) -> None:
    """Refuse what the fields refuse, naming the options."""
    try:
        row.full_clean(exclude=leave_out)
    except ValidationError as error:
        options = {"name": "organization"}
        lines = [
            f"--{options.get(name, name).replace('_', '-')}: {' '.join(words)}"
            for name, words in error.message_dict.items()
        ]
        raise CommandError("\n".join(lines)) from error
