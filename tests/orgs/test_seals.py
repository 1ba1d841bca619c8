"""Sealing the trail."""

import hashlib
import json
import uuid
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
import rfc8785
from django.core.management import call_command
from django.db import IntegrityError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orgs.models import AuditEvent, AuditSeal, Organization
from orgs.services.chain import COLUMNS, TrailEvent, digests_in, event_from, parts_of
from orgs.services.seals import BATCH, PAGE, SEALS, EventReader, _insert, record_lines, seal_trail
from tests.factories import OrganizationFactory
from tests.queries import captured_queries

from .trail import AT, HOUR, Terminal, ids, sealed_in, write

pytestmark = pytest.mark.django_db

EVENT: dict[str, Any] = {
    "id": "7",
    "organization": "3",
    "created_at": "2026-11-22T12:00:00.000005Z",
    "action": "organization.changed",
    "section": "Company Information",
    "sentence": "Changed organization name from “Ä” to ☃",
    "user": "11",
    "user_name": "Hana",
    "delegate_user": "12",
    "delegate_user_name": "Hank",
    "about": None,
    "about_name": "",
    "address": "2001:db8::1",
    "agent": 'Lynx "2"\\',
    "session_public_id": "00000000-0000-0000-0000-000000000001",
    "impersonation_id": "5",
    "request_id": "abc",
    "before": {"name": "Ä", "any": False},
    "after": {"name": "☃", "number": 5, "none": None, "all": ["a", "b"]},
}


def event_of(before: object) -> TrailEvent:
    row: dict[str, Any] = dict.fromkeys(COLUMNS) | {"id": 1, "created_at": AT, "before": before, "after": {}}
    return event_from(tuple(row[column] for column in COLUMNS))


# --- what is hashed ----------------------------------------------------------------------------------------------


def test_an_event_is_hashed_as_it_is_stored() -> None:
    organization = OrganizationFactory.create(id=3)
    same = {
        name: value for name, value in EVENT.items() if name not in {"organization", "user", "delegate_user", "about"}
    }
    given = same | {"id": 7, "created_at": datetime(2026, 11, 22, 12, 0, 0, 5, tzinfo=UTC), "impersonation_id": 5}
    people = {"user_id": 11, "delegate_user_id": 12, "session_public_id": uuid.UUID(int=1)}
    AuditEvent.objects.create(organization=organization, **given | people)

    seal_trail(organization, at=AT)

    text = rfc8785.dumps(EVENT)
    assert AuditSeal.objects.get().entries == [["7", hashlib.sha256(text).hexdigest()]]
    # The same on every database.
    assert hashlib.sha256(text).hexdigest() == "518b63051b8f923413bcc86c81efb62b219f0ca41563d9505ada594c785edd52"


def test_every_column_is_hashed() -> None:
    assert {field.attname for field in AuditEvent._meta.concrete_fields} == set(COLUMNS)


# On a machine with other work drawing a value may take a second.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=8,
    )
)
def test_what_is_hashed_is_canonical_json(stored: object) -> None:
    content = event_of(stored).content

    assert content.encode() == rfc8785.dumps(json.loads(content))


@pytest.mark.parametrize(
    ("stored", "text"),
    [
        ({"n": 2**53}, '{"n": 9007199254740992}'),
        ({"n": 1.0}, '{"n": 1.0}'),
        ({"\U0001f600": 1}, '{"\\ud83d\\ude00": 1}'),
        (["\ud800"], '["\\ud800"]'),
        ({"n": 2**53 - 1, "name": "\U0001f600"}, {"n": 2**53 - 1, "name": "\U0001f600"}),
    ],
)
def test_what_readers_write_in_different_ways_is_hashed_as_text(stored: object, text: object) -> None:
    assert json.loads(event_of(stored).content)["before"] == text


def test_a_seal_holds_its_events_and_the_seal_before(acme: Organization) -> None:
    first = write(acme, 2)
    head = seal_trail(acme, at=AT)
    (second,) = write(acme, at=AT + HOUR)

    seal_trail(acme, at=AT + 2 * HOUR)

    one, two = AuditSeal.objects.order_by("number")
    assert [pk for pk, _ in one.entries + two.entries] == [str(pk) for pk in [*ids(first), second.pk]]
    assert (one.previous, two.previous) == ("0" * 64, one.digest)
    assert (one.last_event_id, two.last_event_id) == (first[1].pk, second.pk)
    assert head is not None
    assert str(head) == f"1:{one.digest}"
    content = {
        "organization": str(acme.pk),
        "number": 2,
        "previous": one.digest,
        "sealed_at": "2026-11-22T14:00:00.000000Z",
        "entries": two.entries,
    }
    assert two.digest == hashlib.sha256(rfc8785.dumps(content)).hexdigest()
    assert str(two) == "Seal 2"


# --- which events ------------------------------------------------------------------------------------------------


def test_nothing_new_makes_no_seal(acme: Organization) -> None:
    nothing = seal_trail(acme)
    write(acme)
    first = seal_trail(acme, at=AT)

    second = seal_trail(acme, at=AT + HOUR)

    assert nothing is None
    assert first == second
    assert AuditSeal.objects.count() == 1


def test_within_a_seal_events_stand_in_the_order_of_their_times(acme: Organization) -> None:
    late, early = write(acme, at=AT + HOUR)[0], write(acme, at=AT)[0]

    seal_trail(acme, at=AT + HOUR)

    assert sealed_in(acme) == [[early.pk, late.pk]]


def test_a_seal_holds_so_many_events_and_the_next_the_rest(acme: Organization) -> None:
    events = write(acme, BATCH + 1)
    told: list[int] = []

    seal_trail(acme, at=AT, progress=told.append)

    assert sealed_in(acme) == [ids(events[:BATCH]), ids(events[BATCH:])]
    assert told == [BATCH, 1]


def test_each_organization_has_its_own_chain(acme: Organization) -> None:
    other = OrganizationFactory.create()
    ours, theirs = write(acme), write(other)

    seal_trail(acme, at=AT)
    seal_trail(other, at=AT)

    assert (sealed_in(acme), sealed_in(other)) == ([ids(ours)], [ids(theirs)])
    assert [seal.number for seal in AuditSeal.objects.all()] == [1, 1]


def test_an_event_that_was_committed_late_is_sealed_with_the_next(acme: Organization) -> None:
    (first,) = write(acme, id=12)
    seal_trail(acme, at=AT)

    (late,) = write(acme, id=11)
    seal_trail(acme, at=AT + timedelta(minutes=59))

    assert sealed_in(acme) == [[first.pk], [late.pk]]
    # Of all seals up to this one.
    assert [seal.last_event_id for seal in AuditSeal.objects.order_by("number")] == [12, 12]


def test_an_event_below_what_is_settled_is_never_sealed(acme: Organization) -> None:
    (event,) = write(acme, id=10)
    seal_trail(acme, at=AT)

    write(acme, id=9, at=AT + 2 * HOUR)
    seal_trail(acme, at=AT + 2 * HOUR)

    assert sealed_in(acme) == [[event.pk]]


def test_a_first_sealing_of_years_is_settled_at_once_but_for_its_end(acme: Organization) -> None:
    write(acme, BATCH, at=AT - 400 * HOUR)
    (young,) = write(acme, at=AT)
    seal_trail(acme, at=AT)

    with captured_queries() as asked:
        seal_trail(acme, at=AT)

    (seals,) = [statement for statement in asked if "entries" in statement]
    assert sealed_in(acme)[1] == [young.pk]
    # Those after the first alone.
    assert '"number" > 1' in seals


def test_a_clock_that_ran_ahead_hides_no_event(acme: Organization) -> None:
    write(acme)
    seal_trail(acme, at=AT + 9000 * HOUR)

    (event,) = write(acme, at=AT + HOUR)
    seal_trail(acme, at=AT + HOUR)

    assert sealed_in(acme)[1:] == [[event.pk]]


def test_an_event_dated_ahead_is_sealed_once(acme: Organization) -> None:
    (event,) = write(acme, at=AT + 3 * HOUR)

    for hours in range(6):
        seal_trail(acme, at=AT + hours * HOUR)

    assert sealed_in(acme) == [[event.pk]]


@pytest.mark.parametrize("count", [1, 3])
def test_sealing_asks_as_often_for_many_events_as_for_one(acme: Organization, count: int) -> None:
    write(acme)
    seal_trail(acme, at=AT)
    write(acme, count, at=AT + HOUR)

    with captured_queries() as asked:
        seal_trail(acme, at=AT + 2 * HOUR)

    # The last seal, what is settled, the seals since, the events, and the new seal.
    assert [statement.split()[0] for statement in asked] == ["SELECT"] * 4 + ["INSERT"]


# --- two at once -------------------------------------------------------------------------------------------------


def test_the_second_of_two_gives_way(acme: Organization) -> None:
    events = write(acme, 2 * BATCH)
    heads = []

    heads.append(seal_trail(acme, at=AT, progress=lambda _: heads.append(seal_trail(acme, at=AT))))

    assert sealed_in(acme) == [ids(events[:BATCH]), ids(events[BATCH:])]
    assert [head.number for head in heads if head] == [2, 2]


def test_a_seal_that_can_not_be_written_for_another_reason_is_an_error(acme: Organization) -> None:
    seal = AuditSeal(organization=acme, number=1, previous="", entries=[], last_event_id=1, digest="")

    with pytest.raises(IntegrityError):
        _insert(seal)


# --- reading along the chain -------------------------------------------------------------------------------------


def test_a_seal_of_something_else_names_nothing() -> None:
    odd: list[Any] = [None, 7, [["x", "y"]], [["1"]], {"a": 1}]

    assert [digests_in(AuditSeal(entries=entries)) for entries in odd] == [{}] * 5


def test_events_are_read_once_in_whatever_order_seals_name_them(acme: Organization) -> None:
    events = ids(write(acme, 2 * PAGE + 5))
    reader = EventReader(acme.pk, ahead=10)

    far = reader.take([events[-1]])
    near = reader.take(events[:3])
    both = reader.take([events[3], events[-2], 10**12])
    is_clear = [reader.is_clear_up_to(events[number]) for number in (3, 4, -3)]
    rest = [event.pk for event in reader.rest()]

    assert [list(found) for found in (far, near, both)] == [events[-1:], events[:3], [events[3], events[-2]]]
    assert is_clear == [True, False, False]
    assert rest == events[4:-2]


def test_what_was_fetched_is_passed_over_when_its_turn_comes(acme: Organization) -> None:
    events = ids(write(acme, 9))
    reader = EventReader(acme.pk, ahead=3)

    for wanted in (events[5:6], events[:3], events[7:8]):
        assert list(reader.take(wanted)) == wanted

    assert [event.pk for event in reader.rest()] == [*events[3:5], events[6], events[8]]


def test_of_no_events_all_are_read() -> None:
    reader = EventReader(OrganizationFactory.create().pk)

    assert (reader.take([]), reader.take([5]), reader.is_clear_up_to(5), list(reader.rest())) == ({}, {}, True, [])


def test_seals_are_read_in_pages(acme: Organization) -> None:
    for number in range(SEALS + 1):
        write(acme, at=AT + number * HOUR)
        seal_trail(acme, at=AT + number * HOUR)

    assert len(list(record_lines(acme))) == 2 * (SEALS + 1)


def test_records_stand_in_the_order_of_the_chain(acme: Organization) -> None:
    first = write(acme, 2, id=None)
    seal_trail(acme, at=AT)
    (second,) = write(acme, at=AT + HOUR, id=first[-1].pk + 10)
    seal_trail(acme, at=AT + HOUR)
    (stray,) = write(acme, at=AT, id=first[-1].pk + 5)
    (tail,) = write(acme, at=AT + 3 * HOUR, id=first[-1].pk + 11)

    lines = [parts_of(text) for text in record_lines(acme, at=AT + 3 * HOUR)]

    kinds = [(kind, json.loads(content).get("id")) for kind, content in lines]
    assert kinds == [
        ("event", str(first[0].pk)),
        ("event", str(first[1].pk)),
        ("seal", None),
        ("event", str(second.pk)),
        ("seal", None),
        ("slipped_in", str(stray.pk)),
        ("unsealed", str(tail.pk)),
    ]
    digests = [hashlib.sha256(content.encode()).hexdigest() for kind, content in lines if kind == "seal"]
    assert digests == [seal.digest for seal in AuditSeal.objects.order_by("number")]


@pytest.mark.parametrize("text", ["", "\n", '{"event":{}', '{"event" : {}}\n', "{}\n", '{"event":{}}'])
def test_what_is_no_line_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no line of a trail"):
        parts_of(text)


# --- manage.py seal_trail ----------------------------------------------------------------------------------------


def test_the_command_seals_all_and_prints_the_heads(acme: Organization, capsys: pytest.CaptureFixture[str]) -> None:
    other = OrganizationFactory.create(name="Globex")
    write(acme)

    call_command("seal_trail")

    said = capsys.readouterr()
    digest = AuditSeal.objects.get().digest
    assert said.out == f"{acme.reference} 1:{digest} Acme\n{other.reference} 0:{'0' * 64} Globex\n"
    assert said.err == ""


def test_the_command_shows_how_far_it_is_on_a_terminal_alone(acme: Organization) -> None:
    write(acme, 3)
    terminal = Terminal()

    call_command("seal_trail", stdout=StringIO(), stderr=terminal)

    assert "\r3 rows" in terminal.getvalue()


def test_the_command_seals_one(acme: Organization, capsys: pytest.CaptureFixture[str]) -> None:
    write(acme)
    other = OrganizationFactory.create(name="Globex")
    write(other)

    call_command("seal_trail", organization="globex")

    assert [seal.organization for seal in AuditSeal.objects.all()] == [other]
    assert capsys.readouterr().out.endswith(" Globex\n")
