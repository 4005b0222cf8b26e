"""`manage.py backup FOLDER`: the database as of one moment and every stored file."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from hardcases.errors import Refusal
from hardcases.management import backups


class Command(BaseCommand):
    """Runs beside a working installation."""

    help = "Copies the database as of one moment and every stored file into a new folder. The secret key is not in it: keep that apart."

    def add_arguments(self, parser: CommandParser) -> None:
        """Options."""
        parser.add_argument("folder", type=Path)
        parser.add_argument(
            "--link", action="store_true", help="hard-link local files instead of copying them; the folder is no backup by itself then"
        )

    def handle(self, *_: Any, folder: Path, link: bool, **__: Any) -> None:
        """Write it, say what is in it."""
        try:
            header = backups.make(folder, link=link)
        except Refusal as refusal:
            raise CommandError(refusal.sentence) from refusal
        self.stdout.write(
            f"{folder}: the database and {header.blobs:,} files, {header.blob_bytes:,} bytes. Restore with: manage.py restore {folder}"
        )
