"""Triggers and the cache table."""

from django.apps.registry import Apps
from django.core.management import call_command
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from hardcases.audit.guards import AUDIT_GUARDS, InstallGuards
from hardcases.labels.guards import GUARDS as LABEL_GUARDS
from hardcases.testsets.guards import GUARDS as TEST_SET_GUARDS


def create_cache(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    call_command("createcachetable", database=schema_editor.connection.alias, verbosity=0)


class Migration(migrations.Migration):
    dependencies = [("hardcases", "0001_initial")]
    operations = [
        migrations.RunPython(create_cache, migrations.RunPython.noop),
        migrations.RunPython(InstallGuards([*AUDIT_GUARDS, *LABEL_GUARDS, *TEST_SET_GUARDS]), migrations.RunPython.noop),
    ]
