"""One factory per model, nothing surprising in any."""

from typing import Any

import factory
from factory.django import DjangoModelFactory

from accounts.models import Profile, Role, User
from orgs.editions import Edition
from orgs.models import LoginAccessPolicy, Organization, SessionSettings
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
