"""What narrows a list, read from its address."""

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest
from django import forms
from django.http import QueryDict

from orgs.list_filters import PEOPLE_SHOWN, ListFilterForm, PersonField, PersonFilter
from orgs.models import AuditEvent
from orgs.moments import read_by, reader_of
from tests.factories import OrganizationFactory, UserFactory
from tests.queries import captured_queries

if TYPE_CHECKING:
    from collections.abc import Callable

    from accounts.models import User
    from orgs.models import Organization

    Make = Callable[..., User]


class SomeForm(ListFilterForm):
    """A list's filters, of each kind one."""

    person = PersonField()
    kind = forms.ChoiceField(required=False, choices=(("", "All"), ("good", "Good"), ("bad", "Bad")))


def form_of(query: str) -> SomeForm:
    return SomeForm(QueryDict(query))


# --- the form ----------------------------------------------------------------------------------------------------


def test_days_stand_last() -> None:
    assert list(form_of("").fields) == ["person", "kind", "start", "end"]


@pytest.mark.parametrize(
    ("query", "chosen"),
    [
        ("", {}),
        ("person=&kind=&start=&end=&more=1", {}),
        ("person=%20Ada%20&kind=good", {"person": "Ada", "kind": "good"}),
        ("kind=ugly&start=2026-11-22", {"start": date(2026, 11, 22)}),
        ("start=2026-11-22&end=2026-11-21", {"start": date(2026, 11, 22)}),
        ("kind=good&kind=bad", {"kind": "bad"}),
    ],
)
def test_what_can_be_read_narrows(query: str, chosen: dict[str, Any]) -> None:
    form = form_of(query)

    assert (form.chosen, form.is_narrowed) == (chosen, bool(chosen))


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", []),
        ("person=Ada&kind=good&start=2026-11-22", ["Person: Ada", "Kind: Good", "From: 2026-11-22"]),
        ("section=one&kind=ugly", ["Section: The first"]),
    ],
)
def test_what_narrows_is_said_in_the_words_of_the_fields(query: str, words: list[str]) -> None:
    class GroupedForm(SomeForm):
        section = forms.ChoiceField(required=False, choices=(("", "All"), ("Group", [("one", "The first")])))

    assert GroupedForm(QueryDict(query)).in_words == words


@pytest.mark.parametrize(
    ("query", "is_unfolded"),
    [("", False), ("person=Ada", False), ("kind=good", True), ("kind=ugly", True), ("end=2026-11-22", True)],
)
def test_filters_beside_the_first_are_folded_away_until_one_is_in_use(query: str, *, is_unfolded: bool) -> None:
    assert form_of(query).is_unfolded == is_unfolded


def test_wrong_fields_are_marked_and_point_to_what_is_said() -> None:
    form = form_of("kind=ugly&start=2026-13-01")

    marks = {
        name: (field.widget.attrs["class"], field.widget.attrs.get("aria-describedby"))
        for name, field in form.fields.items()
    }

    assert marks == {
        "person": ("form-control form-control-sm", None),
        "kind": ("form-select form-select-sm is-invalid", "id_kind_error"),
        "start": ("form-control form-control-sm is-invalid", "id_start_error"),
        "end": ("form-control form-control-sm", None),
    }


@pytest.mark.parametrize(
    ("query", "condition"),
    [
        ("", {}),
        ("start=2026-11-22", {"at__gte": datetime(2026, 11, 22, tzinfo=UTC)}),
        ("end=2026-11-22", {"at__lt": datetime(2026, 11, 23, tzinfo=UTC)}),
        ("start=0001-01-01", {"at__gte": datetime(1, 1, 1, tzinfo=UTC)}),
        ("end=9999-12-30", {"at__lt": datetime(9999, 12, 31, tzinfo=UTC)}),
        ("end=9999-12-31", {}),
    ],
)
def test_days_are_whole_and_in_utc(query: str, condition: dict[str, datetime]) -> None:
    assert form_of(query).between("at") == condition


def test_days_are_the_readers_and_the_trail_says_in_which_zone() -> None:
    query = "start=2026-11-22&end=2026-11-22"
    asked = {"start": "2026-11-22", "end": "2026-11-22"}

    with read_by(reader_of("Europe/Berlin", "de")):
        form = form_of(query)
        condition, narrowed_by = form.between("at"), form.narrowed_by
        without_days = form_of("kind=good").narrowed_by

    first, last = (datetime(2026, 11, day, 23, tzinfo=UTC) for day in (21, 22))
    assert condition == {"at__gte": first, "at__lt": last}
    assert (narrowed_by, without_days) == ({**asked, "time_zone": "Europe/Berlin"}, {"kind": "good"})
    assert form.parameters == form_of(query).narrowed_by == asked


def test_addresses_hold_what_was_chosen_and_nothing_else() -> None:
    form = form_of("person=Ada+%26+Co&kind=ugly&start=2026-11-22&more=1&cursor=old")

    assert form.url("audit_trail") == "/setup/audit-trail/?person=Ada+%26+Co&start=2026-11-22"
    assert form.page_url("audit_trail", "c") == "/setup/audit-trail/?person=Ada+%26+Co&start=2026-11-22&cursor=c"
    assert form.page_url("audit_trail", None) == ""
    assert form_of("").url("audit_trail") == "/setup/audit-trail/"


def test_what_is_pinned_stands_in_field_and_addresses() -> None:
    form = form_of("person=love&kind=good&start=2026-11-01")

    form.pin("person", "ada@acme.example")

    assert [field.value() for field in form] == ["ada@acme.example", "good", "2026-11-01", None]
    assert form.url("audit_trail") == "/setup/audit-trail/?person=ada%40acme.example&kind=good&start=2026-11-01"


# --- whom a name means -------------------------------------------------------------------------------------------


def test_nothing_typed_means_nobody_and_asks_nothing(acme: "Organization") -> None:
    with captured_queries() as queries:
        people = PersonFilter("", acme)

    assert (people.is_open, people.person, list(people.shown), queries) == (False, None, [], [])


@pytest.mark.parametrize("typed", ["ada@acme.example", "ADA@Acme.Example", "ada", "Lovelace, ", "ada love"])
def test_one_person_is_meant(acme: "Organization", ada: "User", grace: "User", typed: str) -> None:
    people = PersonFilter(typed.strip(", "), acme)

    assert (people.person, people.is_open, people.has_more) == (ada, False, False)


def test_username_wins_over_names_that_hold_it(acme: "Organization", ada: "User", make: "Make") -> None:
    make("xada", "Lovelace")

    assert PersonFilter("ada@acme.example", acme).person == ada


@pytest.mark.parametrize(("count", "has_more"), [(2, False), (PEOPLE_SHOWN, False), (PEOPLE_SHOWN + 3, True)])
def test_several_are_shown_to_choose_from(acme: "Organization", make: "Make", count: int, has_more: bool) -> None:
    everyone = [make(f"Kim{number:02}", "Lee") for number in range(count)]

    people = PersonFilter("lee", acme)

    assert (people.person, people.is_open, people.has_more) == (None, True, has_more)
    assert list(people.shown) == everyone[:PEOPLE_SHOWN]


def named(person: "User", organization: "Organization", role: str) -> None:
    """Let a trail name someone."""
    AuditEvent.objects.create(organization=organization, created_at=datetime.now(UTC), action="x", **{role: person})


@pytest.mark.parametrize("role", ["user", "delegate_user", "about"])
def test_operator_whom_the_trail_names_is_meant_by_username(acme: "Organization", sam: "User", role: str) -> None:
    before = PersonFilter(sam.username, acme)
    named(sam, acme, role)

    assert (before.person, before.is_open) == (None, True)
    assert PersonFilter(sam.username, acme).person == sam
    assert PersonFilter("Sam", acme).person is None


def test_customer_of_elsewhere_is_never_meant(acme: "Organization", stranger: "User") -> None:
    named(stranger, acme, "user")

    assert PersonFilter(stranger.username, acme).person is None


def test_operator_named_elsewhere_is_not_meant(acme: "Organization", sam: "User") -> None:
    named(sam, OrganizationFactory.create(), "user")

    assert PersonFilter(sam.username, acme).person is None


@pytest.mark.parametrize("is_named", [False, True])
def test_who_does_not_see_users_finds_those_whom_the_trail_names_by_username(
    acme: "Organization", ada: "User", is_named: bool
) -> None:
    if is_named:
        named(ada, acme, "about")

    found = [PersonFilter(typed, acme, sees_users=False) for typed in (ada.username, "ada")]

    assert [people.person for people in found] == [ada if is_named else None, None]
    assert [list(people.shown) for people in found] == [[], []]


@pytest.mark.parametrize("query", ["person=love", "person=ada@acme.example", "person=zebra", ""])
def test_the_one_who_is_found_is_pinned(acme: "Organization", ada: "User", query: str) -> None:
    form = form_of(query)

    people = PersonFilter.of(form, acme)

    username = "ada@acme.example" if people.person else form_of(query).chosen.get("person")
    assert form.chosen.get("person") == username
    assert (people.person == ada) is (query in {"person=love", "person=ada@acme.example"})


def test_names_of_elsewhere_are_not_looked_through(acme: "Organization", stranger: "User") -> None:
    UserFactory.create(organization=stranger.organization, first_name="Gus", last_name="Other")

    assert (PersonFilter("gus", acme).person, list(PersonFilter("gus", acme).shown)) == (None, [])


def test_day_that_is_none_stays_as_it_was_typed() -> None:
    wrong, right = (str(ListFilterForm({"start": typed})["start"]) for typed in ("yesterday", "2026-11-22"))

    assert 'type="text"' in wrong
    assert 'value="yesterday"' in wrong
    assert 'type="date"' not in wrong
    assert 'type="date"' in right
