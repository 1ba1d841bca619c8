"""What a refused form gives back: by the labels that people saw, and what they typed alone."""

from typing import TYPE_CHECKING, Any

import pytest
from django import forms
from django.urls import resolve, reverse

from accounts.services.users import PersonForm
from orgs.forms import SUPPORT, LoginAccessPolicyForm
from orgs.list_filters import ListFilterForm
from portal.typed import FORMS, typed_fields

if TYPE_CHECKING:
    from django.test import RequestFactory


def given_back(rf: "RequestFactory", page: str, typed: dict[str, Any], **arguments: int) -> list[tuple[str, str]]:
    path = reverse(page, kwargs=arguments)
    request = rf.post(path, typed)
    request.resolver_match = resolve(path)
    return [(field.label, field.value) for field in typed_fields(request)]


def test_labels_are_the_pages_and_what_was_chosen_is_left_out(rf: "RequestFactory") -> None:
    personal = {
        "first_name": "Grace",
        "email": "grace@navy.example",
        "password": "hunter2",
        "time_zone": "Europe/Berlin",
        "date_language": "de",
        "theme": "dark",
        "version": "3",
    }
    policy = {"reason_required": "on", "ticket_pattern": "T-[0-9]+", "access_mode": "full", f"{SUPPORT}7": "users"}

    assert given_back(rf, "settings_personal", personal) == [
        ("First name", "Grace"),
        ("E-mail address", "grace@navy.example"),
    ]
    assert given_back(rf, "login_access_policies", policy) == [("Pattern for ticket numbers", "T-[0-9]+")]
    assert given_back(rf, "login_access", {"grantee_company": "3_days"}) == []
    assert given_back(rf, "user_login_as", {"asked": "1", "ticket": "T-1"}, user_id=7) == [("Ticket number", "T-1")]
    assert given_back(rf, "access_request_answer", {"answer": "grant"}, request_id=7) == []


def test_field_that_no_form_has_is_given_back_all_the_same(rf: "RequestFactory") -> None:
    typed = {"some-thing_else": "typed", "their_token": "secret", "login": "ada@acme.example"}

    assert given_back(rf, "user_edit", typed, user_id=7) == [
        ("Some thing else", "typed"),
        ("Username", "ada@acme.example"),
    ]


def test_what_a_download_was_narrowed_by_was_not_typed(rf: "RequestFactory") -> None:
    assert given_back(rf, "audit_trail_download", {"person": "grace@acme.example", "format": "csv"}) == []


def test_address_that_leads_nowhere_gives_back_what_was_typed(rf: "RequestFactory") -> None:
    request = rf.post("/nowhere/", {"first_name": "Grace"})

    assert [(field.label, field.value) for field in typed_fields(request)] == [("First name", "Grace")]


def forms_below(form: type[forms.BaseForm]) -> set[type[forms.BaseForm]]:
    return {one for below in form.__subclasses__() for one in (below, *forms_below(below))}


def test_every_form_of_a_page_is_known() -> None:
    ours = {one for one in forms_below(forms.Form) if one.__module__.startswith(("accounts.forms", "orgs.forms"))}

    assert LoginAccessPolicyForm in ours
    assert {one for one in ours if not issubclass(one, ListFilterForm)} == set(FORMS.values())
    assert PersonForm not in ours


@pytest.mark.parametrize("page", FORMS)
def test_every_page_of_a_form_exists(page: str) -> None:
    arguments = ({}, *({name: 7} for name in ("user_id", "profile_id", "role_id", "group_id")))
    found = []
    for one in arguments:
        try:
            found.append(reverse(page, kwargs=one))
        except Exception:  # noqa: BLE001, S112  # the other arguments are tried
            continue

    assert len(found) == 1
