"""The cast, by name, and a client for each."""

import gc
import os
import pwd
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from accounts.models import DelegatedGroup, Profile, Role, User
from orgs.models import Organization
from orgs.permissions import Permission

from .factories import DelegatedGroupFactory, OrganizationFactory, ProfileFactory, RoleFactory, UserFactory
from .guards import lift_guards_for_flush

if TYPE_CHECKING:
    from accounts.testing import PortalClient


lift_guards_for_flush()

# As other people's suites load it: by name, so that nothing here imports it first.
pytest_plugins = ["accounts.testing"]

Make = Callable[..., User]


def pytest_collection_finish() -> None:
    """Leave what thousands of tests are made of out of each search for garbage: a tenth of the suite's time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


@pytest.fixture(autouse=True, scope="session")
def _root() -> Iterator[None]:
    """Let whoever runs the suite be root to the trail, which names the system's user."""
    entry = pwd.getpwuid(os.getuid())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pwd, "getpwuid", lambda uid: pwd.struct_passwd(("root", *entry[1:])))
        yield


@pytest.fixture
def acme(db: None) -> Organization:
    """Enterprise and provisioned; any-user login is off."""
    organization: Organization = OrganizationFactory.create(name="Acme")
    return organization


@pytest.fixture
def any_user_login(acme: Organization) -> Organization:
    """Acme with any-user login switched on."""
    policy = acme.login_access_policy
    policy.any_user_login = True
    policy.save()
    return acme


@pytest.fixture
def profiles(acme: Organization) -> dict[str, Profile]:
    """Acme's profiles by name."""
    made: dict[str, Profile] = {
        "System Administrator": ProfileFactory.create(
            organization=acme,
            name="System Administrator",
            standard="system_administrator",
            permissions=tuple(Permission),
        ),
        "Read Only": ProfileFactory.create(
            organization=acme, name="Read Only", standard="read_only", permissions=(Permission.VIEW_ALL_USERS,)
        ),
        "Standard User": ProfileFactory.create(organization=acme, name="Standard User", standard="standard_user"),
        "External User": ProfileFactory.create(
            organization=acme, name="External User", standard="external_user", is_external=True
        ),
        "User Manager": ProfileFactory.create(
            organization=acme, name="User Manager", permissions=(Permission.MANAGE_USERS,)
        ),
    }
    return made


@pytest.fixture
def make(acme: Organization, profiles: dict[str, Profile]) -> Make:
    """Make a person of Acme: ``make("Ada", "Lovelace", "System Administrator", …)``."""

    def person(first: str, last: str, profile: str = "Standard User", **fields: Any) -> User:
        user: User = UserFactory.create(
            organization=acme,
            profile=profiles[profile],
            username=f"{first.lower()}@acme.example",
            first_name=first,
            last_name=last,
            alias=first.lower(),
            **fields,
        )
        return user

    return person


@pytest.fixture
def ada(make: Make) -> User:
    return make("Ada", "Lovelace", "System Administrator")


@pytest.fixture
def alan(make: Make) -> User:
    return make("Alan", "Turing", "System Administrator")


@pytest.fixture
def grace(make: Make, acme: Organization) -> User:
    role: Role = RoleFactory.create(organization=acme, name="Sales Rep")
    return make("Grace", "Hopper", role=role)


@pytest.fixture
def hedy(make: Make) -> User:
    """Manages users, and holds no Modify All Data."""
    return make("Hedy", "Lamarr", "User Manager")


@pytest.fixture
def audrey(make: Make) -> User:
    """Reads Setup, and changes nothing."""
    return make("Audrey", "Tang", "Read Only")


@pytest.fixture
def katherine(make: Make) -> User:
    return make("Katherine", "Johnson", is_active=False)


@pytest.fixture
def dennis(make: Make) -> User:
    return make("Dennis", "Ritchie", is_frozen=True)


@pytest.fixture
def margaret(make: Make) -> User:
    return make("Margaret", "Hamilton", "External User")


@pytest.fixture
def stranger(db: None) -> User:
    """Someone of another organization."""
    user: User = UserFactory.create(
        organization=OrganizationFactory.create(name="Globex"), first_name="Gus", last_name="Gorman"
    )
    return user


@pytest.fixture
def sales_roles(acme: Organization) -> dict[str, Role]:
    """Sales, below it Sales Manager, and below that Sales Clerk; beside them Engineering."""
    sales: Role = RoleFactory.create(organization=acme, name="Sales")
    manager: Role = RoleFactory.create(organization=acme, name="Sales Manager", parent=sales)
    clerk: Role = RoleFactory.create(organization=acme, name="Sales Clerk", parent=manager)
    engineering: Role = RoleFactory.create(organization=acme, name="Engineering")
    return {role.name: role for role in (sales, manager, clerk, engineering)}


@pytest.fixture
def barbara(make: Make, acme: Organization, sales_roles: dict[str, Role], profiles: dict[str, Profile]) -> User:
    """A delegate over Sales, with login access, who may make Standard Users; View Setup is all that she holds."""
    user = make("Barbara", "Liskov")
    user.profile = ProfileFactory.create(
        organization=acme, name="Delegated Administrator", permissions=(Permission.VIEW_SETUP,)
    )
    user.save()
    DelegatedGroupFactory.create(
        organization=acme,
        name="Sales people",
        delegates=[user],
        roles=[sales_roles["Sales"]],
        profiles=[profiles["Standard User"]],
        login_access=True,
    )
    return user


@pytest.fixture
def sales_group(barbara: User) -> DelegatedGroup:
    """Barbara's."""
    return DelegatedGroup.objects.get(delegates=barbara)


@pytest.fixture
def rosalind(make: Make, sales_roles: dict[str, Role]) -> User:
    """Someone in reach of Barbara."""
    return make("Rosalind", "Franklin", role=sales_roles["Sales Clerk"])


@pytest.fixture
def browser() -> "Callable[[], PortalClient]":
    """Make a client: ``browser()``. Each is a browser of its own, signed in as nobody."""
    from accounts.testing import PortalClient  # noqa: PLC0415  # see pytest_plugins above

    return PortalClient


@pytest.fixture
def client_of(browser: "Callable[[], PortalClient]") -> "Callable[[User], PortalClient]":
    """Make a signed-in client: ``client_of(ada)``."""

    def signed_in(user: User) -> "PortalClient":
        client = browser()
        client.force_login(user)
        return client

    return signed_in


@pytest.fixture
def anonymous(browser: "Callable[[], PortalClient]") -> "PortalClient":
    return browser()
