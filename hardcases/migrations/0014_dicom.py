# Both may be NULL and have no default: SQLite then adds a column, and does not write a table of a million cases anew, which would also lose its triggers.

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("hardcases", "0013_transfers"),
    ]

    operations = [
        migrations.AddField(
            model_name="case",
            name="picture",
            field=models.JSONField(null=True),
        ),
        migrations.AddField(
            model_name="project",
            name="dicom",
            field=models.JSONField(null=True),
        ),
    ]
