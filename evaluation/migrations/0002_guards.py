"""Triggers."""

from django.db import migrations

from evaluation.registry.guards import GUARDS as REGISTRY_GUARDS
from evaluation.releases.guards import GUARDS as RELEASE_GUARDS
from evaluation.runs.guards import GUARDS as RUN_GUARDS
from hardcases.audit.guards import InstallGuards


class Migration(migrations.Migration):
    dependencies = [("evaluation", "0001_initial")]
    operations = [migrations.RunPython(InstallGuards([*REGISTRY_GUARDS, *RUN_GUARDS, *RELEASE_GUARDS]), migrations.RunPython.noop)]
