"""The portal with many sessions: some of everybody, many of one person, visits by one administrator, and late ones."""

from __future__ import annotations

from datetime import timedelta
from statistics import median
from typing import TYPE_CHECKING, Any

from accounts.enums import Basis, SessionType
from accounts.models import Impersonation, Session, User
from accounts.services.expiry import close_expired
from accounts.services.users import deactivate_user
from orgs.editions import Edition
from orgs.http import Origin
from orgs.models import AuditEvent, LoginAccessPolicy, Organization
from orgs.permissions import Permission, to_bits
from orgs.services.login_access_policies import save_login_access_policy
from orgs.services.organizations import create_organization
from tests.benchmarks.copies import copy, earlier, uuid
from tests.benchmarks.endings_worker import Figure, Size, check, measured
from tests.benchmarks.portal_site import make_profile, make_user

if TYPE_CHECKING:
    from datetime import datetime

ROUNDS = 5
HOUR = timedelta(hours=1)
AUTOMATED = Origin.automated("benchmark")


class Site:
    """An organization with any-user login on, and all of its sessions."""

    def __init__(self, size: Size, *, at: datetime) -> None:
        self.size, self.at = size, at
        self.acme = create_organization(name="Acme", edition=Edition.ENTERPRISE, origin=AUTOMATED, at=at)
        Organization.objects.filter(pk=self.acme.pk).update(provisioned=True)
        LoginAccessPolicy.objects.filter(organization=self.acme).update(any_user_login=True)
        self.ada = make_user(self.acme, make_profile(self.acme, "Everything", to_bits(Permission)), "ada", "Lovelace")
        nothing = make_profile(self.acme, "Nothing", 0)
        self.grace = make_user(self.acme, nothing, "grace", "Hopper")
        self.hedy = make_user(self.acme, nothing, "hedy", "Lamarr")
        address = "'user' || n || '@acme.example'"
        first = copy(self.hedy, size.people, username=address, email=address)
        self.somebody = f"{first} + n %% {size.people}"
        self._make_sessions()
        self._make_visits()

    def _make_sessions(self) -> None:
        size = self.size
        self._copy(self._session(self.hedy), size.sessions, "own", user_id=self.somebody)
        self._copy(self._session(self.grace), size.of_one, "one")
        late = self._session(self.hedy, last_active_at=self.at - 4 * HOUR)
        self._copy(late, size.expired, "late", user_id=self.somebody, last_active_at=earlier("r.last_active_at"))

    def _make_visits(self) -> None:
        """Let the administrator be logged in as many; the first is what the others are copied from."""
        others = self.size.visits - 1
        own = self._session(self.ada, key_hash=None)
        first_own = copy(own, others, public_id=uuid())
        worn = self._session(self.hedy, parent=own, type=SessionType.SUBSTITUTE_USER)
        parent = f"{first_own} + n - 1"
        first_worn = self._copy(worn, others, "worn", parent_id=parent, user_id=self.somebody)
        visit = Impersonation.objects.create(
            session=worn,
            actor_session=own,
            organization=self.acme,
            actor=self.ada,
            target=self.hedy,
            actor_name=str(self.ada),
            target_name=str(self.hedy),
            basis=Basis.ANY_USER,
            started_at=self.at,
            ends_at=self.at + HOUR,
        )
        copy(visit, others, id=f"{first_worn} + n - 1", actor_session_id=parent, target_id=self.somebody)

    def _session(self, user: User, **columns: Any) -> Session:
        """Make a session that goes on."""
        values = {
            "user": user,
            "organization": self.acme,
            "auth_hash": user.get_session_auth_hash(),
            "created_at": self.at - 5 * HOUR,
            "last_active_at": self.at,
            "authenticated_at": self.at,
        }
        return Session.objects.create(**values | columns)

    def _copy(self, session: Session, count: int, what: str, **columns: str) -> int:
        return copy(session, count, public_id=uuid(), key_hash=f"'{what} ' || n", **columns)

    def end_one(self) -> Figure:
        """Deactivate some people, one after the other: the median."""
        figures = []
        for user in User.objects.filter(organization=self.acme).order_by("-pk")[:ROUNDS]:
            others = Session.objects.live().exclude(user=user).count()
            figures.append(measured(lambda user=user: deactivate_user(user, origin=AUTOMATED)))  # type: ignore[misc]
            check(Session.objects.live().count(), others)
        return Figure(median(one.seconds for one in figures), figures[-1].statements)

    def end_many(self) -> Figure:
        """Deactivate the one with many sessions."""
        others = Session.objects.live().exclude(user=self.grace).count()
        figure = measured(lambda: deactivate_user(self.grace, origin=AUTOMATED))
        check(Session.objects.live().count(), others)
        return figure

    def end_visits(self) -> Figure:
        """Switch any-user login off."""
        going_on, over = Impersonation.objects.open(), AuditEvent.objects.filter(action="impersonation.ended")
        expected = (0, going_on.count() + over.count())
        version = LoginAccessPolicy.objects.get(organization=self.acme).version
        origin = Origin(user=self.ada, actor=self.ada)
        figure = measured(
            lambda: save_login_access_policy(self.acme, version=version, origin=origin, any_user_login=False)
        )
        check((going_on.count(), over.count()), expected)
        return figure

    def end_expired(self) -> Figure:
        """Sweep."""
        late = Session.objects.live().filter(last_active_at__lt=self.at - 3 * HOUR)
        others = Session.objects.live().count() - late.count()
        figure = measured(lambda: close_expired(origin=AUTOMATED))
        check((late.count(), Session.objects.live().count()), (0, others))
        return figure
