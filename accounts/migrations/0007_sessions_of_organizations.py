from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0006_fill_session_organization")]

    operations = [
        migrations.AddIndex(
            model_name="session",
            index=models.Index(
                condition=models.Q(("ended_at", None), ("organization__isnull", False)),
                fields=["organization", "id"],
                name="session_live",
            ),
        ),
        migrations.AddIndex(
            model_name="session",
            index=models.Index(
                condition=models.Q(("ended_at__isnull", False), ("organization__isnull", False)),
                fields=["organization", "ended_at"],
                name="session_ended",
            ),
        ),
        migrations.AddConstraint(
            model_name="session",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("organization", None), ("user", None)),
                    models.Q(("organization__isnull", False), ("user__isnull", False)),
                    _connector="OR",
                ),
                name="session_of_user_has_organization",
            ),
        ),
    ]
