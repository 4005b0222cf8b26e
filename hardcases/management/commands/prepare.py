"""`manage.py prepare`: what has to happen once before web and workers of a new version start."""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    """Migrate the database and collect the static files."""

    help = "Migrates the database and collects the static files. Safe to run again."

    def handle(self, *_: Any, **__: Any) -> None:
        """Both steps change nothing when there is nothing to do."""
        call_command("migrate", verbosity=1, interactive=False, stdout=self.stdout)
        call_command("collectstatic", verbosity=0, interactive=False)
