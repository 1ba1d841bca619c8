from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0010_session_end_cause"),
        ("orgs", "0004_append_only"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="accessrequest",
            index=models.Index(
                condition=models.Q(("state", "open")),
                fields=["organization", "lapses_at", "id"],
                name="access_request_open",
            ),
        ),
    ]
