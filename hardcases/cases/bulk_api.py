"""REST: one change to many cases, and taking it back."""

from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from hardcases.cases import bulk, bulk_actions
from hardcases.cases.serializers import BulkBody
from hardcases.projects.doors import ProjectAPI
from hardcases.projects.permissions import Can
from hardcases.web.idempotency import content_hash, idempotent
from hardcases.web.queries import Parameters, read_parameters
from hardcases.work.models import Job


def _accepted(job: Job, **more: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """(body, headers) of a 202."""
    address = f"/api/v1/jobs/{job.pk}/"
    return {"id": str(job.pk), "state": job.state, "url": address, **more}, {"Location": address}


class CaseBulk(ProjectAPI):
    """One change to every case that a search finds."""

    can: ClassVar[dict[str, Can]] = {"POST": Can.TRIAGE}

    @extend_schema(operation_id="case_bulk", request=BulkBody, responses={202: dict, 200: dict})
    def post(self, request: Request, project: str) -> Response:
        """A job; with `dry_run` only how many cases it would be about."""
        read_parameters(request, Parameters)
        body = BulkBody().run_validation(request.data)
        change = BulkBody.change(body["action"])
        if body["dry_run"]:
            bulk_actions.check_change(change)
            return Response({"matched": bulk.how_many(self.project, body["q"])})
        with idempotent(request, owner=self.actor.owner, content_hash=content_hash(json=request.data)) as slot:
            if not slot.replayed:
                job = bulk_actions.start_bulk(actor=self.actor, project=self.project, q=body["q"], change=change)
                undo = f"/api/v1/projects/{project}/cases/bulk/{job.pk}/undo/"
                answer, headers = _accepted(job, matched=job.total, undo_url=undo)
                slot.reply(202, answer, headers=headers)
        return slot.response()


class CaseBulkUndo(ProjectAPI):
    """Take a bulk change back."""

    can: ClassVar[dict[str, Can]] = {"POST": Can.TRIAGE}

    @extend_schema(operation_id="case_bulk_undo", request=None, responses={202: dict})
    def post(self, request: Request, project: str, job: UUID) -> Response:
        """Within 24 hours; what was changed again since is left alone."""
        read_parameters(request, Parameters)
        found = bulk_actions.bulk_for(self.project, job)
        with idempotent(request, owner=self.actor.owner, content_hash=content_hash(json=None)) as slot:
            if not slot.replayed:
                undoing = bulk_actions.undo_bulk(actor=self.actor, project=self.project, job=found)
                answer, headers = _accepted(undoing)
                slot.reply(202, answer, headers=headers)
        return slot.response()
