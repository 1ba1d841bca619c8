"""Delegated Administration in Setup, and what a delegate finds on the pages of users."""

import re
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.messages import get_messages

from accounts.models import DelegatedGroup, Impersonation, Profile, Role, User
from orgs.editions import Edition
from tests.factories import DelegatedGroupFactory, RoleFactory
from tests.queries import captured_queries

from .reading import Answer, html_of, words_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from accounts.testing import PortalClient
    from orgs.models import Organization

    Browser = Callable[[], PortalClient]
    ClientOf = Callable[[User], PortalClient]
    Make = Callable[..., User]
    Profiles = dict[str, Profile]
    Roles = dict[str, Role]

GROUPS = "/setup/delegated-groups/"
NEW = f"{GROUPS}new/"


def page_of(group: DelegatedGroup, act: str = "") -> str:
    return f"{GROUPS}{group.pk}/{act}"


def main_of(response: Answer) -> str:
    """Return what a person reads on a page of Setup."""
    found = re.search(r'<div class="setup-main">.*</main>', response.content.decode(), re.DOTALL)
    assert found
    return words_of(found[0])


def faults_in(response: Answer) -> list[str]:
    faults = re.findall(r'<div class="invalid-feedback[^>]*>.*?</div>', html_of(response, 422))
    return [words_of(fault) for fault in faults]


def said(response: Any) -> list[str]:  # noqa: ANN401  # as Django's client answers
    return [str(message) for message in get_messages(response.wsgi_request)]


def form_of(group: DelegatedGroup, **changes: Any) -> dict[str, Any]:
    """Return what the edit form of a group sends when nothing but ``changes`` was typed."""
    has = {
        "name": group.name,
        "delegates": "\n".join(group.delegates.values_list("username", flat=True)),
        "roles": list(group.roles.values_list("pk", flat=True)),
        "profiles": list(group.profiles.values_list("pk", flat=True)),
        "version": group.version,
    }
    return has | ({"login_access": "on"} if group.login_access else {}) | changes


# --- list --------------------------------------------------------------------------------------------------------


def test_list_shows_what_a_group_consists_of(
    client_of: "ClientOf", ada: User, sales_group: DelegatedGroup, make: "Make"
) -> None:
    for number in range(6):
        sales_group.delegates.add(make(f"Delegate{number}", "Person"))
    DelegatedGroupFactory.create(organization=ada.organization, name="Empty")
    DelegatedGroupFactory.create(name="Another's")

    rows = re.findall(r"<tr>.*?</tr>", html_of(client_of(ada).get(GROUPS)), re.DOTALL)

    five = ", ".join(f"Delegate{number} Person" for number in range(4))
    assert [words_of(row) for row in rows[1:]] == [
        "Edit Delete Empty – – – Off",
        f"Edit Delete Sales people Barbara Liskov, {five} and 2 more Sales Standard User On",
    ]


def test_list_without_groups_says_what_they_are(client_of: "ClientOf", ada: User) -> None:
    assert "No delegated group yet." in main_of(client_of(ada).get(GROUPS))


def test_form_says_where_there_is_no_role_to_choose(client_of: "ClientOf", ada: User) -> None:
    client = client_of(ada)
    page = client.get(NEW)
    without = main_of(page)
    assert '<a href="/setup/roles/">Make some under Roles</a>' in html_of(page)
    RoleFactory.create(organization=ada.organization)

    words = "There are no roles yet. Without one the group reaches nobody."
    assert (words in without, words in main_of(client.get(NEW))) == (True, False)


@pytest.mark.parametrize("rows", [1, 3, 50])
def test_list_asks_the_same_few_queries_however_many_groups(
    client_of: "ClientOf", barbara: User, ada: User, sales_roles: "Roles", rows: int
) -> None:
    for _ in range(rows - 1):
        DelegatedGroupFactory.create(organization=ada.organization, delegates=[barbara], roles=[sales_roles["Sales"]])
    client = client_of(ada)

    with captured_queries() as queries:
        response = client.get(GROUPS)

    assert html_of(response).count(">Edit</a>") == rows
    # Who is it; the groups; their delegates, roles, profiles.
    assert len(queries) == 5


def test_list_is_paged(client_of: "ClientOf", ada: User) -> None:
    for number in range(51):
        DelegatedGroupFactory.create(organization=ada.organization, name=f"Group {number:02}")
    client = client_of(ada)

    first = client.get(GROUPS)
    following = re.search(r'href="([^"]*)" rel="next"', html_of(first))
    assert following
    second = client.get(following[1])

    assert ("Group 49" in html_of(first), "Group 50" in html_of(first), "Group 50" in html_of(second)) == (
        True,
        False,
        True,
    )
    assert 'rel="prev"' in html_of(second)


def test_edition_without_delegates_says_which_have_them_and_saves_nothing(
    client_of: "ClientOf", ada: User, acme: "Organization", sales_group: DelegatedGroup
) -> None:
    acme.edition = Edition.PROFESSIONAL
    acme.save()
    client = client_of(ada)

    page = client.get(GROUPS)

    assert "exists in Enterprise, Performance, Unlimited and Developer Editions. Acme has Professional" in main_of(page)
    assert (">New delegated group<" in html_of(page), ">Edit<" in html_of(page), ">Delete<" in html_of(page)) == (
        False,
        False,
        True,
    )
    for path in (NEW, page_of(sales_group)):
        for answer in (client.get(path), client.post(path, form_of(sales_group, name="Renamed"))):
            assert answer.status_code == 403
            assert "Professional Edition has no delegated administration." in answer.content.decode()
    sales_group.refresh_from_db()
    assert sales_group.name == "Sales people"
    sales_group.delete()
    assert "No delegated group yet" not in main_of(client.get(GROUPS))


# --- new and edit ------------------------------------------------------------------------------------------------


def test_group_is_created(
    client_of: "ClientOf", ada: User, barbara: User, sales_roles: "Roles", profiles: "Profiles"
) -> None:
    client = client_of(ada)
    page = html_of(client.get(NEW))

    answer = client.post(
        NEW,
        {
            "name": "  Engineers ",
            "delegates": " Barbara@ACME.example \r\n\r\nbarbara@acme.example",
            "roles": [sales_roles["Engineering"].pk],
            "profiles": [profiles["Standard User"].pk, profiles["Read Only"].pk],
            "login_access": "on",
        },
    )

    # What no group hands out is not offered; roles stand as deep as they are.
    assert ("Read Only" in page, "External User" in page, "System Administrator" in page) == (True, False, False)
    assert "– – Sales Clerk" in page
    assert (answer.status_code, answer.headers["Location"]) == (302, GROUPS)
    assert said(answer) == ["The delegated group Engineers has been created."]
    group = DelegatedGroup.objects.get(name="Engineers")
    assert (list(group.delegates.all()), list(group.roles.all()), group.login_access) == (
        [barbara],
        [sales_roles["Engineering"]],
        True,
    )


def test_what_is_wrong_stands_beside_its_field(
    client_of: "ClientOf",
    ada: User,
    stranger: User,
    katherine: User,
    grace: User,
    sales_group: DelegatedGroup,
    sales_roles: "Roles",
    profiles: "Profiles",
) -> None:
    client = client_of(ada)
    roles = [sales_roles["Sales"].pk, sales_roles["Sales Clerk"].pk]
    delegates = f"{katherine.username}\n{grace.username}"

    unknown = client.post(
        NEW,
        {
            "name": "",
            "delegates": f"nobody@acme.example\n{stranger.username}\nada",
            "roles": [RoleFactory.create().pk],
            "profiles": [profiles["System Administrator"].pk],
        },
    )
    refused = client.post(NEW, {"name": "SALES PEOPLE", "delegates": delegates, "roles": roles})
    taken = client.post(
        page_of(DelegatedGroupFactory.create(organization=ada.organization)), {"name": "sales PEOPLE", "version": 1}
    )

    foreign = faults_in(unknown)
    assert foreign[0] == "This field is required."
    assert "There is no user nobody@acme.example here." in foreign[1]
    assert f"There is no user {stranger.username} here." in html_of(unknown, 422)
    assert html_of(unknown, 422).count("is not one of the available choices.") == 2
    assert "Katherine Johnson is inactive." in html_of(refused, 422)
    assert "Grace Hopper needs View Setup and Configuration on the profile Standard User" in html_of(refused, 422)
    assert "Sales Clerk is below Sales, which is in this group already" in html_of(refused, 422)
    # What the database says comes last.
    name_taken = "A delegated group of this name is there already."
    assert (name_taken in html_of(refused, 422), name_taken in html_of(taken, 422)) == (False, True)
    assert DelegatedGroup.objects.count() == 2


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "x" * 81, "at most 80 characters"),
        ("name", "a\u202eb", "characters that cannot be shown"),
        ("delegates", "x" * 20_001, "at most 20000 characters"),
        ("delegates", "a\x00b", "Null characters are not allowed."),
        ("delegates", "'; DROP TABLE users", "There is no user"),
        ("roles", ["x"], "is not a valid value"),
        ("roles", [str(10**18)], "is not one of the available choices"),
        ("roles", [str(10**30)], "is not one of the available choices"),
        ("profiles", [str(10**30)], "is not one of the available choices"),
        ("version", "9" * 30, ""),
    ],
)
def test_bad_input_is_told_and_nothing_is_saved(
    client_of: "ClientOf", ada: User, sales_group: DelegatedGroup, field: str, value: object, words: str
) -> None:
    answer = client_of(ada).post(page_of(sales_group), form_of(sales_group, **{field: value, "login_access": ""}))

    assert answer.status_code in {422, 409}
    assert words in answer.content.decode()
    sales_group.refresh_from_db()
    assert (sales_group.name, sales_group.login_access, sales_group.version) == ("Sales people", True, 1)


@pytest.mark.parametrize("visits", [0, 1, 2])
def test_group_is_saved_and_its_visits_end(
    any_user_login: "Organization",
    client_of: "ClientOf",
    browser: "Browser",
    ada: User,
    barbara: User,
    rosalind: User,
    sales_group: DelegatedGroup,
    visits: int,
) -> None:
    for _ in range(visits):
        browser().login_as(rosalind, actor=barbara)
    client = client_of(ada)
    assert 'value="Sales people"' in html_of(client.get(page_of(sales_group)))
    assert "barbara@acme.example</textarea>" in html_of(client.get(page_of(sales_group)))

    answer = client.post(page_of(sales_group), form_of(sales_group, delegates=""))

    ended = {0: [], 1: ["1 running visit was ended."], 2: ["2 running visits were ended."]}[visits]
    assert said(answer) == ["The delegated group Sales people has been saved.", *ended]
    assert sales_group.delegates.count() == 0
    assert Impersonation.objects.open().count() == 0


def test_profile_that_came_to_hold_all_is_shown_so_that_it_can_be_taken_out(
    client_of: "ClientOf", ada: User, sales_group: DelegatedGroup, profiles: "Profiles"
) -> None:
    sales_group.profiles.add(profiles["System Administrator"])
    client = client_of(ada)

    page = html_of(client.get(page_of(sales_group)))
    client.post(page_of(sales_group), form_of(sales_group, profiles=[profiles["Standard User"].pk]))

    assert ("System Administrator" in page, "External User" in page) == (True, False)
    assert list(sales_group.profiles.all()) == [profiles["Standard User"]]


def test_second_of_two_who_save_at_once_is_told_what_holds(
    client_of: "ClientOf", ada: User, alan: User, sales_group: DelegatedGroup, sales_roles: "Roles"
) -> None:
    typed = form_of(sales_group, name="Second")
    client_of(alan).post(
        page_of(sales_group), form_of(sales_group, name="First", login_access="", roles=[], delegates="")
    )
    client = client_of(ada)

    told = client.post(page_of(sales_group), typed)

    words = main_of(told)
    assert told.status_code == 409
    assert "Alan Turing changed First while you had this page open. Nothing was saved." in words
    for now in ("Name: now First", "Delegated administrators: now none", "Enable Group for Login Access: now off"):
        assert now in words
    assert 'value="Second"' in told.content.decode()
    again = client.post(page_of(sales_group), typed | {"version": 2})
    assert again.status_code == 302
    assert client.post(page_of(sales_group), typed | {"version": ""}).status_code == 409


def test_what_another_typed_too_is_what_holds(client_of: "ClientOf", ada: User, sales_group: DelegatedGroup) -> None:
    client = client_of(ada)
    typed = form_of(sales_group, name="Both")
    client.post(page_of(sales_group), typed)

    assert "What you typed is what holds now." in main_of(client.post(page_of(sales_group), typed))


def test_group_is_deleted_after_asking(
    any_user_login: "Organization",
    client_of: "ClientOf",
    browser: "Browser",
    ada: User,
    barbara: User,
    rosalind: User,
    sales_group: DelegatedGroup,
) -> None:
    browser().login_as(rosalind, actor=barbara)
    client = client_of(ada)

    asked = client.get(page_of(sales_group, "delete/"))
    assert "Delete Sales people?" in main_of(asked)
    assert DelegatedGroup.objects.count() == 1
    answer = client.post(page_of(sales_group, "delete/"))

    assert said(answer) == ["The delegated group Sales people has been deleted.", "1 running visit was ended."]
    assert DelegatedGroup.objects.count() == 0


# --- guests ------------------------------------------------------------------------------------------------------


@pytest.fixture
def helper(barbara: User, rosalind: User) -> User:
    """Someone in reach of Barbara who is a delegate too."""
    DelegatedGroupFactory.create(
        organization=barbara.organization,
        name="Helpers",
        delegates=[rosalind],
        roles=[rosalind.role],
        profiles=[rosalind.profile],
    )
    rosalind.profile = barbara.profile
    rosalind.save()
    return rosalind


def test_guest_of_a_visit_opens_no_page_that_makes_users(
    any_user_login: "Organization", browser: "Browser", ada: User, barbara: User, helper: User
) -> None:
    by_barbara, by_ada = browser(), browser()
    by_barbara.login_as(helper, actor=barbara)
    by_ada.login_as(helper, actor=ada)

    refused, allowed = (client.get("/setup/users/new/") for client in (by_barbara, by_ada))

    assert (refused.status_code, allowed.status_code) == (403, 200)
    assert "This is for the organization" in refused.content.decode()


def test_guest_of_a_visit_edits_names_alone(
    any_user_login: "Organization",
    browser: "Browser",
    make: "Make",
    barbara: User,
    helper: User,
    profiles: "Profiles",
) -> None:
    linus = make("Linus", "Pauling", role=helper.role)
    client = browser()
    client.login_as(helper, actor=barbara)
    path = f"/setup/users/{linus.pk}/edit/"

    page = html_of(client.get(path))
    typed = {
        "first_name": "Linus Carl",
        "last_name": "Pauling",
        "username": "x@acme.example",
        "email": "x@acme.example",
        "profile": helper.profile_id,
        "role": "",
    }
    client.post(path, typed)

    assert page.count(" disabled") == 4
    linus.refresh_from_db()
    assert (linus.first_name, linus.username, linus.email, linus.profile, linus.role) == (
        "Linus Carl",
        "linus@acme.example",
        "linus@acme.example",
        profiles["Standard User"],
        helper.role,
    )


# --- users, for a delegate ---------------------------------------------------------------------------------------


def test_delegate_finds_those_in_reach_alone(
    client_of: "ClientOf", barbara: User, rosalind: User, grace: User, stranger: User
) -> None:
    client = client_of(barbara)

    found = {
        act: [client.get(f"/setup/users/{user.pk}/{act}").status_code for user in (rosalind, grace, stranger)]
        for act in ("", "summary/", "edit/")
    }

    assert found == {act: [200, 404, 404] for act in found}


def test_delegate_opens_setup_and_finds_users_there(client_of: "ClientOf", barbara: User, grace: User) -> None:
    page = client_of(barbara).get("/setup/")

    assert 'href="/setup/users/"' in html_of(page)
    assert GROUPS not in html_of(page)


def test_delegate_is_offered_what_may_be_given(
    client_of: "ClientOf",
    barbara: User,
    rosalind: User,
    sales_group: DelegatedGroup,
    profiles: "Profiles",
) -> None:
    client = client_of(barbara)
    rosalind.profile = profiles["Read Only"]
    rosalind.save()

    def offered(path: str) -> list[list[str]]:
        page = html_of(client.get(path))
        selects = [re.search(rf'<select name="{name}".*?</select>', page, re.DOTALL) for name in ("profile", "role")]
        return [re.findall(r">([^<>]+)</option>", found[0]) for found in selects if found]

    roles = ["Sales", "– Sales Manager", "– – Sales Clerk"]
    assert offered("/setup/users/new/") == [["Choose a profile", "Standard User"], ["Choose a role", *roles]]
    # What she has stays.
    assert offered(f"/setup/users/{rosalind.pk}/edit/") == [["Read Only", "Standard User"], ["Choose a role", *roles]]
    sales_group.roles.clear()
    assert offered("/setup/users/new/") == [["Choose a profile"], ["Choose a role"]]


def test_delegate_creates_and_edits_a_user(
    client_of: "ClientOf", barbara: User, sales_roles: "Roles", profiles: "Profiles"
) -> None:
    client = client_of(barbara)
    typed = {
        "first_name": "Mary",
        "last_name": "Jackson",
        "username": "mary@acme.example",
        "email": "mary@acme.example",
        "profile": profiles["Standard User"].pk,
        "role": sales_roles["Sales"].pk,
    }

    without_role = client.post("/setup/users/new/", typed | {"role": ""})
    created = client.post("/setup/users/new/", typed)
    mary = User.objects.get(username="mary@acme.example")
    edited = client.post(f"/setup/users/{mary.pk}/edit/", typed | {"role": sales_roles["Sales Clerk"].pk})

    assert "This field is required." in html_of(without_role, 422)
    assert (created.status_code, edited.status_code) == (302, 302)
    mary.refresh_from_db()
    assert mary.role == sales_roles["Sales Clerk"]


@pytest.mark.parametrize("is_new", [True, False])
def test_profile_of_another_group_is_told_beside_the_field(
    client_of: "ClientOf", barbara: User, rosalind: User, sales_roles: "Roles", profiles: "Profiles", *, is_new: bool
) -> None:
    DelegatedGroupFactory.create(
        organization=barbara.organization,
        delegates=[barbara],
        roles=[sales_roles["Engineering"]],
        profiles=[profiles["Read Only"]],
    )
    path = "/setup/users/new/" if is_new else f"/setup/users/{rosalind.pk}/edit/"
    typed = {"last_name": "Franklin", "username": "rosalind@acme.example", "email": "rosalind@acme.example"}

    page = client_of(barbara).post(path, typed | {"profile": profiles["Read Only"].pk, "role": sales_roles["Sales"].pk})

    assert faults_in(page) == ["Read Only is not a profile that you may give as a delegate to users in the role Sales."]


def test_holder_of_modify_all_data_in_reach_is_seen_and_not_edited(
    client_of: "ClientOf", barbara: User, rosalind: User, profiles: "Profiles"
) -> None:
    rosalind.profile = profiles["System Administrator"]
    rosalind.save()
    client = client_of(barbara)

    page, edit = (client.get(f"/setup/users/{rosalind.pk}/{act}") for act in ("", "edit/"))

    assert page.status_code == 200
    assert edit.status_code == 403
    assert "Rosalind Franklin may administer more than you do as a delegate." in edit.content.decode()
