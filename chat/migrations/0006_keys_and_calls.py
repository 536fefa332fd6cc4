"""Keys for other programs stand beside the devices, and a call that was not to be stored is a run without a message."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("chat", "0005_changes")]
    operations = [
        migrations.CreateModel(
            name="ApiKey",
            fields=[],
            options={"proxy": True, "indexes": [], "constraints": []},
            bases=("chat.device",),
        ),
        migrations.AddField(
            model_name="device",
            name="kind",
            field=models.CharField(
                choices=[("device", "phone or browser"), ("key", "key for programs")], default="device", editable=False, max_length=8
            ),
        ),
        migrations.AlterField(
            model_name="run",
            name="message",
            field=models.ForeignKey(
                blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name="runs", to="chat.message"
            ),
        ),
    ]
