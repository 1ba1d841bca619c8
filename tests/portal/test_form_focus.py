"""After a refusal the first field that is wrong has the focus; where none can have it, the alert above."""

import re
from typing import TYPE_CHECKING, Any

import pytest
from django import forms
from django.template import Context, Template

from portal.form_focus import first_invalid

if TYPE_CHECKING:
    from collections.abc import Callable

    from accounts.models import User
    from accounts.testing import PortalClient
    from orgs.models import Organization

    ClientOf = Callable[[User], PortalClient]

ALERT = re.compile(r'<div class="alert alert-danger" role="alert"[^>]*>(.*?)</div>', re.DOTALL)


class Example(forms.Form):
    version = forms.IntegerField(widget=forms.HiddenInput)
    several = forms.MultipleChoiceField(choices=[("a", "A")], widget=forms.CheckboxSelectMultiple)
    name = forms.CharField()
    alias = forms.CharField()


def focused(html: str) -> list[str]:
    """Return what asks for the focus: names of fields, or the kind of element."""
    tags = re.findall(r"<[^>]* autofocus[^>]*>", html)
    return [(re.findall(r' name="([^"]+)"', tag) or [tag.split()[0][1:]])[0] for tag in tags]


def rendered(form: forms.Form) -> str:
    template = Template("{% load portal %}{% not_saved form %}{% for field in form %}{{ field }}{% endfor %}")
    return str(template.render(Context({"form": form})))


GOOD = {"version": "1", "several": ["a"], "name": "x", "alias": "y"}


@pytest.mark.parametrize(
    ("typed", "invalid", "has_focus"),
    [
        (GOOD, "", []),
        ({**GOOD, "alias": ""}, "alias", ["alias"]),
        ({"version": "1", "several": ["a"]}, "name", ["name"]),
        ({}, "name", ["name"]),
        # A group of boxes, and a field that nobody sees.
        ({**GOOD, "several": ["b"], "version": ""}, "", ["div"]),
    ],
)
def test_first_wrong_field_has_the_focus(typed: dict[str, Any], invalid: str, has_focus: list[str]) -> None:
    form = Example(typed)

    assert (first_invalid(form), focused(rendered(form))) == (invalid, has_focus)


def test_form_that_was_not_sent_asks_for_nothing() -> None:
    assert focused(rendered(Example())) == []


def test_what_belongs_to_no_field_is_said_in_the_alert() -> None:
    form = Example(GOOD)
    form.add_error(None, "Too <late>.")

    html = rendered(form)

    assert (focused(html), ALERT.findall(html)) == (["div"], ["\nNothing was saved. Too &lt;late&gt;.\n"])


def test_help_text_is_not_markup() -> None:
    class Helped(forms.Form):
        name = forms.CharField(help_text="<b>bold</b>")

    html = Template("{% load django_bootstrap5 %}{% bootstrap_form form %}").render(Context({"form": Helped()}))

    assert ("&lt;b&gt;bold" in html, "<b>" in html) == (True, False)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "typed", "field"),
    [
        ("/setup/users/{}/edit/", {"first_name": "Grace"}, "last_name"),
        ("/setup/users/new/", {"last_name": "New"}, "username"),
        ("/settings/personal/", {"last_name": "Lovelace"}, "email"),
        ("/setup/profiles/new/", {"name": ""}, "profile"),
        ("/setup/roles/new/", {"name": ""}, "name"),
        ("/setup/delegated-groups/new/", {"name": ""}, "name"),
        ("/setup/company/edit/", {"name": ""}, "name"),
        ("/setup/login-access-policies/", {"version": "0", "time_limit_minutes": "x"}, "time_limit_minutes"),
        ("/setup/session-settings/", {"version": "0", "absolute_hours": "x"}, "absolute_hours"),
    ],
)
def test_every_page_says_that_nothing_was_saved_and_has_the_focus_where_it_is_wrong(
    client_of: "ClientOf",
    any_user_login: "Organization",
    ada: "User",
    grace: "User",
    path: str,
    typed: dict[str, str],
    field: str,
) -> None:
    answer = client_of(ada).post(path.format(grace.pk), typed)

    page = answer.content.decode()
    said = [" ".join(words.split()) for words in ALERT.findall(page)]
    assert (answer.status_code, focused(page)) == (422, [field])
    assert said == ["Nothing was saved. What is wrong is said beside each field below."]
