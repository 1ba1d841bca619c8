"""What is edited of a user: making one, and changing one."""

from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.models import Impersonation, Profile, Role, User
from accounts.services.guards import NotInOrganization, require, require_for_profile, require_own, still_there
from accounts.services.passwords import NEW_ACCOUNT, send_password_mail
from accounts.services.sessions import lock_ids
from accounts.services.visits import VisitsOf, end_lost_visits
from orgs.audit import AuditAction, record
from orgs.permissions import Permission, RefusedInside
from orgs.services.guards import lock_organization, refuse_to_guest

from .addresses import Addresses, address_was_changed, set_address
from .changes import different_details, record_change, words_of
from .delegation import Delegation, delegation_of
from .refusals import UserAct, begin, is_worn, leave_an_administrator, save, save_unique

if TYPE_CHECKING:
    from orgs.http import Origin
    from orgs.models import Organization

ALIAS_OF_LAST_NAME = 4
# Not from inside a visit of someone who is no administrator of the organization.
NOT_FOR_GUESTS = frozenset({"username", "email", "profile", "role"})
# Visits rest on them.
GROUND = frozenset({"profile", "role"})


class UserChangedMeanwhile(Exception):  # noqa: N818  # said as a page says it
    """Someone changed the user between the reading of the form and this save. ``user`` is what holds now."""

    def __init__(self, user: User) -> None:
        self.user = user
        super().__init__(f"{user.modified_by_name} changed {user} meanwhile.")


@dataclass(frozen=True, slots=True)
class UserDetails:
    """What is edited of a user. The e-mail address is the one that waits to be confirmed, where one does."""

    username: str
    email: str
    last_name: str
    profile: Profile
    first_name: str = ""
    alias: str = ""
    role: Role | None = None

    @classmethod
    def of(cls, user: User) -> "UserDetails":
        """Return what a user has now."""
        details = cls(**{field.name: getattr(user, field.name) for field in fields(cls)})
        return replace(details, email=user.pending_email or user.email)

    def normalized(self) -> "UserDetails":
        """Return the same as it is stored: both addresses in lower case, as they are looked up."""
        username = User._meta.get_field("username").get_prep_value(self.username)
        return replace(self, username=username, email=self.email.strip().lower())


def version_of(user: User) -> str:
    """Return what changes with every change of ``user``, for a form to remember."""
    return user.modified_at.isoformat() if user.modified_at else ""


@transaction.atomic
def create_user(
    organization: "Organization", details: UserDetails, *, origin: "Origin", site: str = "", at: datetime | None = None
) -> User:
    """Create a user without a password, and mail them a link to choose one.

    ``site`` is the address of this site, which the link begins with; without one no mail goes out, for commands that
    set a password themselves. Raises :class:`~accounts.services.guards.NameTaken` for a taken username.
    """
    at = at or timezone.now()
    organization = lock_organization(organization.pk)
    delegation = require_creating(organization, origin)
    details = _with_what_may_be_given(details.normalized(), organization, origin, delegation)
    return add_user(organization, details, origin=origin, by=origin.doer_name, site=site, at=at)


def require_creating(organization: "Organization", origin: "Origin") -> Delegation | None:
    """Refuse whoever creates no users in ``organization``, and return what limits a delegate in it."""
    require_own(origin, organization.pk)
    delegation = delegation_of(origin)
    if delegation is None:
        require(origin, Permission.MANAGE_INTERNAL_USERS)
    refuse_to_guest(origin)
    return delegation


def add_user(
    organization: "Organization", details: UserDetails, *, origin: "Origin", by: str, site: str, at: datetime
) -> User:
    """Insert a user and mail them, for services that have asked whether it may be. ``details`` are normalized.

    ``by`` is who does it, as the people of that organization read it.
    """
    user = build_user(organization, details, by=by, at=at)
    save_unique(user)
    record(AuditAction.USER_CREATED, origin=origin, organization=organization, **told_of_creation(user, at=at))
    if site:
        send_password_mail(user, kind=NEW_ACCOUNT, site=site, by=by)
    return user


def build_user(organization: "Organization", details: UserDetails, *, by: str, at: datetime) -> User:
    """Return a new user, unsaved and without a password that works. ``details`` are normalized."""
    user = User(
        organization=organization,
        username=details.username,
        email=details.email,
        first_name=details.first_name,
        last_name=details.last_name,
        alias=details.alias or f"{details.first_name[:1]}{details.last_name[:ALIAS_OF_LAST_NAME]}".lower(),
        profile=details.profile,
        role=details.role,
        created_at=at,
        created_by_name=by,
    )
    user.set_unusable_password()
    return user


def told_of_creation(user: User, *, at: datetime) -> dict[str, Any]:
    """Return what the trail's row of a new, saved user says beside who made it."""
    return {"about": user, "at": at, "after": words_of(UserDetails.of(user))}


@transaction.atomic
def update_user(
    user: User,
    details: UserDetails,
    *,
    origin: "Origin",
    site: str = "",
    version: str | None = None,
    at: datetime | None = None,
) -> User:
    """Change what is edited of a user, and return the user as it now is.

    A changed e-mail address is told to the old one; someone else's counts once it is confirmed, by a link that begins
    with ``site`` (accounts/services/users/addresses.py). Raises :class:`UserChangedMeanwhile` where ``version`` (of
    :func:`version_of`) is no more what it was, and :class:`~accounts.services.guards.NameTaken`.
    """
    at = at or timezone.now()
    user = begin(UserAct.EDIT, user, origin)
    if version is not None and version != version_of(user):
        raise UserChangedMeanwhile(user)
    # Compared as it would be stored: that an address has capitals is no change that someone asks for.
    before, details = UserDetails.of(user).normalized(), details.normalized()
    changed = different_details(details, before)
    if not changed:
        return user
    if is_worn(user, origin) and {"username", "email"} & set(changed):
        raise RefusedInside(str(user))
    if NOT_FOR_GUESTS & set(changed):
        refuse_to_guest(origin)
    delegation = delegation_of(origin)
    if delegation is not None and origin.user is not None and "email" in changed:
        delegation.refuse_address(user, delegate=origin.user)
    details = _with_what_may_be_given(details, user.organization, origin, delegation, keeps=before)
    leave_an_administrator(user, unless=details.profile.is_administrator)
    takes_ground = bool(GROUND & set(changed))
    locked = _lock_visits(user) if takes_ground else []
    old = Addresses.of(user)
    _put(user, details, changed, origin=origin)
    save(user, [*changed, "pending_email"], origin=origin, at=at)
    if takes_ground:
        end_lost_visits(VisitsOf.person(user), origin=origin, at=at, among=locked)
    if "email" in changed:
        address_was_changed(user, old, origin=origin, site=site, at=at)
    _record_changes(user, before, details, origin=origin, at=at)
    return user


def _put(user: User, details: UserDetails, changed: list[str], *, origin: "Origin") -> None:
    """Give ``user`` what changed, unsaved."""
    for name in changed:
        if name == "email":
            set_address(user, details.email, origin=origin)
        else:
            setattr(user, name, getattr(details, name))


def _with_what_may_be_given(
    details: UserDetails,
    organization: "Organization",
    origin: "Origin",
    delegation: Delegation | None,
    *,
    keeps: UserDetails | None = None,
) -> UserDetails:
    """Return the details with profile and role as they are under the lock.

    Refused are those that are not there, Modify All Data to non-holders, and to a delegate what no group gives.
    """
    profile = Profile.objects.filter(organization=organization, pk=details.profile.pk).first()
    if profile is None:
        raise NotInOrganization
    role = details.role
    if role is not None and (delegation is not None or keeps is None or role != keeps.role):
        # It may have been moved since it was read, which decides for a delegate, or deleted.
        role = still_there(Role.objects.filter(organization=organization), role)
    kept = None if keeps is None else keeps.profile
    refuse_to_give(profile, role, origin=origin, delegation=delegation, keeps=kept)
    return replace(details, profile=profile, role=role)


def refuse_to_give(
    profile: Profile,
    role: Role | None,
    *,
    origin: "Origin",
    delegation: Delegation | None,
    keeps: Profile | None = None,
) -> None:
    """Raise why ``origin``, limited by ``delegation``, may not give someone these, who ``keeps`` a profile."""
    if delegation is not None:
        delegation.refuse_beyond(profile=profile, role=role, keeps=keeps)
    if profile != keeps:
        require_for_profile(origin, profile, what=f"give someone the profile {profile}, which holds it")


def _lock_visits(user: User) -> list[int]:
    """Lock the sessions of the visits that ``user`` makes, and of those in their account, before the user's own row.

    Whoever logs out of one holds these and refers to that row. A new username locks it against being referred to.
    """
    visits = Impersonation.objects.open().filter(Q(actor=user) | Q(target=user))
    return lock_ids([pk for pair in visits.values_list("session", "actor_session") for pk in pair])


def _record_changes(user: User, before: UserDetails, after: UserDetails, *, origin: "Origin", at: datetime) -> None:
    """Write one row for each of profile and role, and one for the rest together; the address has its own."""
    old, new = words_of(before), words_of(after)
    actions = {
        "profile": AuditAction.USER_PROFILE_CHANGED,
        "role": AuditAction.USER_ROLE_CHANGED,
    }
    changed = [name for name in different_details(after, before) if name != "email"]
    for name in changed:
        if name in actions:
            record(
                actions[name],
                origin=origin,
                organization=user.organization_id,
                about=user,
                at=at,
                before={name: old[name]},
                after={name: new[name]},
                old=old[name] or "none",
                new=new[name] or "none",
            )
    record_change(user, before, after, (name for name in changed if name not in actions), origin=origin, at=at)
