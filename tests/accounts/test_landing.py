"""Where one lands after a visit, by what it rested on, how it ended, and what the actor may still open."""

from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from accounts.enums import Basis, EndCause
from accounts.middleware import landing_of, page_before
from accounts.models import Impersonation, User

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., User]

C = EndCause
HOME, USER_PAGE, CONSOLE = "/", "/setup/users/7/", "/admin/accounts/user/7/change/"
LANDS: dict[str, tuple[EndCause, str, str]] = {
    # Why it ended; where a delegate without View All Users lands, and where a support agent does.
    "logged out": (C.LOGGED_OUT, USER_PAGE, CONSOLE),
    "time limit": (C.TIME_LIMIT, USER_PAGE, CONSOLE),
    "ended by the target": (C.ENDED_BY_TARGET, USER_PAGE, CONSOLE),
    "switched off": (C.POLICY_CHANGED, USER_PAGE, HOME),
    "grant revoked": (C.GRANT_REVOKED, USER_PAGE, HOME),
    "grant expired": (C.GRANT_EXPIRED, USER_PAGE, HOME),
    "out of reach": (C.OUT_OF_REACH, HOME, CONSOLE),
    "removed from the group": (C.DELEGATE_REMOVED, HOME, CONSOLE),
    "made external": (C.TARGET_BECAME_EXTERNAL, HOME, CONSOLE),
    "lost a permission": (C.ACTOR_LOST_PERMISSION, HOME, HOME),
}


@pytest.fixture
def plain(make: "Make") -> User:
    return make("Barbara", "Liskov")


def visit(basis: Basis, cause: EndCause, *, group: bool = False, back: str = "") -> Impersonation:
    return Impersonation(target_id=7, basis=basis, end_cause=cause, group_id=3 if group else None, back=back)


@pytest.mark.parametrize(("cause", "of_delegate", "of_agent"), LANDS.values(), ids=LANDS)
def test_one_lands_where_one_may_still_be(
    plain: User, ada: User, cause: EndCause, of_delegate: str, of_agent: str
) -> None:
    assert landing_of(visit(Basis.ANY_USER, cause, group=True), plain) == of_delegate
    assert landing_of(visit(Basis.GRANT, cause, group=True), plain) == of_delegate
    assert landing_of(visit(Basis.SUPPORT_GRANT, cause), plain) == of_agent
    # An administrator, and a delegate with View All Users.
    assert landing_of(visit(Basis.ANY_USER, cause), ada) == USER_PAGE
    assert landing_of(visit(Basis.ANY_USER, cause, group=True), ada) == USER_PAGE


def test_who_sees_no_users_lands_home(plain: User) -> None:
    assert landing_of(visit(Basis.ANY_USER, C.LOGGED_OUT), plain) == HOME
    assert landing_of(visit(Basis.ANY_USER, C.LOGGED_OUT), None) == HOME


def test_way_back_comes_along_unless_it_is_too_long_to_lead_on(ada: User) -> None:
    short, long = f"/setup/users/?q={'a' * 400}", f"/setup/users/?q={'a' * 480}"

    lands = [landing_of(visit(Basis.ANY_USER, C.LOGGED_OUT, back=back), ada) for back in (short, long)]

    assert lands == [f"{USER_PAGE}?{urlencode({'back': short})}", USER_PAGE]


def test_page_from_which_one_logs_in(ada: User, grace: User, stranger: User) -> None:
    assert page_before(grace, ada) == f"/setup/users/{grace.pk}/"
    assert page_before(stranger, ada) == f"/admin/accounts/user/{stranger.pk}/change/"
