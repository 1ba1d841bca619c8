"""Checking and importing a file of users: who may, what is wrong, all or nothing, mails."""

import io
from datetime import timedelta
from threading import Barrier, Thread
from typing import TYPE_CHECKING, Any

import pytest
from django.core import mail
from django.core.cache import cache
from django.db import IntegrityError, connection

from accounts.models import Profile, Role, User
from accounts.services.guards import NotInOrganization
from accounts.services.user_import import (
    FILES_AN_HOUR,
    Fault,
    Report,
    Step,
    TooManyFiles,
    check_users,
    import_users,
)
from accounts.services.users import UserDetails, create_user
from orgs.audit import AuditAction
from orgs.http import Origin
from orgs.models import AuditEvent
from orgs.permissions import PermissionMissing, RefusedToGuest
from tests.factories import ProfileFactory, RoleFactory, UserFactory
from tests.origins import origin_of
from tests.queries import captured_queries

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from orgs.models import Organization

    Make = Callable[..., User]
    Profiles = dict[str, Profile]
    Roles = dict[str, Role]

SITE = "https://portal.example/"
HEAD = "Username,E-mail,First Name,Last Name,Alias,Profile,Role"
TAKEN = "This username is taken. Usernames are unique everywhere, and ignore case."
EMPTY = "This cell is empty. Every user needs one."


def line(name: str = "mary", **cells: str) -> str:
    """Return a row of the file, right unless ``cells`` say otherwise."""
    given = {
        "username": f"{name}@new.example",
        "email": f"{name}@mail.example",
        "first": name.capitalize(),
        "last": "Jackson",
        "alias": "",
        "profile": "Standard User",
        "role": "",
        **cells,
    }
    return ",".join(given.values())


def file_of(*lines: str, head: str = HEAD) -> io.BytesIO:
    return io.BytesIO("\r\n".join((head, *lines)).encode())


def faults(report: Report) -> list[tuple[int, str, str]]:
    return [(fault.row, fault.column, fault.words) for fault in report.faults]


def everyone() -> list[str]:
    return list(User.objects.order_by("id").values_list("username", flat=True))


def sentences() -> list[str]:
    return list(AuditEvent.objects.order_by("id").values_list("sentence", flat=True))


@pytest.fixture(autouse=True)
def nothing_is_counted_yet() -> "Generator[None]":
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def check(acme: "Organization", ada: User, profiles: "Profiles") -> "Callable[..., list[tuple[int, str, str]]]":
    """Check rows as Ada, or someone else: what is wrong with them."""

    def checked(*lines: str, by: User = ada, **options: Any) -> list[tuple[int, str, str]]:
        return faults(check_users(acme, file_of(*lines), origin=origin_of(by), **options))

    return checked


# --- what becomes of it ------------------------------------------------------------------------------------------


def test_import_makes_of_each_row_what_creating_one_user_does(
    acme: "Organization", ada: User, profiles: "Profiles", sales_roles: "Roles"
) -> None:
    rows = (line("Rosa", alias="rr", role="Sales > Sales Manager"), line("Lise", first="", profile="Read Only"))
    origin = origin_of(ada)

    report = import_users(acme, file_of(*rows), origin=origin)

    for name, email, role in (("x", "rosa", sales_roles["Sales Manager"]), ("y", "lise", None)):
        profile = profiles["Standard User" if role else "Read Only"]
        first, alias = ("Rosa", "rr") if role else ("", "")
        details = UserDetails(f"{name}@x.example", f"{email}@mail.example", "Jackson", profile, first, alias, role)
        create_user(acme, details, origin=origin)
    *of_import, ours, theirs = AuditEvent.objects.order_by("id")
    alike = (
        *("organization_id", "role_id", "profile_id", "email", "first_name", "last_name", "alias", "is_active"),
        *("created_by_name", "name_key", "alias_key", "time_zone", "pending_email", "modified_at"),
    )
    rosa, lise, x, y = (User.objects.get(username=f"{name}.example") for name in ("rosa@new", "lise@new", "x@x", "y@x"))
    assert [[getattr(one, name) for name in alike] for one in (rosa, lise)] == [
        [getattr(one, name) for name in alike] for one in (x, y)
    ]
    assert not rosa.has_usable_password()
    assert (report.users, report.is_imported, report.is_right, report.mails) == (2, True, True, None)
    imported, of_lise = of_import[-1], of_import[-2]
    assert (imported.sentence, imported.action, imported.user, imported.after) == (
        "Imported 2 users",
        AuditAction.USERS_IMPORTED,
        ada,
        {"users": 2},
    )
    assert [event.sentence for event in of_import[:-1]] == ["Created new user Rosa Jackson", "Created new user Jackson"]
    assert (of_lise.about, of_lise.user, of_lise.section, of_lise.created_at) == (
        lise,
        ada,
        theirs.section,
        imported.created_at,
    )
    assert of_lise.after == {**theirs.after, "username": "lise@new.example"}
    assert of_import[0].after == {**ours.after, "username": "rosa@new.example"}


def test_check_shows_the_first_as_they_will_be_and_changes_nothing(
    acme: "Organization", ada: User, sales_roles: "Roles"
) -> None:
    before = everyone()

    report = check_users(
        acme,
        file_of(line("MARY", email="Mary@Mail.EXAMPLE", role="sales clerk"), *(line(f"u{n}") for n in range(9))),
        origin=origin_of(ada),
    )

    mary = report.first[0]
    assert (mary.username, mary.email, mary.alias) == ("mary@new.example", "mary@mail.example", "mjack")
    assert mary.role == sales_roles["Sales Clerk"]
    assert (report.users, len(report.first), report.is_right, report.is_imported) == (10, 5, True, False)
    assert (everyone(), sentences()) == (before, [])


def test_optional_columns_may_be_missing(acme: "Organization", ada: User) -> None:
    head = "Profile;Username;Last Name;E-mail"

    import_users(acme, file_of("Standard User;m@x.example;Jackson;m@x.example", head=head), origin=origin_of(ada))

    mary = User.objects.get(username="m@x.example")
    assert (mary.full_name, mary.alias, mary.role) == ("Jackson", "jack", None)


def test_many_batches_are_one_import(acme: "Organization", profiles: "Profiles") -> None:
    seen: list[tuple[Step, int]] = []

    report = import_users(
        acme,
        file_of(*(line(f"u{n}") for n in range(2001))),
        origin=Origin.automated("import_users"),
        watch=lambda step, rows: seen.append((step, rows)),
    )

    assert report.is_imported
    assert User.objects.filter(organization=acme).count() == 2001
    batches = [0, 1000, 1000, 1]
    assert seen == [*((Step.CHECK, rows) for rows in batches), *((Step.WRITE, rows) for rows in batches)]
    assert sentences()[-2:] == ["Created new user U2000 Jackson", "Imported 2,001 users"]


@pytest.mark.parametrize("step", [check_users, import_users])
def test_statements_do_not_grow_with_the_rows_of_a_batch(
    step: "Callable[..., Report]", acme: "Organization", ada: User
) -> None:
    counts = []
    for name, number in (("a", 1), ("b", 20)):
        # One statement of SQLite's takes some twenty rows of the trail.
        rows = [line(f"{name}{n}") for n in range(number)]
        with captured_queries() as queries:
            assert step(acme, file_of(*rows), origin=origin_of(ada)).is_right
        counts.append(len(queries))

    assert counts == ([3, 3] if step is check_users else [9, 9])


# --- what is wrong -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "wrong"),
    [
        ({}, []),
        ({"username": ""}, [("Username", EMPTY)]),
        ({"email": " "}, [("E-mail", EMPTY)]),
        ({"last": ""}, [("Last Name", EMPTY)]),
        ({"profile": ""}, [("Profile", EMPTY)]),
        (
            {"username": "mary"},
            [("Username", "A username looks like an e-mail address: grace@acme.example.")],
        ),
        ({"username": "ADA@acme.example"}, [("Username", TAKEN)]),
        ({"username": "gus@globex.example"}, [("Username", TAKEN)]),
        ({"email": "mary"}, [("E-mail", "Enter a valid email address.")]),
        ({"first": "x" * 81}, [("First Name", "Ensure this value has at most 80 characters (it has 81).")]),
        ({"last": "x" * 81}, [("Last Name", "Ensure this value has at most 80 characters (it has 81).")]),
        ({"alias": "x" * 21}, [("Alias", "Ensure this value has at most 20 characters (it has 21).")]),
        ({"first": "a\u202eb"}, [("First Name", "This holds characters that cannot be shown. Type it anew.")]),
        ({"last": "\u2800"}, [("Last Name", "Nothing of this shows on a page. Type a name.")]),
        (
            {"username": f"m@{'ﷺ' * 60}.example"},
            [("Username", "This is too long: at most 254 characters are kept.")],
        ),
        (
            {"profile": "Boss\x1b"},
            [("Profile", "There is no profile Boss . Write its name as the users list has it.")],
        ),
        ({"profile": "standard user"}, []),
        (
            {"role": "Boss"},
            [
                (
                    "Role",
                    "There is no role Boss. Write its name as the users list has it, or its path: Sales > Sales Rep.",
                )
            ],
        ),
        (
            {"profile": "Boss", "role": "Boss"},
            [
                ("Profile", "There is no profile Boss. Write its name as the users list has it."),
                (
                    "Role",
                    "There is no role Boss. Write its name as the users list has it, or its path: Sales > Sales Rep.",
                ),
            ],
        ),
        ({"profile": "External User"}, []),
        (
            {"username": "", "email": "", "last": "", "profile": ""},
            [("Username", EMPTY), ("E-mail", EMPTY), ("Last Name", EMPTY), ("Profile", EMPTY)],
        ),
    ],
)
def test_row_is_refused_what_the_form_and_the_service_refuse(
    cells: dict[str, str], wrong: list[tuple[str, str]], check: "Callable[..., Any]", stranger: User
) -> None:
    stranger.username = "gus@globex.example"
    stranger.save()

    assert check(line(**cells)) == [(2, *one) for one in wrong]


def test_username_twice_in_the_file_names_both_rows(check: "Callable[..., Any]") -> None:
    wrong = check(line("mary"), line("rosa"), line("lise", username="MARY@new.example"), line("rosa", last=""))

    words = "Rows {} and {} have the same username. Usernames are unique."
    assert wrong == [
        (4, "Username", words.format(2, 4)),
        (5, "Username", words.format(3, 5)),
        (5, "Last Name", EMPTY),
    ]


@pytest.mark.parametrize("first", [{"last": ""}, {"profile": "Boss"}])
def test_username_twice_is_told_where_the_first_row_is_wrong_in_something_else(
    first: dict[str, str], check: "Callable[..., Any]"
) -> None:
    wrong = check(line("mary", **first), line("mary"))

    assert wrong[1] == (3, "Username", "Rows 2 and 3 have the same username. Usernames are unique.")


def test_row_with_too_many_cells_is_told_among_the_others(check: "Callable[..., Any]") -> None:
    wrong = check(line("a", last=""), line("b") + ",more", line("ada", username="ada@acme.example"))

    assert [(row, column) for row, column, _ in wrong] == [(2, "Last Name"), (3, ""), (4, "Username")]


def test_no_more_than_a_hundred_faults_are_kept(acme: "Organization", ada: User) -> None:
    report = check_users(acme, file_of(*(line(f"u{n}", last="") for n in range(150))), origin=origin_of(ada))

    assert (report.fault_count, len(report.faults), report.faults[-1]) == (150, 100, Fault(101, "Last Name", EMPTY))


def test_more_users_than_the_limit_are_wrong(check: "Callable[..., Any]") -> None:
    rows = [line("a"), line("b")]

    assert check(*rows, limit=2) == []
    assert [row for row, _, _ in check(*rows, limit=1)] == [3]


# --- roles by name -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ("Sales Clerk", "Sales Clerk"),
        (" sales clerk ", "Sales Clerk"),
        ("Sales Manager > Sales Clerk", "Sales Clerk"),
        ("SALES>Sales  Manager>Sales Clerk", "Sales Clerk"),
        ("Research > Development", "Research > Development"),
        ("Sales > Sales Clerk", None),
        ("Engineering > Sales", None),
        ("Nowhere > Sales > Sales Manager", None),
        ("> Sales", None),
        (">", None),
    ],
)
def test_role_is_found_by_name_or_path(
    cell: str, found: str | None, acme: "Organization", ada: User, sales_roles: "Roles"
) -> None:
    RoleFactory.create(organization=acme, name="Research > Development")

    report = check_users(acme, file_of(line(role=cell)), origin=origin_of(ada))

    assert [user.role.name for user in report.first if user.role] == ([found] if found else [])
    assert report.is_right == bool(found)


def test_names_that_only_letters_tell_apart_are_told_apart_or_refused(
    acme: "Organization", check: "Callable[..., Any]"
) -> None:
    for name in ("Straße", "STRASSE"):
        ProfileFactory.create(organization=acme, name=name)
        RoleFactory.create(organization=acme, name=name)

    assert check(line("a", profile="Straße"), line("b", profile="STRASSE"), line("c", role="Straße")) == []
    words = "Several {} are called so: STRASSE, Straße. Write it with the same small and capital letters."
    assert check(line("a", profile="strasse"), line("b", role="strasse")) == [
        (2, "Profile", words.format("profiles")),
        (3, "Role", words.format("roles")),
    ]


def test_another_organizations_profiles_and_roles_are_none(stranger: User, check: "Callable[..., Any]") -> None:
    ProfileFactory.create(organization=stranger.organization, name="Theirs")
    RoleFactory.create(organization=stranger.organization, name="Theirs")

    assert [column for _, column, _ in check(line("a", profile="Theirs"), line("b", role="Theirs"))] == [
        "Profile",
        "Role",
    ]


# --- who may -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [check_users, import_users])
def test_who_creates_users_imports_them(
    step: "Callable[..., Report]", acme: "Organization", hedy: User, audrey: User, stranger: User
) -> None:
    def by(origin: Origin) -> Report:
        return step(acme, file_of(line()), origin=origin)

    with pytest.raises(PermissionMissing):
        by(origin_of(audrey))
    with pytest.raises(PermissionMissing):
        by(Origin())
    with pytest.raises(NotInOrganization):
        by(origin_of(stranger))
    with pytest.raises(RefusedToGuest):
        by(Origin(user=hedy, actor=stranger, impersonation_id=1, is_limited=True))
    assert by(origin_of(hedy)).is_right


def test_modify_all_data_is_for_its_holders_to_give(hedy: User, check: "Callable[..., Any]") -> None:
    row = line(profile="System Administrator")

    assert check(row) == []
    words = "Only someone with Modify All Data may give someone the profile System Administrator, which holds it."
    assert check(row, by=hedy) == [(2, "Profile", words)]
    both = check(line(profile="System Administrator", role="Boss"), by=hedy)
    assert [(column, told == words) for _, column, told in both] == [("Profile", True), ("Role", False)]


def test_delegate_imports_within_the_groups_limits(barbara: User, check: "Callable[..., Any]") -> None:
    wrong = check(
        line("a", role="Sales Clerk"),
        line("b"),
        line("c", role="Engineering"),
        line("d", role="Sales", profile="Read Only"),
        line("e", role="Sales", profile="External User"),
        line("f", role="Boss"),
        by=barbara,
    )

    reach = "Choose a role that you administer as a delegate."
    words = "{} is not a profile that you may give as a delegate to users in the role Sales."
    assert wrong == [
        (3, "Role", reach),
        (4, "Role", reach),
        (5, "Profile", words.format("Read Only")),
        (6, "Profile", words.format("External User")),
        (7, "Role", "There is no role Boss. Write its name as the users list has it, or its path: Sales > Sales Rep."),
    ]


# --- whom a file asks for --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [check_users, import_users])
def test_file_that_meets_users_of_other_organizations_stands_in_the_trail(
    step: "Callable[..., Report]", acme: "Organization", ada: User, stranger: User, profiles: "Profiles"
) -> None:
    rows = [
        line("a"),
        line("b", username="ADA@acme.example"),
        line("c", username=stranger.username),
        line("d", username=stranger.username, last=""),
    ]

    step(acme, file_of(*rows[:2]), origin=origin_of(ada))
    step(acme, file_of(*rows), origin=origin_of(ada))

    (event,) = AuditEvent.objects.all()
    assert (event.action, event.organization, event.user) == (AuditAction.USERS_CHECKED, acme, ada)
    assert event.sentence == "Checked a file of 4 users: 2 usernames taken in other organizations"
    # The faults: three that are taken, one that is there twice, and no last name.
    assert event.after == {"users": 4, "faults": 5, "taken_elsewhere": 2}


def test_username_that_another_organization_took_meanwhile_stands_in_the_trail(
    acme: "Organization", ada: User, stranger: User
) -> None:
    def someone_is_faster(step: Step, rows: int) -> None:
        if step is Step.CHECK and rows:
            UserFactory.create(organization=stranger.organization, username="mary@new.example")

    import_users(acme, file_of(line("mary")), origin=origin_of(ada), watch=someone_is_faster)

    assert sentences() == ["Checked a file of 1 user: 1 username taken in other organizations"]


def test_files_of_one_person_are_limited_wherever_they_are(
    acme: "Organization", ada: User, alan: User, profiles: "Profiles"
) -> None:
    inside = Origin(user=alan, actor=ada)
    for _ in range(FILES_AN_HOUR):
        check_users(acme, file_of(), origin=origin_of(ada))

    for step in (check_users, import_users):
        with pytest.raises(TooManyFiles):
            step(acme, file_of(line()), origin=inside)

    assert check_users(acme, file_of(line()), origin=origin_of(alan)).is_right
    assert check_users(acme, file_of(line()), origin=Origin.automated("import_users")).is_right
    assert not User.objects.filter(username="mary@new.example").exists()


# --- all or nothing ----------------------------------------------------------------------------------------------


def test_fault_in_the_last_row_leaves_nothing(acme: "Organization", ada: User) -> None:
    before = everyone()

    report = import_users(
        acme, file_of(*(line(f"u{n}") for n in range(1500)), line(last="")), origin=origin_of(ada), site=SITE
    )

    assert faults(report) == [(1502, "Last Name", EMPTY)]
    assert (report.is_imported, everyone(), sentences(), mail.outbox) == (False, before, [], [])


def test_username_that_is_taken_after_the_check_is_told_as_a_fault(acme: "Organization", ada: User) -> None:
    def someone_is_faster(step: Step, rows: int) -> None:
        if step is Step.CHECK and rows:
            UserFactory.create(organization=acme, username="rosa@new.example")

    report = import_users(
        acme, file_of(line("mary"), line("rosa")), origin=origin_of(ada), site=SITE, watch=someone_is_faster
    )

    assert faults(report) == [(3, "Username", TAKEN)]
    assert (report.is_imported, sentences(), mail.outbox) == (False, [], [])
    assert not User.objects.filter(username="mary@new.example").exists()


def test_profile_and_role_are_asked_for_again_under_the_lock(
    acme: "Organization", ada: User, hedy: User, profiles: "Profiles", sales_roles: "Roles"
) -> None:
    gone = ProfileFactory.create(organization=acme, name="Gone")

    def someone_is_faster(step: Step, rows: int) -> None:
        if step is Step.CHECK and rows:
            gone.delete()
            Role.objects.filter(pk=sales_roles["Engineering"].pk).delete()
            Profile.objects.filter(pk=profiles["Read Only"].pk).update(
                permission_bits=profiles["System Administrator"].permission_bits
            )

    rows = [line("a", profile="Gone"), line("b", role="Engineering"), line("c", profile="Read Only"), line("d")]
    report = import_users(acme, file_of(*rows), origin=origin_of(hedy), watch=someone_is_faster)

    was_deleted = "This was deleted a moment ago. Give another."
    words = "Only someone with Modify All Data may give someone the profile Read Only, which holds it."
    assert sorted(faults(report)) == [
        (2, "Profile", was_deleted),
        (3, "Role", was_deleted),
        (4, "Profile", words),
    ]
    assert (report.is_imported, sentences()) == (False, [])


def test_whoever_lost_the_permission_after_the_check_imports_nobody(acme: "Organization", hedy: User) -> None:
    def someone_is_faster(step: Step, rows: int) -> None:
        hedy.profile.permission_bits = 0

    with pytest.raises(PermissionMissing):
        import_users(acme, file_of(line()), origin=origin_of(hedy), watch=someone_is_faster)

    assert sentences() == []


def test_any_other_fault_of_the_database_is_no_fault_of_the_file(acme: "Organization", ada: User) -> None:
    def break_it(step: Step, rows: int) -> None:
        if step is Step.WRITE:
            # Two of one id: no username is in the way.
            User.objects.bulk_create([User(pk=ada.pk, organization=acme, profile=ada.profile, username="z@z.example")])

    with pytest.raises(IntegrityError):
        import_users(acme, file_of(line()), origin=origin_of(ada), watch=break_it)

    assert sentences() == []


@pytest.mark.django_db(transaction=True)
def test_of_two_imports_at_once_one_is_told_that_names_are_taken(acme: "Organization", ada: User) -> None:
    barrier, reports = Barrier(2), []

    def run() -> None:
        def meet(step: Step, rows: int) -> None:
            if step is Step.CHECK and rows:
                barrier.wait(timeout=30)

        reports.append(import_users(acme, file_of(line()), origin=origin_of(ada), watch=meet))
        connection.close()

    threads = [Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(faults(report) for report in reports) == [[], [(2, "Username", TAKEN)]]
    assert sentences() == ["Created new user Mary Jackson", "Imported 1 user"]


# --- mails -------------------------------------------------------------------------------------------------------


def test_each_is_mailed_a_link_where_there_is_a_site(acme: "Organization", ada: User) -> None:
    seen: list[tuple[Step, int]] = []

    report = import_users(
        acme,
        file_of(line("mary"), line("rosa")),
        origin=origin_of(ada),
        site=SITE,
        watch=lambda step, rows: seen.append((step, rows)),
    )

    assert (report.mails, report.unsent) == (2, 0)
    assert [(letter.to, letter.subject) for letter in mail.outbox] == [
        ([f"{name}@mail.example"], "Your account in the portal of Acme") for name in ("mary", "rosa")
    ]
    assert "Ada Lovelace has made an account for you" in mail.outbox[0].body
    assert "https://portal.example/account/password/reset/key/" in mail.outbox[0].body
    assert seen[-3:] == [(Step.MAIL, 0), (Step.MAIL, 1), (Step.MAIL, 1)]


def test_mail_of_a_command_names_no_command(acme: "Organization", profiles: "Profiles") -> None:
    import_users(acme, file_of(line()), origin=Origin.automated("import_users"), site=SITE)

    assert "An administrator has made an account for you" in mail.outbox[0].body


@pytest.mark.parametrize(("seconds", "sent"), [(0, 0), (600, 2)])
def test_mails_go_out_for_so_long(seconds: int, sent: int, acme: "Organization", ada: User) -> None:
    rows = file_of(line("mary"), line("rosa"))

    report = import_users(acme, rows, origin=origin_of(ada), site=SITE, mail_for=timedelta(seconds=seconds))

    assert (report.is_imported, report.mails, report.unsent, len(mail.outbox)) == (True, sent, 2 - sent, sent)
