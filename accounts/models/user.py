from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, ClassVar

from django.contrib.auth import get_backends
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models.functions import Coalesce, Lower
from django.utils import timezone
from django.utils.functional import cached_property

from accounts.enums import DateLanguage, OperatorRole, Theme
from accounts.querysets import UserQuerySet
from orgs.models import OrganizationKind
from orgs.permissions import Permission

from .fields import SortKeyField, UsernameField

NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class UserManager(BaseUserManager.from_queryset(UserQuerySet)):  # type: ignore[misc]
    """Makes users as other packages' suites do: ``create_user(username, email, password, …)``."""

    def create_user(self, username: str, email: str = "", password: str | None = None, **fields: Any) -> "User":
        """Save a new user with a hashed password; without one the account has none that works."""
        user: User = self.model(username=username, email=email or username, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user


class User(AbstractBaseUser):
    """A person's account in one organization. Never deleted: deactivated."""

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["email"]

    organization = models.ForeignKey("orgs.Organization", on_delete=models.PROTECT, related_name="users")
    profile = models.ForeignKey("accounts.Profile", on_delete=models.PROTECT, related_name="users")
    role = models.ForeignKey("accounts.Role", on_delete=models.PROTECT, null=True, blank=True, related_name="users")
    username = UsernameField(
        max_length=254,
        unique=True,
        error_messages={"unique": "This username is taken. Usernames are unique everywhere, and ignore case."},
    )
    email = models.EmailField("e-mail address")
    # What someone else entered. It counts once it is confirmed; until then nothing is sent there but the link.
    pending_email = models.EmailField("e-mail address to be confirmed", blank=True)
    first_name = models.CharField(max_length=80, blank=True)
    last_name = models.CharField(max_length=80)
    alias = models.CharField(max_length=20, blank=True)
    is_active = models.BooleanField("active", default=True)
    is_frozen = models.BooleanField("frozen", default=False)
    operator_role = models.CharField(max_length=7, choices=OperatorRole, blank=True)
    # What the person chose for the pages that they see, and whoever is logged in as them.
    time_zone = models.CharField(max_length=64, default="UTC")
    date_language = models.CharField(max_length=5, choices=DateLanguage, default=DateLanguage.ISO)
    theme = models.CharField(max_length=6, choices=Theme, default=Theme.SYSTEM)
    failed_logins = models.PositiveSmallIntegerField(default=0)
    locked_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    created_by_name = models.CharField(max_length=400, blank=True)
    modified_at = models.DateTimeField(null=True, blank=True)
    modified_by_name = models.CharField(max_length=400, blank=True)
    # What lists sort by: stored and never null, so that a page of a million costs what the first does.
    name_key = SortKeyField(source="full_name")
    alias_key = SortKeyField(source="alias")
    last_login_key = models.GeneratedField(
        expression=Coalesce("last_login", models.Value(NEVER, output_field=models.DateTimeField())),
        output_field=models.DateTimeField(),
        db_persist=True,
    )

    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        constraints = (
            models.CheckConstraint(condition=models.Q(username=Lower("username")), name="user_username_lower_case"),
        )
        indexes = (
            models.Index(fields=["organization", "name_key", "id"], name="user_by_name"),
            models.Index(fields=["organization", "alias_key", "id"], name="user_by_alias"),
            models.Index(fields=["organization", "username", "id"], name="user_by_username"),
            models.Index(fields=["organization", "last_login_key", "id"], name="user_by_last_login"),
            models.Index(fields=["profile", "name_key", "id"], name="user_by_profile"),
            models.Index(fields=["role", "name_key", "id"], name="user_by_role"),
            models.Index(
                fields=["organization", "name_key", "id"],
                condition=models.Q(is_active=False),
                name="user_inactive_by_name",
            ),
            models.Index(
                fields=["organization", "name_key", "id"],
                condition=models.Q(is_frozen=True),
                name="user_frozen_by_name",
            ),
        )

    def __str__(self) -> str:
        return self.full_name

    @property
    def full_name(self) -> str:
        """First and last name, or the username where there is neither."""
        return f"{self.first_name} {self.last_name}".strip() or self.username

    def get_full_name(self) -> str:
        """Answer Django's name for the same."""
        return self.full_name

    def get_short_name(self) -> str:
        """Answer Django's name for the first name."""
        return self.first_name or self.full_name

    @property
    def permissions(self) -> frozenset[Permission]:
        """What the profile permits."""
        return self.profile.permissions

    def has_permission(self, permission: Permission) -> bool:
        """Tell whether the profile permits ``permission``."""
        return bool(self.profile.permission_bits & permission.bit)

    @property
    def is_administrator(self) -> bool:
        """Whether the profile holds Modify All Data and Manage Users."""
        return self.profile.is_administrator

    @cached_property
    def is_delegate(self) -> bool:
        """Whether this is a delegate of any group. The identity statement brings it along."""
        return self.delegated_groups.exists()

    @property
    def is_support_agent(self) -> bool:
        """Whether this is an operator who logs in as users that granted the vendor's support access."""
        return self.operator_role == OperatorRole.SUPPORT

    @property
    def is_external(self) -> bool:
        """Whether this is an external (Experience site) user."""
        return self.profile.is_external

    def is_locked(self, at: datetime) -> bool:
        """Tell whether wrong passwords have locked the account at ``at``."""
        return self.locked_until is not None and at < self.locked_until

    # --- Django's own permissions: the operator console asks them, and nothing else --------------------------------

    # Nobody passes every question: what an operator may do stands in two groups (accounts/services/operators.py).
    is_superuser = False

    @property
    def is_staff(self) -> bool:
        """Whether the operator console is theirs: an active operator, in an organization of the vendor's own."""
        return bool(self.operator_role) and self.is_active and self.organization.kind == OrganizationKind.OPERATOR

    def get_all_permissions(self, obj: "models.Model | None" = None) -> set[str]:
        """Return what the group permits that an operator's role names; nobody else has any such permission."""
        if not self.is_staff:
            return set()
        return {permission for backend in get_backends() for permission in backend.get_all_permissions(self, obj)}

    def has_perm(self, perm: str, obj: "models.Model | None" = None) -> bool:
        """Answer Django's question."""
        return perm in self.get_all_permissions(obj)

    def has_perms(self, perm_list: Iterable[str], obj: "models.Model | None" = None) -> bool:
        """Answer the same for several."""
        return self.get_all_permissions(obj).issuperset(perm_list)

    def has_module_perms(self, app_label: str) -> bool:
        """Answer whether there is any of an app's."""
        return any(permission.startswith(f"{app_label}.") for permission in self.get_all_permissions())
