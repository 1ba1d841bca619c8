from django.db import migrations, models

from orgs.operations import AddIndexInUse


class Migration(migrations.Migration):
    # PostgreSQL builds an index beside writers outside a transaction alone.
    atomic = False

    dependencies = [
        ("accounts", "0012_user_search"),
    ]

    operations = [
        AddIndexInUse(
            model_name="impersonation",
            index=models.Index(
                condition=models.Q(("ended_at", None)),
                fields=["organization", "-started_at", "-session"],
                name="impersonation_open_latest",
            ),
        ),
        AddIndexInUse(
            model_name="loginaccessgrant",
            index=models.Index(
                condition=models.Q(("is_latest", True), ("revoked_at", None)),
                fields=["organization", "expires_at", "id"],
                name="login_access_grant_by_end",
            ),
        ),
    ]
