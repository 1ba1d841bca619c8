"""The operator console in a real browser: Django's pages under our policy, light and dark, without scripts too."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest
from django.contrib.staticfiles.finders import find
from playwright.sync_api import expect

from accounts.enums import OperatorRole, Theme
from accounts.models import User
from orgs.models import Organization, OrganizationKind
from tests.factories import LoginAccessGrantFactory, OrganizationFactory, ProfileFactory, UserFactory

from .conftest import sign_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from .conftest import Be, OpenWindow

    Keep = Callable[[Page, str], None]

pytestmark = pytest.mark.browser


def operator(support: Organization, name: str, role: OperatorRole) -> User:
    user: User = UserFactory.create(
        organization=support,
        profile=ProfileFactory.create(organization=support),
        username=f"{name.lower()}@support.example",
        first_name=name,
        last_name="Carter",
        operator_role=role,
    )
    return user


@pytest.fixture
def support(db: None) -> Organization:
    organization: Organization = OrganizationFactory.create(name="Portal Support", kind=OrganizationKind.OPERATOR)
    return organization


@pytest.fixture
def sam(support: Organization) -> User:
    return operator(support, "Sam", OperatorRole.SUPPORT)


@pytest.fixture
def sally(support: Organization) -> User:
    return operator(support, "Sally", OperatorRole.SALES)


@pytest.fixture
def joan(grace: User, support: Organization) -> User:
    """Someone who granted access."""
    LoginAccessGrantFactory.create(user=grace, support_organization=support)
    return grace


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_agent_finds_a_person_and_logs_in(
    scripts: bool, open_window: "OpenWindow", joan: User, sam: User, keep: "Keep"
) -> None:
    page = open_window(java_script_enabled=scripts)
    sign_in(page, sam)

    page.get_by_role("link", name="Console").click()
    page.get_by_role("link", name="People who granted access").click()
    page.locator("#searchbar").fill("grace")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name="Grace Hopper").click()
    keep(page, f"console-person-{'scripts' if scripts else 'plain'}")
    page.get_by_role("button", name="Login").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Welcome, Grace")
    page.get_by_role("button", name="Log out as Grace Hopper").first.click()
    expect(page).to_have_url(re.compile("/login/"))


@pytest.mark.django_db(transaction=True)
def test_sales_creates_a_customer_with_mistakes_on_the_way(window: "Page", be: "Be", grace: User, sally: User) -> None:
    be(window, sally)
    window.goto("/admin/orgs/organization/")
    window.get_by_role("link", name="New organization").click()

    window.get_by_label("Name of the organization").fill("Wayne")
    window.get_by_label("Edition").select_option("Enterprise")
    window.get_by_label("Administrator’s last name").fill("Fox")
    window.get_by_label("Administrator’s username").fill(grace.username)
    window.get_by_label("Administrator’s e-mail address").fill("lucius@wayne.example")
    window.get_by_role("button", name="Create").click()
    expect(window.get_by_text("This username is taken.")).to_be_visible()
    window.get_by_label("Administrator’s username").fill("lucius@wayne.example")
    window.get_by_role("button", name="Create").click()

    expect(window.get_by_text("Wayne has been created, with Fox as its administrator.")).to_be_visible()
    expect(window.get_by_role("link", name="Wayne")).to_be_visible()


# What is seen: the ground, and the words on it; as Django's admin has them.
LIGHT, DARK = ["rgb(255, 255, 255)", "rgb(51, 51, 51)"], ["rgb(18, 18, 18)", "rgb(238, 238, 238)"]
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
SHEETS = ("portal/console_dark.css", "admin/css/dark_mode.css")
COLOURS = "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"


@pytest.mark.parametrize(
    ("theme", "expected"),
    [(Theme.SYSTEM, [LIGHT, DARK]), (Theme.LIGHT, [LIGHT, LIGHT]), (Theme.DARK, [DARK, DARK])],
)
@pytest.mark.parametrize("scripts", [True, False])
def test_console_has_the_persons_theme(
    *, open_window: "OpenWindow", be: "Be", sam: User, theme: Theme, expected: list[list[str]], scripts: bool
) -> None:
    User.objects.update(theme=theme)
    page = open_window(java_script_enabled=scripts)
    be(page, sam)
    page.goto("/admin/")

    seen = []
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        seen.append(page.evaluate(COLOURS))

    assert seen == expected
    expect(page.locator(".theme-toggle")).to_have_count(0)


def test_dark_console_is_djangos() -> None:
    """What is copied from Django's sheet is what that has."""
    copied, theirs = (Path(find(path) or "").read_text(encoding="utf-8") for path in SHEETS)

    assert re.findall(r"(--[\w-]+|color-scheme): (.*);", copied) == re.findall(
        r"(--[\w-]+|color-scheme): (.*);", theirs.partition('html[data-theme="dark"] {')[2].partition("}")[0]
    )
