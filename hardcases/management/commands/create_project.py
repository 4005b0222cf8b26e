"""`manage.py create_project project.json [--owner NAME]`."""

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from rest_framework.exceptions import ValidationError

from hardcases.audit.actors import SYSTEM
from hardcases.errors import Refusal
from hardcases.projects import actions, people
from hardcases.projects.documents import ProjectDocument, document_of
from hardcases.projects.models import Project, User
from hardcases.projects.serializers import ProjectSerializer
from hardcases.web.json_edge import read_json
from hardcases.web.problems import refusal_for

DIFFERENT = 2


def _document(path: str) -> ProjectDocument:
    try:
        data = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
        body = read_json(data)
        if not isinstance(body, dict):
            raise CommandError(f"{path} holds no project document: it must be a JSON object. Nothing was stored.")
        return ProjectSerializer(data=body).document()
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}. Nothing was stored.") from error
    except (Refusal, ValidationError) as error:
        refusal = refusal_for(error)
        findings = [f"  {finding.pointer}: {finding.detail}" for finding in (refusal.errors if refusal else ())]
        raise CommandError("\n".join([str(refusal and refusal.sentence), *findings])) from error


class Command(BaseCommand):
    """Create a project, or find that it is there already."""

    help = "Creates a project from its document. Again with equal content changes nothing; other content exits 2 and changes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        """Options."""
        parser.add_argument("document", help="file with the project document, - for standard input")
        parser.add_argument("--owner", default="owner", help="name of the person who owns it, created if absent (default: owner)")

    def handle(self, *_: Any, document: str, owner: str, **__: Any) -> None:
        """Compare or create."""
        wanted = _document(document)
        there = Project.objects.select_related("team").filter(slug=wanted.slug).first()
        if there is not None:
            if document_of(there) != wanted:
                raise CommandError(
                    f"The project {wanted.slug} exists with other content. Nothing was changed. Change it in its settings or by PATCH.",
                    returncode=DIFFERENT,
                )
            self.stdout.write(f"The project {wanted.slug} exists with this content. Nothing was changed.")
            return
        try:
            with transaction.atomic():
                person = User.objects.filter(username=owner).first() or people.create_user(actor=SYSTEM, username=owner)
                actions.create_project(actor=SYSTEM, document=wanted, owner=person)
        except Refusal as refusal:
            raise CommandError(refusal.sentence) from refusal
        self.stdout.write(f"Created the project {wanted.slug}, owned by {person.username}.")
