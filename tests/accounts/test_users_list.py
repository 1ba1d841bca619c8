"""The users list: what it shows, how it is narrowed, sorted and paged, and what stands where Login is missing."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import pytest
from django.http import QueryDict
from django.utils import timezone

from accounts.models import DelegatedGroup, LoginAccessGrant, Profile, Role, User
from accounts.views.user_list_state import ListState, clean_text
from orgs.editions import Edition
from orgs.http import PATH_LENGTH
from orgs.paging import COUNTED
from tests.factories import DelegatedGroupFactory, LoginAccessGrantFactory, RoleFactory, UserFactory
from tests.queries import captured_queries

from .reading import Answer, html_of, words_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from accounts.testing import PortalClient
    from orgs.models import Organization

    ClientOf = Callable[[User], PortalClient]
    Make = Callable[..., User]
    Profiles = dict[str, Profile]

USERS = "/setup/users/"


def names_in(response: Answer) -> list[str]:
    return [unescape(name) for name in re.findall(r'<td><a href="\d+/">([^<]*)<', html_of(response))]


def row_of(response: Answer, name: str) -> str:
    """Return the line of one user."""
    [row] = [row for row in re.findall(r"<tr>.*?</tr>", html_of(response), re.DOTALL) if f">{name}</a>" in row]
    return str(row)


def link_to(response: Answer, words: str) -> str:
    found = re.search(rf'<a [^>]*href="([^"]*)"[^>]*>{words}</a>', html_of(response))
    return urljoin(USERS, unescape(found[1])) if found else ""


@pytest.fixture
def people(ada: User, alan: User, grace: User, katherine: User, dennis: User, margaret: User) -> list[User]:
    """Acme's."""
    return [ada, alan, grace, katherine, dennis, margaret]


# --- who sees it -------------------------------------------------------------------------------------------------


def test_list_needs_view_all_users(client_of: "ClientOf", audrey: User, grace: User) -> None:
    assert [client_of(person).get(USERS).status_code for person in (audrey, grace)] == [200, 403]


def test_list_holds_ones_own_organization_alone(client_of: "ClientOf", people: list[User], stranger: User) -> None:
    assert names_in(client_of(people[0]).get(USERS)) == [
        "Ada Lovelace",
        "Alan Turing",
        "Dennis Ritchie",
        "Grace Hopper",
        "Katherine Johnson",
        "Margaret Hamilton",
    ]


def test_row_shows_every_column(client_of: "ClientOf", ada: User, dennis: User, acme: "Organization") -> None:
    dennis.role = RoleFactory.create(organization=acme, name="Engineer")
    dennis.last_login = timezone.now() - timedelta(days=3, minutes=1)
    dennis.save()

    cells = re.findall(
        r'<td(?: data-label="([^"]*)")?[^>]*>(.*?)</td>', row_of(client_of(ada).get(USERS), "Dennis Ritchie"), re.DOTALL
    )

    # What says by itself what it is has no label on a narrow screen.
    assert [(label, words_of(cell)) for label, cell in cells] == [
        ("", "Edit Login switched off"),
        ("", "Dennis Ritchie"),
        ("Alias", "dennis"),
        ("", "dennis@acme.example"),
        ("Role", "Engineer"),
        ("", "Active Frozen"),
        ("Profile", "Standard User"),
        ("Last Login", "3 days ago"),
    ]


def test_more_columns_are_shown_where_the_address_asks_for_them(
    client_of: "ClientOf", ada: User, grace: User, dennis: User
) -> None:
    User.objects.update(created_at=datetime(2026, 3, 1, 12, tzinfo=UTC))
    User.objects.filter(pk=grace.pk).update(modified_at=datetime(2026, 4, 2, 12, tzinfo=UTC))
    client = client_of(ada)

    page = client.get(USERS, {"columns": ["modified", "email", "created", "password"], "q": "acme"})

    def cells(name: str) -> list[str]:
        return [words_of(cell) for cell in re.findall(r"<td [^>]*>(.*?)</td>", row_of(page, name), re.DOTALL)][-3:]

    assert cells("Grace Hopper") == ["grace@acme.example", "2026-03-01", "2026-04-02"]
    assert cells("Dennis Ritchie") == ["dennis@acme.example", "2026-03-01", "Never"]
    assert re.findall(r'<th scope="col">([^<]*)</th>', html_of(page))[-3:] == ["E-mail", "Created", "Last Modified"]
    assert link_to(page, "Active") == "/setup/users/?view=active&q=acme&columns=all"
    assert html_of(page).count(' checked hx-get="/setup/users/"') == 3


def test_names_are_escaped(client_of: "ClientOf", ada: User, make: "Make") -> None:
    make("Mallory", "<script>alert('1')</script>")

    page = html_of(client_of(ada).get(USERS))

    assert "<script>alert" not in page
    assert "Login as Mallory &lt;script&gt;" in page


# --- views, letters, search, filters -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("view", "names"),
    [
        ("active", ["Ada Lovelace", "Alan Turing", "Dennis Ritchie", "Grace Hopper", "Margaret Hamilton"]),
        ("inactive", ["Katherine Johnson"]),
        ("administrators", ["Ada Lovelace", "Alan Turing"]),
        ("external", ["Margaret Hamilton"]),
        ("frozen", ["Dennis Ritchie"]),
    ],
)
def test_view_keeps_its_own(client_of: "ClientOf", people: list[User], view: str, names: list[str]) -> None:
    response = client_of(people[0]).get(USERS, {"view": view})

    assert names_in(response) == names
    assert f'aria-current="page">{view.capitalize()}<' in html_of(response)


@pytest.mark.parametrize(
    ("letter", "names"),
    [
        ("A", ["Ada Lovelace", "Alan Turing"]),
        ("Z", ["Zoë Ångström"]),
        ("other", ["1st Person", "Élise Ångström"]),
        ("Q", []),
    ],
)
def test_letter_keeps_names_that_begin_with_it(
    client_of: "ClientOf", people: list[User], make: "Make", letter: str, names: list[str]
) -> None:
    make("Zoë", "Ångström")
    UserFactory.create(organization=people[0].organization, first_name="1st", last_name="Person")
    UserFactory.create(organization=people[0].organization, first_name="Élise", last_name="Ångström")

    assert names_in(client_of(people[0]).get(USERS, {"letter": letter})) == names


@pytest.mark.parametrize(
    ("typed", "names"),
    [
        ("hopp", ["Grace Hopper"]),
        ("HOPPER grace", ["Grace Hopper"]),
        ("grace@ACME", ["Grace Hopper"]),
        ("ghop", ["Grace Hopper"]),
        ("navy.example", ["Grace Hopper"]),
        ("%", []),
        ("_", []),
        ("grace\x00", ["Grace Hopper"]),
        ("nobody", []),
    ],
)
def test_search_finds_name_username_address_and_alias(
    client_of: "ClientOf", people: list[User], grace: User, typed: str, names: list[str]
) -> None:
    grace.alias, grace.email = "ghop", "Rear.Admiral@navy.example"
    grace.save()

    assert names_in(client_of(people[0]).get(USERS, {"q": typed})) == names


def test_profile_and_role_filter(client_of: "ClientOf", people: list[User], grace: User, profiles: "Profiles") -> None:
    client = client_of(people[0])

    by_profile = client.get(USERS, {"profile": profiles["External User"].pk})
    by_role = client.get(USERS, {"role": Role.objects.get().pk})

    assert (names_in(by_profile), names_in(by_role)) == (["Margaret Hamilton"], ["Grace Hopper"])


@pytest.mark.parametrize(
    "asked",
    [
        {"view": "nonsense", "letter": "AB", "sort": "password", "cursor": "edited"},
        {"profile": "-1", "role": "x"},
        {"profile": "9" * 30, "role": "9" * 18},
        {"letter": "ä", "sort": "--name", "q": " \x00\t "},
        {"profile": "²", "cursor": "\x00"},
    ],
)
def test_what_an_address_says_wrong_counts_as_not_said(
    client_of: "ClientOf", people: list[User], stranger: User, asked: dict[str, str]
) -> None:
    assert len(names_in(client_of(people[0]).get(USERS, asked))) == 6


def test_another_organizations_profile_and_role_count_as_not_said(
    client_of: "ClientOf", people: list[User], stranger: User
) -> None:
    asked = {"profile": stranger.profile_id, "role": RoleFactory.create().pk}

    assert len(names_in(client_of(people[0]).get(USERS, asked))) == 6


def test_no_match_and_nobody_are_said_apart(client_of: "ClientOf", ada: User) -> None:
    client = client_of(ada)

    no_match = html_of(client.get(USERS, {"view": "active", "q": "zebra"}))
    nobody = html_of(client.get(USERS, {"view": "frozen"}))

    assert ("No user matches." in no_match, "Nobody is frozen." in no_match) == (True, False)
    assert 'href="/setup/users/?view=active">Clear search' in no_match
    assert ("No user matches." in nobody, "Nobody is frozen." in nobody) == (False, True)


def empty_in(response: Answer) -> tuple[str, str]:
    """Return what an empty view says, and where it leads."""
    [said] = re.findall(r'<div class="empty">(.*?)</div>', html_of(response), re.DOTALL)
    link = re.search(r'href="([^"]*)"', said)
    return words_of(said), link[1] if link else ""


@pytest.mark.parametrize(
    ("view", "says", "leads_to"),
    [
        (
            "inactive",
            (
                "Nobody is inactive. Whoever leaves is deactivated on their page. Nothing of theirs is deleted. "
                "See all users"
            ),
            USERS,
        ),
        (
            "external",
            (
                "Nobody is external. External users are those with a profile for people outside. They are never "
                "logged in as from here. See all users"
            ),
            USERS,
        ),
        (
            "frozen",
            (
                "Nobody is frozen. Whoever must not sign in for a while is frozen on their page, and unfrozen there. "
                "See all users"
            ),
            USERS,
        ),
        (
            "granted",
            (
                "Nobody has granted you access. A user grants it under Settings, Grant Account Login Access, for a "
                "time of their choice. To ask for it, open a user’s page and choose Ask for access. See all users"
            ),
            USERS,
        ),
    ],
)
def test_empty_view_says_what_it_is_and_what_helps(
    client_of: "ClientOf", ada: User, view: str, says: str, leads_to: str
) -> None:
    assert empty_in(client_of(ada).get(USERS, {"view": view})) == (says, leads_to)


def test_nobody_granted_where_the_edition_has_none_or_one_may_not_log_in(
    client_of: "ClientOf", ada: User, audrey: User, acme: "Organization"
) -> None:
    of_audrey = empty_in(client_of(audrey).get(USERS, {"view": "granted"}))
    acme.edition = Edition.PROFESSIONAL
    acme.save()
    of_ada = empty_in(client_of(ada).get(USERS, {"view": "granted"}))

    title = "Nobody has granted you access."
    assert of_audrey == (
        f"{title} Users grant access to those who may log in as them. You may not: see above. See all users",
        USERS,
    )
    assert of_ada == (
        f"{title} In your organization’s edition users grant their administrators no access. Company Information",
        "/setup/company/",
    )


def test_empty_views_of_a_delegate_speak_of_those_in_reach(client_of: "ClientOf", barbara: User) -> None:
    client = client_of(barbara)

    everyone, administrators = (empty_in(client.get(USERS, {"view": view})) for view in ("all", "administrators"))

    assert everyone == (
        (
            "Nobody is in reach of your groups. You administer users as a delegate. Whoever administers your groups "
            "says which roles these are."
        ),
        "",
    )
    assert administrators == (
        (
            "Nobody is an administrator among those whom you administer. Administrators are those whose profile holds "
            "Modify All Data and Manage Users. See all users"
        ),
        USERS,
    )


# --- sort and pages ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["name", "alias", "username", "last_login"])
@pytest.mark.parametrize("sign", ["", "-"])
def test_every_sort_is_paged_in_both_directions(
    client_of: "ClientOf", acme: "Organization", ada: User, column: str, sign: str
) -> None:
    now = timezone.now()
    for number in range(120):
        # Every second one has the same name and alias, every third never signed in.
        UserFactory.create(
            organization=acme,
            profile=ada.profile,
            last_name=f"Person {number // 2}",
            alias=f"a{number // 2}",
            last_login=None if number % 3 == 0 else now - timedelta(minutes=number // 2),
        )
    client = client_of(ada)
    key = {"name": "name_key", "alias": "alias_key", "username": "username", "last_login": "last_login_key"}[column]
    expected = list(User.objects.order_by(f"{sign}{key}", f"{sign}id").values_list("pk", flat=True))

    def ids(response: Answer) -> list[int]:
        return [int(pk) for pk in re.findall(r'<td><a href="(\d+)/">', html_of(response))]

    pages = [client.get(USERS, {"sort": f"{sign}{column}"})]
    while len(pages) < 4 and (url := link_to(pages[-1], "Next")):
        pages.append(client.get(url))
    back = [pages[-1]]
    while len(back) < 4 and (url := link_to(back[-1], "Previous")):
        back.append(client.get(url))

    assert [len(ids(page)) for page in pages] == [50, 50, 21]
    assert [pk for page in pages for pk in ids(page)] == expected
    assert [ids(page) for page in reversed(back)] == [ids(page) for page in pages]


def test_heads_of_columns_turn_the_order_around(client_of: "ClientOf", people: list[User]) -> None:
    client = client_of(people[0])

    by_name = client.get(USERS, {"view": "active"})
    by_login = client.get(USERS, {"sort": "-last_login"})

    assert [link_to(by_name, head) for head in ("Full Name", "Alias", "Username", "Last Login")] == [
        "/setup/users/?view=active&sort=-name",
        "/setup/users/?view=active&sort=alias",
        "/setup/users/?view=active&sort=username",
        "/setup/users/?view=active&sort=-last_login",
    ]
    assert link_to(by_login, "Last Login") == "/setup/users/?sort=last_login"
    assert [
        html_of(page).count(f'aria-sort="{way}"') for page in (by_name, by_login) for way in ("ascending", "descending")
    ] == [
        1,
        0,
        0,
        1,
    ]


def test_state_stays_in_every_link(client_of: "ClientOf", people: list[User], profiles: "Profiles") -> None:
    standard_user = str(profiles["Standard User"].pk)
    asked = {"view": "active", "letter": "G", "q": "h", "profile": standard_user, "sort": "-alias"}

    response = client_of(people[0]).get(USERS, asked)

    profile = f"profile={standard_user}"
    assert link_to(response, "Frozen") == f"/setup/users/?view=frozen&q=h&{profile}&sort=-alias"
    assert link_to(response, "B") == f"/setup/users/?view=active&letter=B&q=h&{profile}&sort=-alias"
    assert link_to(response, "Username") == f"/setup/users/?view=active&letter=G&q=h&{profile}&sort=username"


@pytest.mark.parametrize(
    ("count", "about", "words"),
    [
        (0, 5000, "1 user"),
        (2, 5000, "3 users"),
        (COUNTED, None, "More than 1,000 users"),
        (COUNTED, 900, "More than 1,000 users"),
        (COUNTED, 12_000, "About 12,000 users"),
    ],
)
def test_users_are_counted_as_far_as_that_is_cheap(
    monkeypatch: pytest.MonkeyPatch,
    client_of: "ClientOf",
    ada: User,
    acme: "Organization",
    count: int,
    about: int | None,
    words: str,
) -> None:
    monkeypatch.setattr("accounts.views.user_list.estimate", lambda _: about)
    people = [
        User(organization=acme, profile=ada.profile, username=f"u{number}@acme.example", last_name=f"Person {number}")
        for number in range(count)
    ]
    User.objects.bulk_create(people)

    assert f'<p class="pager-summary">{words}</p>' in html_of(client_of(ada).get(USERS))


@pytest.mark.parametrize("rows", [1, 3, 50])
def test_list_asks_the_same_few_queries_however_many_rows(
    client_of: "ClientOf", any_user_login: "Organization", ada: User, profiles: "Profiles", rows: int
) -> None:
    role = RoleFactory.create(organization=any_user_login)
    for _ in range(rows - 1):
        UserFactory.create(organization=any_user_login, profile=profiles["Standard User"], role=role)
    client = client_of(ada)

    with captured_queries() as queries:
        response = client.get(USERS)

    assert len(names_in(response)) == rows
    # Who is it; profiles; roles; the page's rows; the login access policy; their grants; how many there are.
    assert len(queries) == 7


@pytest.mark.parametrize("rows", [1, 3, 50])
def test_list_of_a_delegate_asks_the_same_few_queries_however_many_rows(
    client_of: "ClientOf", barbara: User, sales_roles: "dict[str, Role]", profiles: "Profiles", rows: int
) -> None:
    for _ in range(rows):
        UserFactory.create(
            organization=barbara.organization, profile=profiles["Standard User"], role=sales_roles["Sales Clerk"]
        )
    client = client_of(barbara)

    with captured_queries() as queries:
        response = client.get(USERS)

    assert len(names_in(response)) == rows
    # Those of an administrator, and her groups: all of them, and those with login access. And where the walk ends.
    assert len(queries) == 10


@pytest.mark.parametrize("rows", [1, 3, 50])
def test_list_of_a_delegate_who_sees_everyone_asks_the_same_few_queries(
    client_of: "ClientOf", barbara: User, profiles: "Profiles", rows: int
) -> None:
    barbara.profile = profiles["Read Only"]
    barbara.save()
    for _ in range(rows - 1):
        UserFactory.create(organization=barbara.organization, profile=profiles["Standard User"])
    client = client_of(barbara)

    with captured_queries() as queries:
        response = client.get(USERS)

    assert len(names_in(response)) == rows
    assert len(queries) == 9


# --- Login, and why it is missing --------------------------------------------------------------------------------


def test_login_is_one_click(client_of: "ClientOf", any_user_login: "Organization", ada: User, grace: User) -> None:
    client = client_of(ada)
    page = client.get(USERS, {"q": "hopper"})

    assert f'formaction="{grace.pk}/login-as/" aria-label="Login as Grace Hopper">Login</button>' in row_of(
        page, "Grace Hopper"
    )
    assert '<input type="hidden" name="back" value="/setup/users/?q=hopper"' in html_of(page)
    answer = client.post(f"/setup/users/{grace.pk}/login-as/", {"back": "/setup/users/?q=hopper"})
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")


def test_reason_of_a_row_is_said_in_the_row(
    client_of: "ClientOf", any_user_login: "Organization", people: list[User]
) -> None:
    page = client_of(people[0]).get(USERS)

    # In short beside the button, and in full as its description.
    reasons = {
        name: re.findall(r' title="([^"]*)">Login</button><br>([^<]*)</td>', row_of(page, name))
        for name in names_in(page)
    }
    assert reasons == {
        "Ada Lovelace": [("This is you.", "this is you")],
        "Alan Turing": [],
        "Dennis Ritchie": [],
        "Grace Hopper": [],
        "Katherine Johnson": [("This user is inactive. Only active users can be logged in as.", "inactive")],
        "Margaret Hamilton": [
            ("This is an external site user. External users are never logged in as from here.", "external user")
        ],
    }
    assert 'id="note"' not in html_of(page)


@pytest.mark.parametrize(
    ("edition", "provisioned", "short", "sentence"),
    [
        (Edition.ENTERPRISE, True, "switched off", "is off in Login Access Policies."),
        (Edition.ENTERPRISE, False, "not provisioned", "is not provisioned for your organization yet."),
        (Edition.PROFESSIONAL, True, "not in edition", "does not have Administrators Can Log in as Any User."),
    ],
)
def test_reason_that_all_rows_share_is_said_once_above(
    client_of: "ClientOf",
    acme: "Organization",
    people: list[User],
    edition: Edition,
    *,
    provisioned: bool,
    short: str,
    sentence: str,
) -> None:
    acme.edition, acme.provisioned = edition, provisioned
    acme.save()

    page = client_of(people[0]).get(USERS)

    [note] = re.findall(r'<p class="alert alert-info" id="note">(.*?)</p>', html_of(page))
    assert sentence in note
    assert '<a href="/setup/login-access-policies/">Login Access Policies</a>' in note
    assert ("Or ask a user for access, on the user’s page." in note) == (edition == Edition.ENTERPRISE)
    assert words_of(row_of(page, "Grace Hopper")).startswith(f"Edit Login {short} Grace Hopper")
    assert 'aria-describedby="note"' in row_of(page, "Grace Hopper")
    assert words_of(row_of(page, "Katherine Johnson")).startswith("Edit Login inactive Katherine Johnson")


def test_inside_a_visit_nobody_else_can_be_logged_in_as(
    browser: "Callable[[], PortalClient]", any_user_login: "Organization", ada: User, alan: User, grace: User
) -> None:
    client = browser()
    client.login_as(alan, actor=ada)

    page = client.get(USERS)

    [note] = re.findall(r'<p class="alert alert-info" id="note">(.*?)</p>', html_of(page))
    assert note == "You are already logged in as a user. Log out as that user first."
    assert words_of(row_of(page, "Grace Hopper")).startswith("Edit Login already logged in Grace Hopper")


def test_support_agent_inside_a_visit_is_told_that_they_are_logged_in_already(
    browser: "Callable[[], PortalClient]", ada: User, grace: User, sam: User
) -> None:
    LoginAccessGrantFactory.create(user=ada, support_organization=sam.organization)
    client = browser()
    client.login_as(ada, actor=sam)

    page = client.get(USERS)

    [note] = re.findall(r'<p class="alert alert-info" id="note">(.*?)</p>', html_of(page))
    assert note == "You are already logged in as a user. Log out as that user first."
    assert words_of(row_of(page, "Grace Hopper")).startswith("Edit Login already logged in Grace Hopper")


def test_who_may_never_log_in_as_someone_sees_one_line_and_no_login(
    client_of: "ClientOf", any_user_login: "Organization", audrey: User, hedy: User, ada: User
) -> None:
    of_audrey, of_hedy = (client_of(person).get(USERS) for person in (audrey, hedy))

    for page in (of_audrey, of_hedy):
        assert "To log in as users you need Modify All Data and Manage Users on your profile." in html_of(page)
        assert ">Login</button>" not in html_of(page)
    assert ('<th scope="col">Action</th>' in html_of(of_audrey), ">New user</a>" in html_of(of_audrey)) == (
        False,
        False,
    )
    assert ('<th scope="col">Action</th>' in html_of(of_hedy), ">New user</a>" in html_of(of_hedy)) == (True, True)


# --- grants and delegates ----------------------------------------------------------------------------------------


def grant(user: User, *, ends: timedelta = timedelta(days=1), **fields: Any) -> LoginAccessGrant:
    """Let a user grant their company's administrators access."""
    now = timezone.now()
    return LoginAccessGrant.objects.create(
        organization=user.organization,
        user=user,
        granted_at=now - timedelta(days=2),
        expires_at=now + ends,
        **fields,
    )


def logins_in(response: Answer) -> list[str]:
    """Return whose Login can be pressed."""
    return [unescape(name) for name in re.findall(r'login-as/" aria-label="Login as ([^"]*)"', html_of(response))]


@pytest.fixture
def crowd(
    people: list[User], acme: "Organization", make: "Make", rosalind: User, sales_roles: "dict[str, Role]"
) -> dict[str, User]:
    """Everyone of Acme by first name, most of whom granted access."""
    clerk = sales_roles["Sales Clerk"]
    for first, profile in (("Hedy", "User Manager"), ("Mary", "Read Only"), ("Dorothy", "External User")):
        make(first, "Clerk", profile, role=clerk)
    make("Jean", "Clerk", role=clerk, is_active=False)
    make("Ida", "Clerk", role=clerk)
    make("Linus", "Pauling")
    everyone = {user.first_name: user for user in User.objects.filter(organization=acme)}
    for name in ("Ada", "Alan", "Grace", "Katherine", "Dennis", "Margaret", "Rosalind", "Hedy", "Mary", "Dorothy"):
        grant(everyone[name])
    grant(everyone["Jean"])
    grant(everyone["Ida"], ends=-timedelta(hours=1))
    grant(everyone["Linus"], revoked_at=timezone.now())
    return everyone


@pytest.mark.parametrize(
    ("who", "names"),
    [
        ("ada", ["Alan Turing", "Dennis Ritchie", "Grace Hopper", "Hedy Clerk", "Mary Clerk", "Rosalind Franklin"]),
        ("barbara", ["Mary Clerk", "Rosalind Franklin"]),
    ],
)
def test_granted_me_access_is_whom_the_rule_lets_in(
    client_of: "ClientOf",
    ada: User,
    barbara: User,
    crowd: dict[str, User],
    who: str,
    names: list[str],
) -> None:
    client = client_of({"ada": ada, "barbara": barbara}[who])

    granted, everyone = client.get(USERS, {"view": "granted"}), client.get(USERS)

    assert names_in(granted) == names
    assert logins_in(granted) == logins_in(everyone) == names
    assert 'aria-current="page">Granted me access<' in html_of(granted)


def test_nobody_granted_access_to_those_who_are_neither(
    client_of: "ClientOf", audrey: User, barbara: User, sales_group: DelegatedGroup, crowd: dict[str, User]
) -> None:
    sales_group.login_access = False
    sales_group.save()

    assert [names_in(client_of(person).get(USERS, {"view": "granted"})) for person in (audrey, barbara)] == [[], []]


@pytest.mark.parametrize("edition", [Edition.ENTERPRISE, Edition.PROFESSIONAL])
def test_grant_gives_nothing_where_the_edition_has_none(
    client_of: "ClientOf", ada: User, acme: "Organization", crowd: dict[str, User], edition: Edition
) -> None:
    acme.edition = edition
    acme.save()
    client = client_of(ada)

    granted, everyone = client.get(USERS, {"view": "granted"}), client.get(USERS)

    assert bool(names_in(granted)) == (edition is Edition.ENTERPRISE)
    assert logins_in(everyone) == names_in(granted)


def test_reason_above_stays_beside_logins_that_rest_on_grants(client_of: "ClientOf", ada: User, grace: User) -> None:
    grant(grace)
    UserFactory.create(organization=ada.organization, profile=grace.profile, first_name="Ida", last_name="Rhodes")

    page = client_of(ada).get(USERS)

    assert "is off in Login Access Policies." in html_of(page)
    assert logins_in(page) == ["Grace Hopper"]
    assert words_of(row_of(page, "Ida Rhodes")).startswith("Edit Login switched off Ida Rhodes")


def test_delegate_sees_those_in_reach_with_edit_and_login(
    client_of: "ClientOf", any_user_login: "Organization", ada: User, barbara: User, rosalind: User, make: "Make"
) -> None:
    make("Alan", "Turing", "System Administrator", role=rosalind.role)
    make("Grace", "Hopper")

    page = client_of(barbara).get(USERS)

    assert names_in(page) == ["Alan Turing", "Rosalind Franklin"]
    assert "Those in Acme whom you administer as a delegate." in html_of(page)
    assert logins_in(page) == ["Rosalind Franklin"]
    assert words_of(row_of(page, "Alan Turing")).startswith("Login administers more Alan Turing")
    assert words_of(row_of(page, "Rosalind Franklin")).startswith("Edit Login Rosalind Franklin")
    assert ">New user</a>" in html_of(page)
    # Roles that are not hers to administer are not offered.
    assert ("Sales Manager</option>" in html_of(page), "Engineering</option>" in html_of(page)) == (True, False)


def test_delegate_who_sees_everyone_edits_those_in_reach(
    client_of: "ClientOf", ada: User, barbara: User, rosalind: User, profiles: "Profiles"
) -> None:
    barbara.profile = profiles["Read Only"]
    barbara.save()

    page = client_of(barbara).get(USERS)

    assert names_in(page) == ["Ada Lovelace", "Barbara Liskov", "Rosalind Franklin"]
    assert [">Edit</a>" in row_of(page, name) for name in names_in(page)] == [False, False, True]
    assert "Everyone in Acme." in html_of(page)


def test_delegate_without_login_access_sees_one_line_and_no_login(
    client_of: "ClientOf", any_user_login: "Organization", barbara: User, rosalind: User, sales_group: DelegatedGroup
) -> None:
    sales_group.login_access = False
    sales_group.save()

    page = client_of(barbara).get(USERS)

    assert "To log in as users you need Modify All Data and Manage Users on your profile." in html_of(page)
    assert ">Login</button>" not in html_of(page)
    assert words_of(row_of(page, "Rosalind Franklin")).startswith("Edit Rosalind Franklin")


def test_view_and_filter_of_a_delegate_stay_in_reach(
    client_of: "ClientOf", barbara: User, rosalind: User, sales_roles: "dict[str, Role]", make: "Make"
) -> None:
    make("Grace", "Hopper", role=sales_roles["Engineering"])
    client = client_of(barbara)

    by_own = client.get(USERS, {"role": sales_roles["Sales Clerk"].pk})
    by_foreign = client.get(USERS, {"role": str(sales_roles["Engineering"].pk), "view": "active"})

    assert (names_in(by_own), names_in(by_foreign)) == (["Rosalind Franklin"], ["Rosalind Franklin"])


def test_guest_of_a_visit_is_offered_no_new_user(
    browser: "Callable[[], PortalClient]", any_user_login: "Organization", ada: User, barbara: User, rosalind: User
) -> None:
    second = DelegatedGroupFactory.create(organization=any_user_login, delegates=[rosalind], roles=[rosalind.role])
    rosalind.profile = barbara.profile
    rosalind.save()
    by_barbara, by_ada = browser(), browser()
    by_barbara.login_as(rosalind, actor=barbara)
    by_ada.login_as(rosalind, actor=ada)

    pages = [client.get(USERS) for client in (by_barbara, by_ada)]

    assert second.delegates.count() == 1
    assert [">New user</a>" in html_of(page) for page in pages] == [False, True]


def test_edit_stands_only_where_one_may(client_of: "ClientOf", hedy: User, ada: User, grace: User) -> None:
    page = client_of(hedy).get(USERS)

    assert [">Edit</a>" in row_of(page, str(person)) for person in (ada, grace)] == [False, True]


# --- htmx and the way back ---------------------------------------------------------------------------------------


def test_htmx_gets_the_list_alone_and_its_address(client_of: "ClientOf", people: list[User]) -> None:
    headers = {"HX-Request": "true", "HX-Target": "user-list"}

    response = client_of(people[0]).get(USERS, {"q": "hopper", "profile": "", "role": ""}, headers=headers)

    assert names_in(response) == ["Grace Hopper"]
    assert "<html" not in html_of(response)
    assert response.headers["HX-Push-Url"] == "/setup/users/?q=hopper"
    assert '<p id="user-list-status" hx-swap-oob="innerHTML">1 user</p>' in html_of(response)
    assert 'value="/setup/users/?q=hopper" id="login-back" hx-swap-oob="true"' in html_of(response)
    assert {"HX-Request", "HX-Target"} <= set(response.headers["Vary"].split(", "))


@pytest.mark.parametrize(
    ("before", "asked", "header"),
    [
        ("", {"q": "h"}, "HX-Push-Url"),
        ("?q=h", {"q": "ho"}, "HX-Replace-Url"),
        ("?q=h", {"q": ""}, "HX-Replace-Url"),
        ("?q=h", {"q": "ho", "columns": "email"}, "HX-Push-Url"),
        ("?q=h&cursor=x", {"q": "ho"}, "HX-Replace-Url"),
        ("?view=active", {"view": "active"}, "HX-Replace-Url"),
        ("", {"columns": ["email", "created"]}, "HX-Push-Url"),
    ],
)
def test_search_is_one_step_of_the_history_and_every_other_change_one_of_its_own(
    client_of: "ClientOf", ada: User, before: str, asked: dict[str, Any], header: str
) -> None:
    headers = {
        "HX-Request": "true",
        "HX-Target": "user-list",
        "HX-Current-URL": f"http://testserver{USERS}{before}",
    }

    response = client_of(ada).get(USERS, asked, headers=headers)

    told = {name for name in ("HX-Push-Url", "HX-Replace-Url") if name in response.headers}
    assert told == {header}


def test_htmx_gets_no_form_where_there_is_no_login(client_of: "ClientOf", audrey: User) -> None:
    headers = {"HX-Request": "true", "HX-Target": "user-list"}

    assert "login-back" not in html_of(client_of(audrey).get(USERS, headers=headers))


def test_links_of_rows_lead_back_to_this_very_page_by_their_referer(
    client_of: "ClientOf", people: list[User], grace: User
) -> None:
    client, address = client_of(people[0]), f"{USERS}?q=hopper&sort=alias"

    row = row_of(client.get(address), "Grace Hopper")
    pages = [
        client.get(f"{USERS}{grace.pk}/{page}", headers={"Referer": f"http://testserver{address}"})
        for page in ("", "edit/")
    ]

    assert re.findall(r'<a href="([^"]*)"', row)[:2] == [f"{grace.pk}/edit/", f"{grace.pk}/"]
    assert [page.context["back"] for page in pages] == [address, address]


@pytest.mark.parametrize(
    ("asked", "referer", "back"),
    [
        ("", "http://testserver/setup/users/?view=active&cursor=x", "/setup/users/?view=active&cursor=x"),
        ("", "http://testserver/setup/users/7/?back=/setup/users/?q=x", "/setup/users/"),
        ("", "http://testserver/setup/roles/", "/setup/users/"),
        ("", "https://elsewhere.example/setup/users/?q=x", "/setup/users/"),
        ("?back=/setup/users/?q=y", "http://testserver/setup/users/?q=x", "/setup/users/?q=y"),
    ],
)
def test_way_back_is_the_list_alone_and_what_is_asked_for_comes_first(
    client_of: "ClientOf", ada: User, asked: str, referer: str, back: str
) -> None:
    page = client_of(ada).get(f"{USERS}{ada.pk}/{asked}", headers={"Referer": referer})

    assert page.context["back"] == back


@pytest.mark.parametrize(
    ("asked", "back"),
    [
        ("q=ada&cursor=x", "/setup/users/?q=ada&cursor=x"),
        ("columns=modified&columns=email&columns=x", "/setup/users/?columns=email,modified"),
        ("columns=created,email,", "/setup/users/?columns=email,created"),
        ("columns=modified,email,created", "/setup/users/?columns=all"),
        ("columns=all&columns=x", "/setup/users/?columns=all"),
        (f"q=ada&cursor={'x' * PATH_LENGTH}", "/setup/users/?q=ada"),
        (f"q={'ж' * 100}", "/setup/users/"),
    ],
)
def test_way_back_is_as_near_as_can_be_carried(asked: str, back: str) -> None:
    assert ListState.read(QueryDict(asked)).path_to_come_back() == back


@pytest.mark.parametrize(
    ("typed", "cleaned"), [("  a \t b\x00c\n", "a b c"), ("x" * 200, "x" * 100), ("Ж\u2028é", "Ж é")]
)
def test_what_was_typed_is_cleaned(typed: str, cleaned: str) -> None:
    assert clean_text(typed) == cleaned
