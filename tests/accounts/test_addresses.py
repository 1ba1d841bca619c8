"""A new e-mail address: when it counts, whom it is told, what waits meanwhile, and the link that confirms it."""

import re
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from allauth.account.forms import default_token_generator
from allauth.account.models import EmailAddress
from allauth.account.utils import filter_users_by_email
from django.core import mail, signing
from django.core.cache import cache

from accounts.forms.users import UserForm
from accounts.models import User
from accounts.services.users import (
    EmailLinkIsDead,
    UserDetails,
    confirm_email,
    find_by_email_link,
    send_password_reset,
    update_user,
)
from orgs.http import Origin
from orgs.models import AuditEvent, Organization
from orgs.permissions import RefusedInside
from tests.origins import origin_of
from tests.queries import captured_queries

from .reading import html_of, section_of, words_of
from .test_postgres_concurrency import meeting

if TYPE_CHECKING:
    from pytest_django import DjangoCaptureOnCommitCallbacks

    from accounts.testing import PortalClient

    Browser = Callable[[], PortalClient]
    ClientOf = Callable[[User], PortalClient]
    Enter = Callable[..., User]

SITE = "https://portal.example/"
OLD, NEW, NEWER = "grace@acme.example", "new@acme.example", "newer@acme.example"
LINK = re.compile(r"https?://[a-z.]+(/account/email/confirm/([^/\s]+)/)")
THREE_DAYS = 3 * 24 * 60 * 60


def inside(actor: User, target: User) -> Origin:
    """Return where what ``actor`` does while logged in as ``target`` comes from."""
    return Origin(user=target, actor=actor, impersonation_id=1)


def addresses_of(user: User) -> tuple[str, str]:
    """Return what is stored: the address that counts, and the one that waits."""
    user.refresh_from_db()
    return user.email, user.pending_email


def sentences() -> list[str]:
    return list(AuditEvent.objects.order_by("id").values_list("sentence", flat=True))


def last_event() -> AuditEvent:
    event = AuditEvent.objects.latest("id")
    assert isinstance(event, AuditEvent)
    return event


def token_to(address: str) -> str:
    """Return the token of the last link that was mailed to ``address``."""
    found = LINK.search([str(letter.body) for letter in mail.outbox if letter.to == [address]][-1])
    assert found
    return found[2]


@pytest.fixture
def enter(django_capture_on_commit_callbacks: "DjangoCaptureOnCommitCallbacks") -> "Enter":
    """Change details of a user, and send the mails: ``enter(grace, origin, email=NEW)``."""

    def change(user: User, origin: Origin, **changes: Any) -> User:
        with django_capture_on_commit_callbacks(execute=True):
            return update_user(user, replace(UserDetails.of(user), **changes), origin=origin, site=SITE)

    return change


@pytest.fixture
def asked(enter: "Enter", ada: User, grace: User) -> User:
    """Grace, for whom Ada has entered a new address."""
    return enter(grace, origin_of(ada), email=NEW)


# --- when it counts ----------------------------------------------------------------------------------------------

BY: dict[str, tuple[Callable[[User, User], Origin], bool]] = {
    "oneself": (lambda ada, _: origin_of(ada), True),
    "a command": (lambda _, __: Origin.automated("console"), True),
    "someone else": (lambda _, alan: origin_of(alan), False),
    "oneself, in someone else's account": (inside, False),
}


@pytest.mark.parametrize("by", BY)
def test_what_someone_else_enters_waits(by: str, enter: "Enter", ada: User, alan: User) -> None:
    origin, counts = BY[by]

    enter(ada, origin(ada, alan), email="New@acme.example")

    assert addresses_of(ada) == ((NEW, "") if counts else ("ada@acme.example", NEW))
    verb = "Changed" if counts else "Asked to change"
    assert sentences() == [f"{verb} email for user Ada Lovelace from ada@acme.example to {NEW}"]
    told, others = ("ada@acme.example",), (NEW, "ada@acme.example")
    assert [tuple(letter.to) for letter in mail.outbox] == ([told] if counts else [(one,) for one in others])


def test_new_address_is_mailed_a_link_and_the_old_one_is_told(asked: User) -> None:
    link, told = mail.outbox

    assert (link.to, link.subject) == ([NEW], "Confirm the e-mail address of your portal account")
    assert f"Ada Lovelace has entered {NEW} as the e-mail address of your account" in link.body
    assert f"{SITE}account/email/confirm/{token_to(NEW)}/" in link.body
    assert "The link works once, within 3 days." in link.body
    # Whoever reads the wrong mailbox is told no more than it takes.
    assert OLD not in link.body.replace(f"{asked.username} in the portal", "")
    assert (told.to, told.subject) == ([OLD], "A new e-mail address was entered for your portal account")
    assert "Ada Lovelace has entered a new e-mail address for your portal account" in told.body
    assert f"Now:  {OLD}\nThen: {NEW}\n" in told.body
    assert "works for 3 days" in told.body
    assert "ask Ada Lovelace or another administrator" in told.body
    assert "/account/" not in told.body


def test_mails_from_inside_a_visit_name_both_people(enter: "Enter", ada: User, alan: User, grace: User) -> None:
    enter(grace, inside(ada, alan), email=NEW)

    assert ["Alan Turing (by Ada Lovelace) has entered" in letter.body for letter in mail.outbox] == [True, True]
    event = last_event()
    assert (event.user, event.delegate_user, event.about) == (alan, ada, grace)
    assert (event.action, event.before, event.after) == (
        "user.email_change_asked",
        {"pending_email": ""},
        {"pending_email": NEW},
    )


def test_change_that_waits_needs_a_site_for_its_link(ada: User, alan: User) -> None:
    details = replace(UserDetails.of(ada), email=NEW)

    with pytest.raises(ValueError, match="needs the site"):
        update_user(ada, details, origin=origin_of(alan))

    update_user(ada, details, origin=origin_of(ada))


def test_everything_goes_to_the_old_address_meanwhile(
    asked: User,
    ada: User,
    anonymous: "PortalClient",
    django_capture_on_commit_callbacks: "DjangoCaptureOnCommitCallbacks",
) -> None:
    cache.clear()
    mail.outbox.clear()

    with django_capture_on_commit_callbacks(execute=True):
        send_password_reset(asked, origin=origin_of(ada), site=SITE)
    anonymous.post("/account/password/reset/", {"email": OLD})

    assert [letter.to for letter in mail.outbox] == [[OLD], [OLD]]
    # Whom allauth mails a link to choose a password, by the address that is typed.
    assert (filter_users_by_email(NEW), filter_users_by_email(OLD)) == ([], [asked])


def test_old_address_resets_the_password_until_the_new_one_counts(asked: User) -> None:
    EmailAddress.objects.create(user=asked, email=OLD)
    key = default_token_generator.make_token(asked)

    def opens() -> bool:
        works: bool = default_token_generator.check_token(User.objects.get(pk=asked.pk), key)
        return works

    before = opens()
    confirm_email(token_to(NEW), origin=Origin())

    assert not EmailAddress.objects.filter(user=asked).exists()
    assert (before, opens()) == (True, False)


# --- a second change ---------------------------------------------------------------------------------------------


def test_second_change_replaces_the_first(asked: User, enter: "Enter", alan: User) -> None:
    first = token_to(NEW)

    enter(asked, origin_of(alan), email=NEWER)

    assert addresses_of(asked) == (OLD, NEWER)
    event = last_event()
    assert event.sentence == f"Asked to change email for user Grace Hopper from {OLD} to {NEWER}"
    assert (event.before, event.after) == ({"pending_email": NEW}, {"pending_email": NEWER})
    with pytest.raises(EmailLinkIsDead):
        confirm_email(first, origin=Origin())
    assert confirm_email(token_to(NEWER), origin=Origin()).email == NEWER


@pytest.mark.parametrize("typed", [OLD, "GRACE@acme.example"])
def test_present_address_withdraws_what_waits(asked: User, enter: "Enter", alan: User, typed: str) -> None:
    mail.outbox, link = [], token_to(NEW)

    enter(asked, origin_of(alan), email=typed)

    assert addresses_of(asked) == (OLD, "")
    event = last_event()
    assert event.sentence == f"Withdrew the change of email for user Grace Hopper from {OLD} to {NEW}"
    assert (event.action, event.before, event.after) == (
        "user.email_change_withdrawn",
        {"pending_email": NEW},
        {"pending_email": ""},
    )
    assert mail.outbox == []
    with pytest.raises(EmailLinkIsDead):
        find_by_email_link(link)


def test_other_changes_leave_what_waits(asked: User, enter: "Enter", ada: User) -> None:
    enter(asked, origin_of(ada), alias="gh")

    assert addresses_of(asked) == (OLD, NEW)
    assert sentences()[1:] == ["Changed alias of user Grace Hopper"]
    assert find_by_email_link(token_to(NEW)) == asked


@pytest.mark.parametrize(
    ("typed", "stored", "after"),
    [
        (NEWER, (NEWER, ""), {"email": NEWER, "pending_email": ""}),
        ("ada@acme.example", ("ada@acme.example", ""), {"pending_email": ""}),
        (NEW, ("ada@acme.example", NEW), {"pending_email": NEW}),
    ],
)
def test_ones_own_change_overrules_what_waits(
    enter: "Enter", ada: User, alan: User, typed: str, stored: tuple[str, str], after: dict[str, str]
) -> None:
    enter(ada, origin_of(alan), email=NEW)

    enter(ada, origin_of(User.objects.get(pk=ada.pk)), email=typed)

    assert addresses_of(ada) == stored
    assert last_event().after == after


def test_capitals_that_are_stored_are_no_change(enter: "Enter", ada: User, grace: User) -> None:
    User.objects.filter(pk=grace.pk).update(email="Grace@Acme.example")
    grace.refresh_from_db()

    enter(grace, origin_of(ada), alias="gh")

    assert addresses_of(grace) == ("Grace@Acme.example", "")
    assert (sentences(), mail.outbox) == (["Changed alias of user Grace Hopper"], [])


# --- confirming --------------------------------------------------------------------------------------------------


def test_confirmed_address_counts_and_the_old_one_is_told(
    asked: User, django_capture_on_commit_callbacks: "DjangoCaptureOnCommitCallbacks"
) -> None:
    link = token_to(NEW)
    mail.outbox.clear()

    with django_capture_on_commit_callbacks(execute=True):
        confirmed = confirm_email(link, origin=Origin(address="192.0.2.7"))

    assert addresses_of(asked) == (NEW, "")
    assert (confirmed, asked.modified_by_name) == (asked, "Grace Hopper")
    event = last_event()
    assert event.sentence == f"Changed email for user Grace Hopper from {OLD} to {NEW}"
    assert (event.user, event.delegate_user, event.about, event.address) == (asked, None, asked, "192.0.2.7")
    assert (event.before, event.after) == (
        {"email": OLD, "pending_email": NEW},
        {"email": NEW, "pending_email": ""},
    )
    [told] = mail.outbox
    assert (told.to, told.subject) == ([OLD], "The e-mail address of your portal account was changed")
    assert "was confirmed, by the link that was mailed there." in told.body
    assert f"Before: {OLD}\nNow:    {NEW}\n" in told.body


@pytest.mark.parametrize("whose", ["asked", "stranger"])
def test_trail_holds_the_session_of_nobody_else(request: pytest.FixtureRequest, asked: User, whose: str) -> None:
    person, session = request.getfixturevalue(whose), uuid.uuid4()

    confirm_email(token_to(NEW), origin=Origin(user=person, actor=person, session_public_id=session))

    event = last_event()
    assert (event.user, event.user_name) == (asked, "Grace Hopper")
    assert event.session_public_id == (session if person == asked else None)


def test_no_address_is_confirmed_inside_a_visit(asked: User, ada: User) -> None:
    with pytest.raises(RefusedInside, match="while you are logged in as Grace Hopper"):
        confirm_email(token_to(NEW), origin=inside(ada, asked))

    assert addresses_of(asked) == (OLD, NEW)
    assert confirm_email(token_to(NEW), origin=origin_of(asked)).email == NEW


def test_taken_address_is_no_problem(enter: "Enter", ada: User, grace: User) -> None:
    enter(grace, origin_of(ada), email=ada.email)

    assert confirm_email(token_to(ada.email), origin=Origin()).email == ada.email


def used(link: str, asked: User) -> str:
    confirm_email(link, origin=Origin())
    return link


def of_an_inactive_user(link: str, asked: User) -> str:
    User.objects.filter(pk=asked.pk).update(is_active=False)
    return link


def tampered(link: str, asked: User) -> str:
    return f"{link[:-1]}{'A' if link[-1] != 'A' else 'B'}"


def signed_for_something_else(link: str, asked: User) -> str:
    return signing.dumps([asked.pk, NEW, 0], salt="something else")


def of_another_user(link: str, asked: User) -> str:
    return signing.dumps([asked.pk + 1, NEW, 0], salt="accounts.email")


def of_nothing_that_waits(link: str, asked: User) -> str:
    User.objects.filter(pk=asked.pk).update(pending_email="")
    return link


def untouched(link: str, asked: User) -> str:
    return link


DEAD = (used, of_an_inactive_user, tampered, signed_for_something_else, of_another_user, of_nothing_that_waits)


@pytest.mark.parametrize("made", [*DEAD, untouched])
def test_link_that_is_dead_confirms_nothing(
    made: Callable[[str, User], str], asked: User, anonymous: "PortalClient"
) -> None:
    link = made(token_to(NEW), asked)
    before = addresses_of(asked)

    answers = [getattr(anonymous, act)(f"/account/email/confirm/{link}/") for act in ("get", "head", "post")]

    if made is untouched:
        assert [answer.status_code for answer in answers] == [200, 200, 302]
        assert addresses_of(asked) == (NEW, "")
        return
    assert [answer.status_code for answer in answers] == [410, 410, 410]
    assert addresses_of(asked) == before
    for page in (answers[0], answers[2]):
        words = words_of(page.content.decode())
        assert "Link no longer valid" in words
        assert (
            "It was used already, or it is older than 3 days, or the address was changed again since, "
            "or what the account may do."
        ) in words
        assert "Ask your administrator to enter that one and save, and then the new one: a new link comes." in words
        assert "Grace" not in words


@pytest.mark.parametrize(("age", "status"), [(THREE_DAYS - 60, 200), (THREE_DAYS + 60, 410)])
def test_link_is_good_for_three_days(
    asked: User, anonymous: "PortalClient", monkeypatch: pytest.MonkeyPatch, age: int, status: int
) -> None:
    link, signed = token_to(NEW), signing.TimestampSigner(salt="accounts.email")
    value = signed.unsign(link)
    sent = signing.b62_decode(link.split(":")[1]) - age
    monkeypatch.setattr(signed, "timestamp", lambda: signing.b62_encode(sent))

    assert anonymous.get(f"/account/email/confirm/{signed.sign(value)}/").status_code == status


@pytest.mark.parametrize("token", ["x", "%00", "a:b:c", "::", "é", "%E2%80%AE", "x" * 5000])
def test_odd_tokens_are_answered_like_dead_ones_and_ask_nothing(
    db: None, anonymous: "PortalClient", token: str
) -> None:
    with captured_queries() as queries:
        answer = anonymous.get(f"/account/email/confirm/{token}/")

    assert (answer.status_code, queries) == (410, [])


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_who_confirm_at_once_are_one(acme: Organization, grace: User, ada: User) -> None:
    update_user(grace, replace(UserDetails.of(grace), email=NEW), origin=origin_of(ada), site=SITE)
    link = token_to(NEW)

    with meeting(Organization.objects.filter(pk=acme.pk), of=2) as send:
        clicks = [send(lambda: confirm_email(link, origin=Origin())) for _ in range(2)]

    assert sorted(type(click.exception()).__name__ for click in clicks) == ["EmailLinkIsDead", "NoneType"]
    assert addresses_of(grace) == (NEW, "")


# --- the pages ---------------------------------------------------------------------------------------------------


def test_page_of_the_link_asks_and_changes_nothing(asked: User, anonymous: "PortalClient") -> None:
    with captured_queries() as queries:
        page = anonymous.get(f"/account/email/confirm/{token_to(NEW)}/")

    assert len(queries) == 1
    assert f"Mails of the portal to Grace Hopper ({OLD}) in Acme are to go to {NEW}." in words_of(html_of(page))
    assert '<button class="btn btn-primary" type="submit">Confirm</button>' in html_of(page)
    assert "no-store" in page.headers["Cache-Control"]
    assert page.headers["Referrer-Policy"] == "same-origin"
    assert addresses_of(asked) == (OLD, NEW)


def test_confirming_leads_to_a_page_that_says_so(asked: User, anonymous: "PortalClient") -> None:
    link = f"/account/email/confirm/{token_to(NEW)}/"

    with captured_queries() as queries:
        answer = anonymous.post(link)
    page = anonymous.get(answer.headers["Location"])

    # Whose it is; the organization's lock; the same again; the user's row; the trail; allauth's addresses.
    assert len(queries) == 6
    assert (answer.status_code, answer.headers["Location"]) == (302, "/account/email/confirmed/")
    assert "Mails of the portal go to the new address from now on." in words_of(html_of(page))
    assert "ask for a mail to choose one" in words_of(html_of(page))
    assert anonymous.post(link).status_code == 410


def test_whoever_is_signed_in_in_that_browser_confirms_it_as_its_user(
    asked: User, stranger: User, client_of: "ClientOf"
) -> None:
    client = client_of(stranger)

    page = client.post(f"/account/email/confirm/{token_to(NEW)}/", follow=True)

    assert 'href="/">Home</a>' in html_of(page)
    assert addresses_of(asked) == (NEW, "")
    event = last_event()
    assert (event.user, event.session_public_id, event.organization_id) == (asked, None, asked.organization_id)


def test_link_is_refused_inside_a_visit(
    any_user_login: Organization, asked: User, ada: User, browser: "Browser"
) -> None:
    client, link = browser(), f"/account/email/confirm/{token_to(NEW)}/"
    client.login_as(asked, actor=ada)

    refused = client.get(link), client.post(link)

    assert [answer.status_code for answer in refused] == [403, 403]
    assert addresses_of(asked) == (OLD, NEW)
    client.log_out_as()
    assert client.get(link).status_code == 200


def test_pages_say_what_waits(
    asked: User, ada: User, alan: User, any_user_login: Organization, client_of: "ClientOf", browser: "Browser"
) -> None:
    def pages() -> tuple[str, str, str]:
        of_ada, of_grace = client_of(ada), client_of(User.objects.get(pk=asked.pk))
        details = section_of(of_ada.get(f"/setup/users/{asked.pk}/"), "Details")
        home = section_of(of_grace.get("/"), "My account")
        return details, home, words_of(html_of(of_ada.get(f"/setup/users/{asked.pk}/edit/")))

    waiting = pages()
    confirm_email(token_to(NEW), origin=Origin())
    then = pages()

    waits = f"{OLD}; {NEW} waits to be confirmed"
    assert [waits in page for page in waiting[:2]] == [True, True]
    help_text = f"{NEW} waits to be confirmed; {OLD} counts until then. Enter that one again to withdraw the change."
    assert help_text in waiting[2]
    assert ["waits" in page for page in then] == [False, False, False]
    assert [f"E-mail address {NEW}" in page for page in then[:2]] == [True, True]


def fields_of(page: str) -> dict[str, Any]:
    """Return what the edit form would send if nothing was typed."""
    typed = dict(re.findall(r'<input type="(?:text|email|hidden)" name="(\w+)"(?: value="([^"]*)")?', page))
    chosen = dict(re.findall(r'<select name="(\w+)".*?<option value="(\d*)" selected', page, re.DOTALL))
    return {**typed, **chosen}


def test_form_that_is_saved_as_it_stands_leaves_what_waits(
    asked: User, ada: User, client_of: "ClientOf", django_capture_on_commit_callbacks: "DjangoCaptureOnCommitCallbacks"
) -> None:
    client, page = client_of(ada), f"/setup/users/{asked.pk}/edit/"

    def save(**typed: str) -> str:
        with django_capture_on_commit_callbacks(execute=True):
            answer = client.post(page, {**fields_of(html_of(client.get(page))), **typed}, follow=True)
        found = re.search(r'<div class="alert alert-\w+" role="\w+">(.*?)</div>', html_of(answer), re.DOTALL)
        assert found
        return words_of(found[1])

    saved = "Grace Hopper has been saved."
    assert save(alias="gh") == saved
    assert addresses_of(asked) == (OLD, NEW)
    went = f"A mail with a link went to {NEWER}: the new address counts once it is confirmed."
    assert save(email=NEWER) == f"{saved} {went}"
    assert LINK.search(str(mail.outbox[-2].body))
    assert addresses_of(asked) == (OLD, NEWER)
    assert save(email=OLD) == saved
    assert addresses_of(asked) == (OLD, "")


def test_whoever_saves_an_older_form_is_told_what_waits(
    grace: User, ada: User, alan: User, enter: "Enter", client_of: "ClientOf"
) -> None:
    client, page = client_of(ada), f"/setup/users/{grace.pk}/edit/"
    older = fields_of(html_of(client.get(page)))
    enter(grace, origin_of(alan), email=NEW)

    told = client.post(page, {**older, "alias": "gh"})

    assert told.status_code == 409
    assert f"E-mail address that waits to be confirmed is now: {NEW}" in words_of(told.content.decode())
    assert addresses_of(grace) == (OLD, NEW)


def test_form_of_the_worn_account_says_both(
    ada: User, alan: User, hedy: User, any_user_login: Organization, enter: "Enter", browser: "Browser"
) -> None:
    enter(alan, origin_of(ada), email=NEW)
    client = browser()
    client.login_as(alan, actor=ada)
    page = f"/setup/users/{alan.pk}/edit/"

    form = html_of(client.get(page))
    withdrawn = client.post(page, {**fields_of(form), "email": "alan@acme.example"})

    waits = f"{NEW} waits to be confirmed; alan@acme.example counts until then."
    assert f"{waits} Not changed while you are logged in as Alan Turing." in words_of(form)
    assert "withdraw" not in form
    assert withdrawn.status_code == 403
    assert addresses_of(alan) == ("alan@acme.example", NEW)


def test_form_of_a_guest_keeps_what_waits(asked: User, ada: User, sam: User) -> None:
    origin = replace(inside(sam, ada), is_limited=True)
    initial = {"email": UserDetails.of(asked).email, "profile": asked.profile, "username": asked.username}
    data = {"last_name": "Murray", "email": OLD}

    form = UserForm(data, organization=ada.organization, origin=origin, user=asked, initial=initial)

    assert form.is_valid()
    assert form.details().email == NEW
    refused = "Only the organization's own administrators change this."
    waits = f"{NEW} waits to be confirmed; {OLD} counts until then."
    assert {name: field.help_text for name, field in form.fields.items() if field.disabled} == {
        "username": refused,
        "email": f"{waits} {refused}",
        "profile": refused,
        "role": refused,
    }
