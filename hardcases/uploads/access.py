"""The only place that fetches an upload by id for somebody."""

from uuid import UUID

from hardcases.audit.actors import Actor
from hardcases.errors import NotFound
from hardcases.projects.models import Project
from hardcases.uploads.models import Upload

GONE = "There is no such upload of yours in this project: it was finished, cancelled or given up after a day. Nothing was stored. Announce it again."


def upload_for(actor: Actor, project: Project, upload_id: UUID) -> Upload:
    """An upload that this actor announced in this project, not yet confirmed. Raises NotFound to everybody else."""
    found = Upload.objects.filter(pk=upload_id, project=project, owner=actor.owner).first()
    if found is None:
        raise NotFound(GONE)
    found.project = project
    return found
