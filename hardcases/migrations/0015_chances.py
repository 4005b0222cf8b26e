from django.db import migrations

from hardcases.audit.guards import InstallGuards
from hardcases.cases.guards import GUARDS


class Migration(migrations.Migration):
    dependencies = [
        ("hardcases", "0014_dicom"),
    ]

    operations = [
        migrations.RunPython(InstallGuards(GUARDS), migrations.RunPython.noop),
    ]
