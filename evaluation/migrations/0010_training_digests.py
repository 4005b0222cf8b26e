"""Training digests as rows, so that the door can look one up."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("evaluation", "0003_predictions_sent_by"),
        ("hardcases", "0003_team_managers"),
    ]

    operations = [
        migrations.CreateModel(
            name="TrainingDigest",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("digest", models.CharField(max_length=64)),
                (
                    "project",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="hardcases.project"
                    ),
                ),
                (
                    "replicate",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="evaluation.replicate"
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("project", "digest", "replicate"), name="training_digest_once")],
            },
        ),
    ]
