"""Django's signals, handed straight on."""

from typing import Any

from django.apps import apps
from django.db import connections
from django.db.models.signals import post_migrate, pre_migrate
from django.dispatch import receiver

from .triggers import TRAIL_GUARDS, install


@receiver(pre_migrate, sender=apps.get_app_config("orgs"))
def hold_the_trail(using: str, **kwargs: Any) -> None:
    """Let no event of the trail go while tables change; :func:`guard_the_trail` comes after, if all went well."""
    if kwargs["plan"]:
        install(connections[using], TRAIL_GUARDS, is_migrating=True)


@receiver(post_migrate, sender=apps.get_app_config("orgs"))
def guard_the_trail(using: str, **kwargs: Any) -> None:  # noqa: ARG001
    """Make what keeps the trail as it was written."""
    install(connections[using], TRAIL_GUARDS)
