"""`manage.py create_token PROJECT --scopes report,read [--days 90]`."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from hardcases.errors import Refusal
from hardcases.projects import actions
from hardcases.projects.authentication import person
from hardcases.projects.models import Project
from hardcases.projects.permissions import Scope


class Command(BaseCommand):
    """Make a token that acts for the project's owner."""

    help = "Prints a new API token of a project, alone and once. It acts for the project's owner."

    def add_arguments(self, parser: CommandParser) -> None:
        """Options."""
        parser.add_argument("project", help="slug of the project")
        parser.add_argument("--scopes", required=True, help="comma-separated: " + ", ".join(Scope))
        parser.add_argument("--days", type=int, default=actions.TOKEN_DAYS, help=f"until it expires (default: {actions.TOKEN_DAYS})")
        parser.add_argument("--name", default="made on the command line", help="what the list of tokens shows")

    def handle(self, *_: Any, project: str, scopes: str, days: int, name: str, **__: Any) -> None:
        """Print the token."""
        found = Project.objects.select_related("owner").filter(slug=project).first()
        if found is None:
            raise CommandError(f"There is no project {project}. No token was made.")
        asked = [part.strip() for part in scopes.split(",") if part.strip()]
        unknown = sorted(set(asked) - set(Scope))
        if unknown:
            raise CommandError(f"{', '.join(unknown)} is no scope. No token was made. Scopes: {', '.join(Scope)}.")
        try:
            _row, text = actions.create_token(
                actor=person(found.owner), project=found, name=name, scopes=[Scope(scope) for scope in asked], days=days
            )
        except Refusal as refusal:
            raise CommandError(refusal.sentence) from refusal
        self.stdout.write(text)
