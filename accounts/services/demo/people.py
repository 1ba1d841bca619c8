"""The demo's organizations and people: what they are, not what happened to them."""

import re
import unicodedata
from dataclasses import dataclass, field

from accounts.enums import OperatorRole
from orgs.editions import Edition
from orgs.models import OrganizationKind
from orgs.permissions import Permission

ADMINISTRATOR, STANDARD, READ_ONLY = "System Administrator", "Standard User", "Read Only"
MINIMUM, EXTERNAL = "Minimum Access", "External User"

# Letters that Unicode does not take apart into a plain one and its mark.
_PLAIN = str.maketrans({"ø": "o", "æ": "ae", "ł": "l", "đ": "d", "’": "", " ": "."})


@dataclass(frozen=True, slots=True)
class Person:
    """Someone in the demo. The cast goes by first names, all others by their whole name."""

    name: str
    profile: str = STANDARD
    role: str = ""
    operator_role: OperatorRole = OperatorRole.NONE
    is_cast: bool = True

    @property
    def first_name(self) -> str:
        return self.name.split(" ", 1)[0]

    @property
    def last_name(self) -> str:
        return self.name.split(" ", 1)[1]

    @property
    def local_part(self) -> str:
        """What stands before the ``@`` of the username."""
        return plain(self.first_name if self.is_cast else self.name)

    @property
    def alias(self) -> str:
        """The first name of the cast, and initial and last name of all others, as Salesforce proposes it."""
        last_name = re.sub("[^a-z]", "", plain(self.last_name))
        return self.local_part if self.is_cast else self.local_part[0] + last_name[:4]


@dataclass(frozen=True, slots=True)
class CustomProfile:
    """A clone with more permissions; what they need comes along."""

    name: str
    cloned_from: str
    permissions: tuple[Permission, ...]


@dataclass(frozen=True, slots=True)
class House:
    """One organization of the demo. Where ``bought`` was a lower edition, it was upgraded and is not provisioned."""

    name: str
    domain: str
    edition: Edition
    people: tuple[Person, ...]
    bought: Edition | None = None
    kind: OrganizationKind = OrganizationKind.CUSTOMER
    account_executive: tuple[str, str, str] = ("", "", "")
    # Name and the role above it, from the top down.
    roles: tuple[tuple[str, str], ...] = ()
    profiles: tuple[CustomProfile, ...] = field(default=())


def plain(name: str) -> str:
    """Return ``name`` in ASCII and lower case, for a username."""
    folded = name.lower().translate(_PLAIN)
    return unicodedata.normalize("NFKD", folded).encode("ascii", "ignore").decode()


# Sixty more of Acme, by role; those without one are its customers.
_CREW: dict[str, tuple[str, ...]] = {
    "Sales Manager": ("Amara Okafor", "Mateo Fernández"),
    "Sales Rep": (
        "Aiko Tanaka",
        "Björn Lindqvist",
        "Camille Dubois",
        "Diego Ramírez",
        "Elif Şahin",
        "Fatima El-Sayed",
        "Giulia Conti",
        "Henrik Kjær",
        "Ifeoma Nwosu",
        "Jakub Wiśniewski",
        "Kavya Iyer",
        "Liam O’Connor",
        "Minh Trần",
        "Noor Haddad",
    ),
    "Support Lead": ("Ingrid Søndergaard",),
    "Support Agent": (
        "Olivia Bennett",
        "Paulo Carvalho",
        "Qing Li",
        "Rosa Jiménez",
        "Samuel Mwangi",
        "Tomáš Dvořák",
        "Ursula Brandt",
        "Valentina Rossi",
        "Wei Zhang",
        "Ximena Castro",
        "Yusuf Demir",
        "Zofia Kowalska",
    ),
    "Marketing": (
        "Anaïs Lefèvre",
        "Bongani Dlamini",
        "Chloé Martin",
        "Dmitri Volkov",
        "Emma Virtanen",
        "Farid Rahimi",
    ),
    "Finance": ("Gertrude Maier",),
    "Accountant": ("Hanna Eriksson", "Ivo Horvat", "Jia Chen", "Kwame Mensah"),
    "Engineering": ("Leila Farahani",),
    "Engineer": (
        "Marek Nowak",
        "Nadia Petrova",
        "Oskar Lund",
        "Priya Sharma",
        "Quentin Moreau",
        "Ryo Nakamura",
        "Sofia Papadopoulou",
        "Thabo Nkosi",
        "Uri Ben-David",
        "Viktor Szabó",
    ),
    "People Operations": ("Wanjiku Kamau", "Yara Khoury", "Zoë van Dijk"),
    "": ("Åsa Nyström", "Brian Murphy", "Catarina Lopes", "Đorđe Jovanović", "Eszter Tóth", "Fiona MacLeod"),
}
_PROFILE_OF_ROLE = {"": EXTERNAL, "Marketing": MINIMUM, "Finance": READ_ONLY, "Accountant": READ_ONLY}

# Who of them has left.
LEFT = ("Quentin Moreau", "Bongani Dlamini", "Rosa Jiménez")

ACME = House(
    name="Acme",
    domain="acme.example",
    edition=Edition.ENTERPRISE,
    account_executive=("Nora Fields", "nora.fields@sales.example", "+1 415 555 0142"),
    roles=(
        ("Sales", ""),
        ("Sales Manager", "Sales"),
        ("Sales Rep", "Sales Manager"),
        ("Support", ""),
        ("Support Lead", "Support"),
        ("Support Agent", "Support Lead"),
        ("Finance", ""),
        ("Accountant", "Finance"),
        ("Engineering", ""),
        ("Engineer", "Engineering"),
        ("Marketing", ""),
        ("People Operations", ""),
    ),
    profiles=(
        CustomProfile("User Manager", STANDARD, (Permission.MANAGE_USERS,)),
        CustomProfile(
            "Auditor",
            READ_ONLY,
            (Permission.VIEW_ALL_USERS, Permission.MONITOR_LOGIN_HISTORY, Permission.VIEW_ALL_DATA),
        ),
        CustomProfile("Delegated Administrator", MINIMUM, (Permission.VIEW_SETUP,)),
    ),
    people=(
        Person("Ada Lovelace", ADMINISTRATOR),
        Person("Alan Turing", ADMINISTRATOR, role="Sales Manager"),
        Person("Grace Hopper", role="Sales Rep"),
        Person("Linus Pauling", role="Engineer"),
        Person("Joan Clarke", role="Support Agent"),
        Person("Katherine Johnson", role="Accountant"),
        Person("Dennis Ritchie", role="Engineer"),
        Person("Margaret Hamilton", EXTERNAL),
        Person("Barbara Liskov", "Delegated Administrator"),
        Person("Hedy Lamarr", "User Manager"),
        Person("Audrey Tang", "Auditor"),
        *(
            Person(name, _PROFILE_OF_ROLE.get(role, STANDARD), role=role, is_cast=False)
            for role, names in _CREW.items()
            for name in names
        ),
    ),
)

HOOLI = House(
    name="Hooli",
    domain="hooli.example",
    edition=Edition.DEVELOPER,
    people=(Person("Hank Walters", ADMINISTRATOR), Person("Hana Kimura")),
)

SOYLENT = House(
    name="Soylent",
    domain="soylent.example",
    edition=Edition.UNLIMITED,
    people=(Person("Sol Thorn", ADMINISTRATOR), Person("Sue Mbeki", ADMINISTRATOR), Person("Stan Novak")),
)

HOUSES = (
    ACME,
    House(
        name="Globex",
        domain="globex.example",
        edition=Edition.PROFESSIONAL,
        people=(Person("Gina Moretti", ADMINISTRATOR), Person("Gus Gorman")),
    ),
    House(
        name="Initech",
        domain="initech.example",
        edition=Edition.UNLIMITED,
        bought=Edition.PROFESSIONAL,
        account_executive=("Erin Vale", "erin.vale@sales.example", "+1 415 555 0117"),
        people=(Person("Ivan Petrov", ADMINISTRATOR), Person("Ida Rhodes")),
    ),
    House(
        name="Umbrella",
        domain="umbrella.example",
        edition=Edition.PERFORMANCE,
        bought=Edition.PROFESSIONAL,
        people=(Person("Uma Krishnan", ADMINISTRATOR), Person("Ugo Bianchi")),
    ),
    HOOLI,
    SOYLENT,
    House(
        name="Portal Support",
        domain="support.example",
        edition=Edition.UNLIMITED,
        kind=OrganizationKind.OPERATOR,
        people=(
            # Every organization has an administrator, the vendor's own too.
            Person("Sally Winters", ADMINISTRATOR, operator_role=OperatorRole.SALES),
            Person("Sam Carter", operator_role=OperatorRole.SUPPORT),
        ),
    ),
)
