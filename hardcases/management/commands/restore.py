"""`manage.py restore FOLDER`: bring a backup into an empty installation."""

from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from hardcases.errors import Refusal
from hardcases.management import backups


class Command(BaseCommand):
    """Files first, then the rows that name them."""

    help = "Restores what `manage.py backup` wrote into an installation that holds nothing yet. Run `manage.py verify` afterwards."

    def add_arguments(self, parser: CommandParser) -> None:
        """Options."""
        parser.add_argument("folder", type=Path)

    def handle(self, *_: Any, folder: Path, **__: Any) -> None:
        """Restore it."""
        try:
            backups.read_header(folder)
            call_command("migrate", verbosity=0, interactive=False)
            header = backups.restore(folder)
            call_command("migrate", verbosity=0, interactive=False)  # an SQLite file brings its own schema, which may be older
        except Refusal as refusal:
            raise CommandError(refusal.sentence) from refusal
        self.stdout.write(f"Restored the database of {header.made_at} and {header.blobs:,} files. Check them with: manage.py verify")
