"""`manage.py create_member PROJECT USER --roles curator,engineer`."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from hardcases.audit.actors import SYSTEM
from hardcases.errors import Refusal
from hardcases.projects import actions, people
from hardcases.projects.models import Membership, Project, User
from hardcases.projects.permissions import Role


class Command(BaseCommand):
    """Bring a person into a project and print a link with which they set a password."""

    help = "Creates the account if it is absent, gives it roles in the project, and prints a one-time sign-in link (7 days)."

    def add_arguments(self, parser: CommandParser) -> None:
        """Options."""
        parser.add_argument("project", help="slug of the project")
        parser.add_argument("user", help="name of the person")
        parser.add_argument("--roles", required=True, help="comma-separated: " + ", ".join(Role))

    def handle(self, *_: Any, project: str, user: str, roles: str, **__: Any) -> None:
        """Print the link."""
        found = Project.objects.filter(slug=project).first()
        if found is None:
            raise CommandError(f"There is no project {project}. Nothing was changed.")
        asked = {part.strip() for part in roles.split(",") if part.strip()}
        unknown = sorted(asked - set(Role))
        if unknown or not asked:
            raise CommandError(f"{', '.join(unknown) or 'Nothing'} is no role. Nothing was changed. Roles: {', '.join(Role)}.")
        try:
            with transaction.atomic():
                member = User.objects.filter(username=user).first() or people.create_user(actor=SYSTEM, username=user)
                held = {Role(role) for role in Membership.objects.filter(project=found, user=member).values_list("role", flat=True)}
                actions.set_roles(actor=SYSTEM, project=found, user=member, roles=held | {Role(role) for role in asked})
                code = people.make_link(actor=SYSTEM, user=member)
        except Refusal as refusal:
            raise CommandError(refusal.sentence) from refusal
        self.stdout.write(f"{settings.PUBLIC_URL}/invite/{code}/")
