"""Username and password: who is let in."""

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.hashers import BasePasswordHasher, get_hasher
from django.utils import timezone

from accounts.backends import PasswordBackend
from accounts.models import User
from tests.factories import PASSWORD
from tests.queries import captured_queries


def let_in(username: str | None, password: str | None) -> User | None:
    """Ask the backend itself, so that a failure leaves no trace."""
    return PasswordBackend().authenticate(None, username=username, password=password)


@pytest.mark.parametrize("username", ["grace@acme.example", "Grace@ACME.example", "ｇrace@acme.example"])
def test_password_opens_the_account_however_the_username_is_written(grace: User, username: str) -> None:
    assert let_in(username, PASSWORD) == grace


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("grace@acme.example", "another password"),
        ("grace@acme.example", ""),
        ("nobody@acme.example", PASSWORD),
        ("", PASSWORD),
        (None, PASSWORD),
        ("grace@acme.example", None),
    ],
)
def test_anything_else_opens_nothing(grace: User, username: str | None, password: str | None) -> None:
    assert let_in(username, password) is None


@pytest.mark.parametrize("change", [{"is_active": False}, {"is_frozen": True}], ids=["inactive", "frozen"])
def test_password_does_not_open_an_account_that_is_shut(grace: User, change: dict[str, bool]) -> None:
    User.objects.filter(pk=grace.pk).update(**change)

    assert let_in("grace@acme.example", PASSWORD) is None


def test_password_does_not_open_a_locked_account(grace: User) -> None:
    now = timezone.now()
    locked = User.objects.filter(pk=grace.pk)

    locked.update(locked_until=now.replace(year=now.year + 1))
    during = let_in("grace@acme.example", PASSWORD)
    locked.update(locked_until=now)
    after = let_in("grace@acme.example", PASSWORD)

    assert (during, after) == (None, grace)


def test_unknown_username_costs_a_password_hash_too(grace: User, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[str] = []
    hasher = type(get_hasher())
    encode = hasher.encode

    def noted(self: BasePasswordHasher, password: str, *rest: str) -> str:
        hashed.append(password)
        return encode(self, password, *rest)

    monkeypatch.setattr(hasher, "encode", noted)

    let_in("nobody@acme.example", "unknown")
    let_in("grace@acme.example", "wrong")

    assert hashed == ["unknown", "wrong"]


def test_signing_in_reads_the_account_with_one_query(grace: User) -> None:
    with captured_queries() as queries:
        user = let_in("grace@acme.example", PASSWORD)
        assert user is not None
        assert not user.is_administrator

    assert len(queries) == 1


def test_user_of_a_session_is_read_with_the_profile(grace: User) -> None:
    with captured_queries() as queries:
        user = PasswordBackend().get_user(grace.pk)
        assert user is not None
        assert not user.is_administrator

    assert (user, len(queries)) == (grace, 1)


def test_user_of_a_session_is_active(grace: User, dennis: User, katherine: User) -> None:
    found = [PasswordBackend().get_user(user.pk) for user in (grace, dennis, katherine)]

    assert found == [grace, dennis, None]
    assert PasswordBackend().get_user(0) is None


def test_backend_is_the_one_that_django_asks(grace: User) -> None:
    user = authenticate(username="grace@acme.example", password=PASSWORD)

    assert user == grace
    assert user.backend == "accounts.backends.PasswordBackend"
