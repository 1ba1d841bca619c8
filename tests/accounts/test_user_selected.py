"""Users selected in the list: who is asked about, what a confirmed act does, and what the list says then."""

import re
from html import unescape
from typing import TYPE_CHECKING, Any

import pytest
from django.core import mail
from django.core.cache import cache
from django.core.mail.backends.base import BaseEmailBackend
from django.utils.http import urlencode

from accounts.enums import Access
from accounts.models import Impersonation, ImpersonationActivity, Session, User
from accounts.services.users import MOST_AT_ONCE
from accounts.visit_story import outcome_in_words
from orgs.models import AuditEvent, OrganizationKind
from orgs.permissions import Permission
from tests.factories import LoginAccessGrantFactory, OrganizationFactory, ProfileFactory, UserFactory

from .reading import Answer, html_of, words_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.core.mail import EmailMessage
    from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

    from accounts.testing import PortalClient
    from orgs.models import Organization

    Browser = Callable[[], PortalClient]
    ClientOf = Callable[[User], PortalClient]
    Make = Callable[..., User]

USERS, SELECTED = "/setup/users/", "/setup/users/selected/"
BACK = "/setup/users/?view=active&q=a"
NOBODY = "Nobody is selected. Tick users in the list, then choose what to do with them."


@pytest.fixture(autouse=True)
def _nothing_was_sent_before() -> None:
    cache.clear()


def ask(client: "PortalClient", act: str, *people: User, **more: Any) -> Any:  # noqa: ANN401  # as the client returns it
    """Send what the list sends."""
    return client.post(SELECTED, {"act": act, "id": [one.pk for one in people], "back": BACK, **more})


def confirm(client: "PortalClient", preview: Answer, **more: Any) -> Any:  # noqa: ANN401  # as above
    """Press the button of a preview."""
    form = re.findall(r'<form class="actions" method="post">(.*?)</form>', html_of(preview), re.DOTALL)[0]
    fields = {name: unescape(value) for name, value in re.findall(r'name="(\w+)" value="([^"]*)"', form)}
    return client.post(SELECTED, {**fields, **more})


def told(client: "PortalClient", answer: Any) -> list[str]:  # noqa: ANN401  # as above
    """Follow an answer back to the list, and return what that says first."""
    assert (answer.status_code, answer.headers["Location"]) == (302, BACK)
    return said_on(client.get(BACK))


def said_on(page: Answer) -> list[str]:
    return [
        words_of(said)
        for said in re.findall(r'<div class="alert alert-\w+" role="\w+">(.*?)</div>', html_of(page), re.DOTALL)
    ]


def tables_of(page: Answer) -> dict[str, list[str]]:
    """Return the preview: by heading, its lines."""
    return {
        words_of(heading): [words_of(row) for row in re.findall(r"<tr>\s*<td.*?</tr>", table, re.DOTALL)]
        for heading, table in re.findall(r'<h2 id="[a-z]+-heading">(.*?)</h2>(.*?)</section>', html_of(page), re.DOTALL)
    }


# --- the list ----------------------------------------------------------------------------------------------------


def acts_in(page: Answer) -> list[str]:
    return re.findall(r'name="act" value="(\w+)"', html_of(page))


def test_list_offers_what_one_may_do(
    client_of: "ClientOf", acme: "Organization", make: "Make", ada: User, hedy: User, audrey: User, barbara: User
) -> None:
    jean = make("Jean", "Jennings")
    jean.profile = ProfileFactory.create(organization=acme, permissions=(Permission.FREEZE_USERS,))
    jean.save()

    pages = [client_of(one).get(USERS) for one in (ada, hedy, jean, audrey, barbara)]

    everything = ["reset_password", "freeze", "deactivate"]
    assert [acts_in(page) for page in pages] == [everything, everything, ["freeze"], [], []]
    assert ['name="id"' in html_of(page) for page in pages] == [True, True, True, False, False]


def test_box_is_called_by_whom_it_selects(client_of: "ClientOf", ada: User, grace: User) -> None:
    page = html_of(client_of(ada).get(USERS, {"q": "hopper"}))

    assert f'<input type="checkbox" name="id" value="{grace.pk}" aria-label="Select Grace Hopper">' in page
    assert f'<input type="hidden" name="back" value="{USERS}?q=hopper">' in page


def test_empty_list_offers_nothing(client_of: "ClientOf", ada: User) -> None:
    assert acts_in(client_of(ada).get(USERS, {"q": "zebra"})) == []


# --- the preview -------------------------------------------------------------------------------------------------


def test_preview_shows_to_whom_it_will_happen_and_to_whom_not(
    client_of: "ClientOf", ada: User, grace: User, katherine: User, dennis: User
) -> None:
    client_of(grace)

    page = ask(client_of(ada), "freeze", grace, ada, katherine, dennis)

    assert re.findall(r"<h1>(.*?)</h1>", html_of(page)) == ["Freeze 1 user?"]
    assert tables_of(page) == {
        "This will happen to 1 user": ["Grace Hopper grace@acme.example Standard User 1 session"],
        "Nothing will happen to 3 users": [
            "Ada Lovelace ada@acme.example You cannot deactivate or freeze the account that you are signed in with.",
            "Dennis Ritchie dennis@acme.example Dennis Ritchie is frozen already.",
            "Katherine Johnson katherine@acme.example Katherine Johnson is inactive, and cannot sign in anyway.",
        ],
    }
    assert 'href="/setup/users/?view=active&amp;q=a">Cancel</a>' in html_of(page)
    assert set(User.objects.filter(is_frozen=True)) == {dennis}
    assert AuditEvent.objects.filter(action="user.frozen").count() == 0


def test_preview_of_resets_says_where_mails_go_and_what_ends(
    client_of: "ClientOf", any_user_login: "Organization", browser: "Browser", ada: User, alan: User, grace: User
) -> None:
    browser().login_as(grace, actor=alan)
    client_of(grace)
    client = client_of(ada)
    settings = ada.organization.session_settings
    pages = []
    for settings.end_on_password_reset in (True, False):
        settings.save()
        pages.append(ask(client, "reset_password", grace, alan))

    rows = [tables_of(page)["This will happen to 2 users"] for page in pages]
    assert rows == [
        [
            "Alan Turing alan@acme.example System Administrator alan@acme.example 1 session, 1 visit",
            "Grace Hopper grace@acme.example Standard User grace@acme.example 1 session, 1 visit",
        ],
        [
            "Alan Turing alan@acme.example System Administrator alan@acme.example Nothing",
            "Grace Hopper grace@acme.example Standard User grace@acme.example Nothing",
        ],
    ]
    assert ["Sessions end at once, as your organization wants it" in html_of(page) for page in pages] == [True, False]


def test_preview_tells_those_who_see_no_sessions_that_they_end_but_not_how_many(
    client_of: "ClientOf", acme: "Organization", make: "Make", grace: User
) -> None:
    """Of two who may do the same, one sees who is signed in."""
    permissions = (
        Permission.RESET_USER_PASSWORDS,
        Permission.MANAGE_INTERNAL_USERS,
        Permission.MONITOR_LOGIN_HISTORY,
    )
    jean, mary = make("Jean", "Jennings"), make("Mary", "Jackson")
    for one, held in ((jean, permissions[:2]), (mary, permissions)):
        one.profile = ProfileFactory.create(organization=acme, name=one.last_name, permissions=held)
        one.save()
    client_of(grace)
    acme.session_settings.end_on_password_reset = True
    acme.session_settings.save()

    acts = ("reset_password", "deactivate")
    (hers, deactivates), (theirs, _) = ([ask(client_of(one), act, grace) for act in acts] for one in (jean, mary))

    to = "Grace Hopper grace@acme.example Standard User grace@acme.example"
    rows = [tables_of(page)["This will happen to 1 user"] for page in (hers, theirs, deactivates)]
    assert rows == [[to], [f"{to} 1 session"], ["Grace Hopper grace@acme.example Standard User"]]
    assert ["Ends</th>" in html_of(page) for page in (hers, theirs, deactivates)] == [False, True, False]
    assert "Sessions end at once, as your organization wants it" in html_of(hers)
    assert "Every session ends at once" in html_of(deactivates)


def test_preview_of_nobody_has_nothing_to_confirm(client_of: "ClientOf", ada: User, dennis: User) -> None:
    page = ask(client_of(ada), "freeze", ada, dennis)

    assert re.findall(r"<h1>(.*?)</h1>", html_of(page)) == ["Freeze: nobody of those selected"]
    assert list(tables_of(page)) == ["Nothing will happen to 2 users"]
    assert 'name="read"' not in html_of(page)
    assert "Back to Users</a>" in html_of(page)


@pytest.mark.parametrize(
    "sent",
    [
        {"act": "freeze"},
        {"act": "freeze", "id": ["", "x", "-1", "0", "9" * 30, "²"]},
        {"act": "unlock", "id": "{grace}"},
        {"id": "{grace}"},
    ],
)
def test_nobody_selected_leads_back_and_says_so(
    client_of: "ClientOf", ada: User, grace: User, sent: dict[str, Any]
) -> None:
    client = client_of(ada)
    filled = {name: str(grace.pk) if value == "{grace}" else value for name, value in sent.items()}

    answer = client.post(SELECTED, {**filled, "back": BACK})

    assert told(client, answer) == [NOBODY]


def test_more_than_can_be_done_at_once_is_refused(client_of: "ClientOf", ada: User) -> None:
    client = client_of(ada)

    answer = client.post(SELECTED, {"act": "freeze", "id": list(range(1, MOST_AT_ONCE + 2)), "back": BACK})

    assert told(client, answer) == ["Select 200 users at most at a time. Nothing was done."]


def test_another_organizations_users_are_as_if_never_sent(
    client_of: "ClientOf", ada: User, grace: User, stranger: User
) -> None:
    client = client_of(ada)

    both, alone = ask(client, "deactivate", grace, stranger), ask(client, "deactivate", stranger)

    assert tables_of(both) == {"This will happen to 1 user": ["Grace Hopper grace@acme.example Standard User Nothing"]}
    assert "Gorman" not in html_of(both)
    assert told(client, alone) == [NOBODY]


def test_way_back_is_the_users_list_alone(client_of: "ClientOf", ada: User, grace: User) -> None:
    page = ask(client_of(ada), "freeze", grace, back="https://elsewhere.example/")

    assert 'href="/setup/users/">Cancel</a>' in html_of(page)


# --- who may -----------------------------------------------------------------------------------------------------


def test_each_act_needs_its_own_permission(
    client_of: "ClientOf", acme: "Organization", make: "Make", grace: User
) -> None:
    jean = make("Jean", "Jennings")
    jean.profile = ProfileFactory.create(organization=acme, permissions=(Permission.FREEZE_USERS,))
    jean.save()
    client = client_of(jean)

    answers = {act: ask(client, act, grace).status_code for act in ("reset_password", "freeze", "deactivate")}

    assert answers == {"reset_password": 403, "freeze": 200, "deactivate": 403}


def test_guest_of_a_visit_is_offered_no_reset_and_refused_it(
    browser: "Browser", any_user_login: "Organization", ada: User, grace: User
) -> None:
    house = OrganizationFactory.create(name="Portal Support", kind=OrganizationKind.OPERATOR)
    sam = UserFactory.create(organization=house, operator_role="support", first_name="Sam", last_name="Shore")
    LoginAccessGrantFactory.create(user=ada, support_organization=house)
    client = browser()
    client.login_as(ada, actor=sam)

    offered = acts_in(client.get(USERS))
    answers = {act: ask(client, act, grace).status_code for act in ("reset_password", "freeze", "deactivate")}

    assert offered == ["freeze", "deactivate"]
    assert answers == {"reset_password": 403, "freeze": 200, "deactivate": 200}


def test_inside_neither_of_the_two_accounts_is_shut_out(
    browser: "Browser", any_user_login: "Organization", ada: User, alan: User, grace: User
) -> None:
    client = browser()
    client.login_as(alan, actor=ada)

    frozen, reset = (tables_of(ask(client, act, ada, alan, grace)) for act in ("freeze", "reset_password"))

    assert [len(rows) for rows in frozen.values()] == [1, 2]
    assert reset["Nothing will happen to 1 user"] == [
        (
            "Alan Turing alan@acme.example This is not available while you are logged in as Alan Turing. "
            "Log out as Alan Turing first."
        )
    ]


def test_read_only_visit_shows_boxes_and_does_nothing(
    browser: "Browser", any_user_login: "Organization", ada: User, alan: User, grace: User
) -> None:
    client = browser()
    visit = client.login_as(alan, actor=ada)
    Impersonation.objects.filter(pk=visit.pk).update(access=Access.READ_ONLY)

    answer = ask(client, "freeze", grace)

    assert answer.status_code == 403
    assert "This visit is read-only: nothing was changed." in answer.content.decode()


def test_visit_tells_what_came_to_nothing(
    browser: "Browser", any_user_login: "Organization", ada: User, alan: User, grace: User
) -> None:
    client, other = browser(), browser()
    browser().force_login(grace)
    client.login_as(alan, actor=ada)
    client.get("/")

    ask(client, "freeze")
    other.force_login(ada)
    preview = ask(client, "freeze", grace)
    confirm(client, preview)
    confirm(client, preview)
    ask(client, "reset_password", grace)
    confirm(client, preview, read="edited")
    other.post(f"{USERS}{grace.pk}/unfreeze/")
    again = ask(client, "freeze", grace)
    other.post(f"{USERS}{grace.pk}/freeze/")
    confirm(client, again)
    client.post(SELECTED, {"act": "freeze", "id": range(1, MOST_AT_ONCE + 2)})
    client.post(f"{USERS}{grace.pk}/end-sessions/")
    client.post(f"/setup/sessions/{Session.objects.get(user=grace).public_id}/remove/")

    rows = ImpersonationActivity.objects.filter(kind="write").order_by("pk")
    assert [outcome_in_words(row, is_live=True, at=row.created_at) for row in rows] == [
        "Nothing was done: nobody was selected",
        "Nothing was done: asked what it would do",
        "Done",
        "Nothing was done: sent twice",
        "Nothing was done: asked what it would do",
        "Nothing was done: the preview was too old, or another session's",
        "Nothing was done: asked what it would do",
        "Nothing was done: something had changed since the preview",
        "Nothing was done: more than 200 users were selected",
        "Nothing was done: there was no session to end",
        "Nothing was done: the session had ended",
    ]


# --- confirmed ---------------------------------------------------------------------------------------------------


def test_confirmed_act_is_done_to_those_of_the_preview(
    client_of: "ClientOf", ada: User, alan: User, grace: User, dennis: User
) -> None:
    client = client_of(ada)
    preview = ask(client, "freeze", grace, dennis)

    # What is sent beside the preview's own list counts for nothing.
    answer = confirm(client, preview, id=str(alan.pk), act="deactivate")

    assert told(client, answer) == ["Frozen, and signed out: Grace Hopper."]
    assert set(User.objects.filter(is_frozen=True)) == {grace, dennis}
    assert User.objects.filter(is_active=False).count() == 0
    events = AuditEvent.objects.filter(action="user.frozen")
    assert [(event.about, event.user) for event in events] == [(grace, ada)]


def test_deactivated_users_lose_every_session(client_of: "ClientOf", ada: User, alan: User, grace: User) -> None:
    for one in (alan, grace):
        client_of(one)
    client = client_of(ada)

    answer = confirm(client, ask(client, "deactivate", alan, grace))

    assert told(client, answer) == ["Inactive, with every session ended: Alan Turing and Grace Hopper."]
    assert set(Session.objects.live().values_list("user__first_name", flat=True)) == {"Ada"}


def test_many_are_named_as_far_as_they_are_read(client_of: "ClientOf", make: "Make", ada: User) -> None:
    client = client_of(ada)
    people = [make(f"Pat{number}", "Person") for number in range(7)]
    first = confirm(client, ask(client, "freeze", *people))
    told_first = told(client, first)

    second = confirm(client, ask(client, "deactivate", *people[:6]))

    names = "Pat0 Person, Pat1 Person, Pat2 Person, Pat3 Person, Pat4 Person"
    assert told_first == [f"Frozen, and signed out: {names} and 2 others."]
    assert told(client, second) == [f"Inactive, with every session ended: {names} and 1 other."]


def test_resets_are_mailed_once_also_on_a_double_click_and_oneself_stays_signed_in(
    client_of: "ClientOf",
    ada: User,
    grace: User,
    django_capture_on_commit_callbacks: "DjangoCaptureOnCommitCallbacks",
) -> None:
    client = client_of(ada)
    preview = ask(client, "reset_password", grace, ada)

    with django_capture_on_commit_callbacks(execute=True):
        confirm(client, preview)
        second = confirm(client, preview)

    assert told(client, second) == [
        "A mail to choose a new password is on its way to Ada Lovelace and Grace Hopper.",
        "That was sent twice, and done once.",
    ]
    assert sorted(message.to for message in mail.outbox) == [["ada@acme.example"], ["grace@acme.example"]]
    assert "http://testserver/account/password/reset/key/" in mail.outbox[0].body


def test_what_changed_since_the_preview_is_said(
    client_of: "ClientOf", ada: User, alan: User, grace: User, dennis: User, make: "Make"
) -> None:
    linus, client, other = make("Linus", "Pauling"), client_of(ada), client_of(alan)
    preview = ask(client, "freeze", grace, linus, alan)
    other.post(f"{USERS}{grace.pk}/deactivate/")
    other.post(f"{USERS}{linus.pk}/freeze/")

    answer = confirm(client, preview)

    assert told(client, answer) == [
        "Frozen, and signed out: Alan Turing.",
        (
            "Not frozen: 2 users. Something has changed since the preview. "
            "Grace Hopper is inactive, and cannot sign in anyway. Linus Pauling is frozen already."
        ),
    ]


def test_reason_that_names_nobody_is_said_with_the_name(
    client_of: "ClientOf", acme: "Organization", make: "Make", ada: User, alan: User
) -> None:
    mary = make("Mary", "Jackson")
    mary.profile = ProfileFactory.create(
        organization=acme, permissions=(Permission.MODIFY_ALL_DATA, Permission.FREEZE_USERS)
    )
    mary.save()
    client = client_of(mary)
    preview = ask(client, "freeze", ada)
    User.objects.filter(pk=alan.pk).update(is_frozen=True)

    answer = confirm(client, preview)

    assert told(client, answer) == [
        (
            "Not frozen: 1 user. Something has changed since the preview. Ada Lovelace: Acme would be left without an "
            "administrator who can sign in. Nothing was changed. Make someone else an administrator first."
        )
    ]


@pytest.mark.parametrize("whose", ["nobody's", "alan's"])
def test_preview_of_another_session_does_nothing(
    client_of: "ClientOf", ada: User, alan: User, grace: User, whose: str
) -> None:
    client = client_of(ada)
    read = {"read": "edited"} if whose == "nobody's" else {}

    answer = confirm(client, ask(client_of(alan), "freeze", grace), **read)

    grace.refresh_from_db()
    assert told(client, answer) == ["This preview is too old, or not yours. Nothing was done. Select anew."]
    assert not grace.is_frozen


@pytest.mark.parametrize("act", ["freeze", "reset_password", "unlock"])
def test_who_may_do_nothing_is_told_what_the_act_needs(
    client_of: "ClientOf", audrey: User, grace: User, act: str
) -> None:
    answer = ask(client_of(audrey), act, grace)

    needs = {"freeze": "Freeze Users", "reset_password": "Reset User Passwords", "unlock": "Manage Internal Users"}
    assert f"You need {needs[act]} on your profile." in html_of(answer, 403)


class Deaf(BaseEmailBackend):
    """A mail server that takes nothing."""

    def send_messages(self, email_messages: "Sequence[EmailMessage]") -> int:
        return 0 * len(email_messages)


@pytest.mark.django_db(transaction=True)
def test_mails_that_did_not_go_out_are_counted(
    client_of: "ClientOf", ada: User, grace: User, settings: "Settings"
) -> None:
    settings.EMAIL_BACKEND = f"{__name__}.Deaf"
    client = client_of(ada)

    answer = confirm(client, ask(client, "reset_password", grace))

    assert told(client, answer) == [
        (
            "1 of the mails did not go out: the mail server did not take them in time. "
            "Try again later, or tell people of “Forgot your password?”."
        )
    ]


def test_preview_is_confirmed_by_those_alone_who_may(
    client_of: "ClientOf", ada: User, audrey: User, grace: User
) -> None:
    preview = ask(client_of(ada), "freeze", grace)

    answer = confirm(client_of(audrey), preview)

    grace.refresh_from_db()
    assert (answer.status_code, grace.is_frozen) == (403, False)


def test_list_comes_back_as_it_was(client_of: "ClientOf", ada: User, grace: User) -> None:
    back = f"{USERS}?{urlencode({'view': 'active', 'letter': 'G', 'sort': '-alias', 'columns': 'email'})}"
    client = client_of(ada)

    answer = confirm(client, ask(client, "freeze", grace, back=back))

    assert answer.headers["Location"] == back
