"""One act on the users who were selected in the list: what would happen to whom, and then doing it."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self, cast

from django.contrib import messages
from django.http import HttpResponseRedirect
from django.shortcuts import render
from django.utils.crypto import get_random_string
from django.utils.text import get_text_list
from django.views.decorators.http import require_POST

from accounts.services.guards import visible_to
from accounts.services.users import (
    MOST_AT_ONCE,
    SEVERAL,
    Outlook,
    UserAct,
    act_on_several,
    preview_several,
    refusal_to_all,
)
from orgs.http import Origin, note_nothing_done
from orgs.limits import first_in
from orgs.permissions import Permission
from orgs.views.meanwhile import FIELD, as_read, carry

from .gates import for_those_who_act_on_several
from .user_list_state import read_id
from .user_list_words import SEVERAL_LABELS
from .users import back_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.http import HttpRequest, HttpResponse, QueryDict

    from accounts.models import User
    from portal.http import PortalRequest

SALT = "accounts.user_selected"
# How long the second half of a double click is known for one. What a reset mails goes out once.
ONCE_IN = timedelta(hours=1)
NAMED = 5
REASONS_SAID = 20


@dataclass(frozen=True, slots=True)
class ActWords:
    """What an act is called where it is done to several: ``{}`` is who."""

    question: str
    what: str
    done: str
    not_done: str
    # Of each, which mail goes out.
    mails: bool = False


WORDS = {
    UserAct.RESET_PASSWORD: ActWords(
        question="Reset the password of {}?",
        what="Each gets a mail with a link to choose a new password. The old password works until then.",
        done="A mail to choose a new password is on its way to {}.",
        not_done="No mail went out",
        mails=True,
    ),
    UserAct.FREEZE: ActWords(
        question="Freeze {}?",
        what="Whoever is frozen cannot sign in until somebody unfreezes them. Their own sessions end at once, and the "
        "visits from them. Visits in which someone else is logged in as them go on.",
        done="Frozen, and signed out: {}.",
        not_done="Not frozen",
    ),
    UserAct.DEACTIVATE: ActWords(
        question="Deactivate {}?",
        what="Whoever is inactive can no longer sign in. Every session ends at once, and so does every visit in these "
        "accounts or from them. Nothing is deleted, and each of them can be activated again.",
        done="Inactive, with every session ended: {}.",
        not_done="Not deactivated",
    ),
}


@dataclass(frozen=True, slots=True)
class Selection:
    """Which act, on whom. ``once`` is known of a confirmed one alone: what was sent twice is done once."""

    act: UserAct | None
    ids: tuple[int, ...]
    once: str = ""

    @classmethod
    def of_list(cls, sent: "QueryDict") -> Self:
        """Read what the users list sends. What is no id counts as not sent."""
        ids = dict.fromkeys(filter(None, map(read_id, sent.getlist("id"))))
        return cls(SEVERAL.get(sent.get("act", "")), tuple(ids))

    @classmethod
    def of_preview(cls, request: "HttpRequest") -> Self:
        """Read what the preview showed this session: nothing else is done. Of one that can't be read, nothing."""
        read = as_read(request, salt=SALT, for_at_most=ONCE_IN)
        if read.get("session") != _session_of(request):
            return cls(None, ())
        return cls(SEVERAL.get(read.get("act", "")), tuple(read.get("ids", ())), read.get("once", ""))

    def users_seen_by(self, user: "User") -> "list[User]":
        """Return those of them whom ``user`` sees, as lists sort them; others are as if never sent. One query."""
        found = visible_to(user).filter(pk__in=self.ids).select_related("profile", "role").order_by("name_key", "id")
        users: list[User] = list(found)
        for one in users:
            one.organization = user.organization
        return users


@require_POST
@for_those_who_act_on_several
def user_selected(request: "HttpRequest") -> "HttpResponse":
    """Show what an act would do to whom; confirmed, do it, and say on the list what was done and what was not."""
    request = cast("PortalRequest", request)
    is_confirmed = FIELD in request.POST
    selection = Selection.of_preview(request) if is_confirmed else Selection.of_list(request.POST)
    if selection.act is not None and (refusal := refusal_to_all(selection.act, Origin.of(request))) is not None:
        raise refusal
    if len(selection.ids) > MOST_AT_ONCE:
        why = f"more than {MOST_AT_ONCE} users were selected"
        return _back_to_list(request, f"Select {MOST_AT_ONCE} users at most at a time. Nothing was done.", why=why)
    if is_confirmed and selection.act is None:
        words = "This preview is too old, or not yours. Nothing was done. Select anew."
        return _back_to_list(request, words, why="the preview was too old, or another session's")
    users = selection.users_seen_by(request.user)
    if selection.act is None or not users:
        words = "Nobody is selected. Tick users in the list, then choose what to do with them."
        return _back_to_list(request, words, why="nobody was selected")
    if not is_confirmed:
        return _preview(request, selection.act, users)
    if not first_in(f"selected:{selection.once}", per=ONCE_IN):
        return _back_to_list(request, "That was sent twice, and done once.", why="sent twice")
    return _done(request, selection.act, users)


def _back_to_list(request: "PortalRequest", words: str, *, why: str) -> "HttpResponse":
    note_nothing_done(request, why)
    messages.warning(request, words)
    return HttpResponseRedirect(back_of(request))


def _preview(request: "PortalRequest", act: UserAct, users: "Sequence[User]") -> "HttpResponse":
    note_nothing_done(request, "asked what it would do")
    # Who is signed in, and where, is for those who may see sessions: others read in words alone that they end.
    counts_ends = request.user.has_permission(Permission.MONITOR_LOGIN_HISTORY)
    outlooks = preview_several(act, users, origin=Origin.of(request), counts_ends=counts_ends)
    happens = [one for one in outlooks if not one.reason]
    words = WORDS[act]
    ids = [one.user.pk for one in happens]
    context: dict[str, Any] = {
        "act": act.name.lower(),
        "words": words,
        "button": SEVERAL_LABELS[act],
        "question": words.question.format(_count(len(happens))),
        "happens": happens,
        "happens_not": [one for one in outlooks if one.reason],
        "counts_ends": counts_ends,
        "ends_sessions": request.user.organization.session_settings.end_on_password_reset,
        "is_danger": act is UserAct.DEACTIVATE,
        "back": back_of(request),
        "read": carry(
            {"act": act.name.lower(), "ids": ids, "once": get_random_string(16), "session": _session_of(request)},
            salt=SALT,
        ),
    }
    return render(request, "accounts/user_selected.html", context)


def _session_of(request: "HttpRequest") -> str:
    """Return which session asks: a preview is that one's alone."""
    return str(Origin.of(cast("PortalRequest", request)).session_public_id)


def _done(request: "PortalRequest", act: UserAct, users: "Sequence[User]") -> "HttpResponse":
    done = act_on_several(act, users, origin=Origin.of(request), site=request.build_absolute_uri("/"))
    words, outcomes = WORDS[act], done.outcomes
    happened = [one.user for one in outcomes if not one.reason]
    if not happened:
        note_nothing_done(request, "something had changed since the preview")
    if happened and done.unsent < len(happened):
        messages.success(request, words.done.format(_names(happened)))
    if done.unsent:
        said = f"{done.unsent} of the mails did not go out: the mail server did not take them in time."
        messages.error(request, f"{said} Try again later, or tell people of “Forgot your password?”.")
    if not_done := [one for one in outcomes if one.reason]:
        said = f"{words.not_done}: {_count(len(not_done))}. Something has changed since the preview."
        messages.warning(request, " ".join([said, *map(_reason_of, not_done[:REASONS_SAID])]))
    return HttpResponseRedirect(back_of(request))


def _count(number: int) -> str:
    return f"{number} user{'' if number == 1 else 's'}"


def _names(users: "Sequence[User]") -> str:
    """Return who they are, or of many the first few: they stood on the preview."""
    return get_text_list([*map(str, users[:NAMED]), *_others(users[NAMED:])], "and")


def _reason_of(outcome: Outlook) -> str:
    name = str(outcome.user)
    return outcome.reason if name in outcome.reason else f"{name}: {outcome.reason}"


def _others(rest: "Sequence[User]") -> list[str]:
    return [f"{len(rest)} other{'' if len(rest) == 1 else 's'}"] if rest else []
