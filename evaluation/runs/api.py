"""REST: runs, their predictions and reports. Each view reads the request, makes one call into the domain and writes the answer."""

from typing import IO, ClassVar, cast

from django.core import signing
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from evaluation.registry.access import model_version_for
from evaluation.runs import actions, queries
from evaluation.runs import serializers as shapes
from evaluation.runs.access import run_for, runs_of
from evaluation.runs.exports import predictions_table
from evaluation.runs.reports import report_of
from hardcases.errors import TooLarge
from hardcases.formats.tables import MEDIA_TYPES
from hardcases.projects.doors import ProjectAPI
from hardcases.projects.permissions import Can
from hardcases.testsets.access import version_for
from hardcases.web.idempotency import content_hash, idempotent
from hardcases.web.negotiation import AnyFormat
from hardcases.web.pages import file_response
from hardcases.web.pagination import BadCursor, keyset_page
from hardcases.web.queries import ListParameters, Parameters, read_parameters
from hardcases.web.uploads import RawBody


class RunListParameters(ListParameters):
    """The list of runs can be narrowed."""

    state = serializers.ChoiceField(choices=["queued", "running", "finalising", "succeeded", "failed", "cancelled"], required=False)
    model = serializers.CharField(required=False, max_length=200)


class RunList(ProjectAPI):
    """All runs of a project."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW, "POST": Can.RUN}

    @extend_schema(operation_id="run_list", parameters=[RunListParameters], responses={200: shapes.RunAnswer(many=True)})
    def get(self, request: Request, project: str) -> Response:
        """Newest first."""
        asked = read_parameters(request, RunListParameters)
        found = runs_of(self.project)
        if "state" in asked:
            found = found.filter(state=asked["state"])
        if "model" in asked:
            found = found.filter(model_version=model_version_for(self.project, asked["model"]))
        page = keyset_page(found, order=["-number"], cursor=asked.get("cursor"), limit=asked["limit"])
        return Response(page.envelope(shapes.brief))

    @extend_schema(operation_id="run_start", request=shapes.RunBody, responses={202: shapes.RunAnswer})
    def post(self, request: Request, project: str) -> Response:
        """Evaluate a model version on a frozen test-set version."""
        read_parameters(request, Parameters)
        body = shapes.RunBody(data=request.data)
        body.is_valid(raise_exception=True)
        asked = body.validated_data
        with idempotent(request, owner=self.actor.owner, content_hash=content_hash(json=request.data)) as slot:
            if not slot.replayed:
                run = actions.start_run(
                    actor=self.actor,
                    project=self.project,
                    model_version=model_version_for(self.project, asked["model"]),
                    version=version_for(self.project, asked["test_set"]),
                    replicates=asked.get("replicates"),
                    baseline=model_version_for(self.project, asked["baseline"]) if asked.get("baseline") else None,
                    plan=asked.get("plan") or {},
                )
                slot.reply(202, shapes.show(run), headers={"Location": shapes.address_of(run)})
        return slot.response()


class RunDetail(ProjectAPI):
    """One run."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW}

    @extend_schema(operation_id="run_read", responses={200: shapes.RunAnswer})
    def get(self, request: Request, project: str, number: int) -> Response:
        """State, counts, coverage."""
        read_parameters(request, Parameters)
        return Response(shapes.show(run_for(self.project, number)))


class RunCancel(ProjectAPI):
    """Stop a run."""

    can: ClassVar[dict[str, Can]] = {"POST": Can.RUN}

    @extend_schema(operation_id="run_cancel", request=None, responses={200: shapes.RunAnswer})
    def post(self, request: Request, project: str, number: int) -> Response:
        """409 once it has ended."""
        read_parameters(request, Parameters)
        run = actions.cancel_run(actor=self.actor, run=run_for(self.project, number))
        return Response(shapes.show(run))


class RunRetry(ProjectAPI):
    """Run again what failed."""

    can: ClassVar[dict[str, Can]] = {"POST": Can.RUN}

    @extend_schema(operation_id="run_retry", request=None, responses={202: shapes.RunAnswer})
    def post(self, request: Request, project: str, number: int) -> Response:
        """A new run that reuses what was predicted."""
        read_parameters(request, Parameters)
        old = run_for(self.project, number)
        with idempotent(request, owner=self.actor.owner, content_hash=content_hash(json=None)) as slot:
            if not slot.replayed:
                run = actions.retry_run(actor=self.actor, run=old)
                slot.reply(202, shapes.show(run), headers={"Location": shapes.address_of(run)})
        return slot.response()


class UploadParameters(Parameters):
    """Which replicate the file is for, and what absent cases mean."""

    replicate = serializers.IntegerField(min_value=0, max_value=9_999, required=False, default=0)
    missing = serializers.ChoiceField(choices=["refuse", "wrong"], required=False, default="refuse")


class DownloadParameters(Parameters):
    """What to download, and how."""

    replicate = serializers.IntegerField(min_value=0, max_value=9_999, required=False, default=0)
    format = serializers.ChoiceField(choices=["parquet"], required=False, default="parquet")


class RunPredictions(ProjectAPI):
    """What the model said about each case."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW_CASES, "PUT": Can.RUN}
    parser_classes = (RawBody,)
    content_negotiation_class = AnyFormat

    @extend_schema(
        operation_id="run_predictions", parameters=[DownloadParameters], responses={(200, "application/vnd.apache.parquet"): bytes}
    )
    def get(self, request: Request, project: str, number: int) -> HttpResponseBase:
        """One replicate as Parquet, joined with the keys of the cases."""
        asked = read_parameters(request, DownloadParameters)
        run = run_for(self.project, number)
        content = predictions_table(run, asked["replicate"])
        name = f"run-{run.number}-replicate-{asked['replicate']}"
        return file_response(content, media_type="application/vnd.apache.parquet", name=name)

    @extend_schema(
        operation_id="run_put_predictions",
        parameters=[UploadParameters],
        request=dict.fromkeys(MEDIA_TYPES, OpenApiTypes.BINARY),
        responses={200: shapes.AcceptedAnswer},
    )
    def put(self, request: Request, project: str, number: int) -> Response:
        """A file of predictions, all or nothing."""
        asked = read_parameters(request, UploadParameters)
        length = request.META.get("CONTENT_LENGTH") or "0"
        if length.isdigit() and int(length) > actions.MAX_PREDICTIONS:
            raise TooLarge(f"The file has {int(length):,} bytes; the limit is {actions.MAX_PREDICTIONS:,}. Nothing was stored.")
        accepted = actions.put_predictions(
            actor=self.actor,
            run=run_for(self.project, number),
            replicate=asked["replicate"],
            stream=cast("IO[bytes]", request.data),
            media_type=request.content_type or "",
            missing=asked["missing"],
        )
        return Response({"rows": accepted.rows, "sha256": accepted.sha256})


class RunReport(ProjectAPI):
    """The report."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW}

    @extend_schema(operation_id="run_report", responses={200: shapes.ReportAnswer, 409: OpenApiResponse(description="not finished")})
    def get(self, request: Request, project: str, number: int) -> Response:
        """409 until the run has succeeded."""
        read_parameters(request, Parameters)
        return Response(report_of(run_for(self.project, number)))


class CaseParameters(ListParameters):
    """Which cell of the comparison, in which stratum."""

    outcome = serializers.CharField(required=False, max_length=32)
    stratum = serializers.CharField(required=False, default="all", max_length=600)


class RunCases(ProjectAPI):
    """Cases of a run by outcome."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW_CASES}

    @extend_schema(operation_id="run_cases", parameters=[CaseParameters], responses={200: dict})
    def get(self, request: Request, project: str, number: int) -> Response:
        """Replicate 0, the largest change of score first."""
        asked = read_parameters(request, CaseParameters)
        run = run_for(self.project, number)
        report_of(run)
        outcome = asked.get("outcome") or queries.outcomes_of(run)[0]
        offset, limit = _offset(asked.get("cursor")), asked["limit"]
        found = queries.flips(run, outcome, asked["stratum"], offset=offset, limit=limit)
        after = offset + len(found.rows)
        following = signing.Signer(salt="hardcases.run-cases").sign(str(after)) if after < found.total else None
        return Response({"results": [shapes.show_flip(row) for row in found.rows], "next": following, "total": found.total})


def _offset(cursor: str | None) -> int:
    """The rows of an ended run never change, so a place in them is a cursor."""
    if not cursor:
        return 0
    try:
        return int(signing.Signer(salt="hardcases.run-cases").unsign(cursor))
    except signing.BadSignature as error:
        raise BadCursor from error
