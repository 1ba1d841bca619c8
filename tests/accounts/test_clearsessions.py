from datetime import timedelta

from django.core.management import call_command
from django.utils import timezone

from accounts.models import Session, User


def test_clearsessions_deletes_old_sessions_of_nobody_alone(grace: User) -> None:
    old, now = timezone.now() - timedelta(days=2), timezone.now()
    nobodys = [Session.objects.create(created_at=at, last_active_at=at) for at in (old, now)]
    of_grace = Session.objects.create(user=grace, organization=grace.organization, created_at=old, last_active_at=old)

    call_command("clearsessions")

    assert set(Session.objects.all()) == {nobodys[1], of_grace}
