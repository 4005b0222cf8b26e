"""`manage.py erase_case PROJECT KEY --reason TEXT`: lawful erasure from the command line."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from hardcases.audit.actors import SYSTEM
from hardcases.cases.access import case_for
from hardcases.cases.actions import erase_case
from hardcases.errors import Refusal
from hardcases.projects.access import project_for
from hardcases.projects.permissions import Can


class Command(BaseCommand):
    """Erase one case for good."""

    help = "Erases the bytes and everything personal of one case. Its number and digest remain. This cannot be undone."

    def add_arguments(self, parser: CommandParser) -> None:
        """Options."""
        parser.add_argument("project")
        parser.add_argument("key", help="such as XR-1061")
        parser.add_argument("--reason", required=True, help="stays in the audit log; do not name the person")

    def handle(self, *_: Any, project: str, key: str, reason: str, **__: Any) -> None:
        """Erase, or say why not."""
        try:
            case = case_for(project_for(SYSTEM, project, Can.ERASE), key)
            erase_case(actor=SYSTEM, case=case, reason=reason)
        except Refusal as refusal:
            raise CommandError(refusal.sentence) from refusal
        self.stdout.write(f"{key} is erased. Its number and digest remain.")
