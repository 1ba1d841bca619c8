from django.urls import path

import orgs.converters  # noqa: F401  # registers <id:…>

from .views import home, impersonation, sign_in


urlpatterns = [
    path("", home.home, name="home"),
    path("login/", sign_in.login, name="account_login"),
    path("logout/", impersonation.log_out, name="logout"),
    path("setup/users/<id:user_id>/login-as/", impersonation.user_login_as, name="user_login_as"),
    path("setup/users/<id:user_id>/", home.home, name="user_detail"),
    path("account/login/", sign_in.to_login, name="account_login_elsewhere"),
    path("account/logout/", impersonation.log_out, name="account_logout"),
    path("account/password/change/", sign_in.password_change, name="account_change_password"),
    path("account/password/reset/", sign_in.password_reset, name="account_reset_password"),
    path("account/password/reset/done/", sign_in.password_reset_done, name="account_reset_password_done"),
    path(
        "account/password/reset/key/<str:uidb36>-<path:key>/",
        sign_in.password_reset_from_key,
        name="account_reset_password_from_key",
    ),
    path(
        "account/password/reset/key/done/",
        sign_in.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
    path("account/reauthenticate/", sign_in.reauthenticate, name="account_reauthenticate"),
    path("account/inactive/", sign_in.account_inactive, name="account_inactive"),
]
