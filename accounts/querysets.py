"""The adjectives: which rows, in words."""

from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import F, Q

from orgs.permissions import ADMINISTRATOR_BITS

from .enums import Basis
from .sort_key import sort_key

if TYPE_CHECKING:
    from orgs.models import Organization


# Instead of a letter: the names that begin with none of A to Z.
OTHER = "other"


def _after(letter: str) -> str:
    return chr(ord(letter) + 1)


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

    def with_initial(self, letter: str) -> "UserQuerySet":
        """Keep those whose full name, as lists sort it, begins with ``letter``; :data:`OTHER` is none of A to Z.

        As a range of the sort key, so that its index answers.
        """
        if letter == OTHER:
            return self.filter(Q(name_key__lt="a") | Q(name_key__gte=_after("z")))
        low = letter.lower()
        return self.filter(name_key__gte=low, name_key__lt=_after(low))

    def searched_for(self, text: str) -> "UserQuerySet":
        """Keep those of whom every typed word is part of the name, the username, the e-mail address or the alias."""
        found = self
        for word in sort_key(text).split():
            found = found.filter(
                Q(name_key__contains=word)
                | Q(username__contains=word)
                | Q(alias_key__contains=word)
                | Q(email__icontains=word)
            )
        return found

    def with_start_facts(self) -> "UserQuerySet":
        """Fetch with each what a start reads of a target, and no more: every column costs the compiler."""
        return self.select_related(
            "profile", "organization__login_access_policy", "organization__session_settings"
        ).only(
            "username",
            "first_name",
            "last_name",
            "password",
            "is_active",
            "organization__name",
            "organization__edition",
            "organization__provisioned",
            "organization__login_access_policy__any_user_login",
            "organization__login_access_policy__protect_administrators",
            "organization__login_access_policy__login_access_lost_at",
            "organization__login_access_policy__time_limit_minutes",
            "organization__session_settings__absolute_hours",
            "profile__permission_bits",
            "profile__is_external",
        )


class SessionQuerySet(models.QuerySet[Any]):
    """Sessions."""

    def live(self) -> "SessionQuerySet":
        """Keep those that have not been ended. A limit that fell unnoticed is for the reader to add."""
        return self.filter(ended_at=None)


class ImpersonationQuerySet(models.QuerySet[Any]):
    """Impersonations."""

    def open(self) -> "ImpersonationQuerySet":
        """Keep those that have not been closed."""
        return self.filter(ended_at=None)

    def resting_on_any_user_login(self, organization: "Organization") -> "ImpersonationQuerySet":
        """Keep those of one organization that nothing but any-user login allows."""
        return self.filter(organization=organization, basis=Basis.ANY_USER)
