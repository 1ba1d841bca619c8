"""What Setup's pages about the organization take in."""

from django import forms


class LoginAccessPolicyForm(forms.Form):
    """The Login Access Policies page, and the version at which it was read."""

    any_user_login = forms.BooleanField(
        label="Enabled",
        required=False,
        widget=forms.CheckboxInput(
            attrs={"class": "form-check-input", "aria-describedby": "any-user-login-setting any-user-login-help"}
        ),
    )
    version = forms.IntegerField(min_value=0)
