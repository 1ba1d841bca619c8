"""``manage.py seal_trail``: seals each organization's trail; for a timer, every ten minutes."""

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand

from orgs.management.common import Progress, find_organization
from orgs.models import Organization
from orgs.services.chain import NO_HEAD
from orgs.services.seals import seal_trail

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


class Command(BaseCommand):
    """Seal what is not sealed yet, and print the head of each chain."""

    help = (
        "Seal what the trail of each organization got since the last time, and print its head: organization, "
        "NUMBER:DIGEST, name. Keep these lines where nobody of this machine can change them: verify_trail --heads "
        "compares. Run it as often as you like, anywhere; twice at once does no harm."
    )

    def add_arguments(self, parser: "CommandParser") -> None:
        parser.add_argument("--organization", metavar="NAME", help="its name, or its id (00D...); all without")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        watch = Progress(self.stderr) if self.stderr.isatty() else None
        for organization in organizations_named(options["organization"]):
            head = seal_trail(organization, progress=watch.add if watch else None)
            self.stdout.write(f"{organization.reference} {head or NO_HEAD} {organization.name}")
        if watch:
            watch.finish()


def organizations_named(given: str | None) -> list[Organization]:
    """Return the organization of a name or an id, or all of them."""
    return [find_organization(given)] if given else list(Organization.objects.order_by("id"))
