from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0009_preferences"),
    ]

    operations = [
        migrations.AddField(
            model_name="session",
            name="end_cause",
            field=models.CharField(
                choices=[
                    ("signed_out", "you logged out"),
                    ("ended_by_oneself", "you ended it from another session"),
                    ("ended_by_administrator", "an administrator ended it"),
                    ("time_limit", "the time limit was reached"),
                    ("idle", "there was no activity for too long"),
                    ("actor_deactivated", "your account was deactivated"),
                    ("actor_frozen", "your account was frozen"),
                    ("password_changed", "a password was changed"),
                    ("address_changed", "the network address changed"),
                ],
                max_length=24,
                null=True,
            ),
        ),
    ]
