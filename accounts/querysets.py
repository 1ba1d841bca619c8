"""The adjectives: which rows, in words."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import connections, models
from django.db.models import (
    DurationField,
    Exists,
    ExpressionWrapper,
    F,
    FilteredRelation,
    IntegerField,
    OuterRef,
    Q,
    Subquery,
    Value,
)
from django.db.models.functions import Coalesce

from orgs.models import SupportAccess, SupportAvailability
from orgs.paging import Walk, keyset_page
from orgs.permissions import ADMINISTRATOR_BITS

from .search import SearchText, is_findable, parts_of, rows_with

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from orgs.models import Organization, SessionSettings
    from orgs.paging import Page

    from .facts import Reach
    from .models import User


# Instead of a letter: the names that begin with none of A to Z.
OTHER = "other"


def _after(letter: str) -> str:
    return chr(ord(letter) + 1)


class CountUpTo(Subquery):
    """How many rows a queryset of another row's has, counted no further than its slice goes: cheap at a million."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) counted)"
    output_field = IntegerField()


class UserQuerySet(models.QuerySet[Any]):
    """Users."""

    def in_organization(self, organization: "Organization | int") -> "UserQuerySet":
        """Keep those of one organization."""
        return self.filter(organization=organization)

    def active(self) -> "UserQuerySet":
        """Keep those who may sign in, frozen or not."""
        return self.filter(is_active=True)

    def able_to_sign_in(self) -> "UserQuerySet":
        """Keep the active and unfrozen."""
        return self.active().filter(is_frozen=False)

    def administrators(self) -> "UserQuerySet":
        """Keep those whose profile holds Modify All Data and Manage Users."""
        held = F("profile__permission_bits").bitand(ADMINISTRATOR_BITS)
        administrators: UserQuerySet = self.alias(held=held).filter(held=ADMINISTRATOR_BITS)
        return administrators

    def in_reach(self, reaches: "Iterable[Reach]") -> "UserQuerySet":
        """Keep those whose role is one of a delegate's, or below one. External users are in nobody's reach."""
        below = Q()
        for path in sorted({path for reach in reaches for path in reach.paths}):
            below |= Q(role__path__startswith=path)
        # No path is nobody; an empty condition would be everybody.
        return self.filter(below, profile__is_external=False) if below else self.none()

    def with_access_granted_to(self, support: "Organization | int", at: "datetime") -> "UserQuerySet":
        """Keep those whose grant to a support organization runs at ``at`` and counts; its end is ``granted_until``."""
        grant = {"support_organization": support, "is_latest": True, "revoked_at": None, "expires_at__gt": at}
        condition = Q(**{f"login_access_grants__{name}": value for name, value in grant.items()})
        barred = SupportAccess.objects.filter(
            organization=OuterRef("organization"),
            support_organization=support,
            availability=SupportAvailability.ADMINISTRATORS,
        )
        counting = self.alias(
            support_grant=FilteredRelation("login_access_grants", condition=condition),
            held=F("profile__permission_bits").bitand(ADMINISTRATOR_BITS),
        ).filter(~Exists(barred) | Q(held=ADMINISTRATOR_BITS), support_grant__isnull=False)
        granted: UserQuerySet = counting.annotate(granted_until=F("support_grant__expires_at"))
        return granted

    def with_initial(self, letter: str) -> "UserQuerySet":
        """Keep those whose full name, as lists sort it, begins with ``letter``; :data:`OTHER` is none of A to Z.

        As a range of the sort key, so that its index answers.
        """
        if letter == OTHER:
            return self.filter(Q(name_key__lt="a") | Q(name_key__gte=_after("z")))
        low = letter.lower()
        return self.filter(name_key__gte=low, name_key__lt=_after(low))

    def with_no_letter(self) -> "tuple[UserQuerySet, UserQuerySet]":
        """Return those of :data:`OTHER` as two querysets, a range each."""
        return self.filter(name_key__lt="a"), self.filter(name_key__gte=_after("z"))

    def searched_for(self, typed: str) -> "UserQuerySet":
        """Keep those whom ``typed`` finds (accounts/search.py), by index. On SQLite one query, to see if it helps.

        A page of them is :meth:`first_found`, or :func:`orgs.paging.keyset_page` with a walk over :meth:`read_for`.
        """
        parts, found = parts_of(typed), self.read_for(typed)
        if not parts or found.query.is_empty() or connections[self.db].vendor != "sqlite":
            return found
        rows = rows_with(parts, using=self.db)
        return found if rows is None else found.filter(pk__in=rows)

    def read_for(self, typed: str) -> "UserQuerySet":
        """Keep the same, by reading each user's text: for few rows."""
        parts = parts_of(typed)
        if not all(map(is_findable, parts)):
            return self.none()
        found = self.alias(search_text=SearchText()) if parts else self
        for part in parts:
            found = found.filter(search_text__contains=part)
        return found

    def first_found(self, typed: str, organization: "Organization | int", *, size: int) -> "Page[User]":
        """Return the first users whom ``typed`` finds of an organization's, by name.

        Two queries, three where few are found; on SQLite one more.
        """
        over = self.model.objects.in_organization(organization)
        return keyset_page(
            self.searched_for(typed), order=("name_key", "id"), size=size, walk=Walk(over, self.read_for(typed))
        )


MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)

# Of a worn session: the one it is worn from is of the same organization.
_FROM_HOME = Q(parent__organization=F("organization"))


def _of_parent(name: str, unit: timedelta) -> "ExpressionWrapper[Any]":
    """Return a length of time that the settings of the parent's organization give, in ``unit``."""
    number = F(f"parent__organization__session_settings__{name}")
    # SQLite multiplies durations by plain integers alone.
    plain = ExpressionWrapper(number, output_field=IntegerField())
    return ExpressionWrapper(plain * Value(unit), output_field=DurationField())


class SessionQuerySet(models.QuerySet[Any]):
    """Sessions."""

    def live(self) -> "SessionQuerySet":
        """Keep those that have not been ended. A limit that fell unnoticed is for the reader to add."""
        return self.filter(ended_at=None)

    def going_on(self, settings: "SessionSettings", at: "datetime") -> "SessionQuerySet":
        """Keep an organization's that go on: not ended, nor over at ``at`` by a limit that nobody has noticed yet.

        One's own by the organization's limits. A worn one by its visit's end and by the limits of the session it is
        worn from; and where that is another organization's, a support agent's, by its own inactivity too.
        """
        idle_at, absolute_at = at - settings.idle, at - settings.absolute
        rows = self.live().filter(organization=settings.organization_id)
        rows = rows.alias(
            active_at=Coalesce("last_active_at", "created_at"),
            parent_active_at=Coalesce("parent__last_active_at", "parent__created_at"),
            parent_idle_end=F("parent_active_at") + _of_parent("idle_minutes", MINUTE),
            parent_absolute_end=F("parent__created_at") + _of_parent("absolute_hours", HOUR),
        )
        own = Q(parent=None, active_at__gt=idle_at, created_at__gt=absolute_at)
        parent_goes_on = Q(parent__isnull=False, parent_idle_end__gt=at, parent_absolute_end__gt=at)
        worn = parent_goes_on & Q(impersonation__ends_at__gt=at) & (Q(active_at__gt=idle_at) | _FROM_HOME)
        going_on: SessionQuerySet = rows.filter(own | worn)
        return going_on

    def roots(self) -> "SessionQuerySet":
        """Keep those that stand for themselves: people's own, and those that are worn from another organization."""
        return self.filter(Q(parent=None) | ~_FROM_HOME)


class ImpersonationQuerySet(models.QuerySet[Any]):
    """Impersonations."""

    def open(self) -> "ImpersonationQuerySet":
        """Keep those that have not been closed."""
        return self.filter(ended_at=None)


class LoginAccessGrantQuerySet(models.QuerySet[Any]):
    """Grants."""

    def live(self, at: "datetime") -> "LoginAccessGrantQuerySet":
        """Keep those that run at ``at``: neither replaced, nor revoked, nor run out."""
        return self.standing().filter(expires_at__gt=at)

    def standing(self) -> "LoginAccessGrantQuerySet":
        """Keep those that are neither replaced nor revoked, run out or not."""
        return self.filter(is_latest=True, revoked_at=None)

    def to_company(self) -> "LoginAccessGrantQuerySet":
        """Keep those to *Your Company's Administrator*."""
        return self.filter(support_organization=None)
