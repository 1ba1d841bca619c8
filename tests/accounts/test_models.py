"""What rows say of themselves, and what the database refuses."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, transaction

from accounts.models import (
    AccessRequest,
    Impersonation,
    ImpersonationActivity,
    Login,
    Profile,
    Role,
    Session,
    UnknownUsernames,
    User,
)
from accounts.sort_key import sort_key
from orgs.permissions import Permission
from tests.factories import ProfileFactory, RoleFactory, UserFactory

AT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def test_rows_name_themselves(db: None) -> None:
    session = Session(public_id="00000000-0000-0000-0000-000000000007")
    visit = Impersonation(actor_name="Ada Lovelace", target_name="Grace Hopper")

    names = [str(row) for row in (session, visit, Login(username="grace@acme.example", created_at=AT))]

    assert names == [
        "00000000-0000-0000-0000-000000000007",
        "Ada Lovelace as Grace Hopper",
        "grace@acme.example 2026-03-02 12:00",
    ]
    assert [str(row) for row in (Role(name="Sales"), Profile(name="Auditor"))] == ["Sales", "Auditor"]
    people = {"user": User(first_name="Grace"), "requester": User(first_name="Ada")}
    assert str(AccessRequest(**people)) == "Ada asks Grace"
    assert str(ImpersonationActivity(method="POST", view="user_edit", object="user 7")) == "POST user_edit user 7"
    assert str(UnknownUsernames(day=AT.date(), tries=3)) == "2026-03-02: 3"


@pytest.mark.parametrize(
    ("first", "last", "full", "short"),
    [
        ("Grace", "Hopper", "Grace Hopper", "Grace"),
        ("", "Hopper", "Hopper", "Hopper"),
        ("Grace", "", "Grace", "Grace"),
        ("", "", "grace@acme.example", "grace@acme.example"),
    ],
)
def test_user_is_named_by_what_there_is(first: str, last: str, full: str, short: str) -> None:
    user = User(first_name=first, last_name=last, username="grace@acme.example")

    assert (str(user), user.get_full_name(), user.get_short_name()) == (full, full, short)


@pytest.mark.parametrize(
    ("locked_until", "expected"),
    [(None, False), (AT, False), (AT.replace(minute=1), True)],
    ids=["never", "until now", "for a minute"],
)
def test_user_is_locked_until_the_moment(locked_until: datetime | None, expected: bool) -> None:
    assert User(locked_until=locked_until).is_locked(AT) is expected


def test_user_may_what_the_profile_permits(db: None) -> None:
    user = UserFactory.create(profile=ProfileFactory.create(permissions=(Permission.FREEZE_USERS,)))

    assert user.permissions == {Permission.FREEZE_USERS, Permission.VIEW_ALL_USERS, Permission.VIEW_SETUP}
    assert [one for one in Permission if user.has_permission(one)] == [
        Permission.VIEW_SETUP,
        Permission.VIEW_ALL_USERS,
        Permission.FREEZE_USERS,
    ]


@pytest.mark.parametrize(
    ("standard", "expected"), [("system_administrator", True), ("external_user", True), ("", False)]
)
def test_standard_profiles_are_told_from_clones(standard: str, expected: bool) -> None:
    assert Profile(standard=standard).is_standard is expected


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("Grace@Acme.Example", "grace@acme.example"),
        ("ÄRGER@acme.example", "ärger@acme.example"),
        ("ｇrace@acme.example", "grace@acme.example"),
    ],
)
def test_username_is_kept_in_one_spelling(db: None, written: str, stored: str) -> None:
    user = UserFactory.create(username=written)

    assert user.username == stored
    assert User.objects.get(username=written) == user


@pytest.mark.parametrize("again", ["ärger@acme.example", "ÄRGER@acme.example"])
def test_username_is_unique_whatever_its_case(db: None, again: str) -> None:
    UserFactory.create(username="Ärger@acme.example")

    with pytest.raises(IntegrityError), transaction.atomic():
        UserFactory.create(username=again)


def test_sort_keys_follow_the_names_on_every_save(db: None) -> None:
    user = UserFactory.create(first_name="Ｇrace", last_name="STRAßE", alias="GH")
    before = (user.name_key, user.alias_key)

    user.first_name = "Ada"
    user.save()

    assert before == ("grace strasse", "gh")
    assert User.objects.values_list("name_key", "alias_key").get() == ("ada strasse", "gh")


def test_sort_key_takes_one_spelling_of_what_people_take_to_be_the_same() -> None:
    assert sort_key("ﬁne ÉCOLE") == sort_key("Fine E\u0301cole") == "fine école"


@pytest.mark.parametrize(
    "make",
    [
        lambda one: ProfileFactory.create(organization=one.organization, name=one.name.upper()),
        lambda one: Profile.objects.filter(pk=one.pk).update(is_external=True, permission_bits=1),
    ],
    ids=["two of one name", "an external one that permits something"],
)
def test_database_refuses_profiles_that_make_no_sense(db: None, make: Callable[[Profile], object]) -> None:
    profile = ProfileFactory.create(name="Auditor")

    with pytest.raises(IntegrityError), transaction.atomic():
        make(profile)


def test_database_refuses_two_roles_of_one_name(db: None) -> None:
    role = RoleFactory.create(name="Sales")

    with pytest.raises(IntegrityError), transaction.atomic():
        RoleFactory.create(organization=role.organization, name="SALES")
