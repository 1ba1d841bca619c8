from django.db import migrations, models

from orgs.operations import AddIndexInUse, RemoveIndexInUse


class Migration(migrations.Migration):
    # PostgreSQL builds an index beside writers outside a transaction alone.
    atomic = False

    dependencies = [
        ("orgs", "0004_append_only"),
    ]

    operations = [
        AddIndexInUse(
            model_name="auditevent",
            index=models.Index(
                condition=models.Q(("delegate_user__isnull", False)),
                fields=["delegate_user", "created_at", "id"],
                name="audit_event_by_delegate",
            ),
        ),
        AddIndexInUse(
            model_name="auditevent",
            index=models.Index(
                condition=models.Q(("impersonation_id__isnull", False)),
                fields=["impersonation_id", "id"],
                name="audit_event_by_visit",
            ),
        ),
        # Only now: until then what asks has one of the two.
        RemoveIndexInUse(model_name="auditevent", name="audit_event_by_delegate_user"),
        RemoveIndexInUse(model_name="auditevent", name="audit_event_by_impersonation"),
    ]
