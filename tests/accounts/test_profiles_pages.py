"""Profiles in Setup: the list, a profile's page, a new one, edit with what comes along, and delete."""

import re
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from accounts.models import Profile, User
from accounts.services.profiles import update_profile
from accounts.views import profiles as views
from accounts.views import user_list
from orgs import paging
from orgs.editions import Edition
from orgs.permissions import Permission
from tests.factories import DelegatedGroupFactory, LoginAccessGrantFactory, ProfileFactory, UserFactory
from tests.origins import origin_of
from tests.queries import captured_queries

from .reading import html_of, section_of, words_of
from .test_delegated_groups_pages import main_of, said

if TYPE_CHECKING:
    from collections.abc import Callable

    from accounts.testing import PortalClient
    from orgs.models import Organization

    Browser = Callable[[], PortalClient]
    ClientOf = Callable[[User], PortalClient]
    Make = Callable[..., User]
    Profiles = dict[str, Profile]

P = Permission
PROFILES = "/setup/profiles/"
NEW = f"{PROFILES}new/"
NEEDS_MANAGE_PROFILES = "You need Manage Profiles on your profile. Ask your administrator."


def page_of(profile: Profile, act: str = "") -> str:
    return f"{PROFILES}{profile.pk}/{act}"


def rows_of(response: Any) -> list[str]:  # noqa: ANN401  # as Django's client answers
    return [words_of(row) for row in re.findall(r"<tr>.*?</tr>", html_of(response), re.DOTALL)[1:]]


def boxes_in(response: Any) -> set[Permission]:  # noqa: ANN401  # as above
    """Return what is ticked."""
    html = response.content.decode()
    boxes = re.findall(r'<input[^>]*name="permissions" value="(\w+)"([^>]*)>', html)
    return {P(value) for value, rest in boxes if " checked" in rest}


def faults_in(response: Any) -> list[str]:  # noqa: ANN401  # as above
    html = response.content.decode()
    return [words_of(fault) for fault in re.findall(r'<div class="invalid-feedback[^>]*>.*?</div>', html)]


def form_of(profile: Profile, *permissions: Permission, **changes: Any) -> dict[str, Any]:
    """Return what the edit form sends when ``permissions`` are ticked."""
    version = f"{profile.permission_bits} {profile.name}"
    return {"name": profile.name, "permissions": [one.value for one in permissions], "version": version, **changes}


# --- list --------------------------------------------------------------------------------------------------------

FIXED = "Standard profiles can be cloned, not edited or deleted."


def standard(name: str, users: str, *, whom: str = "Internal", more: str = "") -> str:
    why = f"Standard: not edited: {name} is a standard profile. {FIXED}{more}"
    return f"Edit Clone {why} {name} Standard {whom} users {users} with the profile {name} –"


def test_list_shows_whose_profiles_they_are_and_who_has_them(
    client_of: "ClientOf", ada: User, clerks: Profile, make: "Make"
) -> None:
    for first in ("Rosa", "Mary"):
        make(first, "Person")
    ProfileFactory.create(name="Another's")
    update_profile(clerks, name="Clerks", permissions={P.VIEW_SETUP}, origin=origin_of(ada))

    page = client_of(ada).get(PROFILES)

    assert rows_of(page) == [
        "Edit Clone Clerks Custom Internal users 0 users with the profile Clerks just now by Ada Lovelace",
        standard("External User", "0 users", whom="External"),
        standard("Read Only", "0 users"),
        standard("Standard User", "2 users"),
        standard("System Administrator", "1 user"),
        "Edit Clone User Manager Custom Internal users 0 users with the profile User Manager –",
    ]
    assert f'href="{NEW}"' in html_of(page)
    assert f'href="{NEW}?from={clerks.pk}" aria-label="Clone Clerks"' in html_of(page)
    assert f'href="{page_of(clerks, "edit/")}" aria-label="Edit Clerks"' in html_of(page)
    assert f'href="/setup/users/?profile={clerks.pk}"' in html_of(page)


def test_list_disables_what_needs_modify_all_data(client_of: "ClientOf", hedy: User, bosses: Profile) -> None:
    rows = rows_of(client_of(hedy).get(PROFILES))

    why = "Needs Modify All Data: Only someone with Modify All Data may clone {}, which holds it."
    assert rows[0] == (
        f"Edit Clone {why.format('Bosses')} Bosses Custom Internal users 0 users with the profile Bosses –"
    )
    administrator = "System Administrator"
    assert standard(administrator, "0 users", more=f" ; {why.format(administrator)}") in rows


def test_reader_finds_no_buttons_and_why(client_of: "ClientOf", audrey: User) -> None:
    page = client_of(audrey).get(PROFILES)

    assert rows_of(page)[1] == "Read Only Standard Internal users 1 user with the profile Read Only –"
    assert NEEDS_MANAGE_PROFILES in main_of(page)
    assert f'href="{NEW}"' not in html_of(page)


def test_who_sees_no_users_reads_how_many_they_are(
    client_of: "ClientOf", acme: "Organization", profiles: "Profiles"
) -> None:
    reader = UserFactory.create(
        organization=acme, profile=ProfileFactory.create(organization=acme, permissions=(P.VIEW_SETUP,))
    )
    client = client_of(reader)

    in_list, page = client.get(PROFILES), client.get(page_of(reader.profile))

    assert rows_of(in_list)[0] == "External User Standard External users 0 users –"
    assert section_of(page, "Who has it") == "1 user. You need View All Users to see who they are."


def test_group_edition_says_why_there_are_no_clones(
    client_of: "ClientOf", acme: "Organization", ada: User, clerks: Profile
) -> None:
    acme.edition = Edition.GROUP
    acme.save()
    client = client_of(ada)

    in_list, page, form = client.get(PROFILES), client.get(page_of(clerks)), client.get(NEW)

    words = "Group Edition has no profiles of its own. These have: "
    assert words in main_of(in_list)
    assert f'href="{NEW}"' not in html_of(in_list)
    assert re.findall(r'aria-label="Clone Clerks" aria-describedby="([^"]*)"', html_of(in_list)) == ["profiles-note"]
    assert (words in main_of(page), ">Clone</a>" in html_of(page)) == (True, False)
    assert (form.status_code, words in words_of(form.content.decode())) == (403, True)


def test_list_is_narrowed_by_a_part_of_the_name(client_of: "ClientOf", ada: User, clerks: Profile) -> None:
    client = client_of(ada)

    found = client.get(PROFILES, {"name": "user"})
    nothing = client.get(PROFILES, {"name": "zebra"})

    names = re.findall(rf'<a href="{PROFILES}\d+/">([^<]*)</a>', html_of(found))
    assert names == ["External User", "Standard User", "User Manager"]
    assert "No profile matches. Try fewer or other letters of the name. See all profiles" in main_of(nothing)


def test_list_is_paged(client_of: "ClientOf", ada: User) -> None:
    for number in range(50):
        ProfileFactory.create(organization=ada.organization, name=f"A profile {number:02}")
    client = client_of(ada)

    first = client.get(PROFILES, {"name": "profile"})
    every = client.get(PROFILES)
    following = re.search(r'href="([^"]*)" rel="next"', html_of(every))

    assert ('rel="next"' in html_of(first), len(rows_of(first))) == (False, 50)
    assert following
    assert len(rows_of(client.get(following[1]))) == 5


@pytest.mark.parametrize("rows", [1, 3, 50])
def test_list_asks_the_same_two_queries_however_many_profiles(
    client_of: "ClientOf", bosses: Profile, rows: int
) -> None:
    boss = UserFactory.create(organization=bosses.organization, profile=bosses)
    for _ in range(rows - 1):
        UserFactory.create(
            organization=boss.organization, profile=ProfileFactory.create(organization=boss.organization)
        )
    client = client_of(boss)

    with captured_queries() as queries:
        response = client.get(PROFILES)

    assert len(rows_of(response)) == rows
    # Who is it; the profiles, each with its count.
    assert len(queries) == 2


def test_users_are_counted_no_further_than_is_cheap(
    client_of: "ClientOf", ada: User, clerks: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (views, user_list, paging):
        monkeypatch.setattr(module, "COUNTED", 2)
    client, counted = client_of(ada), []

    for _ in range(4):
        UserFactory.create(organization=clerks.organization, profile=clerks)
        counted.append(
            re.findall(r"</span> ([\w ,]*) (?:has|have) this profile", main_html(client.get(page_of(clerks))))
        )

    assert counted == [["1 user"], ["2 users"], ["More than 2 users"], ["More than 2 users"]]


def main_html(response: Any) -> str:  # noqa: ANN401  # as above
    return " ".join(html_of(response).split())


# --- page --------------------------------------------------------------------------------------------------------


def test_page_shows_what_a_profile_permits_by_group(client_of: "ClientOf", audrey: User, clerks: Profile) -> None:
    page = client_of(audrey).get(page_of(clerks))
    groups = re.findall(r'scope="rowgroup" colspan="4">(\w+)<', html_of(page))
    rows = [row for row in rows_of(page) if row not in groups]

    assert rows[:3] == [
        "View Setup and Configuration Yes Open Setup; read the audit trail, policies, settings and the company page. –",
        (
            "Customize Application No Change session settings, delegated groups and the company page's own fields. "
            "View Setup and Configuration"
        ),
        (
            "View All Users Yes See every user of the organization, and live login access grants. "
            "View Setup and Configuration"
        ),
    ]
    assert groups == ["Setup", "Users", "Security", "Data"]
    assert len(rows) == len(Permission)


def test_page_shows_the_first_ten_who_have_it(client_of: "ClientOf", ada: User, clerks: Profile) -> None:
    client = client_of(ada)
    nobody = section_of(client.get(page_of(clerks)), "Who has it")
    for number in range(11):
        UserFactory.create(
            organization=clerks.organization,
            profile=clerks,
            username=f"u{number:02}@acme.example",
            last_name=f"Person {number:02}",
            is_active=number != 1,
            is_frozen=number == 2,
        )

    page = client.get(page_of(clerks))

    flags = {1: " Inactive", 2: " Frozen"}
    people = " ".join(f"Test Person {n:02} u{n:02}@acme.example{flags.get(n, '')}" for n in range(10))
    assert nobody == "Nobody."
    assert section_of(page, "Who has it") == f"{people} All with this profile, in Users"
    assert f'<a href="/setup/users/?profile={clerks.pk}">' in html_of(page)
    assert "11 users have this profile." in main_of(page)


def test_delegate_reads_of_those_in_reach_alone(
    client_of: "ClientOf", barbara: User, rosalind: User, grace: User, profiles: "Profiles"
) -> None:
    client = client_of(barbara)

    with_some, with_none = client.get(page_of(rosalind.profile)), client.get(page_of(profiles["Read Only"]))

    assert section_of(with_some, "Who has it") == (
        "Of those whom you administer as a delegate: Rosalind Franklin rosalind@acme.example "
        "All with this profile, in Users"
    )
    assert section_of(with_none, "Who has it") == "Nobody whom you administer as a delegate."


@pytest.mark.parametrize("rows", [1, 3])
def test_page_asks_the_same_three_queries_however_many_have_it(
    client_of: "ClientOf", clerks: Profile, rows: int
) -> None:
    people = [UserFactory.create(organization=clerks.organization, profile=clerks) for _ in range(rows)]
    client = client_of(people[0])

    with captured_queries() as queries:
        response = client.get(page_of(clerks))

    assert section_of(response, "Who has it").count("@") == rows
    # Who is it; the profile, with its count; the first ten.
    assert len(queries) == 3


def test_page_says_who_made_and_changed_it(client_of: "ClientOf", ada: User, alan: User) -> None:
    client = client_of(ada)
    client.post(NEW, {"profile": ada.profile_id, "name": "Bosses"})
    clone = Profile.objects.get(name="Bosses")
    made = section_of(client.get(page_of(clone)), "Details")
    update_profile(clone, name="Chiefs", permissions=clone.permissions, origin=origin_of(alan))

    assert made == "Created just now by Ada Lovelace Last modified –"
    assert section_of(client.get(page_of(clone)), "Details") == (
        "Created just now by Ada Lovelace Last modified just now by Alan Turing"
    )


def acts_on(response: Any) -> list[str]:  # noqa: ANN401  # as above
    return re.findall(r'<a class="btn [\w-]+" href="[^"]*">(Edit|Clone|Delete)</a>', html_of(response))


def test_page_offers_what_one_may_do_and_says_why_not(
    client_of: "ClientOf", ada: User, hedy: User, audrey: User, profiles: "Profiles", clerks: Profile, bosses: Profile
) -> None:
    def offered(user: User, profile: Profile) -> tuple[list[str], list[str]]:
        page = client_of(user).get(page_of(profile))
        return acts_on(page), re.findall(r'<p class="why mb-3">([^<]*)</p>', html_of(page))

    only = "Only someone with Modify All Data may {} Bosses, which holds it."
    assert offered(ada, clerks) == (["Edit", "Clone", "Delete"], [])
    assert offered(ada, profiles["Read Only"]) == (["Clone"], [f"Read Only is a standard profile. {FIXED}"])
    assert offered(hedy, bosses) == ([], [only.format(act) for act in ("change", "clone", "delete")])
    assert offered(audrey, clerks) == ([], [NEEDS_MANAGE_PROFILES])


def test_page_of_an_external_profile_says_that_it_holds_nothing(
    client_of: "ClientOf", ada: User, profiles: "Profiles"
) -> None:
    page = client_of(ada).get(page_of(profiles["External User"]))

    assert section_of(page, "Permissions") == "This is a profile of external users. It can hold no permission."


def test_guest_of_a_visit_reads_profiles(
    any_user_login: "Organization", browser: "Browser", ada: User, alan: User, sam: User, clerks: Profile
) -> None:
    LoginAccessGrantFactory.create(user=alan, support_organization=sam.organization)
    by_guest, by_administrator = browser(), browser()
    by_guest.login_as(alan, actor=sam)
    by_administrator.login_as(alan, actor=ada)

    pages = [html_of(client.get(PROFILES)) for client in (by_guest, by_administrator)]

    assert ["Clerks" in page for page in pages] == [True, True]
    assert [">Edit</a>" in page for page in pages] == [False, True]
    assert "This is for the organization&#x27;s own administrators." in pages[0]


# --- new ---------------------------------------------------------------------------------------------------------


def test_profile_is_made_as_a_clone(client_of: "ClientOf", ada: User, clerks: Profile) -> None:
    answer = client_of(ada).post(NEW, {"profile": clerks.pk, "name": "  Night   clerks "})

    clone = Profile.objects.get(name="Night clerks")
    assert (answer.status_code, answer.headers["Location"]) == (302, page_of(clone))
    assert said(answer) == ["The profile Night clerks has been created. It permits what Clerks does."]
    assert clone.permissions == {P.VIEW_SETUP, P.VIEW_ALL_USERS}


def options_in(response: Any) -> list[tuple[bool, str]]:  # noqa: ANN401  # as above
    """Return what can be chosen, each with whether it is."""
    found = re.findall(r"<option([^>]*)>([^<]*)</option>", html_of(response))
    return [("selected" in attributes, words_of(label)) for attributes, label in found]


def test_form_starts_with_the_profile_that_one_came_from(
    client_of: "ClientOf", ada: User, clerks: Profile, stranger: User
) -> None:
    client = client_of(ada)
    asked = (clerks.pk, stranger.profile_id, "zebra", 10**30)

    chosen = [[label for is_chosen, label in options_in(client.get(NEW, {"from": one})) if is_chosen] for one in asked]

    assert chosen == [["Clerks"], [], [], []]


def test_form_offers_what_one_may_hand_on(client_of: "ClientOf", ada: User, hedy: User, bosses: Profile) -> None:
    of_ada, of_hedy = ([label for _, label in options_in(client_of(one).get(NEW))] for one in (ada, hedy))

    everyones = ["Choose a profile", "External User", "Read Only", "Standard User", "User Manager"]
    assert of_hedy == everyones
    assert sorted(of_ada) == sorted([*everyones, "Bosses", "System Administrator"])


@pytest.mark.parametrize(
    ("typed", "faults"),
    [
        ({"name": ""}, ["This field is required."]),
        ({"name": "\u2800"}, ["Nothing of this shows on a page. Type a name."]),
        ({"name": "x" * 81}, ["Ensure this value has at most 80 characters (it has 81)."]),
        ({"name": "cLERKS"}, ["A profile of this name is there already."]),
        ({"profile": ""}, ["This field is required."]),
        ({"profile": 10**30}, ["Select a valid choice. That choice is not one of the available choices."]),
        ({"profile": "bosses"}, ["Select a valid choice. That choice is not one of the available choices."]),
    ],
)
def test_what_is_wrong_with_a_new_one_stands_beside_its_field(
    client_of: "ClientOf", hedy: User, clerks: Profile, bosses: Profile, typed: dict[str, Any], faults: list[str]
) -> None:
    typed = {"name": "Fine", "profile": clerks.pk} | typed
    typed["profile"] = bosses.pk if typed["profile"] == "bosses" else typed["profile"]
    before = Profile.objects.count()

    answer = client_of(hedy).post(NEW, typed)

    assert (answer.status_code, faults_in(answer)) == (422, faults)
    assert Profile.objects.count() == before


def test_profile_that_gets_modify_all_data_while_one_chooses_is_refused_beside_it(
    client_of: "ClientOf", hedy: User, clerks: Profile, bosses: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if it had got it between the form's look and the service's.
    monkeypatch.setattr("accounts.forms.profiles.profiles_to_give", lambda *_: Profile.objects.all())

    answer = client_of(hedy).post(NEW, {"profile": bosses.pk, "name": "Chiefs"})

    assert (answer.status_code, faults_in(answer)) == (
        422,
        ["Only someone with Modify All Data may clone Bosses, which holds it."],
    )


# --- edit --------------------------------------------------------------------------------------------------------


def test_form_shows_how_a_profile_is_and_whom_it_is_about(client_of: "ClientOf", ada: User, clerks: Profile) -> None:
    client = client_of(ada)
    of_nobody = client.get(page_of(clerks, "edit/"))
    for _ in range(2):
        UserFactory.create(organization=clerks.organization, profile=clerks)
    page = client.get(page_of(clerks, "edit/"))

    assert boxes_in(page) == {P.VIEW_SETUP, P.VIEW_ALL_USERS}
    assert "0 users have this profile. Nothing" not in main_of(of_nobody)
    assert "Edit Clerks 0 users have this profile. Profile name" in main_of(of_nobody)
    assert "2 users have this profile. What you save counts for everyone who has it, at once." in main_of(page)
    assert f'<a href="/setup/users/?profile={clerks.pk}">2 users</a>' in html_of(page)
    assert "Edit the role tree. Needs: View Setup and Configuration." in main_of(page)


@pytest.mark.parametrize("rows", [1, 3])
def test_form_asks_the_same_two_queries_however_many_have_it(client_of: "ClientOf", bosses: Profile, rows: int) -> None:
    people = [UserFactory.create(organization=bosses.organization, profile=bosses) for _ in range(rows)]
    client = client_of(people[0])

    with captured_queries() as queries:
        client.get(page_of(bosses, "edit/"))

    # Who is it; the profile, with its count.
    assert len(queries) == 2


def test_save_ticks_what_is_needed_and_says_so(client_of: "ClientOf", ada: User, acme: "Organization") -> None:
    profile = ProfileFactory.create(organization=acme, name="Clerks")
    client = client_of(ada)

    answer = client.post(page_of(profile, "edit/"), form_of(profile, P.MANAGE_ROLES, name=" Role  keepers"))

    profile.refresh_from_db()
    assert (answer.status_code, answer.headers["Location"]) == (302, page_of(profile))
    assert said(answer) == [
        (
            "The profile Role keepers has been saved. "
            "Also ticked: View Setup and Configuration, because Manage Roles needs it."
        )
    ]
    assert (profile.name, set(profile.permissions)) == ("Role keepers", {P.VIEW_SETUP, P.MANAGE_ROLES})
    without = client.post(page_of(profile, "edit/"), form_of(profile))
    assert said(without)[-1] == "The profile Role keepers has been saved."


def test_save_refuses_to_take_away_what_another_needs(client_of: "ClientOf", ada: User, clerks: Profile) -> None:
    answer = client_of(ada).post(page_of(clerks, "edit/"), form_of(clerks, P.VIEW_ALL_USERS, name="Typed"))

    assert answer.status_code == 422
    assert faults_in(answer) == ["View Setup and Configuration cannot be taken away: View All Users needs it."]
    assert 'aria-describedby="id_permissions_error"' in answer.content.decode()
    assert (boxes_in(answer), answer.context["form"]["name"].value()) == ({P.VIEW_ALL_USERS}, "Typed")
    clerks.refresh_from_db()
    assert (clerks.name, set(clerks.permissions)) == ("Clerks", {P.VIEW_SETUP, P.VIEW_ALL_USERS})


@pytest.mark.parametrize(
    ("typed", "faults"),
    [
        ({"name": " "}, ["This field is required."]),
        ({"name": "bOSSES"}, ["A profile of this name is there already."]),
        (
            {"permissions": ["view_setup", "zebra"]},
            ["Select a valid choice. zebra is not one of the available choices."],
        ),
        (
            {"permissions": ["view_setup", "view_all_users", "modify_all_data"]},
            ["Only someone with Modify All Data may tick it."],
        ),
    ],
)
def test_what_is_wrong_with_an_edit_stands_beside_it(
    client_of: "ClientOf", hedy: User, clerks: Profile, bosses: Profile, typed: dict[str, Any], faults: list[str]
) -> None:
    before = (clerks.name, clerks.permissions)

    answer = client_of(hedy).post(page_of(clerks, "edit/"), form_of(clerks, P.VIEW_SETUP, P.VIEW_ALL_USERS, **typed))

    assert (answer.status_code, faults_in(answer)) == (422, faults)
    assert "Nothing was saved. What is wrong is said beside each field below." in main_of(answer)
    clerks.refresh_from_db()
    assert (clerks.name, clerks.permissions) == before


def test_last_administrators_profile_keeps_what_makes_them_one(client_of: "ClientOf", bosses: Profile) -> None:
    boss = UserFactory.create(organization=bosses.organization, profile=bosses)

    answer = client_of(boss).post(page_of(bosses, "edit/"), form_of(bosses, P.VIEW_SETUP))

    assert (answer.status_code, boxes_in(answer)) == (422, {P.VIEW_SETUP})
    assert faults_in(answer) == [
        (
            "Acme would be left without an administrator who can sign in. Nothing was changed. "
            "Make someone else an administrator first."
        )
    ]


def test_external_profile_is_only_renamed(client_of: "ClientOf", ada: User, acme: "Organization") -> None:
    partners = ProfileFactory.create(organization=acme, name="Partners", is_external=True)
    client = client_of(ada)

    page = client.get(page_of(partners, "edit/"))
    crafted = client.post(page_of(partners, "edit/"), form_of(partners, P.VIEW_SETUP))
    renamed = client.post(page_of(partners, "edit/"), form_of(partners, name="Guests"))

    words = "This is a profile of external users. It can hold no permission."
    assert (words in main_of(page), 'type="checkbox"' in html_of(page)) == (True, False)
    assert (crafted.status_code, faults_in(crafted)) == (
        422,
        ["Partners is a profile of external users. It can hold no permission."],
    )
    partners.refresh_from_db()
    assert (renamed.status_code, partners.name, partners.permission_bits) == (302, "Guests", 0)


def test_what_may_not_be_edited_is_refused_in_words(
    client_of: "ClientOf", ada: User, hedy: User, profiles: "Profiles", bosses: Profile
) -> None:
    answers = {
        f"Read Only is a standard profile. {FIXED}": client_of(ada).get(page_of(profiles["Read Only"], "edit/")),
        "Only someone with Modify All Data may change Bosses, which holds it.": client_of(hedy).post(
            page_of(bosses, "edit/"), form_of(bosses)
        ),
        "Only someone with Modify All Data may delete Bosses, which holds it.": client_of(hedy).post(
            page_of(bosses, "delete/")
        ),
    }

    assert {words: (page.status_code, words in words_of(page.content.decode())) for words, page in answers.items()} == (
        dict.fromkeys(answers, (403, True))
    )


@pytest.mark.parametrize(
    ("meanwhile", "told"),
    [
        (None, None),
        (
            ("Typists", {P.VIEW_SETUP, P.MANAGE_ROLES}),
            [
                "Its name is now: Typists",
                "It now permits, and below is not ticked: Manage Roles",
                "Below is ticked, and it does not permit now: Manage Profiles and Customize Application",
            ],
        ),
        (
            ("Clerks", {P.VIEW_SETUP}),
            ["Below is ticked, and it does not permit now: Manage Profiles and Customize Application"],
        ),
        (("Writers", {P.VIEW_SETUP, P.MANAGE_PROFILES, P.CUSTOMIZE_APPLICATION}), ["Its name is now: Writers"]),
        (
            ("Clerks", {P.VIEW_SETUP, P.MANAGE_PROFILES, P.CUSTOMIZE_APPLICATION}),
            ["What you typed is what holds now."],
        ),
    ],
)
def test_second_of_two_who_save_is_told_what_holds_now(
    client_of: "ClientOf",
    ada: User,
    alan: User,
    clerks: Profile,
    meanwhile: tuple[str, set[Permission]] | None,
    told: list[str] | None,
) -> None:
    client, wanted = client_of(ada), (P.VIEW_SETUP, P.MANAGE_PROFILES, P.CUSTOMIZE_APPLICATION)
    typed = form_of(clerks, *wanted)
    if meanwhile:
        update_profile(clerks, name=meanwhile[0], permissions=meanwhile[1], origin=origin_of(alan))

    answer = client.post(page_of(clerks, "edit/"), typed)

    if told is None:
        assert answer.status_code == 302
        return
    assert (answer.status_code, boxes_in(answer)) == (409, set(wanted))
    html = answer.content.decode()
    assert f"Alan Turing changed {meanwhile[0] if meanwhile else ''} while you had this page open." in words_of(html)
    assert [words_of(one) for one in re.findall(r"<li>((?:Its|It|Below|What) [^<]*)</li>", html)] == told
    again = client.post(page_of(clerks, "edit/"), {**typed, "version": answer.context["form"]["version"].value()})
    clerks.refresh_from_db()
    assert (again.status_code, clerks.name, set(clerks.permissions)) == (302, "Clerks", set(wanted))


# --- what comes along, before saving -----------------------------------------------------------------------------

OF_HTMX = {"HX-Request": "true", "HX-Target": "permissions"}


def click(client: "PortalClient", profile: Profile, before: str, *ticked: Permission) -> Any:  # noqa: ANN401
    """Ask as htmx does after a click on a box: what is ticked now, and what was."""
    asked = {"permissions": [one.value for one in ticked], "before": before}
    return client.get(page_of(profile, "edit/"), asked, headers=OF_HTMX)


def told_by(response: Any) -> tuple[str, list[str], int]:  # noqa: ANN401  # as above
    """Return what is announced, what stands beside the box, and how many boxes came along."""
    html = html_of(response)
    (announced,) = re.findall(r'<p id="permissions-status" hx-swap-oob="innerHTML">(.*?)</p>', html)
    return announced, re.findall(r'<p class="said">(.*?)</p>', html), html.count(">Also ticked</span>")


def test_tick_brings_along_what_it_needs_before_anything_is_saved(
    client_of: "ClientOf", ada: User, acme: "Organization"
) -> None:
    profile = ProfileFactory.create(organization=acme)

    answer = click(client_of(ada), profile, "view_all_data", P.FREEZE_USERS, P.VIEW_ALL_DATA)

    words = "Also ticked: View Setup and Configuration and View All Users, because Freeze Users needs them."
    assert boxes_in(answer) == {P.VIEW_SETUP, P.VIEW_ALL_USERS, P.FREEZE_USERS, P.VIEW_ALL_DATA}
    assert told_by(answer) == (words, [words], 2)
    assert "<html" not in html_of(answer)
    assert 'name="before" value="view_setup view_all_users freeze_users view_all_data"' in html_of(answer)
    assert answer.headers["Vary"] == "HX-Request, HX-Target, Cookie"
    profile.refresh_from_db()
    assert profile.permission_bits == 0


def test_untick_of_what_another_needs_is_refused_and_stays_ticked(
    client_of: "ClientOf", ada: User, clerks: Profile
) -> None:
    answer = click(client_of(ada), clerks, "view_setup view_all_users", P.VIEW_ALL_USERS)

    words = "View Setup and Configuration cannot be taken away: View All Users needs it."
    assert boxes_in(answer) == {P.VIEW_SETUP, P.VIEW_ALL_USERS}
    assert told_by(answer) == (words, [words], 0)


def test_several_clicks_at_once_are_each_answered(client_of: "ClientOf", ada: User, clerks: Profile) -> None:
    ticked = (P.VIEW_ALL_USERS, P.MODIFY_ALL_DATA)

    answer = click(client_of(ada), clerks, "view_setup view_all_users", *ticked)

    refused = "View Setup and Configuration cannot be taken away: View All Users needs it."
    along = "Also ticked: View All Data, because Modify All Data needs it."
    assert boxes_in(answer) == {P.VIEW_SETUP, P.VIEW_ALL_USERS, P.VIEW_ALL_DATA, P.MODIFY_ALL_DATA}
    assert told_by(answer) == (f"{refused} {along}", [refused, along], 1)


@pytest.mark.parametrize(
    ("before", "ticked"),
    [
        ("view_setup view_all_users", (P.VIEW_SETUP,)),
        ("", (P.VIEW_SETUP,)),
        ("zebra", (P.VIEW_SETUP,)),
        ("view_setup", ()),
        ("", ()),
    ],
)
def test_what_nothing_follows_from_is_just_so(
    client_of: "ClientOf", ada: User, clerks: Profile, before: str, ticked: tuple[Permission, ...]
) -> None:
    answer = click(client_of(ada), clerks, before, *ticked)

    assert (boxes_in(answer), told_by(answer)) == (set(ticked), ("", [], 0))


def test_modify_all_data_has_no_box_to_tick_without_it(
    client_of: "ClientOf", ada: User, hedy: User, clerks: Profile
) -> None:
    def box(response: Any) -> str:  # noqa: ANN401  # as above
        (found,) = re.findall(r'<input[^>]*value="modify_all_data"[^>]*>', html_of(response))
        return str(found)

    of_hedy, of_ada = (
        [client_of(one).get(page_of(clerks, "edit/")), click(client_of(one), clerks, "")] for one in (hedy, ada)
    )

    assert [" disabled" in box(page) for page in (*of_hedy, *of_ada)] == [True, True, False, False]
    assert ["Only someone with Modify All Data may tick it." in html_of(page) for page in (*of_hedy, *of_ada)] == [
        True,
        True,
        False,
        False,
    ]


# --- delete ------------------------------------------------------------------------------------------------------


def test_delete_asks_first(client_of: "ClientOf", ada: User, clerks: Profile) -> None:
    client = client_of(ada)
    DelegatedGroupFactory.create(organization=clerks.organization, name="Sales people", profiles=[clerks])

    page = client.get(page_of(clerks, "delete/"))
    answer = client.post(page_of(clerks, "delete/"))

    assert (
        "Delete Clerks? Nobody has this profile. It is taken out of what can be assigned in: Sales people. "
        "This cannot be undone. Delete Cancel"
    ) in main_of(page)
    assert (answer.status_code, answer.headers["Location"]) == (302, PROFILES)
    assert said(answer) == ["The profile Clerks has been deleted."]
    assert not Profile.objects.filter(pk=clerks.pk).exists()


def test_profile_in_use_is_not_deleted_and_the_page_says_who_has_it(
    client_of: "ClientOf", ada: User, clerks: Profile
) -> None:
    UserFactory.create(organization=clerks.organization, profile=clerks, is_active=False)
    client = client_of(ada)

    asked, done = client.get(page_of(clerks, "delete/")), client.post(page_of(clerks, "delete/"))

    words = "Clerks cannot be deleted: 1 user has it. Give them another profile first. See who has it"
    assert [(page.status_code, words in main_of(page)) for page in (asked, done)] == [(200, True), (422, True)]
    assert ">Delete</button>" not in html_of(asked)
    assert f'<a href="/setup/users/?profile={clerks.pk}">See who has it</a>' in html_of(asked)
    assert Profile.objects.filter(pk=clerks.pk).exists()


# --- where a profile is named ------------------------------------------------------------------------------------


def test_pages_of_users_lead_to_the_profile(client_of: "ClientOf", ada: User, grace: User) -> None:
    client, link = client_of(ada), f'<a href="{page_of(grace.profile)}">Standard User</a>'
    in_the_list = f'<a href="../profiles/{grace.profile_id}/">Standard User</a>'
    user = f"/setup/users/{grace.pk}/"

    pages = [html_of(client.get(path)) for path in (user, f"{user}summary/")]
    listed = html_of(client.get("/setup/users/?q=grace"))
    narrowed = client.get("/setup/users/", {"profile": grace.profile_id})

    assert [page.count(link) for page in pages] == [2, 1]
    assert listed.count(in_the_list) == 1
    assert f'<p class="why">Those with the profile {link}.</p>' in html_of(narrowed)


def test_name_does_not_lead_where_one_may_not_go(client_of: "ClientOf", ada: User, grace: User) -> None:
    # Held without what it needs, as no page makes it.
    Profile.objects.filter(pk=ada.profile_id).update(permission_bits=P.VIEW_ALL_USERS.bit, modified_at=timezone.now())
    client, user = client_of(ada), f"/setup/users/{grace.pk}/"

    paths = (user, f"{user}summary/", f"/setup/users/?profile={grace.profile_id}")
    assert [PROFILES in html_of(client.get(path)) for path in paths] == [False, False, False]
