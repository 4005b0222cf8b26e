"""Cases for tests, made the way production makes them: through the actions."""

import io
from typing import Any

from hardcases.audit.actors import Actor
from hardcases.cases import actions
from hardcases.cases.content import File, Record, Text
from hardcases.cases.models import Case
from hardcases.cases.steps import Fields, Reported
from hardcases.projects.authentication import person
from hardcases.projects.models import Project
from tests.builders.pictures import a_picture


def report(project: Project, seed: str = "one", *, actor: Actor | None = None, content: bytes | None = None, **fields: Any) -> Reported:
    """Report one picture as the project's owner."""
    picture = a_picture(seed) if content is None else content
    who = actor or person(project.owner)
    return actions.report_case(actor=who, project=project, content=File(io.BytesIO(picture), f"{seed}.png"), fields=Fields(**fields))


def a_case(project: Project, seed: str = "one", **fields: Any) -> Case:
    """A reported picture in the inbox."""
    return report(project, seed, **fields).case


def a_text(project: Project, text: str = "The scan is unclear.", **fields: Any) -> Case:
    """A reported text."""
    return actions.report_case(actor=person(project.owner), project=project, content=Text(text), fields=Fields(**fields)).case


def a_record(project: Project, record: dict[str, Any], **fields: Any) -> Case:
    """A reported record."""
    return actions.report_case(actor=person(project.owner), project=project, content=Record(record), fields=Fields(**fields)).case
