"""``SESSION_ENGINE``: keys are stored as hashes, and who someone is comes from the row's columns.

The three keys that Django keeps in a session's data (user, backend, password hash) are projected from the row on
:meth:`SessionStore.load` and never stored or trusted on :meth:`SessionStore.save`: a planted key makes nobody of
anybody. Only the receiver of Django's ``user_logged_in`` binds a session to a user (:meth:`SessionStore.bind`).
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.exceptions import SessionInterrupted
from django.utils import timezone

from orgs.http import Origin

from .enums import EndCause
from .identity import Identity, identify
from .keys import hash_key, new_key
from .metrics import IDENTITY
from .models import Session
from .services.sessions import end_session

if TYPE_CHECKING:
    from .models import User

AUTH_KEYS = frozenset({SESSION_KEY, BACKEND_SESSION_KEY, HASH_SESSION_KEY})
ANONYMOUS_LIFE = timedelta(days=1)


class SessionStore(SessionBase):
    """One request's session. Everything a request needs of who is there comes with one query (:meth:`identify`)."""

    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(session_key)
        self._identity: Identity | None = None
        self._is_identified = False
        self._row: Session | None = None
        self._bound: dict[str, Any] = {}
        # Asked for when a session is ended; the middleware tells who asks and from where.
        self.origin: Callable[[], Origin] = Origin
        # The middleware has asked whether it may go on, with what only a request knows.
        self.is_let_in = False
        # Answering a sign-out: only then does the cookie go (accounts.middleware.SessionMiddleware).
        self.is_signed_out = False

    # --- who is it ---

    def identify(self) -> Identity | None:
        """Return who the key makes of this request, live or ended; asked of the database once."""
        if not self._is_identified:
            self._is_identified = True
            if self.session_key:
                with IDENTITY.time():
                    self._identity = identify(self.session_key)
            if self._identity is not None and self._identity.session.ended_at is None:
                self._row = self._identity.session
            else:
                # A key that opens nothing is never taken over: whoever planted it would know the next person's.
                self._session_key = None
        return self._identity

    def bind(self, user: "User", *, backend: str, at: datetime, address: str | None, agent: str) -> None:
        """Make this session ``user``'s from the next save on. For the receiver of ``user_logged_in`` alone.

        A row that is someone's stays theirs, and a worn one is nobody's own: signing in ends it and begins a new one.
        """
        if self._row is not None and (self._row.is_worn or self._row.user_id not in {None, user.pk}):
            keys = {name: value for name, value in self._contents().items() if name in AUTH_KEYS}
            self.delete()
            self.is_signed_out = False
            self._session_cache = keys
        self._bound = {
            "user": user,
            "organization_id": user.organization_id,
            "backend": backend,
            "auth_hash": user.get_session_auth_hash(),
            "address": address,
            "agent": agent,
            "created_at": at,
            "last_active_at": at,
            "authenticated_at": at,
        }
        self.modified = True

    def switch(self, key: str, *, row: Session | None = None) -> None:
        """Go on under ``key``, which belongs to another row; nothing of this one comes along.

        With ``row`` that is the one, and it is not read again; without, it is read when something asks for it.
        """
        self._start_over()
        self._session_key, self._row = key, row
        if row is None:
            self._is_identified = False
            del self._session_cache
        elif row.data:
            self._session_cache = _without_auth_keys(self.decode(row.data))
        self.accessed, self.modified = True, False

    def forget(self) -> None:
        """Be empty for the rest of this request: the key that came opens nothing any more."""
        self._start_over()

    # --- Django's extension points ---

    def load(self) -> dict[str, Any]:
        identity = self.identify()
        if identity is None or self._row is None:
            return {}
        row = self._row
        data = _without_auth_keys(self.decode(row.data) if row.data else {})
        if identity.user is not None and (self.is_let_in or not self._has_fault(identity)):
            data[SESSION_KEY] = str(identity.user.pk)
            data[BACKEND_SESSION_KEY] = row.backend
            data[HASH_SESSION_KEY] = row.auth_hash
        return data

    @staticmethod
    def _has_fault(identity: Identity) -> bool:
        """Ask again for code that reads the session without our middleware. Of the address only a request knows."""
        return identity.fault(address=None, at=timezone.now(), asks_address=False) is not None

    def exists(self, session_key: str) -> bool:
        return Session.objects.filter(key_hash=hash_key(session_key)).exists()

    def create(self) -> None:
        self._start_over()
        self.save(must_create=True)

    def save(self, must_create: bool = False) -> None:  # noqa: FBT001, FBT002  # Django's signature
        if not must_create:
            self.identify()
        data = self._contents(no_load=must_create)
        text = self.encode(kept) if (kept := _without_auth_keys(data)) else ""
        if self._row is None:
            self._insert(text)
            return
        changes: dict[str, Any] = {"data": text, **self._bound}
        # update_session_auth_hash() puts the new HMAC here. It opens nothing: it must match the row's own user.
        if not self._bound and (new_hash := data.get(HASH_SESSION_KEY)) and new_hash != self._row.auth_hash:
            changes["auth_hash"] = new_hash
        # By row, and only while it lives: what a late request still wanted to keep is dropped.
        Session.objects.live().filter(pk=self._row.pk).update(**changes)
        self._took(changes)

    def _insert(self, text: str) -> None:
        self._session_key = self.session_key or new_key()
        now = timezone.now()
        values: dict[str, Any] = {"created_at": now, "last_active_at": now, "data": text, **self._bound}
        self._row = Session.objects.create(key_hash=hash_key(str(self.session_key)), **values)
        self._bound = {}
        self._is_identified = False

    def _took(self, changes: Mapping[str, Any]) -> None:
        for name, value in changes.items():
            setattr(self._row, name, value)
        if self._bound:
            self._bound = {}
            self._is_identified = False

    def cycle_key(self) -> None:
        """Change the key and keep the row: one statement. Without a row yet, the next save makes one.

        Of two requests that brought the same key one gets the row. The other, if it was nobody's, goes on in a new
        one, so that two who sign in from one planted session never share it; if it was somebody's, it is refused.
        """
        self.identify()
        data, key = self._contents(), new_key()
        if (row := self._row) is not None:
            mine = Session.objects.live().filter(pk=row.pk, key_hash=row.key_hash)
            if mine.update(key_hash=hash_key(key), previous_key_hash=None):
                row.key_hash = hash_key(key)
            elif row.user_id is not None:
                raise SessionInterrupted("This session was ended, or went on elsewhere, while the request ran.")
            else:
                self._row = None
        self._session_key = key
        self._session_cache = data
        self.modified = True

    async def acycle_key(self) -> None:
        await sync_to_async(self.cycle_key)()

    def delete(self, session_key: str | None = None) -> None:
        """End the session; a worn one together with its parent (and the visit counts as logged out)."""
        is_own = session_key is None or session_key == self.session_key
        identity = self.identify() if is_own else identify(str(session_key))
        if identity is not None and identity.session.ended_at is None:
            visit = identity.impersonation
            end_session(
                identity.parent or identity.session,
                cause=EndCause.LOGGED_OUT,
                origin=self.origin(),
                by=visit.actor if visit else None,
            )
        if is_own:
            self._start_over()
            self.is_signed_out = True

    def _contents(self, *, no_load: bool = False) -> dict[str, Any]:
        contents: dict[str, Any] = self._get_session(no_load)  # type: ignore[attr-defined]  # Django's, not its stubs'
        return contents

    def _start_over(self) -> None:
        self._session_key = None
        self._session_cache = {}
        self._identity, self._is_identified, self._row, self._bound = None, True, None, {}
        self.is_let_in = False

    @classmethod
    def clear_expired(cls) -> None:
        """Delete sessions of nobody that are a day old. People's sessions end by their limits, and their rows stay."""
        old = timezone.now() - ANONYMOUS_LIFE
        Session.objects.filter(user=None, last_active_at__lt=old).delete()


def _without_auth_keys(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key not in AUTH_KEYS}
