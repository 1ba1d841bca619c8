"""What the rule reads, collected in three ways, is one and the same.

For one target in one statement, for a list in a few, and in the identity statement of a running visit: each beside what
the ORM finds when it is asked plainly, over little worlds that a seed has thrown together.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import TypeVar

import pytest
from django.conf import settings
from django.utils import timezone

from accounts.enums import OperatorRole, Refusal
from accounts.facts import ListFacts, Reach, facts_about, find_target, grant_facts, latest_company_grants, reaches_of
from accounts.identity import Identity, identify
from accounts.login_access import Facts, Verdict, may_impersonate
from accounts.models import DelegatedGroup, Impersonation, LoginAccessGrant, Profile, Role, User
from accounts.testing import PortalClient
from orgs.editions import Edition
from orgs.models import LoginAccessPolicy, Organization, OrganizationKind, SessionSettings, SupportAccess
from orgs.permissions import Permission
from tests.factories import (
    DelegatedGroupFactory,
    LoginAccessGrantFactory,
    OrganizationFactory,
    ProfileFactory,
    RoleFactory,
    UserFactory,
)
from tests.queries import captured_queries

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
SEEDS = range(1, 6)
PEOPLE = 8

Row = TypeVar("Row", User, Role)


@dataclass
class World:
    """Two customers and two support organizations, with people in a tree of roles, groups, grants and decisions."""

    chance: Random
    at: datetime
    customers: list[Organization]
    supports: list[Organization]

    def people(self) -> list[User]:
        return list(User.objects.select_related("organization", "profile", "role").order_by("pk"))

    def some(self, rows: Sequence[Row], most: int) -> list[Row]:
        """Return up to ``most`` of ``rows``, or none."""
        return self.chance.sample(rows, self.chance.randint(0, min(most, len(rows))))

    def moment(self) -> datetime:
        """Return a moment of the last or of the next hour."""
        return self.at + self.chance.choice([-50, -20, -1, 1, 20, 50]) * MINUTE


@pytest.fixture(params=SEEDS)
def world(request: pytest.FixtureRequest, db: None) -> World:
    chance = Random(request.param)  # noqa: S311  # the same world each time is the point
    supports = [OrganizationFactory.create(kind=OrganizationKind.OPERATOR) for _ in range(2)]
    customers = [OrganizationFactory.create() for _ in range(2)]
    made = World(chance, timezone.now(), customers, supports)
    for organization in customers:
        _people_of(made, organization)
        _decide(made, organization)
    for support in supports:
        for role in (OperatorRole.SUPPORT, OperatorRole.SALES):
            UserFactory.create(organization=support, operator_role=role)
    _grant(made)
    return made


def _people_of(world: World, organization: Organization) -> None:
    chance = world.chance
    profiles = [
        ProfileFactory.create(organization=organization, permissions=tuple(Permission)),
        ProfileFactory.create(organization=organization, permissions=(Permission.VIEW_SETUP,)),
        ProfileFactory.create(organization=organization, permissions=(Permission.MANAGE_PROFILES,)),
        ProfileFactory.create(organization=organization),
        ProfileFactory.create(organization=organization, is_external=True),
    ]
    roles: list[Role] = []
    for _ in range(5):
        above = chance.choice([None, *roles])
        parent = Role.objects.get(pk=above.pk) if above else None
        roles.append(RoleFactory.create(organization=organization, parent=parent))
    people = [
        UserFactory.create(
            organization=organization,
            # At least one administrator, and one who may be a delegate.
            profile=profiles[number] if number < 2 else chance.choices(profiles, weights=[1, 3, 1, 6, 1])[0],
            role=chance.choice([None, *roles, *roles]),
            is_active=number < 2 or chance.random() < 0.9,
            is_frozen=number > 2 and chance.random() < 0.1,
        )
        for number in range(PEOPLE)
    ]
    for _ in range(3):
        DelegatedGroupFactory.create(
            organization=organization,
            delegates=[people[1], *world.some(people, 3)],
            roles=world.some(roles, 3),
            login_access=chance.random() < 0.7,
            login_access_lost_at=chance.choice([None, world.moment()]),
        )


def _decide(world: World, organization: Organization) -> None:
    """Decide what an organization has bought, what its policy says, and to whom support is available."""
    chance = world.chance
    Organization.objects.filter(pk=organization.pk).update(
        # The first always has what the second may not.
        edition=Edition.ENTERPRISE
        if organization == world.customers[0]
        else chance.choice([Edition.DEVELOPER, Edition.UNLIMITED, Edition.PROFESSIONAL]),
        provisioned=chance.random() < 0.7,
        edition_lost_at=chance.choice([None, world.moment()]),
        deprovisioned_at=chance.choice([None, world.moment()]),
    )
    LoginAccessPolicy.objects.filter(organization=organization).update(
        any_user_login=chance.random() < 0.5,
        protect_administrators=chance.random() < 0.5,
        login_access_lost_at=chance.choice([None, world.moment()]),
    )
    for support in world.supports:
        if chance.random() < 0.6:
            SupportAccess.objects.update_or_create(
                organization=organization,
                support_organization=support,
                defaults={
                    "availability": chance.choice(["users", "administrators"]),
                    "login_access_lost_at": chance.choice([None, world.moment()]),
                },
            )


def _grant(world: World) -> None:
    """Let some people grant, some of them twice: the latest counts."""
    chance = world.chance
    for person in world.people():
        for support in [None, *world.supports]:
            if chance.random() < 0.5:
                rows = chance.randint(1, 2)
                for row in range(rows):
                    until = world.moment()
                    LoginAccessGrantFactory.create(
                        user=person,
                        support_organization=support,
                        granted_at=until - 2 * HOUR,
                        expires_at=until,
                        revoked_at=chance.choice([None, None, world.moment()]),
                        is_latest=row == rows - 1,
                    )


# --- plainly, by the ORM ---------------------------------------------------------------------------------------------


def _is_below(role: Role | None, above: Role) -> bool:
    """Walk up the tree, one parent after the other."""
    while role is not None:
        if role.pk == above.pk:
            return True
        role = Role.objects.get_parent(role)
    return False


def plainly(actor: User, target: User) -> Facts:
    """Return what the rule reads of two people, one plain question after the other."""
    organization = Organization.objects.get(pk=target.organization_id)
    policy = LoginAccessPolicy.objects.get(organization=organization)
    is_own = actor.organization_id == target.organization_id
    to = None if is_own else actor.organization
    grant = LoginAccessGrant.objects.filter(user=target, support_organization=to).order_by("-pk").first()
    groups = [
        group
        for group in DelegatedGroup.objects.filter(organization=organization, login_access=True).order_by("pk")
        if actor in group.delegates.all()
    ]
    reaching = [group.pk for group in groups if any(_is_below(target.role, above) for above in group.roles.all())]
    decided = SupportAccess.objects.filter(organization=organization, support_organization=actor.organization).first()
    return Facts(
        edition=organization.edition,
        provisioned=organization.provisioned,
        any_user_login=policy.any_user_login,
        protect_administrators=policy.protect_administrators,
        edition_lost_at=organization.edition_lost_at,
        deprovisioned_at=organization.deprovisioned_at,
        login_access_lost_at=policy.login_access_lost_at,
        grant=grant_facts(grant) if grant else None,
        is_delegate=bool(groups),
        group_id=reaching[0] if reaching else None,
        is_support_available_to_users=decided is None or decided.availability == "users",
    )


def plainly_of_a_visit(visit: Impersonation) -> Facts:
    """Return what the rule reads of a running visit: of what it has recorded, and of nothing else."""
    facts = plainly(visit.actor, visit.target)
    grant = LoginAccessGrant.objects.filter(pk=visit.grant_id or 0).first()
    group = DelegatedGroup.objects.filter(pk=visit.group_id or 0).first()
    reached = group is not None and any(_is_below(visit.target.role, above) for above in group.roles.all())
    decided = SupportAccess.objects.filter(
        organization=visit.organization, support_organization=visit.actor.organization
    ).first()
    return replace(
        facts,
        grant=grant_facts(grant) if grant else None,
        is_delegate=group is not None and group.login_access and visit.actor in group.delegates.all(),
        group_id=visit.group_id if reached else None,
        group_lost_at=group.login_access_lost_at if group else None,
        support_lost_at=decided.login_access_lost_at if decided else None,
        is_impersonating=True,
    )


# --- compared --------------------------------------------------------------------------------------------------------


def test_target_is_found_with_what_the_orm_finds(world: World) -> None:
    people = world.people()
    differences = []
    for actor in people:
        for target in people:
            found = find_target(actor, target.pk)
            assert found is not None
            if found.facts != (expected := plainly(actor, target)):
                differences.append((actor, target, found.facts, expected))

    assert differences == []


def test_list_answers_as_one_by_one(world: World) -> None:
    """Of the facts a list leaves out what the answer doesn't ask, so answers are compared."""
    people = world.people()
    told: set[Refusal | None] = set()
    for actor in people:
        colleagues = [one for one in people if one.organization_id == actor.organization_id]
        policy = LoginAccessPolicy.objects.get(organization=actor.organization)
        shared = Facts.of(actor.organization, policy)
        listed = ListFacts.of(actor, shared, colleagues)
        for target in colleagues:
            by_list = may_impersonate(actor=actor, target=target, facts=listed.about(target), at=world.at)
            assert by_list == may_impersonate(actor=actor, target=target, facts=plainly(actor, target), at=world.at)
            told.add(by_list.refusal)

    assert len(told) > 1


def running(world: World) -> list[tuple[str, Impersonation]]:
    """Let everybody who may log in as somebody: the worn keys, and the visits."""
    started = []
    people = world.people()
    for actor in people:
        if not actor.is_active or actor.is_frozen:
            continue
        for target in people:
            if may_impersonate(actor=actor, target=target, facts=plainly(actor, target), at=timezone.now()):
                client = PortalClient()
                visit = client.login_as(target, actor=actor)
                started.append((str(client.cookies[settings.SESSION_COOKIE_NAME].value), visit))
    return started


def found(key: str) -> Identity:
    identity = identify(key)
    assert identity is not None
    return identity


def again(visit: Impersonation) -> Impersonation:
    people = ("actor__organization", "actor__profile", "target__profile", "target__role")
    row: Impersonation = Impersonation.objects.select_related("organization", *people).get(pk=visit.pk)
    return row


def change_everything(world: World) -> None:
    """Move roles, change groups, grants and decisions behind everybody's back."""
    chance = world.chance
    for organization in world.customers:
        _decide(world, organization)
        first, *rest = Role.objects.filter(organization=organization).order_by("-depth", "path")
        Role.objects.move(
            first, chance.choice([one for one in rest if not one.path.startswith(first.path)]), "last-child"
        )
        for person in User.objects.filter(organization=organization).order_by("pk"):
            if chance.random() < 0.3:
                person.role = chance.choice([None, *Role.objects.filter(organization=organization).order_by("pk")])
                person.save(update_fields=["role"])
        for group in DelegatedGroup.objects.filter(organization=organization).order_by("pk"):
            group.delegates.set(world.some(list(User.objects.filter(organization=organization).order_by("pk")), 4))
            group.roles.set(world.some(list(Role.objects.filter(organization=organization).order_by("pk")), 2))
            DelegatedGroup.objects.filter(pk=group.pk).update(login_access=chance.random() < 0.7)
    for grant in LoginAccessGrant.objects.order_by("pk"):
        if chance.random() < 0.3:
            LoginAccessGrant.objects.filter(pk=grant.pk).update(revoked_at=world.at)
    deleted = DelegatedGroup.objects.order_by("pk").first()
    assert deleted is not None
    deleted.delete()


def test_identity_of_a_visit_brings_what_the_orm_finds(world: World) -> None:
    visits = running(world)

    for key, visit in visits:
        assert found(key).facts == plainly_of_a_visit(again(visit))
    change_everything(world)
    for key, visit in visits:
        assert found(key).facts == plainly_of_a_visit(again(visit))
    assert visits
    # The worlds are worth their time: not everybody is in by the same door.
    assert len({(visit.basis, visit.group_id is None) for _, visit in visits}) > 1


# --- one by one ------------------------------------------------------------------------------------------------------


def test_target_costs_one_query_with_all_that_is_read_of_it(ada: User, grace: User) -> None:
    with captured_queries() as queries:
        target = find_target(ada, grace.pk)
        assert target is not None
        assert target.user.organization.login_access_policy is target.policy
        assert target.policy.organization is target.user.organization
        assert (target.user.profile.name, target.user.full_name) == ("Standard User", "Grace Hopper")

    assert len(queries) == 1


@pytest.mark.parametrize("inside", [False, True])
def test_target_is_told_whether_the_actor_is_inside(ada: User, grace: User, inside: bool) -> None:
    target = find_target(ada, grace.pk, is_impersonating=inside)

    assert target is not None
    assert target.facts.is_impersonating is inside


def test_target_that_is_not_there_is_none(ada: User) -> None:
    assert find_target(ada, 10**18 - 1) is None


def test_facts_about_someone_who_was_fetched(ada: User, grace: User) -> None:
    assert facts_about(ada, grace) == plainly(ada, grace)
    assert facts_about(ada, grace, is_impersonating=True).is_impersonating


def test_facts_about_someone_who_is_gone(ada: User) -> None:
    with pytest.raises(LookupError, match=r"^There is no user 999\.$"):
        facts_about(ada, User(pk=999, organization=ada.organization))


@pytest.mark.parametrize(("own", "theirs"), [(12, 8), (3, 24)])
def test_target_brings_how_long_both_sessions_last(ada: User, stranger: User, own: int, theirs: int) -> None:
    SessionSettings.objects.filter(organization=ada.organization).update(absolute_hours=own)
    SessionSettings.objects.filter(organization=stranger.organization).update(absolute_hours=theirs)

    target = find_target(ada, stranger.pk)

    assert target is not None
    assert target.absolute_hours == (theirs, own)


def test_group_that_reaches_the_target_is_named(acme: Organization, ada: User, grace: User) -> None:
    assert grace.role is not None
    elsewhere = RoleFactory.create(organization=acme)
    DelegatedGroupFactory.create(organization=acme, name="A", delegates=[ada], roles=[elsewhere], login_access=True)
    DelegatedGroupFactory.create(organization=acme, name="B", delegates=[ada], roles=[grace.role])
    third = DelegatedGroupFactory.create(
        organization=acme, name="C: sales", delegates=[ada], roles=[grace.role], login_access=True
    )
    DelegatedGroupFactory.create(organization=acme, name="D", delegates=[ada], roles=[grace.role], login_access=True)

    target = find_target(ada, grace.pk)

    assert target is not None
    assert (target.facts.group_id, target.group_name) == (third.pk, "C: sales")


def test_grant_to_ones_own_support_organization_is_none_to_the_company(support: Organization, sam: User) -> None:
    colleague = UserFactory.create(organization=support)
    LoginAccessGrantFactory.create(user=colleague, support_organization=support)

    target = find_target(sam, colleague.pk)

    assert target is not None
    assert target.facts.grant is None


def test_reach_is_by_the_tree(acme: Organization) -> None:
    top = RoleFactory.create(organization=acme)
    below = RoleFactory.create(organization=acme, parent=Role.objects.get(pk=top.pk))
    beside = RoleFactory.create(organization=acme)

    reach = Reach(1, (top.path,))

    assert [reach.has(path) for path in (top.path, below.path, beside.path, None)] == [True, True, False, False]
    assert [Reach(1, ()).has(path) for path in (top.path, None)] == [False, False]


def test_reaches_are_those_of_groups_with_login_access_or_of_all(acme: Organization, ada: User, alan: User) -> None:
    role = RoleFactory.create(organization=acme)
    bare = DelegatedGroupFactory.create(organization=acme, delegates=[ada], login_access=True)
    plain = DelegatedGroupFactory.create(organization=acme, delegates=[ada], roles=[role])

    assert reaches_of(ada) == [Reach(bare.pk, ())]
    assert reaches_of(ada, login_access=False) == [Reach(bare.pk, ()), Reach(plain.pk, (role.path,))]
    assert reaches_of(alan) == []


@pytest.mark.parametrize("count", [1, 3, 50])
def test_list_costs_the_same_at_any_length(acme: Organization, ada: User, count: int) -> None:
    role = RoleFactory.create(organization=acme)
    delegate = UserFactory.create(
        organization=acme, profile=ProfileFactory.create(organization=acme, permissions=(Permission.VIEW_SETUP,))
    )
    DelegatedGroupFactory.create(organization=acme, delegates=[delegate], roles=[role], login_access=True)
    profile = Profile.objects.get(pk=ProfileFactory.create(organization=acme).pk)
    made = User.objects.bulk_create(
        User(organization=acme, profile=profile, role=role, username=f"u{number}@acme.example", last_name="U")
        for number in range(count)
    )
    targets = list(User.objects.select_related("role", "profile").filter(pk__in=[one.pk for one in made]))
    shared = Facts.of(acme, LoginAccessPolicy.objects.get(organization=acme))
    asked = {}

    for name, actor in (("administrator", ada), ("delegate", delegate)):
        with captured_queries() as queries:
            listed = ListFacts.of(actor, shared, targets)
            verdicts = [
                may_impersonate(actor=actor, target=one, facts=listed.about(one), at=timezone.now()) for one in targets
            ]
        asked[name] = len(queries)
        assert set(verdicts) == {Verdict(Refusal.OFF)}

    assert asked == {"administrator": 1, "delegate": 2}


def test_latest_company_grants_are_by_person(grace: User, ada: User) -> None:
    old = LoginAccessGrantFactory.create(user=grace, is_latest=False)
    new = LoginAccessGrantFactory.create(user=grace)
    LoginAccessGrantFactory.create(user=ada)

    grants = latest_company_grants([grace.pk])

    assert grants == {grace.pk: grant_facts(new)}
    assert old.pk != new.pk
