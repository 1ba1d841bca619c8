"""What a user may do beside the profile: as a delegate, in the console, and as whom they log in."""

from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from accounts.enums import OperatorRole
from accounts.models import DelegatedGroup, Role, User
from accounts.user_rights import delegated_to, operator_words, ways_in, why_no_delegate
from orgs.editions import Edition
from orgs.models import LoginAccessPolicy, Organization
from tests.factories import DelegatedGroupFactory, OrganizationFactory, UserFactory
from tests.queries import captured_queries

if TYPE_CHECKING:
    from collections.abc import Callable

EVERYONE = "Every active user who is not external"
ANY_USER = "Administrators Can Log in as Any User"
OFF = "Administrators Can Log in as Any User is off in Login Access Policies."
GRANT = "The user's grant to the company's administrators"
PROTECTED = "This user is an administrator, and your organization protects administrators."
NOT_IN_EDITION = "Your organization's edition does not have Administrators Can Log in as Any User."


def ways_of(user: User) -> list[tuple[str, bool, str]]:
    user = User.objects.select_related("profile", "organization__login_access_policy").get(pk=user.pk)
    policy, groups, at = user.organization.login_access_policy, delegated_to(user), timezone.now()
    with captured_queries() as queries:
        ways = [(way.whom, bool(way.verdict), way.why) for way in ways_in(user, policy, groups, at=at)]
    assert not queries
    return ways


def test_administrator_without_any_user_login_needs_grants(ada: User) -> None:
    assert ways_of(ada) == [(EVERYONE, False, OFF), ("Users who granted it", True, GRANT)]


def test_administrator_with_any_user_login_needs_none(any_user_login: Organization, ada: User) -> None:
    assert ways_of(ada) == [(EVERYONE, True, ANY_USER)]


def test_administrator_where_administrators_are_protected(any_user_login: Organization, ada: User) -> None:
    LoginAccessPolicy.objects.update(protect_administrators=True)

    assert ways_of(ada) == [
        (EVERYONE, True, ANY_USER),
        ("Other administrators", False, PROTECTED),
        ("Users who granted it", True, GRANT),
    ]


def test_edition_without_the_feature_has_no_grants_to_administrators_either(acme: Organization, ada: User) -> None:
    acme.edition = Edition.PROFESSIONAL
    acme.save()

    assert ways_of(ada) == [(EVERYONE, False, NOT_IN_EDITION)]


def test_plain_user_logs_in_as_nobody(any_user_login: Organization, grace: User, hedy: User) -> None:
    assert (ways_of(grace), ways_of(hedy)) == ([], [])


def test_delegate_logs_in_as_those_in_reach(
    any_user_login: Organization, barbara: User, sales_group: DelegatedGroup, sales_roles: dict[str, Role]
) -> None:
    sales_group.roles.add(sales_roles["Engineering"])
    DelegatedGroupFactory.create(organization=any_user_login, name="Empty", delegates=[barbara], login_access=True)
    in_reach = "Users in the role Sales and Engineering or below who administer nothing themselves"
    with_it = ways_of(barbara)
    LoginAccessPolicy.objects.update(any_user_login=False)
    without = ways_of(barbara)
    DelegatedGroup.objects.update(login_access=False)

    assert with_it == [(in_reach, True, ANY_USER)]
    assert without == [(in_reach, False, OFF), ("Of these, users who granted it (Sales people)", True, GRANT)]
    assert ways_of(barbara) == []


def test_group_gives_nothing_without_view_setup_or_the_edition(acme: Organization, barbara: User, grace: User) -> None:
    DelegatedGroupFactory.create(organization=acme, delegates=[grace], login_access=True, roles=[grace.role])
    by_profile = why_no_delegate(grace), ways_of(grace)
    may = why_no_delegate(barbara)
    acme.edition = Edition.PROFESSIONAL
    acme.save()
    barbara = User.objects.get(pk=barbara.pk)

    needed = "A delegated administrator needs View Setup and Configuration, which the profile does not permit."
    assert by_profile == (needed, [])
    assert may == ""
    assert why_no_delegate(barbara) == "Professional Edition has no delegated administration."
    assert ways_of(barbara) == []


@pytest.mark.parametrize(
    ("role", "words"),
    [
        (OperatorRole.NONE, ""),
        (
            OperatorRole.SALES,
            "As Sales: create customers, change their editions, provision features and set the Account Executive.",
        ),
        (
            OperatorRole.SUPPORT,
            "As Support: read customers, work their requests, and see the users who granted access.",
        ),
    ],
)
def test_operator_role_adds_the_console(role: OperatorRole, words: str) -> None:
    assert operator_words(User(operator_role=role)) == words


def test_support_agent_logs_in_where_it_was_granted(make: "Callable[..., User]") -> None:
    house = OrganizationFactory.create(name="Portal Support", kind="operator")
    sam = UserFactory.create(organization=house, operator_role=OperatorRole.SUPPORT)

    assert ways_of(sam) == [
        (
            "Users of customers who granted Portal Support access",
            True,
            "The user's grant to a support organization",
        )
    ]
