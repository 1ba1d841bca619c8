"""The content security policy: the same as django-csp's own, and still django-csp's where a view changed it."""

from typing import TYPE_CHECKING

import pytest
from csp.constants import HEADER, HEADER_REPORT_ONLY, NONCE, SELF
from csp.decorators import csp_exempt, csp_update
from csp.middleware import CSPMiddleware
from django.http import HttpResponse

from portal.content_policy import ContentPolicyMiddleware

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest
    from django.test import RequestFactory
    from pytest_django import Settings

    View = Callable[[HttpRequest], HttpResponse]


def plain(request: "HttpRequest") -> HttpResponse:
    return HttpResponse("ok")


def own(request: "HttpRequest") -> HttpResponse:
    return HttpResponse("ok", headers={HEADER: "sandbox"})


def with_nonce(request: "HttpRequest") -> HttpResponse:
    return HttpResponse(str(request.csp_nonce))  # type: ignore[attr-defined]


def answer_of(view: "View", middleware: type[CSPMiddleware], rf: "RequestFactory") -> HttpResponse:
    response = middleware(view)(rf.get("/"))
    assert isinstance(response, HttpResponse)
    return response


updated = csp_update({"img-src": ["https://pictures.example"]})(plain)
exempt = csp_exempt()(plain)


@pytest.mark.parametrize("view", [plain, own, updated, exempt], ids=["plain", "own", "updated", "exempt"])
def test_an_answer_has_the_policy_that_django_csp_would_send(view: "View", rf: "RequestFactory") -> None:
    ours = answer_of(view, ContentPolicyMiddleware, rf)

    assert ours.headers == answer_of(view, CSPMiddleware, rf).headers


def test_a_plain_answer_has_the_policy_of_the_settings(rf: "RequestFactory") -> None:
    response = answer_of(plain, ContentPolicyMiddleware, rf)

    assert "default-src 'none'" in response.headers[HEADER]
    assert "script-src 'self'" in response.headers[HEADER]


def test_a_nonce_that_a_view_took_is_in_the_policy(rf: "RequestFactory", settings: "Settings") -> None:
    settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": {"script-src": [SELF, NONCE]}}

    response = answer_of(with_nonce, ContentPolicyMiddleware, rf)

    assert f"'nonce-{response.content.decode()}'" in response.headers[HEADER]


def test_a_policy_that_only_reports_is_sent_beside_it(rf: "RequestFactory", settings: "Settings") -> None:
    settings.CONTENT_SECURITY_POLICY_REPORT_ONLY = {"DIRECTIVES": {"img-src": [SELF]}}

    response = answer_of(plain, ContentPolicyMiddleware, rf)

    assert "img-src 'self'" in response.headers[HEADER_REPORT_ONLY]
    assert "default-src 'none'" in response.headers[HEADER]
