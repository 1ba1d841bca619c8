from django.urls import path

import orgs.converters  # noqa: F401  # registers <id:…>

from .views import audit_trail, company, downloads, login_access_policies, session_settings

urlpatterns = [
    path(
        "setup/login-access-policies/",
        login_access_policies.login_access_policies,
        name="login_access_policies",
    ),
    path("setup/session-settings/", session_settings.session_settings, name="session_settings"),
    path("setup/company/", company.company, name="company"),
    path("setup/company/edit/", company.company_edit, name="company_edit"),
    path("setup/company/request-activation/", company.activation_request, name="activation_request"),
    path("setup/audit-trail/", audit_trail.audit_trail, name="audit_trail"),
    path("setup/audit-trail/<id:event_id>/", audit_trail.audit_event, name="audit_event"),
    path("setup/audit-trail/download/", downloads.audit_trail_download, name="audit_trail_download"),
]
