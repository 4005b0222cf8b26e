"""Repair rules, sampling rules with what they did, and what a case keeps of both."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import hardcases.cases.models
import hardcases.sampling.models


class Migration(migrations.Migration):
    dependencies = [
        ("hardcases", "0010_groups"),
    ]

    operations = [
        migrations.CreateModel(
            name="LeftOut",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("digest", models.CharField(max_length=64)),
                ("probability", models.FloatField(null=True)),
                ("said", models.JSONField()),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("times", models.PositiveIntegerField(default=1)),
            ],
        ),
        migrations.CreateModel(
            name="RepairRule",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("document", models.JSONField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("created_by_name", models.CharField(max_length=150)),
                ("retired_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="SamplingRule",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("document", models.JSONField()),
                ("salt", models.CharField(default=hardcases.sampling.models.fresh_salt, max_length=32)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("created_by_name", models.CharField(max_length=150)),
                ("retired_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="SamplingTally",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField()),
                ("stratum", models.CharField(blank=True, default="", max_length=256)),
                ("seen", models.PositiveBigIntegerField(default=0)),
                ("kept", models.PositiveBigIntegerField(default=0)),
            ],
        ),
        migrations.AddField(
            model_name="case",
            name="leaked_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="case",
            name="selection_probability",
            field=models.FloatField(null=True),
        ),
        migrations.AddField(
            model_name="project",
            name="leaks",
            field=models.CharField(db_default="mark", default="mark", max_length=8),
        ),
        migrations.AddField(
            model_name="project",
            name="sampling",
            field=models.JSONField(null=True),
        ),
        migrations.AddConstraint(
            model_name="project",
            constraint=models.CheckConstraint(condition=models.Q(("leaks__in", ("mark", "refuse"))), name="project_leaks"),
        ),
        migrations.AddField(
            model_name="leftout",
            name="project",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="left_out", to="hardcases.project"
            ),
        ),
        migrations.AddField(
            model_name="repairrule",
            name="project",
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="repair_rules", to="hardcases.project"),
        ),
        migrations.AddField(
            model_name="samplingrule",
            name="project",
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="sampling_rules", to="hardcases.project"),
        ),
        migrations.AddField(
            model_name="leftout",
            name="rule",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="left_out", to="hardcases.samplingrule"
            ),
        ),
        migrations.AddField(
            model_name="case",
            name="sampling_rule",
            field=models.ForeignKey(
                db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="hardcases.samplingrule"
            ),
        ),
        migrations.AddIndex(
            model_name="case",
            index=models.Index(
                condition=models.Q(hardcases.cases.models.SetAside("quarantine")), fields=["project", "id"], name="case_set_aside"
            ),
        ),
        migrations.AddIndex(
            model_name="case",
            index=models.Index(condition=models.Q(("leaked_at__isnull", False)), fields=["project", "id"], name="case_leaked"),
        ),
        migrations.AddField(
            model_name="samplingtally",
            name="rule",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="tallies", to="hardcases.samplingrule"
            ),
        ),
        migrations.AddIndex(
            model_name="repairrule",
            index=models.Index(condition=models.Q(("retired_at__isnull", True)), fields=["project", "id"], name="repair_rule_standing"),
        ),
        migrations.AddIndex(
            model_name="leftout",
            index=models.Index(fields=["project", "at"], name="left_out_by_time"),
        ),
        migrations.AddConstraint(
            model_name="leftout",
            constraint=models.UniqueConstraint(fields=("project", "digest"), name="left_out_once"),
        ),
        migrations.AddConstraint(
            model_name="samplingtally",
            constraint=models.UniqueConstraint(fields=("rule", "day", "stratum"), name="sampling_tally_once"),
        ),
    ]
