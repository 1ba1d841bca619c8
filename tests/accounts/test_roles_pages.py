"""Roles in Setup: the tree, a new role, rename and move."""

import re
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import pytest

from accounts.enums import EndCause
from accounts.models import Impersonation, Role, User
from accounts.services.roles import LEVELS, move_role, rename_role
from orgs.http import Origin
from tests.factories import LoginAccessGrantFactory, RoleFactory
from tests.queries import captured_queries

from .reading import html_of, words_of
from .test_delegated_groups_pages import faults_in, main_of, said

if TYPE_CHECKING:
    from collections.abc import Callable

    from accounts.testing import PortalClient
    from orgs.models import Organization

    Browser = Callable[[], PortalClient]
    ClientOf = Callable[[User], PortalClient]
    Roles = dict[str, Role]

ROLES = "/setup/roles/"
NEW = f"{ROLES}new/"


def edit_of(role: Role) -> str:
    return f"{ROLES}{role.pk}/edit/"


def tree_in(response: Any) -> list[tuple[int, str]]:  # noqa: ANN401  # as Django's client answers
    """Return the tree as the nested lists of a page have it: how deep each role stands, and what its line says."""
    (part,) = re.findall(r'<ul class="panel role-tree".*?(?=<nav|<p class="why"|</main>)', html_of(response), re.DOTALL)
    tokens = re.findall(r'<ul|</ul>|<div class="role-row">.*?</div>', part, re.DOTALL)
    depths = accumulate({"<ul": 1, "</ul>": -1}.get(token, 0) for token in tokens)
    assert part.count("<li") == part.count("</li>")
    return [(depth, words_of(token)) for depth, token in zip(depths, tokens, strict=True) if "role-row" in token]


def place_of(role: Role) -> str:
    return f"{ROLES}?role={role.pk}#role-{role.pk}"


def choices_in(response: Any) -> list[str]:  # noqa: ANN401  # as above
    """Return what one may choose under Below."""
    return [words_of(option) for option in re.findall(r"<option.*?</option>", html_of(response), re.DOTALL)]


def chosen_in(response: Any, status: int = 200) -> list[str]:  # noqa: ANN401  # as above
    page = html_of(response, status)
    return [words_of(one) for one in re.findall(r"<option[^>]* selected.*?</option>", page, re.DOTALL)]


def tree_of(organization: "Organization") -> list[tuple[int, str]]:
    return list(Role.objects.filter(organization=organization).order_by("path").values_list("depth", "name"))


# --- list --------------------------------------------------------------------------------------------------------


def test_list_shows_the_tree_of_ones_own_organization(
    client_of: "ClientOf", ada: User, audrey: User, make: "Callable[..., User]", sales_roles: "Roles"
) -> None:
    RoleFactory.create(name="Another's")
    for name in ("Rosalind", "Emmy"):
        make(name, "X", role=sales_roles["Sales Clerk"])
    to_change, to_read = (client_of(person).get(ROLES) for person in (ada, audrey))

    assert tree_in(to_read) == [
        (1, "Sales 0 users"),
        (2, "Sales Manager 0 users"),
        (3, "Sales Clerk 2 users in Sales Clerk"),
        (1, "Engineering 0 users"),
    ]
    assert tree_in(to_change) == [(depth, f"{line} New below Delete") for depth, line in tree_in(to_read)]
    page, clerk = html_of(to_change), sales_roles["Sales Clerk"]
    assert (">New role</a>" in page, ">New role</a>" in html_of(to_read)) == (True, False)
    assert (page.count("role_tree.js"), html_of(to_read).count("role_tree.js")) == (1, 0)
    assert f'href="{NEW}?below={clerk.pk}" aria-label="New role below Sales Clerk"' in page
    assert f'href="{ROLES}{clerk.pk}/delete/" aria-label="Delete Sales Clerk"' in page
    assert f'id="role-{clerk.pk}" href="{edit_of(clerk)}" data-move="{ROLES}{clerk.pk}/move/">Sales Clerk</a>' in page
    assert f'href="/setup/users/?role={clerk.pk}">2 users' in page
    assert [words_of(one) for one in re.findall(r"<summary>.*?</summary>", page)] == [
        "1 role below Sales",
        "1 role below Sales Manager",
    ]


def test_list_names_no_users_to_whoever_sees_none(client_of: "ClientOf", barbara: User, rosalind: User) -> None:
    assert (3, "Sales Clerk 1 user") in tree_in(client_of(barbara).get(ROLES))


def test_list_without_roles_says_what_they_are(client_of: "ClientOf", ada: User) -> None:
    assert "No role yet. Roles form a tree" in main_of(client_of(ada).get(ROLES))


@pytest.mark.parametrize("rows", [1, 3, 50])
def test_list_asks_the_same_two_queries_however_many_roles(client_of: "ClientOf", ada: User, rows: int) -> None:
    top = RoleFactory.create(organization=ada.organization)
    for _ in range(rows - 1):
        RoleFactory.create(organization=ada.organization, parent=top)
    client = client_of(ada)

    with captured_queries() as queries:
        response = client.get(ROLES)

    assert len(tree_in(response)) == rows
    # Who is it; the roles, with how many have each.
    assert len(queries) == 2


@pytest.fixture
def wide(acme: "Organization") -> list[Role]:
    """A tree of 130 roles: Top, Middle below it, 126 below that, and two more at the end."""
    top = RoleFactory.create(organization=acme, name="Top")
    middle = RoleFactory.create(organization=acme, name="Middle", parent=top)
    many = [RoleFactory.create(organization=acme, name=f"Role {number:03}", parent=middle) for number in range(126)]
    last = RoleFactory.create(organization=acme, name="Last", parent=top)
    return [top, middle, *many, last, RoleFactory.create(organization=acme, name="Beside")]


def test_list_is_paged_and_a_page_shows_what_its_first_role_is_below(
    client_of: "ClientOf", audrey: User, wide: list[Role]
) -> None:
    client = client_of(audrey)

    first = client.get(ROLES)
    following = re.search(r'href="([^"]*)" rel="next"', html_of(first))
    assert following
    with captured_queries() as queries:
        second = client.get(following[1])

    assert (len(tree_in(first)), tree_in(first)[-1]) == (100, (3, "Role 097 0 users"))
    assert tree_in(second)[:3] == [(1, "Top (continued)"), (2, "Middle (continued)"), (3, "Role 098 0 users")]
    assert tree_in(second)[-3:] == [(3, "Role 125 0 users"), (2, "Last 0 users"), (1, "Beside 0 users")]
    assert 'rel="prev"' in html_of(second)
    # As above, and those above the first.
    assert len(queries) == 3


def test_address_of_a_role_leads_to_the_page_that_has_it(
    client_of: "ClientOf", audrey: User, stranger: User, wide: list[Role]
) -> None:
    client, elsewhere = client_of(audrey), RoleFactory.create(organization=stranger.organization)
    near, far, foreign, odd = (
        tree_in(client.get(ROLES, {"role": asked})) for asked in (wide[99].pk, wide[-1].pk, elsewhere.pk, "zebra")
    )

    assert (near[0], near[99]) == ((1, "Top 0 users"), (3, "Role 097 0 users"))
    assert (far[:2], far[-1]) == ([(1, "Top (continued)"), (2, "Middle (continued)")], (1, "Beside 0 users"))
    assert near == foreign == odd


def test_guest_of_a_visit_reads_the_tree(
    any_user_login: "Organization", browser: "Browser", ada: User, alan: User, sales_roles: "Roles", sam: User
) -> None:
    LoginAccessGrantFactory.create(user=alan, support_organization=sam.organization)
    by_guest, by_administrator = browser(), browser()
    by_guest.login_as(alan, actor=sam)
    by_administrator.login_as(alan, actor=ada)

    pages = [html_of(client.get(ROLES)) for client in (by_guest, by_administrator)]

    assert ["Sales Clerk" in page for page in pages] == [True, True]
    assert ["role_tree.js" in page for page in pages] == [False, True]


# --- new ---------------------------------------------------------------------------------------------------------


def test_role_is_created_at_the_top_and_below_another(client_of: "ClientOf", ada: User, acme: "Organization") -> None:
    client = client_of(ada)

    answer = client.post(NEW, {"name": "  Sales   people ", "below": ""})
    sales = Role.objects.get()
    below = client.post(NEW, {"name": "Reps", "below": sales.pk})

    assert (answer.status_code, answer.headers["Location"]) == (302, place_of(sales))
    assert said(answer) == ["The role Sales people has been created."]
    assert (below.status_code, tree_of(acme)) == (302, [(1, "Sales people"), (2, "Reps")])


def test_form_starts_below_the_role_that_one_came_from(
    client_of: "ClientOf", ada: User, sales_roles: "Roles", stranger: User
) -> None:
    client, elsewhere = client_of(ada), RoleFactory.create(organization=stranger.organization, name="Elsewhere")
    asked = (sales_roles["Sales Manager"].pk, elsewhere.pk, "zebra", 10**30)

    chosen = [chosen_in(client.get(NEW, {"below": below})) for below in asked]

    assert chosen == [["– Sales Manager"], [], [], []]
    assert choices_in(client.get(NEW)) == [
        "None: at the top",
        "Sales",
        "– Sales Manager",
        "– – Sales Clerk",
        "Engineering",
    ]


UNKNOWN = "Select a valid choice. That choice is not one of the available choices."


@pytest.mark.parametrize(
    ("typed", "fault"),
    [
        ({"name": ""}, "This field is required."),
        ({"name": " \t "}, "This field is required."),
        ({"name": "\u2800"}, "Nothing of this shows on a page. Type a name."),
        ({"name": "Sales\u202e"}, "This holds characters that cannot be shown. Type it anew."),
        ({"name": "x" * 81}, "Ensure this value has at most 80 characters (it has 81)."),
        ({"name": "eNGINEERING"}, "A role of this name is there already."),
        ({"name": "Fine", "below": "zebra"}, UNKNOWN),
        ({"name": "Fine", "below": 10**30}, UNKNOWN),
        ({"name": "Fine", "below": "another organization's"}, UNKNOWN),
    ],
)
def test_what_is_wrong_stands_beside_its_field(
    client_of: "ClientOf",
    ada: User,
    acme: "Organization",
    stranger: User,
    sales_roles: "Roles",
    typed: dict[str, Any],
    fault: str,
) -> None:
    elsewhere = RoleFactory.create(organization=stranger.organization)
    typed = typed | ({"below": elsewhere.pk} if typed.get("below") == "another organization's" else {})
    client, before = client_of(ada), tree_of(acme)

    answers = [client.post(path, typed) for path in (NEW, edit_of(sales_roles["Sales"]))]

    assert [faults_in(answer) for answer in answers] == [[fault], [fault]]
    assert tree_of(acme) == before
    field = "below" if "below" in typed else "name"
    assert all(f'id="id_{field}_error"' in html_of(answer, 422) for answer in answers)


def test_name_of_eighty_characters_is_taken(client_of: "ClientOf", ada: User, acme: "Organization") -> None:
    client_of(ada).post(NEW, {"name": "x" * 80})

    assert tree_of(acme) == [(1, "x" * 80)]


def test_role_below_the_last_level_is_refused(client_of: "ClientOf", ada: User, acme: "Organization") -> None:
    deep: list[Role] = []
    for number in range(LEVELS):
        deep.append(RoleFactory.create(organization=acme, name=f"L{number + 1}", parent=deep[-1] if deep else None))
    client = client_of(ada)

    refused = client.post(NEW, {"name": "Deeper", "below": deep[-1].pk})
    moved = client.post(NEW, {"name": "Deep", "below": deep[-2].pk})

    words = "L63 is too deep in the tree for this. There are at most 63 levels."
    assert (faults_in(refused), moved.status_code) == ([words], 302)


# --- edit --------------------------------------------------------------------------------------------------------


def test_form_shows_how_a_role_stands_and_offers_no_place_below_itself(
    client_of: "ClientOf", ada: User, sales_roles: "Roles"
) -> None:
    client = client_of(ada)
    of_top, of_manager = (client.get(edit_of(sales_roles[name])) for name in ("Sales", "Sales Manager"))

    assert (choices_in(of_top), chosen_in(of_top)) == (["None: at the top", "Engineering"], ["None: at the top"])
    assert (choices_in(of_manager), chosen_in(of_manager)) == (["None: at the top", "Sales", "Engineering"], ["Sales"])
    assert 'value="Sales Manager"' in html_of(of_manager)


def test_role_is_renamed_and_moved_in_one_save(
    client_of: "ClientOf", ada: User, acme: "Organization", sales_roles: "Roles"
) -> None:
    answer = client_of(ada).post(
        edit_of(sales_roles["Sales Manager"]), {"name": "Leads", "below": sales_roles["Engineering"].pk}
    )

    assert (answer.status_code, answer.headers["Location"]) == (302, place_of(sales_roles["Sales Manager"]))
    assert said(answer) == ["The role Leads has been saved."]
    assert tree_of(acme) == [(1, "Sales"), (1, "Engineering"), (2, "Leads"), (3, "Sales Clerk")]


def test_role_moves_to_the_top(client_of: "ClientOf", ada: User, acme: "Organization", sales_roles: "Roles") -> None:
    client_of(ada).post(edit_of(sales_roles["Sales Clerk"]), {"name": "Sales Clerk", "below": ""})

    assert tree_of(acme) == [(1, "Sales"), (2, "Sales Manager"), (1, "Engineering"), (1, "Sales Clerk")]


def version_in(response: Any) -> str:  # noqa: ANN401  # as above
    """Return what the form remembers of the role as it was read."""
    return str(response.context["form"]["version"].value())


@pytest.mark.parametrize("change", ["nothing", "name", "place"])
def test_second_of_two_who_save_is_told_what_holds_now(
    client_of: "ClientOf", ada: User, acme: "Organization", sales_roles: "Roles", change: str
) -> None:
    role = sales_roles["Sales Clerk"]
    adas = client_of(ada)
    typed = {"name": "Seller", "below": sales_roles["Sales"].pk, "version": version_in(adas.get(edit_of(role)))}
    if change == "name":
        rename_role(role, name="Agent", origin=Origin(ada, ada))
    elif change == "place":
        move_role(role, parent=None, origin=Origin(ada, ada))
    before = tree_of(acme)

    answer = adas.post(edit_of(role), typed)

    if change == "nothing":
        assert (answer.status_code, (2, "Seller") in tree_of(acme)) == (302, True)
        return
    now = {"name": "it is Agent now, below Sales Manager.", "place": "it is Sales Clerk now, at the top."}[change]
    assert (answer.status_code, tree_of(acme)) == (409, before)
    assert f"This role was changed while you had it open: {now} Save again to let yours hold." in words_of(
        answer.content.decode()
    )
    assert [answer.context["form"][name].value() for name in ("name", "below")] == [
        "Seller",
        str(sales_roles["Sales"].pk),
    ]
    again = adas.post(edit_of(role), {**typed, "version": version_in(answer)})
    assert (again.status_code, (2, "Seller") in tree_of(acme)) == (302, True)


@pytest.mark.parametrize("below", ["Sales", "Sales Clerk"])
def test_role_never_moves_below_itself(
    client_of: "ClientOf", ada: User, acme: "Organization", sales_roles: "Roles", below: str
) -> None:
    before = tree_of(acme)

    answer = client_of(ada).post(edit_of(sales_roles["Sales"]), {"name": "Renamed", "below": sales_roles[below].pk})

    assert faults_in(answer) == [f"Sales cannot be moved below {below}, which is Sales itself or below it."]
    assert tree_of(acme) == before


def test_name_that_is_taken_keeps_the_role_where_it_is(
    client_of: "ClientOf", ada: User, acme: "Organization", sales_roles: "Roles"
) -> None:
    before = tree_of(acme)

    answer = client_of(ada).post(
        edit_of(sales_roles["Sales Clerk"]), {"name": "sales", "below": sales_roles["Engineering"].pk}
    )

    assert faults_in(answer) == ["A role of this name is there already."]
    assert chosen_in(answer, 422) == ["Engineering"]
    assert tree_of(acme) == before


def test_move_out_of_a_delegates_reach_ends_the_visit(
    any_user_login: "Organization",
    client_of: "ClientOf",
    browser: "Browser",
    ada: User,
    barbara: User,
    rosalind: User,
    sales_roles: "Roles",
) -> None:
    browser().login_as(rosalind, actor=barbara)
    client, path = client_of(ada), edit_of(sales_roles["Sales Clerk"])

    client.post(path, {"name": "Clerk", "below": sales_roles["Sales"].pk})
    within = Impersonation.objects.get().end_cause
    client.post(path, {"name": "Clerk", "below": sales_roles["Engineering"].pk})

    assert (within, Impersonation.objects.get().end_cause) == ("", EndCause.OUT_OF_REACH)


# --- move by keys ------------------------------------------------------------------------------------------------


def move_of(role: Role) -> str:
    return f"{ROLES}{role.pk}/move/"


def test_role_is_moved_below_another_and_to_the_top(
    client_of: "ClientOf", ada: User, acme: "Organization", sales_roles: "Roles"
) -> None:
    client, clerk = client_of(ada), sales_roles["Sales Clerk"]

    below = client.post(move_of(clerk), {"below": sales_roles["Engineering"].pk})
    trees = [tree_of(acme)]
    top = client.post(move_of(clerk), {"below": ""})
    trees.append(tree_of(acme))

    assert [(answer.status_code, answer.headers["Location"]) for answer in (below, top)] == [(302, place_of(clerk))] * 2
    assert [said(answer) for answer in (below, top)] == [
        ["Sales Clerk is below Engineering now."],
        ["Sales Clerk is below Engineering now.", "Sales Clerk is at the top now."],
    ]
    assert trees == [
        [(1, "Sales"), (2, "Sales Manager"), (1, "Engineering"), (2, "Sales Clerk")],
        [(1, "Sales"), (2, "Sales Manager"), (1, "Engineering"), (1, "Sales Clerk")],
    ]


@pytest.mark.parametrize(
    ("below", "words"),
    [
        ("Sales Clerk", "Sales cannot be moved below Sales Clerk, which is Sales itself or below it."),
        ("Sales", "Sales cannot be moved below Sales, which is Sales itself or below it."),
        ("gone", "Sales was not moved. There is no such role to put it below any more."),
    ],
)
def test_move_that_cannot_be_says_so_above_the_tree_as_it_is(
    client_of: "ClientOf", ada: User, acme: "Organization", sales_roles: "Roles", below: str, words: str
) -> None:
    before = tree_of(acme)
    to = sales_roles[below].pk if below in sales_roles else 10**17

    answer = client_of(ada).post(move_of(sales_roles["Sales"]), {"below": to})

    assert (answer.status_code, tree_of(acme)) == (422, before)
    assert words in main_of_refused(answer)
    assert 'id="roles"' in answer.content.decode()


def main_of_refused(response: Any) -> str:  # noqa: ANN401  # as above
    return words_of(html_of(response, 422).partition("<main")[2])


# --- delete ------------------------------------------------------------------------------------------------------


def delete_of(role: Role) -> str:
    return f"{ROLES}{role.pk}/delete/"


def test_role_is_deleted_after_it_was_asked(
    client_of: "ClientOf", ada: User, acme: "Organization", sales_roles: "Roles"
) -> None:
    client, clerk = client_of(ada), sales_roles["Sales Clerk"]

    asked = client.get(delete_of(clerk))
    before = tree_of(acme)
    deleted = client.post(delete_of(clerk))

    assert "Delete Sales Clerk? Nobody has this role" in main_of(asked)
    assert (3, "Sales Clerk") in before
    assert (deleted.status_code, deleted.headers["Location"]) == (302, ROLES)
    assert said(deleted) == ["The role Sales Clerk has been deleted."]
    assert tree_of(acme) == [(1, "Sales"), (2, "Sales Manager"), (1, "Engineering")]


def test_role_on_which_something_hangs_says_what_and_leads_there(
    client_of: "ClientOf", ada: User, rosalind: User, sales_roles: "Roles"
) -> None:
    client, clerk = client_of(ada), sales_roles["Sales Clerk"]

    asked, sent = client.get(delete_of(clerk)), client.post(delete_of(clerk))

    words = "Sales Clerk cannot be deleted. There are users in the role Sales Clerk. Give them another role first."
    assert words in main_of(asked)
    assert words in main_of_refused(sent)
    assert f'href="/setup/users/?role={clerk.pk}">Users in Sales Clerk</a>' in html_of(asked)
    assert 'type="submit">Delete' not in html_of(asked)
    assert Role.objects.filter(pk=clerk.pk).exists()


# --- a customer's first steps ------------------------------------------------------------------------------------


def test_new_customer_comes_from_no_role_to_a_group_that_reaches_someone(
    client_of: "ClientOf", ada: User, acme: "Organization"
) -> None:
    client = client_of(ada)
    without = html_of(client.get("/setup/delegated-groups/new/"))

    client.post(NEW, {"name": "Sales"})

    assert f'href="{ROLES}">Make some under Roles</a>' in without
    assert "Sales" in main_of(client.get("/setup/delegated-groups/new/"))
