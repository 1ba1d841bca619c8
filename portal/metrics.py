"""What Prometheus reads. The counts are made where things happen (accounts/metrics.py)."""

from typing import TYPE_CHECKING, cast

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpResponse, HttpResponseNotFound
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe
from django_prometheus.exports import ExportToDjangoView

if TYPE_CHECKING:
    from django.http import HttpRequest


@login_not_required
@require_safe
def metrics(request: "HttpRequest") -> HttpResponse:
    """Answer whoever brings the token, for all workers of this server; to others, and without one, there is nothing."""
    token = settings.METRICS_TOKEN
    if not token or not constant_time_compare(request.headers.get("Authorization", ""), f"Bearer {token}"):
        return HttpResponseNotFound("not found", content_type="text/plain; charset=utf-8")
    return cast("HttpResponse", ExportToDjangoView(request))
