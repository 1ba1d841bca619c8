"""The content security policy as django-csp sends it, put together once and not for every answer."""

from typing import TYPE_CHECKING

from csp.constants import HEADER
from csp.middleware import CSPMiddleware
from csp.utils import build_policy
from django.conf import settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase


class ContentPolicyMiddleware(CSPMiddleware):
    """django-csp's, which works out two policies for each answer: a third of what an answer to nobody took.

    One that a view has changed (a nonce, a decorator of django-csp's), or a second one that only reports, is still
    django-csp's to work out.
    """

    def __init__(self, get_response: "Callable[[HttpRequest], HttpResponseBase]") -> None:
        super().__init__(get_response)
        self.always = "" if hasattr(settings, "CONTENT_SECURITY_POLICY_REPORT_ONLY") else build_policy()

    def process_response(self, request: "HttpRequest", response: "HttpResponseBase") -> "HttpResponseBase":
        is_special = (
            settings.DEBUG or "_csp_nonce" in vars(request) or any(n.startswith("_csp") for n in vars(response))
        )
        if is_special or not self.always:
            return super().process_response(request, response)
        response.headers.setdefault(HEADER, self.always)
        return response
