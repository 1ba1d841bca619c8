"""Where allauth asks the portal."""

from typing import TYPE_CHECKING, Any

from allauth.account.adapter import DefaultAccountAdapter
from django.urls import reverse

from orgs.http import client_address, safe_path
from orgs.moments import NOBODY, read_by

if TYPE_CHECKING:
    from django.core.mail import EmailMessage
    from django.http import HttpRequest

    from .models import User


class AccountAdapter(DefaultAccountAdapter):
    """Sign-up is closed, redirects stay on this site, and addresses are counted as everywhere else."""

    def is_open_for_signup(self, request: "HttpRequest") -> bool:  # noqa: ARG002
        return False

    def is_safe_url(self, url: str | None) -> bool:
        return url is not None and safe_path(url) is not None

    def get_password_change_redirect_url(self, request: "HttpRequest") -> str:  # noqa: ARG002
        return reverse("home")

    def render_mail(self, *args: Any, **kwargs: Any) -> "EmailMessage":
        # In UTC, as it says: whoever reads it is not always whoever clicks.
        with read_by(NOBODY):
            mail: EmailMessage = super().render_mail(*args, **kwargs)
        return mail

    def get_client_ip(self, request: "HttpRequest") -> str:
        return client_address(request) or "unknown"


def user_display(user: "User") -> str:
    """Return how allauth's pages and mails name a user."""
    return user.full_name
