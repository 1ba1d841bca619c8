from django.urls import path, re_path

import orgs.converters  # noqa: F401  # registers <id:…>

from .views import home, impersonation, sign_in, user_acts, user_list, users, visits

urlpatterns = [
    path("", home.home, name="home"),
    path("login/", sign_in.login, name="account_login"),
    path("logout/", impersonation.log_out, name="logout"),
    path("setup/users/<id:user_id>/login-as/", impersonation.user_login_as, name="user_login_as"),
    path("setup/users/", user_list.user_list, name="user_list"),
    path("setup/users/new/", users.user_create, name="user_create"),
    path("setup/users/<id:user_id>/", users.user_detail, name="user_detail"),
    path("setup/users/<id:user_id>/edit/", users.user_edit, name="user_edit"),
    path("setup/users/<id:user_id>/summary/", users.user_summary, name="user_summary"),
    path("setup/users/<id:user_id>/reset-password/", user_acts.user_reset_password, name="user_reset_password"),
    path("setup/users/<id:user_id>/unlock/", user_acts.user_unlock, name="user_unlock"),
    path("setup/users/<id:user_id>/freeze/", user_acts.user_freeze, name="user_freeze"),
    path("setup/users/<id:user_id>/unfreeze/", user_acts.user_unfreeze, name="user_unfreeze"),
    path("setup/users/<id:user_id>/activate/", user_acts.user_activate, name="user_activate"),
    path("setup/users/<id:user_id>/deactivate/", user_acts.user_deactivate, name="user_deactivate"),
    path("setup/users/<id:user_id>/end-sessions/", user_acts.user_end_sessions, name="user_end_sessions"),
    path("settings/visits/<id:visit_id>/end/", visits.visit_end, name="visit_end"),
    path("account/login/", sign_in.to_login, name="account_login_elsewhere"),
    path("account/logout/", impersonation.log_out, name="account_logout"),
    path("account/password/change/", sign_in.password_change, name="account_change_password"),
    path("account/password/reset/", sign_in.password_reset, name="account_reset_password"),
    path("account/password/reset/done/", sign_in.password_reset_done, name="account_reset_password_done"),
    re_path(
        # allauth's own pattern: the key may hold a hyphen, the user part does not.
        r"^account/password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
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
