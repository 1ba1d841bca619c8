"""What is done elsewhere in the middle of a visit: told on the next page, back as oneself, and nothing done late."""

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.db.models import F

from accounts.models import Impersonation, Session, User
from orgs.models import AuditEvent
from tests.factories import PASSWORD

from .browsing import Browser

if TYPE_CHECKING:
    from collections.abc import Callable

    from orgs.models import Organization

    from .browsing import Page

    Make = Callable[..., User]
    Elsewhere = Callable[["Story"], None]

pytestmark = pytest.mark.usefixtures("any_user_login")

POLICIES = "/setup/login-access-policies/"


def log_in_as(browser: Browser, target: User) -> "Page":
    """Press Login on the user's page."""
    return browser.open(f"/setup/users/{target.pk}/").press("Login")


@pytest.fixture
def alans(alan: User) -> Browser:
    """Another administrator's browser."""
    browser = Browser(address="192.0.2.2")
    browser.sign_in(alan)
    return browser


@pytest.fixture
def graces(grace: User) -> Browser:
    """The browser of the person whose account is worn."""
    browser = Browser(address="192.0.2.3")
    browser.sign_in(grace)
    return browser


class Story:
    """Ada is logged in as Grace; Alan, and Grace herself, are at their own."""

    def __init__(self, adas: Browser, alans: Browser, graces: Browser, ada: User, grace: User) -> None:
        self.adas, self.alans, self.graces, self.ada, self.grace = adas, alans, graces, ada, grace
        self.own_key = adas.key
        log_in_as(adas, grace)
        self.worn_key = adas.key
        self.visit = Impersonation.objects.get()

    def closed(self) -> tuple[str, str | None, bool]:
        """Return the visit's cause, who ended it, and whether its own end came at the moment it was noticed."""
        self.visit.refresh_from_db()
        by = str(self.visit.ended_by) if self.visit.ended_by else None
        return self.visit.end_cause, by, self.visit.ended_at == self.visit.noticed_at

    def is_adas_session_live(self) -> bool:
        return Session.objects.live().filter(user=self.ada, parent=None).exists()


@pytest.fixture
def story(adas: Browser, alans: Browser, graces: Browser, ada: User, grace: User) -> Story:
    return Story(adas, alans, graces, ada, grace)


def switch_off(story: Story) -> None:
    story.alans.open(POLICIES).press("Save", Enabled=False)


def deactivate(story: Story) -> None:
    story.alans.open(f"/setup/users/{story.grace.pk}/").click("Deactivate").press("Deactivate")


def end_it(story: Story) -> None:
    story.graces.open("/").press("End")


def make_external(story: Story) -> None:
    User.objects.filter(pk=story.grace.pk).update(profile=story.grace.organization.profiles.get(is_external=True))


def deprovision(story: Story) -> None:
    type(story.grace.organization).objects.update(provisioned=False)


def downgrade(story: Story) -> None:
    type(story.grace.organization).objects.update(edition="professional")


def protect(story: Story) -> None:
    story.grace.profile.permission_bits = story.ada.profile.permission_bits
    story.grace.profile.save()
    policy = story.grace.organization.login_access_policy
    policy.protect_administrators = True
    policy.save()


def change_targets_password(story: Story) -> None:
    new = "correct horse battery staple"
    page = story.graces.open("/account/password/change/")
    page.press("Save password", oldpassword=PASSWORD, password1=new, password2=new)


HANDED_BACK: dict[str, tuple["Elsewhere", str, str, str | None]] = {
    "switched off": (
        switch_off,
        "policy_changed",
        "the login access policies were changed",
        "Alan Turing",
    ),
    "deactivated": (deactivate, "target_deactivated", "the user was deactivated", "Alan Turing"),
    "ended by the target": (end_it, "ended_by_target", "the user ended it", "Grace Hopper"),
    "made external": (make_external, "target_became_external", "the user became an external site user", None),
    "deprovisioned": (
        deprovision,
        "deprovisioned",
        "Administrators Can Log in as Any User is no longer provisioned",
        None,
    ),
    "downgraded": (downgrade, "edition_changed", "the organization's edition no longer has this feature", None),
    "protected": (
        protect,
        "became_protected",
        "the user is now protected from this login",
        None,
    ),
    "password changed": (change_targets_password, "password_changed", "a password was changed", "Grace Hopper"),
}


@pytest.mark.parametrize(("happens", "cause", "words", "by"), HANDED_BACK.values(), ids=HANDED_BACK)
def test_next_page_tells_and_one_is_back_as_oneself(
    story: Story, happens: "Elsewhere", cause: str, words: str, by: str | None
) -> None:
    happens(story)

    page = story.adas.open("/")

    assert page.place == f"/setup/users/{story.grace.pk}/"
    assert page.alerts[0] == f"Your visit as Grace Hopper has ended: {words}. You are Ada Lovelace again."
    assert (page.banner, page.status, page.heading) == ("", 200, "Grace Hopper")
    assert story.adas.open("/").heading == "Welcome, Ada"
    assert story.closed()[:2] == (cause, by)
    assert story.adas.key not in {story.own_key, story.worn_key, ""}


@pytest.mark.parametrize(("happens", "cause", "words", "by"), HANDED_BACK.values(), ids=HANDED_BACK)
def test_write_sent_after_the_end_is_nobodys(
    story: Story, happens: "Elsewhere", cause: str, words: str, by: str | None
) -> None:
    """The first thing that the browser sends after the end is a write: neither Grace nor Ada does it."""
    inside = story.adas.open("/")
    happens(story)
    users, events = list(User.objects.order_by("pk").values()), AuditEvent.objects.count()

    fields = inside.token | {"first_name": "Admiral", "next": "/setup/"}
    page = story.adas.send("post", f"/setup/users/{story.ada.pk}/edit/", fields)

    assert (page.status, page.heading, page.banner) == (403, "This page is out of date", "")
    assert "This tab was opened as Grace Hopper. You are now logged out. Nothing was saved." in page.text
    assert f"The session it belonged to has ended: {words}." in page.text
    assert page.typed == {"First name": "Admiral"}
    assert list(User.objects.order_by("pk").values()) == users
    # The end itself may be noticed by this very request.
    assert AuditEvent.objects.count() - events in {0, 1}
    assert not AuditEvent.objects.filter(action="user.changed").exists()


def test_page_that_one_goes_on_to_is_ones_own(story: Story) -> None:
    """After the refused write, Go on leads back to oneself, told why."""
    inside = story.adas.open("/")
    switch_off(story)

    page = story.adas.send("post", f"/setup/users/{story.ada.pk}/freeze/", inside.token).click("Go on")

    assert page.place == f"/setup/users/{story.grace.pk}/"
    assert page.alerts == [
        "Your visit as Grace Hopper has ended: the login access policies were changed. You are Ada Lovelace again."
    ]


def test_late_log_out_after_an_end_lands_where_a_leave_would(story: Story) -> None:
    inside = story.adas.open("/")
    switch_off(story)

    page = inside.press("Log out as Grace Hopper")

    assert page.place == f"/setup/users/{story.grace.pk}/"
    assert story.closed()[:2] == ("policy_changed", "Alan Turing")
    assert AuditEvent.objects.filter(action="impersonation.ended").count() == 1


def test_switched_off_and_on_again_is_an_end_too(story: Story) -> None:
    switch_off(story)
    story.alans.open(POLICIES).press("Save", Enabled=True)

    page = story.adas.open("/")

    assert page.banner == ""
    assert page.alerts[0].startswith("Your visit as Grace Hopper has ended")


# --- ends that take the actor's own session along ----------------------------------------------------------------


def deactivate_actor(story: Story) -> None:
    story.alans.open(f"/setup/users/{story.ada.pk}/").click("Deactivate").press("Deactivate")


def freeze_actor(story: Story) -> None:
    story.alans.open(f"/setup/users/{story.ada.pk}/").press("Freeze")


def end_actors_sessions(story: Story) -> None:
    story.alans.open(f"/setup/users/{story.ada.pk}/").press("End Sessions")


def run_out(story: Story) -> None:
    Impersonation.objects.update(ends_at=F("started_at") + timedelta(microseconds=1))


def idle_away(story: Story) -> None:
    idle = F("last_active_at") - timedelta(minutes=story.grace.organization.session_settings.idle_minutes)
    Session.objects.filter(user__in=[story.ada, story.grace]).update(last_active_at=idle)


SIGNED_OUT: dict[str, tuple["Elsewhere", str, str | None]] = {
    "actor deactivated": (deactivate_actor, "actor_deactivated", "Alan Turing"),
    "actor frozen": (freeze_actor, "actor_frozen", "Alan Turing"),
    "actor's sessions ended": (end_actors_sessions, "ended_by_administrator", "Alan Turing"),
    "time limit, with force relogin": (run_out, "time_limit", None),
    "idle, with force relogin": (idle_away, "idle", None),
}


@pytest.mark.parametrize(("happens", "cause", "by"), SIGNED_OUT.values(), ids=SIGNED_OUT)
def test_end_of_ones_own_session_leads_to_the_login_page(
    story: Story, happens: "Elsewhere", cause: str, by: str | None
) -> None:
    happens(story)

    page = story.adas.open("/")

    assert (page.heading, page.banner) == ("Log in", "")
    assert page.alerts != []
    assert story.closed()[:2] == (cause, by)
    assert not story.is_adas_session_live()
    assert "Ada" not in page.text
    assert "Grace" not in page.text


def test_time_limit_without_relogin_is_back_as_oneself(story: Story, any_user_login: "Organization") -> None:
    any_user_login.session_settings.force_relogin = False
    any_user_login.session_settings.save()
    run_out(story)

    page = story.adas.open("/")

    assert page.alerts == [
        "Your visit as Grace Hopper has ended: the time limit was reached. You are Ada Lovelace again."
    ]
    assert page.place == f"/setup/users/{story.grace.pk}/"
    assert story.closed() == ("time_limit", None, False)


# --- one session, two browsers -----------------------------------------------------------------------------------


def test_second_browser_with_the_actors_key_is_nobody_during_the_visit(story: Story) -> None:
    thief = Browser(address="198.51.100.7").hold(portal_session=story.own_key)

    page = thief.open("/setup/users/")

    assert page.heading == "Log in"
    assert story.adas.open("/").banner != ""


def test_leaked_worn_key_never_becomes_the_administrators(story: Story) -> None:
    """The worn key alone, without the return cookie, is exchanged for nothing."""
    thief = Browser(address="198.51.100.7").hold(portal_session=story.worn_key)
    switch_off(story)

    stolen = thief.open("/")
    page = story.adas.open("/")

    assert stolen.heading == "Log in"
    assert page.alerts[0].startswith("Your visit as Grace Hopper has ended")


def test_leaked_worn_key_logs_out_to_nobody(story: Story, any_user_login: "Organization") -> None:
    """Without force relogin too: only the browser that began the visit is back as oneself."""
    any_user_login.session_settings.force_relogin = False
    any_user_login.session_settings.save()
    thief = Browser(address="198.51.100.7").hold(portal_session=story.worn_key)

    page = thief.open("/").press("Log out as Grace Hopper")

    assert page.heading == "Log in"
    assert thief.open("/setup/").heading == "Log in"
    assert story.adas.open("/").heading == "Log in"
    assert not story.is_adas_session_live()


def test_return_cookie_alone_is_nobody(story: Story) -> None:
    thief = Browser(address="198.51.100.7").hold(portal_return=story.adas.cookie("portal_return"))
    switch_off(story)

    assert thief.open("/").heading == "Log in"
    assert story.adas.open("/").place == f"/setup/users/{story.grace.pk}/"


def test_handing_back_happens_once(story: Story) -> None:
    twin = story.adas.twin()
    switch_off(story)

    first, second = story.adas.open("/"), twin.open("/")

    assert first.place == f"/setup/users/{story.grace.pk}/"
    assert second.heading == "Log in"


def test_administrator_may_visit_from_two_browsers_at_once(story: Story, make: "Make") -> None:
    linus = make("Linus", "Pauling")
    other = Browser(address="192.0.2.9")
    other.sign_in(story.ada)

    log_in_as(other, linus)

    assert story.adas.open("/").banner.startswith("Ada Lovelace, you are logged in as Grace Hopper.")
    assert other.open("/").banner.startswith("Ada Lovelace, you are logged in as Linus Pauling.")


def test_signing_out_elsewhere_ends_only_that_session(story: Story, ada: User) -> None:
    other = Browser(address="192.0.2.9")
    other.sign_in(ada)

    other.open("/").press("Log out")

    assert story.adas.open("/").banner != ""


def test_targets_own_session_is_untouched_by_a_visit(story: Story) -> None:
    story.adas.open("/").press("Log out as Grace Hopper")

    page = story.graces.open("/")

    assert (page.status, page.banner) == (200, "")
    assert page.heading == "Welcome, Grace"
