from typing import Any

from django.db import migrations
from django.db.models import OuterRef, Subquery


def fill(apps: Any, schema_editor: Any) -> None:
    """Give each session of a person that person's organization."""
    session, user = apps.get_model("accounts", "Session"), apps.get_model("accounts", "User")
    organization = user.objects.filter(pk=OuterRef("user_id")).values("organization_id")[:1]
    session.objects.filter(user__isnull=False, organization=None).update(organization_id=Subquery(organization))


class Migration(migrations.Migration):
    dependencies = [("accounts", "0005_sessions_and_the_trail")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
