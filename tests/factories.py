"""One factory per model, nothing surprising in any."""

from datetime import timedelta
from typing import Any

import factory
from django.utils import timezone
from factory.django import DjangoModelFactory

from accounts.models import AccessRequest, DelegatedGroup, LoginAccessGrant, Profile, Role, User
from orgs.editions import Edition
from orgs.models import (
    ActivationRequest,
    LoginAccessPolicy,
    Organization,
    OrganizationKind,
    SessionSettings,
    SupportAccess,
    SupportAvailability,
)
from orgs.permissions import Permission, to_bits, with_needs

PASSWORD = "a long enough password"


class LoginAccessPolicyFactory(DjangoModelFactory[LoginAccessPolicy]):
    class Meta:
        model = LoginAccessPolicy


class SessionSettingsFactory(DjangoModelFactory[SessionSettings]):
    class Meta:
        model = SessionSettings


class OrganizationFactory(DjangoModelFactory[Organization]):
    """An Enterprise organization, provisioned, with its policy (any-user login off) and its session settings."""

    class Meta:
        model = Organization
        skip_postgeneration_save = True

    name = factory.Sequence(lambda n: f"Organization {n}")
    edition = Edition.ENTERPRISE
    provisioned = True
    policy = factory.RelatedFactory(LoginAccessPolicyFactory, factory_related_name="organization")
    settings = factory.RelatedFactory(SessionSettingsFactory, factory_related_name="organization")


class ProfileFactory(DjangoModelFactory[Profile]):
    """A profile of an organization; ``permissions`` are stored with what they need."""

    class Meta:
        model = Profile

    organization = factory.SubFactory(OrganizationFactory)
    name = factory.Sequence(lambda n: f"Profile {n}")

    class Params:
        permissions: tuple[Permission, ...] = ()

    permission_bits = factory.LazyAttribute(lambda made: to_bits(with_needs(made.permissions)))


class RoleFactory(DjangoModelFactory[Role]):
    """A role at the top of its organization's tree, or below ``parent``."""

    class Meta:
        model = Role

    organization = factory.SubFactory(OrganizationFactory)
    name = factory.Sequence(lambda n: f"Role {n}")

    @classmethod
    def _create(cls, model_class: type[Role], *_: Any, **kwargs: Any) -> Role:
        parent: Role | None = kwargs.pop("parent", None)
        nodes = model_class.objects
        role: Role = nodes.add_root(kwargs) if parent is None else nodes.add_child(parent, kwargs)
        return role


class UserFactory(DjangoModelFactory[User]):
    """An active user with no permissions, whose password is :data:`PASSWORD`."""

    class Meta:
        model = User

    organization = factory.SubFactory(OrganizationFactory)
    profile = factory.SubFactory(ProfileFactory, organization=factory.SelfAttribute("..organization"))
    username = factory.Sequence(lambda n: f"user{n}@example.com")
    email = factory.SelfAttribute("username")
    first_name = "Test"
    last_name = factory.Sequence(lambda n: f"Person {n}")

    @classmethod
    def _create(cls, model_class: type[User], *_: Any, **kwargs: Any) -> User:
        return model_class.objects.create_user(**{"password": PASSWORD, **kwargs})


class DelegatedGroupFactory(DjangoModelFactory[DelegatedGroup]):
    """A delegated group, with whom and what it is given: ``delegates``, ``roles`` and ``profiles``."""

    class Meta:
        model = DelegatedGroup

    organization = factory.SubFactory(OrganizationFactory)
    name = factory.Sequence(lambda n: f"Group {n}")
    created_at = factory.LazyFunction(timezone.now)

    @classmethod
    def _create(cls, model_class: type[DelegatedGroup], *_: Any, **kwargs: Any) -> DelegatedGroup:
        sets = {name: kwargs.pop(name, ()) for name in ("delegates", "roles", "profiles")}
        group = model_class.objects.create(**kwargs)
        for name, rows in sets.items():
            getattr(group, name).set(rows)
        return group


class LoginAccessGrantFactory(DjangoModelFactory[LoginAccessGrant]):
    """A user's grant to their own administrators, given now for a day; ``support_organization`` makes it another's."""

    class Meta:
        model = LoginAccessGrant

    user = factory.SubFactory(UserFactory)
    organization = factory.SelfAttribute("user.organization")
    granted_at = factory.LazyFunction(timezone.now)
    expires_at = factory.LazyAttribute(lambda made: made.granted_at + timedelta(days=1))


class AccessRequestFactory(DjangoModelFactory[AccessRequest]):
    """An open question of ``requester`` to ``user``, asked now."""

    class Meta:
        model = AccessRequest

    user = factory.SubFactory(UserFactory)
    requester = factory.SubFactory(UserFactory, organization=factory.SelfAttribute("..user.organization"))
    organization = factory.SelfAttribute("user.organization")
    reason = "Ticket 7"
    duration = "3_days"
    created_at = factory.LazyFunction(timezone.now)
    lapses_at = factory.LazyAttribute(lambda made: made.created_at + timedelta(days=7))


class SupportAccessFactory(DjangoModelFactory[SupportAccess]):
    """A support organization that is available to an organization's administrators only."""

    class Meta:
        model = SupportAccess

    organization = factory.SubFactory(OrganizationFactory)
    support_organization = factory.SubFactory(OrganizationFactory, kind=OrganizationKind.OPERATOR)
    availability = SupportAvailability.ADMINISTRATORS


class ActivationRequestFactory(DjangoModelFactory[ActivationRequest]):
    """An open request of ``requested_by`` for their organization."""

    class Meta:
        model = ActivationRequest

    organization = factory.SelfAttribute("requested_by.organization")
    requested_by = factory.SubFactory("tests.factories.UserFactory")
    requested_by_name = factory.LazyAttribute(lambda made: str(made.requested_by))
    business_case = "Support our people."
    created_at = factory.LazyFunction(timezone.now)
