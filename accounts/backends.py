"""Username and password."""

from typing import TYPE_CHECKING, Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Permission
from django.utils import timezone

from .enums import OperatorRole
from .models import User

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest


class PasswordBackend(ModelBackend):
    """Signs in the active, unfrozen and unlocked; an unknown username costs one password hash, as a known one does."""

    def authenticate(
        self,
        request: "HttpRequest | None",  # noqa: ARG002
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> User | None:
        """Return the user whom ``username`` and ``password`` fit, or None."""
        if username is None or password is None:
            return None
        user = User.objects.filter(username=username).select_related("profile").first()
        if user is None:
            User().set_password(password)
            return None
        fits = user.check_password(password)
        return user if fits and self.user_can_authenticate(user) and not user.is_locked(timezone.now()) else None

    def get_user(self, user_id: int) -> User | None:
        """Return whose session it is. A frozen account can be worn; its own sessions are over when it is frozen."""
        user: User | None = User.objects.active().filter(pk=user_id).select_related("profile").first()
        return user

    def user_can_authenticate(self, user: Any) -> bool:  # noqa: ANN401  # Django's signature
        """Tell whether the account may be signed in to at all."""
        return bool(user.is_active and not user.is_frozen)

    # Django asks these two and remembers the answer on the user; the portal's users have no tables of either.

    def _get_user_permissions(self, user_obj: User) -> "QuerySet[Permission]":  # noqa: ARG002
        return Permission.objects.none()

    def _get_group_permissions(self, user_obj: User) -> "QuerySet[Permission]":
        """Return what the group that an operator's role names may do; nobody else has a group."""
        if not user_obj.is_staff:
            return Permission.objects.none()
        return Permission.objects.filter(group__name=OperatorRole(user_obj.operator_role).label)
