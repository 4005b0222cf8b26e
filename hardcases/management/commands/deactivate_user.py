"""`manage.py deactivate_user USER [--undo]`."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from hardcases.audit.actors import SYSTEM
from hardcases.projects import people
from hardcases.projects.models import User


class Command(BaseCommand):
    """Close an account, or open it again."""

    help = "Closes an account: its sessions, links and tokens stop. What the person did stays under their name. --undo opens it again."

    def add_arguments(self, parser: CommandParser) -> None:
        """Options."""
        parser.add_argument("user", help="name of the person")
        parser.add_argument("--undo", action="store_true", help="open the account again")

    def handle(self, *_: Any, user: str, undo: bool, **__: Any) -> None:
        """Do it."""
        found = User.objects.filter(username=user).first()
        if found is None:
            raise CommandError(f"There is no account {user}. Nothing was changed.")
        (people.reactivate if undo else people.deactivate)(actor=SYSTEM, user=found)
        self.stdout.write(f"{user} is {'active again' if undo else 'deactivated'}.")
