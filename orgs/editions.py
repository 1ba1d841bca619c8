"""Editions and what each has: the one table that answers "does this edition have this feature?"."""

from enum import StrEnum

from django.db import models


class Edition(models.TextChoices):
    """What an organization has bought, lowest to highest; Developer stands beside them with Enterprise's features."""

    ESSENTIALS = "essentials", "Essentials"
    GROUP = "group", "Group"
    PROFESSIONAL = "professional", "Professional"
    ENTERPRISE = "enterprise", "Enterprise"
    PERFORMANCE = "performance", "Performance"
    UNLIMITED = "unlimited", "Unlimited"
    DEVELOPER = "developer", "Developer"


class Feature(StrEnum):
    """What an edition may or may not have."""

    ANY_USER_LOGIN = "any_user_login"
    GRANT_TO_ADMINISTRATORS = "grant_to_administrators"
    DELEGATED_ADMINISTRATION = "delegated_administration"
    CUSTOM_PROFILES = "custom_profiles"


# The seed article names these four: "Available Editions: Enterprise, Performance, Unlimited, Developer Editions".
_UPPER = (Edition.ENTERPRISE, Edition.PERFORMANCE, Edition.UNLIMITED, Edition.DEVELOPER)

_EDITIONS: dict[Feature, tuple[Edition, ...]] = {
    Feature.ANY_USER_LOGIN: _UPPER,
    Feature.GRANT_TO_ADMINISTRATORS: _UPPER,
    Feature.DELEGATED_ADMINISTRATION: _UPPER,
    Feature.CUSTOM_PROFILES: tuple(edition for edition in Edition if edition != Edition.GROUP),
}


def editions_with(feature: Feature) -> tuple[Edition, ...]:
    """Return the editions that have ``feature``, lowest first."""
    return _EDITIONS[feature]


def has_feature(edition: str, feature: Feature) -> bool:
    """Tell whether ``edition`` (its stored value) has ``feature``."""
    return edition in _EDITIONS[feature]
