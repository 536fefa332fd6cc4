"""Conversations are numbered in the order of their changes; those that are there already in that of their times."""

import django.db.models.deletion
from django.db import migrations, models


def fill(apps, schema_editor):
    alias = schema_editor.connection.alias
    change = apps.get_model("chat", "Change").objects.using(alias)
    owner = apps.get_model("chat", "Owner").objects.using(alias)
    rows = apps.get_model("chat", "Conversation").objects.using(alias).order_by("updated_at", "id").values_list("id", "owner_id")
    counts = {}
    batch = []
    for conversation, whose in rows.iterator(chunk_size=500):
        counts[whose] = counts.get(whose, 0) + 1
        batch.append(change.model(conversation=conversation, owner_id=whose, number=counts[whose]))
        if len(batch) == 500:
            change.bulk_create(batch)
            batch = []
    change.bulk_create(batch)
    for whose, count in counts.items():
        owner.filter(id=whose).update(changes=count)


class Migration(migrations.Migration):
    dependencies = [("chat", "0004_admin_indexes")]
    operations = [
        migrations.AddField(model_name="owner", name="changes", field=models.BigIntegerField(default=0, editable=False)),
        migrations.CreateModel(
            name="Change",
            fields=[
                ("conversation", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("number", models.BigIntegerField()),
                ("owner", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="chat.owner")),
            ],
            options={"indexes": [models.Index(fields=["owner", "number"], name="chat_change_owner_i_340ffc_idx")]},
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
