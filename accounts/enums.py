"""The closed lists: kinds of session, why not, why it ended."""

from datetime import timedelta

from django.db import models


class SessionType(models.TextChoices):
    """Salesforce's names for the two kinds (``AuthSession.SessionType``)."""

    UI = "UI", "UI"
    SUBSTITUTE_USER = "SubstituteUser", "SubstituteUser"


class LoginType(models.TextChoices):
    APPLICATION = "application", "Application"
    LOGIN_AS = "login_as", "Login-As"


class LoginStatus(models.TextChoices):
    SUCCESS = "success", "Success"
    WRONG_PASSWORD = "wrong_password", "Wrong password"
    LOCKED = "locked", "Account locked"
    INACTIVE = "inactive", "User inactive"
    FROZEN = "frozen", "User frozen"


class Basis(models.TextChoices):
    """What a log-in-as rests on. A delegate's rests on a delegated group beside it."""

    ANY_USER = "any_user", "Administrators Can Log in as Any User"
    GRANT = "grant", "The user's grant to the company's administrators"
    SUPPORT_GRANT = "support_grant", "The user's grant to a support organization"

    @property
    def to_target(self) -> str:
        """The label as the pages of the one whose account it is say it."""
        return _BASIS_TO_TARGET.get(self, str(self.label))


_BASIS_TO_TARGET = {
    Basis.GRANT: "Your grant to the company's administrators",
    Basis.SUPPORT_GRANT: "Your grant to a support organization",
}


class Access(models.TextChoices):
    """What may be done inside a visit."""

    FULL = "full", "Full access"
    READ_ONLY = "read_only", "Read-only"


class ActivityKind(models.TextChoices):
    """What is written down of a visit: what was sent to be done, what was refused, and which pages were opened."""

    WRITE = "write", "Done"
    REFUSAL = "refusal", "Refused"
    OPENED = "opened", "Opened"


class MailOutcome(models.TextChoices):
    """What became of the mail that tells a user of a visit. Waiting is what a killed process leaves."""

    WAITING = "waiting", "not sent yet"
    SENT = "sent", "sent"
    FAILED = "failed", "could not be sent"


class GrantDuration(models.TextChoices):
    """How long a user may grant access for: the six that Salesforce offers. One year is the most."""

    NONE = "none", "No Access"
    DAY = "day", "1 Day"
    THREE_DAYS = "3_days", "3 Days"
    WEEK = "week", "1 Week"
    MONTH = "month", "1 Month"
    YEAR = "year", "1 Year"

    @property
    def length(self) -> timedelta:
        """How long that is; nothing for No Access."""
        return timedelta(days=_DAYS[self])

    @property
    def in_a_sentence(self) -> str:
        """The label as it stands within a sentence: "1 day"."""
        return str(self.label).lower()


_DAYS = {
    GrantDuration.NONE: 0,
    GrantDuration.DAY: 1,
    GrantDuration.THREE_DAYS: 3,
    GrantDuration.WEEK: 7,
    GrantDuration.MONTH: 30,
    GrantDuration.YEAR: 365,
}


class AccessRequestState(models.TextChoices):
    """What became of asking a user for access."""

    OPEN = "open", "Open"
    GRANTED = "granted", "Granted"
    DECLINED = "declined", "Declined"
    LAPSED = "lapsed", "Not answered in time"


class OperatorRole(models.TextChoices):
    NONE = "", "–"
    SALES = "sales", "Sales"
    SUPPORT = "support", "Support"


class Refusal(models.TextChoices):
    """Why someone may not log in as someone, in the order in which the rule asks. The label is what a person reads."""

    NOT_FOUND = "not_found", "There is no such user in your organization."
    NO_PERMISSION = (
        "no_permission",
        "To log in as users you need Modify All Data and Manage Users on your profile. Ask your administrator.",
    )
    SELF = "self", "This is you."
    NESTED = "nested", "You are already logged in as a user. Log out as that user first."
    INACTIVE = "inactive", "This user is inactive. Only active users can be logged in as."
    EXTERNAL = "external", "This is an external site user. External users are never logged in as from here."
    NOT_DELEGATE = "not_delegate", "You are no longer a delegated administrator with login access in that group."
    OUT_OF_REACH = "out_of_reach", "This user's role is not in reach of the delegate's groups with login access."
    NO_CLIMBING = (
        "no_climbing",
        "This user may administer more than a delegate does. Only an administrator logs in as this user.",
    )
    EDITION = "edition", "Your organization's edition does not have Administrators Can Log in as Any User."
    PROTECTED = "protected", "This user is an administrator, and your organization protects administrators."
    NOT_PROVISIONED = (
        "not_provisioned",
        "Administrators Can Log in as Any User is not provisioned for your organization yet.",
    )
    GRANT_EXPIRED = "grant_expired", "The access that this user granted has run out."
    OFF = "off", "Administrators Can Log in as Any User is off in Login Access Policies."
    NO_GRANT = "no_grant", "This user has not granted your organization access."
    NOT_AVAILABLE = (
        "not_available",
        "Your support organization is available to this organization's administrators only.",
    )

    @property
    def short(self) -> str:
        """Two or three words, for a row of a list."""
        return _SHORT[self]

    @property
    def to_target(self) -> str:
        """The label as the pages of the one who is not logged in as say it."""
        return _REFUSAL_TO_TARGET.get(self, str(self.label))


_SHORT: dict[Refusal, str] = {
    Refusal.NOT_FOUND: "not found",
    Refusal.NO_PERMISSION: "no permission",
    Refusal.SELF: "this is you",
    Refusal.NESTED: "already logged in",
    Refusal.INACTIVE: "inactive",
    Refusal.EXTERNAL: "external user",
    Refusal.NOT_DELEGATE: "not a delegate",
    Refusal.OUT_OF_REACH: "not in reach",
    Refusal.NO_CLIMBING: "administers more",
    Refusal.EDITION: "not in edition",
    Refusal.PROTECTED: "protected",
    Refusal.NOT_PROVISIONED: "not provisioned",
    Refusal.GRANT_EXPIRED: "grant expired",
    Refusal.OFF: "switched off",
    Refusal.NO_GRANT: "no grant",
    Refusal.NOT_AVAILABLE: "not available",
}


_REFUSAL_TO_TARGET: dict[Refusal, str] = {
    Refusal.INACTIVE: "Your account is inactive. Only active users can be logged in as.",
    Refusal.EXTERNAL: "You are an external site user. External users are never logged in as from here.",
    Refusal.OUT_OF_REACH: "Your role is not in reach of the delegate's groups with login access.",
    Refusal.NO_CLIMBING: "You may administer more than a delegate does. Only an administrator logs in as you.",
    Refusal.PROTECTED: "You are an administrator, and your organization protects administrators.",
    Refusal.GRANT_EXPIRED: "The access that you granted has run out.",
    Refusal.NO_GRANT: "You have not granted your organization access.",
}


class EndCause(models.TextChoices):
    """Why an impersonation ended. The label goes on: "Your visit as NAME ended: …"."""

    LOGGED_OUT = "logged_out", "logged out"
    TIME_LIMIT = "time_limit", "the time limit was reached"
    IDLE = "idle", "there was no activity for too long"
    PARENT_SESSION_ENDED = "parent_session_ended", "the session that it was started from ended"
    ENDED_BY_ADMINISTRATOR = "ended_by_administrator", "an administrator ended it"
    ENDED_BY_TARGET = "ended_by_target", "the user ended it"
    POLICY_CHANGED = "policy_changed", "the login access policies were changed"
    DEPROVISIONED = "deprovisioned", "Administrators Can Log in as Any User is no longer provisioned"
    EDITION_CHANGED = "edition_changed", "the organization's edition no longer has this feature"
    GRANT_REVOKED = "grant_revoked", "the user took back the grant"
    GRANT_EXPIRED = "grant_expired", "the user's grant ran out"
    DELEGATE_REMOVED = "delegate_removed", "the delegated administrator lost the group's login access"
    OUT_OF_REACH = "out_of_reach", "the user is no longer in reach"
    BECAME_PROTECTED = "became_protected", "the user is now protected from this login"
    TARGET_DEACTIVATED = "target_deactivated", "the user was deactivated"
    TARGET_BECAME_EXTERNAL = "target_became_external", "the user became an external site user"
    ACTOR_DEACTIVATED = "actor_deactivated", "the person who logged in was deactivated"
    ACTOR_FROZEN = "actor_frozen", "the person who logged in was frozen"
    ACTOR_LOST_PERMISSION = "actor_lost_permission", "the person who logged in lost a permission that it needs"
    PASSWORD_CHANGED = "password_changed", "a password was changed"
    ADDRESS_CHANGED = "address_changed", "the network address changed"

    @property
    def to_target(self) -> str:
        """The label as the pages of the one whose account it was say it."""
        return _CAUSE_TO_TARGET.get(self, str(self.label))


_CAUSE_TO_TARGET: dict[EndCause, str] = {
    EndCause.ENDED_BY_TARGET: "you ended it",
    EndCause.GRANT_REVOKED: "you took back the grant",
    EndCause.GRANT_EXPIRED: "your grant ran out",
    EndCause.OUT_OF_REACH: "you are no longer in reach",
    EndCause.BECAME_PROTECTED: "you are now protected from this login",
    EndCause.TARGET_DEACTIVATED: "your account was deactivated",
    EndCause.TARGET_BECAME_EXTERNAL: "you became an external site user",
}


class SessionEnd(models.TextChoices):
    """Why one's own session ended. The label goes on: "Your session has ended: …".

    What ends visits too has the same value there (:class:`EndCause`): the login page is told either.
    """

    SIGNED_OUT = "signed_out", "you logged out"
    ENDED_BY_ONESELF = "ended_by_oneself", "you ended it from another session"
    ENDED_BY_ADMINISTRATOR = "ended_by_administrator", "an administrator ended it"
    TIME_LIMIT = "time_limit", "the time limit was reached"
    IDLE = "idle", "there was no activity for too long"
    DEACTIVATED = "actor_deactivated", "your account was deactivated"
    FROZEN = "actor_frozen", "your account was frozen"
    PASSWORD_CHANGED = "password_changed", "a password was changed"
    ADDRESS_CHANGED = "address_changed", "the network address changed"


# Why one's own session ended, by the cause of the visit that was ended with it. Other causes end visits alone.
SESSION_END: dict[EndCause, SessionEnd] = {
    EndCause.LOGGED_OUT: SessionEnd.SIGNED_OUT,
    EndCause.PARENT_SESSION_ENDED: SessionEnd.ENDED_BY_ONESELF,
    EndCause.ENDED_BY_ADMINISTRATOR: SessionEnd.ENDED_BY_ADMINISTRATOR,
    EndCause.TIME_LIMIT: SessionEnd.TIME_LIMIT,
    EndCause.IDLE: SessionEnd.IDLE,
    EndCause.ACTOR_DEACTIVATED: SessionEnd.DEACTIVATED,
    EndCause.ACTOR_FROZEN: SessionEnd.FROZEN,
    EndCause.PASSWORD_CHANGED: SessionEnd.PASSWORD_CHANGED,
    EndCause.ADDRESS_CHANGED: SessionEnd.ADDRESS_CHANGED,
}

END_CAUSE: dict[Refusal, EndCause] = {
    # A running visit whose rule now says no ends with the cause that belongs to the reason. Total: a gap fails a test.
    Refusal.NOT_FOUND: EndCause.OUT_OF_REACH,
    Refusal.NO_PERMISSION: EndCause.ACTOR_LOST_PERMISSION,
    Refusal.SELF: EndCause.OUT_OF_REACH,
    Refusal.NESTED: EndCause.OUT_OF_REACH,
    Refusal.INACTIVE: EndCause.TARGET_DEACTIVATED,
    Refusal.EXTERNAL: EndCause.TARGET_BECAME_EXTERNAL,
    Refusal.NOT_DELEGATE: EndCause.DELEGATE_REMOVED,
    Refusal.OUT_OF_REACH: EndCause.OUT_OF_REACH,
    Refusal.NO_CLIMBING: EndCause.BECAME_PROTECTED,
    Refusal.EDITION: EndCause.EDITION_CHANGED,
    Refusal.PROTECTED: EndCause.BECAME_PROTECTED,
    Refusal.NOT_PROVISIONED: EndCause.DEPROVISIONED,
    Refusal.GRANT_EXPIRED: EndCause.GRANT_EXPIRED,
    Refusal.OFF: EndCause.POLICY_CHANGED,
    Refusal.NO_GRANT: EndCause.GRANT_REVOKED,
    Refusal.NOT_AVAILABLE: EndCause.POLICY_CHANGED,
}


class VisitEnd(models.TextChoices):
    """Which limit ended a visit, and one's own session with it: what the login page is told of that."""

    TIME_LIMIT = "visit_time_limit", "the time limit was reached"
    IDLE = "visit_idle", "there was no activity for too long"

    @classmethod
    def of(cls, cause: str) -> "VisitEnd | None":
        """Return what the cause of a visit's end is here; None where it was no limit."""
        return next((end for end in cls if end.value == f"visit_{cause}"), None)


class Theme(models.TextChoices):
    """Which colours pages have."""

    SYSTEM = "system", "As the system has it"
    LIGHT = "light", "Light"
    DARK = "dark", "Dark"


class DateLanguage(models.TextChoices):
    """How dates and times are written: as ISO 8601 does, or as CLDR says for a language (its locale identifier)."""

    ISO = "iso", "International (2026-11-23 15:05:33)"
    ENGLISH_US = "en_US", "English (United States)"
    ENGLISH_UK = "en_GB", "English (United Kingdom)"
    DEUTSCH = "de", "Deutsch"
    FRANCAIS = "fr", "Français"
    ESPANOL = "es", "Español"
    ITALIANO = "it", "Italiano"
    NEDERLANDS = "nl", "Nederlands"
    POLSKI = "pl", "Polski"
    PORTUGUES = "pt_BR", "Português (Brasil)"
    SVENSKA = "sv", "Svenska"
    NIHONGO = "ja", "日本語"
