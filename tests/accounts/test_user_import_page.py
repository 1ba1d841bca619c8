"""The page that imports users: check and import, with and without htmx, and what is downloaded to begin with."""

import re
from typing import TYPE_CHECKING, Any

import pytest
from django.core import mail
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile

from accounts.forms.users import IMPORT_BYTES
from accounts.models import User
from accounts.services.user_import import FILES_AN_HOUR, TEMPLATE
from orgs.models import AuditEvent

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_django import Settings

    from accounts.models import Profile, Role
    from accounts.testing import PortalClient

    ClientOf = Callable[[User], PortalClient]

URL = "/setup/users/import/"
HEAD = "Username,E-mail,Last Name,Profile\n"
MARY = "mary@new.example,mary@mail.example,Jackson,Standard User\n"
TOO_LARGE = (
    "This file is larger than 3.8 MB, and the page takes 10,000 users at most. Split it, or import it with "
    "manage.py import_users, which takes any number."
)
NOT_SENT = (
    "1 user imported. 1 mail to choose a password did not go out. Those users can ask for one with “Forgot your "
    "password?” where they sign in."
)
LIST = "/setup/users/?sort=last_login&columns=created"
PART = {"HX-Request": "true", "HX-Target": "import-result"}

pytestmark = pytest.mark.usefixtures("profiles")


def file_of(text: str) -> SimpleUploadedFile:
    return SimpleUploadedFile("users.csv", text.encode(), "text/csv")


def send(client: "PortalClient", text: str | None, act: str = "check", *, is_part: bool = False, **fields: Any) -> Any:  # noqa: ANN401  # as Django's test client returns it
    file = {} if text is None else {"file": file_of(text)}
    url = URL if act == "import" else f"{URL}check/"
    return client.post(url, {**file, **fields}, headers=PART if is_part else {})


def words_of(answer: Any) -> str:  # noqa: ANN401  # the same
    """Return what the page says in its main part, spaces in order."""
    page = answer.content.decode()
    main = re.search(r"<main.*</main>", page, re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", main[0] if main else page).split())


def is_there() -> bool:
    return bool(User.objects.filter(username="mary@new.example"))


def messages_of(client: "PortalClient", url: str = LIST) -> list[str]:
    return [str(message) for message in client.get(url).context["messages"]]


# --- the page ----------------------------------------------------------------------------------------------------


def test_users_list_links_to_the_page_for_those_who_may(ada: User, audrey: User, client_of: "ClientOf") -> None:
    pages = [client_of(person).get("/setup/users/?q=mary").content.decode() for person in (ada, audrey)]

    link = '<a class="btn btn-outline-secondary" href="/setup/users/import/?back='
    assert [link in page for page in pages] == [True, False]


def test_page_explains_the_columns_and_leads_back(ada: User, client_of: "ClientOf") -> None:
    page = client_of(ada).get(URL, {"back": "/setup/users/?q=mary"})

    assert "Profile Yes By its name, as the users list has it. Standard User" in words_of(page)
    assert 'href="/setup/users/?q=mary">Cancel</a>' in page.content.decode()
    assert "What is wrong" not in words_of(page)


def test_template_is_downloaded(ada: User, client_of: "ClientOf") -> None:
    answer = client_of(ada).get(f"{URL}template/")

    assert answer.content == TEMPLATE
    assert TEMPLATE.decode("utf-8-sig").splitlines() == [
        "Username,E-mail,First Name,Last Name,Alias,Profile,Role",
        "mary@acme.example,mary@acme.example,Mary,Jackson,mjack,Standard User,",
    ]
    assert (answer["Content-Type"], answer["Content-Disposition"]) == (
        "text/csv; charset=utf-8",
        'attachment; filename="users.csv"',
    )


# --- check -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_part", [False, True])
def test_check_shows_who_will_be_created_and_changes_nothing(is_part: bool, ada: User, client_of: "ClientOf") -> None:
    rows = "".join(MARY.replace("mary", f"m{n}") for n in range(7))

    answer = send(client_of(ada), HEAD + rows, is_part=is_part)

    words = words_of(answer)
    again = "" if is_part else " To import, choose the file again."
    assert f"Nothing is wrong: 7 users will be created.{again} As they will be" in words
    assert "Jackson m4@new.example m4@mail.example jack Standard User And 2 more users." in words
    assert answer.status_code == 200
    assert (AuditEvent.objects.exists(), mail.outbox) == (False, [])
    assert not User.objects.filter(username__startswith="m0").exists()


def test_check_of_one_user_has_no_others(ada: User, client_of: "ClientOf") -> None:
    words = words_of(send(client_of(ada), HEAD + MARY))

    assert "Nothing is wrong: 1 user will be created." in words
    assert "more user" not in words


@pytest.mark.parametrize("is_part", [False, True])
def test_check_names_row_and_column_of_what_is_wrong(is_part: bool, ada: User, client_of: "ClientOf") -> None:
    answer = send(client_of(ada), f"{HEAD}{MARY}x,,J<b>,Boss\n", is_part=is_part)

    words = words_of(answer)
    assert "3 things are wrong. Nobody will be imported." in words
    assert ("Correct the file, and choose it again." in words) == (not is_part)
    assert "3 E-mail This cell is empty. Every user needs one." in words
    assert "3 Profile There is no profile Boss." in words
    assert answer.status_code == 200


def test_only_the_first_of_many_faults_are_shown(ada: User, client_of: "ClientOf") -> None:
    words = words_of(send(client_of(ada), HEAD + MARY.replace("Jackson", "") * 101))

    assert "201 things are wrong. Nobody will be imported. The first 100 are shown." in words


def test_one_fault_is_one_thing(ada: User, client_of: "ClientOf") -> None:
    assert "1 thing is wrong. Nobody will be imported." in words_of(send(client_of(ada), ""))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "Choose a file."),
        (
            "x" * (IMPORT_BYTES + 1),
            TOO_LARGE,
        ),
    ],
)
def test_what_is_no_file_for_the_page_is_told(text: str | None, says: str, ada: User, client_of: "ClientOf") -> None:
    client = client_of(ada)

    whole, part = (send(client, text, is_part=is_part) for is_part in (False, True))

    assert (whole.status_code, part.status_code) == (422, 422)
    assert words_of(whole).count(says) == 1
    assert words_of(part) == f"{says} {says}"  # on the page, and said by a screen reader


def test_more_users_than_the_page_takes_are_told(ada: User, client_of: "ClientOf") -> None:
    rows = "".join(f"m{n}@n.example,m@m.example,J,Standard User\n" for n in range(10_001))

    words = words_of(send(client_of(ada), HEAD + rows, "import"))

    assert "10002 A file for this page holds 10,000 users at most." in words
    assert not is_there()


# --- import ------------------------------------------------------------------------------------------------------


def test_import_creates_and_mails_them_and_leads_to_the_list(ada: User, client_of: "ClientOf") -> None:
    client = client_of(ada)

    answer = send(client, HEAD + MARY, "import", mail="on")

    assert (answer.status_code, answer["Location"], is_there()) == (302, LIST, True)
    assert messages_of(client) == ["1 user imported, and mailed a link to choose a password."]
    assert [letter.to for letter in mail.outbox] == [["mary@mail.example"]]
    assert "http://testserver/account/password/reset/key/" in mail.outbox[0].body
    assert [row.user.username for row in client.get(LIST).context["rows"]] == ["mary@new.example", "ada@acme.example"]


def test_import_by_htmx_leads_there_too(ada: User, client_of: "ClientOf") -> None:
    client = client_of(ada)

    answer = send(client, HEAD + MARY, "import", is_part=True)

    assert (answer.status_code, answer["HX-Redirect"], is_there()) == (204, LIST, True)
    assert (messages_of(client), mail.outbox) == (["1 user imported."], [])


def test_mails_that_did_not_go_out_are_counted(ada: User, client_of: "ClientOf", settings: "Settings") -> None:
    # No mail server answers there.
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    client = client_of(ada)

    answer = send(client, HEAD + MARY, "import", mail="on")

    assert (answer.status_code, is_there()) == (302, True)
    assert messages_of(client) == [NOT_SENT]


@pytest.mark.parametrize("is_part", [False, True])
def test_import_of_a_wrong_file_creates_nobody(is_part: bool, ada: User, client_of: "ClientOf") -> None:
    answer = send(client_of(ada), f"{HEAD}{MARY}x,,J,Standard User\n", "import", is_part=is_part, mail="on")

    assert (answer.status_code, is_there(), mail.outbox) == (422, False, [])
    assert "2 things are wrong. Nobody was imported." in words_of(answer)


@pytest.mark.parametrize("act", ["check", "import"])
def test_too_many_files_are_told_when_the_next_is_read(act: str, ada: User, client_of: "ClientOf") -> None:
    client = client_of(ada)
    cache.clear()
    read = [send(client, "", act).status_code for _ in range(FILES_AN_HOUR)]
    page, part = (send(client, HEAD + MARY, act, is_part=is_part) for is_part in (False, True))
    cache.clear()

    assert set(read) == {200 if act == "check" else 422}
    assert (page.status_code, part.status_code, is_there()) == (429, 429, False)
    said = "You have checked or imported 60 files of users within one hour. This one was not read."
    assert f"Too many attempts {said} Nothing was changed. Try again after 20" in words_of(page)
    assert words_of(part).startswith(f"{said} Try again after 20")
    assert words_of(part).endswith(said)
    assert 3500 < int(part.headers["Retry-After"]) <= 3600
    assert part.headers["Vary"].startswith("HX-Request, HX-Target")


def test_delegate_imports_those_in_reach(
    barbara: User, client_of: "ClientOf", sales_roles: "dict[str, Role]", profiles: "dict[str, Profile]"
) -> None:
    client = client_of(barbara)
    head = HEAD.replace("Profile", "Profile,Role")

    no = send(client, head + MARY, "import")
    yes = send(client, head + MARY.replace("User", "User,Sales"), "import")

    assert (no.status_code, yes.status_code) == (422, 302)
    assert "2 Role Choose a role that you administer as a delegate." in words_of(no)
    assert User.objects.get(username="mary@new.example").role == sales_roles["Sales"]


def test_visit_lists_what_was_checked_and_imported(
    ada: User, alan: User, any_user_login: object, browser: "Callable[[], PortalClient]"
) -> None:
    client = browser()
    visit = client.login_as(alan, actor=ada)

    send(client, HEAD + MARY, is_part=True)
    send(client, "", "import", is_part=True)
    send(client, HEAD + MARY, "import", is_part=True)

    client.log_out_as()
    client.force_login(ada)
    story = words_of(client.get(f"/setup/impersonations/{visit.pk}/"))
    assert "Check a file of users Done" in story
    assert "Import users Not accepted" in story
    assert "Import users Done" in story
    event = AuditEvent.objects.get(action="users.imported")
    assert (event.user, event.delegate_user, event.impersonation_id) == (alan, ada, visit.pk)
    assert User.objects.get(username="mary@new.example").created_by_name == "Alan Turing (by Ada Lovelace)"
