from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "Accounts"

    def ready(self) -> None:
        from . import (
            audit_words,  # noqa: F401  # says what the trail's codes mean
            receivers,  # noqa: F401  # connects Django's and allauth's signals
        )
