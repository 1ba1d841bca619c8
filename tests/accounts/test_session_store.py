"""The session engine: hashed keys, identity from the row's columns, and nothing that can be planted."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, alogin, get_user, login
from django.contrib.sessions.exceptions import SessionInterrupted
from django.http import HttpRequest
from django.utils import timezone

from accounts.enums import EndCause, SessionType
from accounts.keys import hash_key, new_key
from accounts.models import Session, User
from accounts.services.sessions import end_session
from accounts.session_store import SessionStore
from accounts.testing import PortalClient
from orgs.http import Origin
from orgs.models import Organization
from tests.queries import captured_queries

BACKEND = "accounts.backends.PasswordBackend"
PLANTED = "a-key-that-someone-else-knows"


def key_of(client: PortalClient) -> str:
    return str(client.cookies[settings.SESSION_COOKIE_NAME].value)


def contents(key: str | None) -> dict[str, Any]:
    """Return what a session opened by ``key`` holds."""
    return dict(SessionStore(key).items())


def person_of(store: SessionStore) -> str:
    """Return whom Django itself finds in a session, with none of our middleware."""
    request = HttpRequest()
    request.session = store
    return str(get_user(request))


def sign_in(store: SessionStore, user: User) -> str | None:
    """Sign ``user`` in to ``store`` as Django does, and return the key that their browser gets."""
    request = HttpRequest()
    request.session = store
    login(request, user)
    store.save()
    return store.session_key


def kept_session(**values: Any) -> str:
    """Make a session of nobody that holds ``values``, and return its key."""
    store = SessionStore()
    store.update(values)
    store.save()
    return str(store.session_key)


# --- keys ------------------------------------------------------------------------------------------------------------


def test_keys_have_256_random_bits() -> None:
    first, second = new_key(), new_key()

    assert len(first) == len(second) == 43
    assert first != second


def test_key_is_stored_as_a_hash_only(db: None) -> None:
    key = kept_session(basket="apples")

    (stored,) = Session.objects.values()

    assert stored["key_hash"] == hash_key(key)
    assert not [name for name, value in stored.items() if key in str(value)]


# --- reading and writing ---------------------------------------------------------------------------------------------


def test_session_is_written_and_read_back(db: None) -> None:
    key = kept_session(basket="apples")

    assert contents(key) == {"basket": "apples"}


def test_session_is_changed_in_place(db: None) -> None:
    key = kept_session(basket="apples")
    store = SessionStore(key)

    store["basket"] = "pears"
    store.save()

    assert store.session_key == key
    assert contents(key) == {"basket": "pears"}
    assert Session.objects.count() == 1


def test_empty_session_stores_no_data(db: None) -> None:
    SessionStore().save()

    assert Session.objects.get().data == ""


def test_session_with_spoilt_data_is_empty(db: None) -> None:
    key = kept_session(basket="apples")
    Session.objects.update(data="spoilt")

    assert contents(key) == {}


def test_session_is_created_under_a_key_of_its_own(db: None) -> None:
    store = SessionStore()
    store.create()

    assert SessionStore().exists(str(store.session_key))
    assert not SessionStore().exists(PLANTED)


def test_session_is_asked_for_once(db: None) -> None:
    store = SessionStore(kept_session(basket="apples"))

    with captured_queries() as queries:
        first, second = store.identify(), store.identify()
        store.get("basket")

    assert first is second
    assert len(queries) == 1


def test_session_without_a_key_asks_nothing(db: None) -> None:
    with captured_queries() as queries:
        assert SessionStore().identify() is None
        assert SessionStore("short").get("basket") is None

    assert queries == []


# --- planted keys ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_read_first", [False, True])
def test_unknown_key_is_never_taken_over(db: None, is_read_first: bool) -> None:
    store = SessionStore(PLANTED)

    if is_read_first:
        store["basket"] = "apples"
    else:
        store.clear()
    store.save()

    assert store.session_key not in {None, PLANTED}
    assert not SessionStore().exists(PLANTED)


def test_ended_key_is_never_taken_over(ada: User, client_of: Callable[[User], PortalClient]) -> None:
    key = key_of(client_of(ada))
    end_session(Session.objects.get(), origin=Origin())
    store = SessionStore(key)

    store["basket"] = "apples"
    store.save()

    assert store.session_key != key
    assert contents(key) == {}


def test_clearing_a_session_that_was_not_read_keeps_its_row(db: None) -> None:
    key = kept_session(basket="apples")
    store = SessionStore(key)

    store.clear()
    store.save()

    assert (store.session_key, Session.objects.count(), contents(key)) == (key, 1, {})


def test_signing_in_leaves_a_planted_session_behind(ada: User) -> None:
    planted = kept_session(basket="apples")

    key = sign_in(SessionStore(planted), ada)

    assert key != planted
    assert contents(planted) == {}
    assert person_of(SessionStore(planted)) == "AnonymousUser"
    assert person_of(SessionStore(key)) == "Ada Lovelace"
    assert contents(key)["basket"] == "apples"


def test_two_who_sign_in_from_one_planted_session_never_share_it(ada: User, grace: User) -> None:
    planted = kept_session(basket="apples")
    hers, his = SessionStore(planted), SessionStore(planted)
    # Both requests have read the session before either of them changes its key.
    assert hers.get("basket") == his.get("basket") == "apples"

    first, second = sign_in(hers, ada), sign_in(his, grace)

    assert person_of(SessionStore(first)) == "Ada Lovelace"
    assert person_of(SessionStore(second)) == "Grace Hopper"
    assert list(Session.objects.order_by("id").values_list("user", flat=True)) == [ada.pk, grace.pk]


# --- planted identities ----------------------------------------------------------------------------------------------


def auth_keys(user: User) -> dict[str, str]:
    """Return the three keys with which Django's own engines make someone of a session."""
    return {
        SESSION_KEY: str(user.pk),
        BACKEND_SESSION_KEY: BACKEND,
        HASH_SESSION_KEY: user.get_session_auth_hash(),
    }


def test_auth_keys_planted_through_the_store_make_nobody(ada: User) -> None:
    key = kept_session(**auth_keys(ada))

    assert contents(key) == {}
    assert person_of(SessionStore(key)) == "AnonymousUser"


def test_auth_keys_planted_in_the_row_make_nobody(ada: User) -> None:
    key = kept_session()
    Session.objects.update(data=SessionStore().encode({**auth_keys(ada), "basket": "apples"}))

    assert contents(key) == {"basket": "apples"}
    assert person_of(SessionStore(key)) == "AnonymousUser"


@pytest.mark.urls("tests.probe")
@pytest.mark.parametrize("through_the_row", [False, True])
def test_auth_keys_planted_in_someones_session_make_nobody_else_of_it(
    ada: User, grace: User, client_of: Callable[[User], PortalClient], through_the_row: bool
) -> None:
    client = client_of(grace)
    if through_the_row:
        Session.objects.update(data=SessionStore().encode(auth_keys(ada)))
    else:
        session = client.session
        session.update({SESSION_KEY: str(ada.pk), BACKEND_SESSION_KEY: BACKEND})
        session.save()

    response = client.get("/probe/")

    assert person_of(SessionStore(key_of(client))) == response.json()["user"] == "Grace Hopper"


def test_auth_hash_of_someone_else_opens_nothing(
    ada: User, grace: User, client_of: Callable[[User], PortalClient]
) -> None:
    client = client_of(grace)
    session = client.session

    session.update(auth_keys(ada))
    session.save()

    assert person_of(SessionStore(key_of(client))) == "AnonymousUser"


def test_auth_keys_are_those_of_the_row(grace: User, client_of: Callable[[User], PortalClient]) -> None:
    client = client_of(grace)

    assert contents(key_of(client)) == auth_keys(grace)


def test_session_that_may_not_go_on_makes_nobody_without_our_middleware_too(
    any_user_login: Organization,
    ada: User,
    grace: User,
    client_of: Callable[[User], PortalClient],
    browser: Callable[[], PortalClient],
) -> None:
    own, worn = client_of(grace), browser()
    worn.login_as(grace, actor=ada)
    before = [person_of(SessionStore(key_of(client))) for client in (own, worn)]

    Session.objects.filter(user=grace, parent=None).update(last_active_at=timezone.now() - timedelta(hours=2))
    any_user_login.login_access_policy.any_user_login = False
    any_user_login.login_access_policy.save()
    after = [person_of(SessionStore(key_of(client))) for client in (own, worn)]

    assert (before, after) == (["Grace Hopper"] * 2, ["AnonymousUser"] * 2)


def test_session_that_may_not_go_on_holds_nothing(
    ada: User, grace: User, client_of: Callable[[User], PortalClient]
) -> None:
    client = client_of(grace)
    session = client.session
    session["basket"] = "apples"
    session.save()
    User.objects.filter(pk=grace.pk).update(is_frozen=True)

    key = sign_in(SessionStore(key_of(client)), ada)

    assert contents(key_of(client)) == {}
    assert contents(key) == auth_keys(ada)


# --- changing the key ------------------------------------------------------------------------------------------------


def test_cycling_changes_the_key_and_keeps_the_rest(ada: User, client_of: Callable[[User], PortalClient]) -> None:
    old = key_of(client_of(ada))
    store = SessionStore(old)
    store["basket"] = "apples"

    with captured_queries() as queries:
        store.cycle_key()
    store.save()

    assert len(queries) == 1
    assert contents(old) == {}
    assert contents(store.session_key) == {**auth_keys(ada), "basket": "apples"}
    assert Session.objects.count() == 1


def test_cycling_a_new_session_makes_its_first_key(db: None) -> None:
    store = SessionStore()

    store.cycle_key()
    key = store.session_key
    store.save()

    assert key == store.session_key
    assert SessionStore().exists(str(key))


def test_cycling_asynchronously_does_the_same(db: None) -> None:
    old = kept_session(basket="apples")
    store = SessionStore(old)

    async_to_sync(store.acycle_key)()
    async_to_sync(store.asave)()

    assert (contents(old), contents(store.session_key)) == ({}, {"basket": "apples"})


def test_cycling_a_session_that_went_on_elsewhere_is_refused(
    ada: User, client_of: Callable[[User], PortalClient]
) -> None:
    key = key_of(client_of(ada))
    late, early = SessionStore(key), SessionStore(key)
    late.identify()
    early.cycle_key()

    with pytest.raises(SessionInterrupted):
        late.cycle_key()

    assert person_of(SessionStore(early.session_key)) == "Ada Lovelace"


def test_cycling_while_another_account_is_worn_leaves_the_actor_without_a_key(
    any_user_login: Organization, ada: User, grace: User, client_of: Callable[[User], PortalClient]
) -> None:
    client = client_of(ada)
    late = SessionStore(key_of(client))
    late.identify()
    client.login_as(grace)

    with pytest.raises(SessionInterrupted):
        late.cycle_key()

    assert Session.objects.get(user=ada).key_hash is None


# --- late writes -----------------------------------------------------------------------------------------------------


def test_write_after_the_end_is_dropped(ada: User, client_of: Callable[[User], PortalClient]) -> None:
    late = SessionStore(key_of(client_of(ada)))
    late["basket"] = "apples"
    end_session(Session.objects.get(), origin=Origin())

    late.save()

    assert Session.objects.get().data == ""


def test_write_with_the_key_before_last_reaches_its_own_row_only(
    any_user_login: Organization, ada: User, grace: User, client_of: Callable[[User], PortalClient]
) -> None:
    client = client_of(ada)
    late = SessionStore(key_of(client))
    late["basket"] = "apples"
    client.login_as(grace)

    late.save()

    own, worn = Session.objects.order_by("id")
    assert SessionStore().decode(own.data) == {"basket": "apples"}
    assert worn.data == ""


# --- ending ----------------------------------------------------------------------------------------------------------


def test_flush_ends_the_session_and_deletes_what_it_held(ada: User, client_of: Callable[[User], PortalClient]) -> None:
    store = SessionStore(key_of(client_of(ada)))
    store["basket"] = "apples"
    store.save()

    store.flush()

    row = Session.objects.get()
    assert (row.user, row.data, row.ended_at is None) == (ada, "", False)
    assert (store.session_key, store.is_signed_out, store.is_empty()) == (None, True, True)


def test_flush_of_a_worn_session_ends_both(
    any_user_login: Organization, ada: User, grace: User, browser: Callable[[], PortalClient]
) -> None:
    client = browser()
    visit = client.login_as(grace, actor=ada)

    SessionStore(key_of(client)).flush()

    visit.refresh_from_db()
    assert list(Session.objects.filter(ended_at=None)) == []
    assert (visit.end_cause, visit.ended_by) == (EndCause.LOGGED_OUT, ada)


@pytest.mark.parametrize("key", [None, PLANTED])
def test_flush_of_nothing_ends_nothing(ada: User, client_of: Callable[[User], PortalClient], key: str | None) -> None:
    client_of(ada)
    store = SessionStore(key)

    store.flush()

    assert (store.session_key, store.is_signed_out) == (None, True)
    assert Session.objects.filter(ended_at=None).count() == 1


def test_delete_by_key_ends_that_session_alone(
    ada: User, grace: User, client_of: Callable[[User], PortalClient]
) -> None:
    hers, his = client_of(ada), client_of(grace)
    store = SessionStore(key_of(hers))

    store.delete(key_of(his))
    store.delete(key_of(his))

    assert (person_of(store), store.is_signed_out) == ("Ada Lovelace", False)
    assert list(Session.objects.filter(ended_at=None).values_list("user", flat=True)) == [ada.pk]


def test_expired_sessions_of_nobody_are_cleared_after_a_day(
    ada: User, client_of: Callable[[User], PortalClient]
) -> None:
    client_of(ada)
    kept_session(basket="apples")
    kept_session(basket="pears")
    day = timedelta(days=1)
    Session.objects.filter(user=ada).update(last_active_at=timezone.now() - 30 * day)
    Session.objects.filter(pk=Session.objects.latest("id").pk).update(last_active_at=timezone.now() - day)

    SessionStore.clear_expired()

    assert list(Session.objects.order_by("id").values_list("user", flat=True)) == [ada.pk, None]


# --- signing in ------------------------------------------------------------------------------------------------------


def test_signing_in_binds_the_row_to_the_person(ada: User) -> None:
    request = HttpRequest()
    request.session = SessionStore()
    request.META |= {"REMOTE_ADDR": "192.0.2.7", "HTTP_USER_AGENT": "Netscape"}

    login(request, ada)
    request.session.save()

    row = Session.objects.get()
    assert (row.user, row.type, row.parent, row.backend) == (ada, SessionType.UI, None, BACKEND)
    assert (row.address, row.agent, row.auth_hash) == ("192.0.2.7", "Netscape", ada.get_session_auth_hash())
    assert row.created_at == row.last_active_at == row.authenticated_at
    assert (row.ended_at, row.data) == (None, "")


def test_signing_in_as_someone_else_ends_the_session_before(ada: User, grace: User) -> None:
    store = SessionStore()
    sign_in(store, ada)
    store["basket"] = "apples"
    store.save()

    key = sign_in(store, grace)

    assert contents(key) == auth_keys(grace)
    assert list(Session.objects.filter(ended_at=None).values_list("user", flat=True)) == [grace.pk]


def test_signing_in_again_goes_on_in_the_same_session(ada: User) -> None:
    store = SessionStore()
    first = sign_in(store, ada)

    second = sign_in(store, ada)

    assert first == second
    assert Session.objects.count() == 1


@pytest.mark.parametrize("who", ["target", "actor"])
def test_signing_in_inside_a_visit_ends_it_and_is_ones_own(
    any_user_login: Organization, ada: User, grace: User, browser: Callable[[], PortalClient], who: str
) -> None:
    client = browser()
    visit = client.login_as(grace, actor=ada)
    user = {"target": grace, "actor": ada}[who]

    client.force_login(user)

    visit.refresh_from_db()
    identity = SessionStore(key_of(client)).identify()
    assert identity is not None
    assert (identity.user, identity.actor, identity.impersonation) == (user, user, None)
    assert visit.end_cause == EndCause.LOGGED_OUT
    assert list(Session.objects.filter(ended_at=None)) == [identity.session]


def test_signing_in_asynchronously_does_the_same(ada: User) -> None:
    request = HttpRequest()
    request.session = SessionStore()

    async_to_sync(alogin)(request, ada)
    async_to_sync(request.session.asave)()

    assert person_of(SessionStore(request.session.session_key)) == "Ada Lovelace"
