from django.urls import include, path

from . import views
from .console import console
from .metrics import metrics

urlpatterns = [
    path("", include("accounts.urls")),
    path("", include("orgs.urls")),
    path("setup/", views.setup_home, name="setup_home"),
    path("admin/", console.urls),
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("metrics", metrics, name="metrics"),
]

handler400 = "portal.views.bad_request"
handler403 = "portal.views.permission_denied"
handler404 = "portal.views.page_not_found"
handler500 = "portal.views.server_error"
