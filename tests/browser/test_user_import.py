"""Importing users in a real browser: check, correct, import, with and without scripts."""

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User

from .test_accessibility import look_at

if TYPE_CHECKING:
    from playwright.sync_api import FilePayload

    from .conftest import Be, OpenWindow

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("profiles")]

HEAD = "Username;E-mail;Last Name;Profile\r\n"
RIGHT = f"{HEAD}mary@new.example;mary@mail.example;Jackson;Standard User\r\n"
WRONG = f"{HEAD}mary@new.example;mary;Jackson;Boss\r\n"
WHAT_IS_WRONG = "2 things are wrong. Nobody will be imported."
WHO_WILL_BE = "Nothing is wrong: 1 user will be created."


def file_of(text: str) -> "FilePayload":
    return {"name": "users.csv", "mimeType": "text/csv", "buffer": text.encode()}


def is_there() -> bool:
    return bool(User.objects.filter(username="mary@new.example"))


def test_check_correct_and_import(window: Page, be: "Be", ada: User) -> None:
    be(window, ada)
    window.goto("/setup/users/")
    window.get_by_role("link", name="Import users").click()
    status, check = window.locator("#import-status"), window.get_by_role("button", name="Check")

    # Nothing chosen, and then a wrong file: the page stays, and so does the file
    check.click()
    expect(status).to_have_text("Choose a file.")
    window.get_by_label("CSV file").set_input_files(file_of(WRONG))
    check.focus()
    check.press("Enter")
    expect(status).to_have_text(WHAT_IS_WRONG)
    expect(window.get_by_role("row", name="2 Profile There is no profile Boss.")).to_be_visible()
    expect(check).to_be_focused()
    assert look_at(window, "a wrong file") == []

    # The right one: checked, and imported without choosing it again
    window.get_by_label("CSV file").set_input_files(file_of(RIGHT))
    check.click()
    expect(status).to_have_text(WHO_WILL_BE)
    assert look_at(window, "a right file") == []
    assert not is_there()
    window.get_by_role("button", name="Import").click()
    expect(window.get_by_role("heading", name="Users", level=1)).to_be_visible()
    expect(window.get_by_text("1 user imported, and mailed a link to choose a password.")).to_be_visible()
    expect(window.get_by_role("cell", name="mary@new.example")).to_be_visible()


def test_wrong_file_is_not_imported(window: Page, be: "Be", ada: User) -> None:
    be(window, ada)
    window.goto("/setup/users/import/")

    window.get_by_label("CSV file").set_input_files(file_of(WRONG))
    window.get_by_role("button", name="Import").click()

    expect(window.locator("#import-status")).to_have_text("2 things are wrong. Nobody was imported.")
    assert not is_there()


def test_without_scripts_the_file_is_chosen_again(open_window: "OpenWindow", be: "Be", ada: User) -> None:
    window = open_window(java_script_enabled=False)
    be(window, ada)
    window.goto("/setup/users/import/?back=/setup/users/?q=mary")

    window.get_by_label("CSV file").set_input_files(file_of(RIGHT))
    window.get_by_role("button", name="Check").click()
    expect(window.get_by_role("alert")).to_have_text(f"{WHO_WILL_BE} To import, choose the file again.")
    expect(window.get_by_role("link", name="Cancel")).to_have_attribute("href", "/setup/users/?q=mary")

    window.get_by_role("button", name="Import").click()
    expect(window.get_by_text("Choose a file.")).to_be_visible()
    window.get_by_label("CSV file").set_input_files(file_of(RIGHT))
    window.get_by_role("button", name="Import").click()
    expect(window.get_by_text("1 user imported")).to_be_visible()
    assert is_there()
