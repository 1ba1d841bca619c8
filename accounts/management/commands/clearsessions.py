from django.core.management.base import BaseCommand

from accounts.session_store import SessionStore


class Command(BaseCommand):
    """Django's own command of this name, for our session engine."""

    help = "Deletes sessions of nobody that are a day old. Run it daily; people's sessions end by their limits."

    def handle(self, *args: object, **options: object) -> None:  # noqa: ARG002
        SessionStore.clear_expired()
