"""Shapes of what is sent about imports and exports, and how they are shown."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.urls import reverse
from rest_framework import serializers

from hardcases.transfers.models import Export, Import
from hardcases.transfers.reports import STATUSES
from hardcases.web.queries import Parameters
from hardcases.web.search import MAX_CHARACTERS
from hardcases.web.serializers import Flag, StrictSerializer, Text
from hardcases.work.models import Job


class StartBody(StrictSerializer):
    """`{"mapping", "dry_run"}`."""

    mapping = serializers.DictField(required=False)
    dry_run = Flag(required=False, default=False)


class ExportBody(StrictSerializer):
    """`{"test_set" | "q", "format", "media", "license"}`."""

    test_set = Text(required=False, max_length=100)
    q = Text(required=False, allow_blank=True, max_length=MAX_CHARACTERS)
    format = Text(max_length=40)
    media = Flag(required=False, default=False)
    license = Text(required=False, max_length=500, default="")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """One of the two."""
        if ("test_set" in attrs) == ("q" in attrs):
            raise serializers.ValidationError("Send either test_set, such as hard-cxr@12, or q, a search; an empty q is every case.")
        return attrs


class ReportParameters(Parameters):
    """Which rows, and how."""

    status = serializers.ChoiceField(choices=STATUSES, required=False)
    format = serializers.ChoiceField(choices=("jsonl", "csv"), required=False, default="jsonl")


def address(name: str, row: Import | Export) -> str:
    """An address of the API as it may be sent to somebody."""
    return f"{settings.PUBLIC_URL}{reverse(name, args=[row.project.slug, row.pk])}"


def job_address(job: Job) -> str:
    """Where the job is read."""
    return f"/api/v1/jobs/{job.pk}/"


def shown_job(job: Job | None) -> dict[str, Any] | None:
    """A job in short."""
    if job is None:
        return None
    return {"id": str(job.pk), "url": job_address(job), "state": job.state, "done": job.done, "total": job.total, "result": job.result}


def shown_import(row: Import) -> dict[str, Any]:
    """An import with what was and is done with it."""
    return {
        "id": str(row.pk),
        "url": address("api-import", row),
        "file_name": row.file_name,
        "format": row.format,
        "size": row.size,
        "sha256": row.sha256,
        "mapping": row.mapping,
        "by": row.by_name,
        "created_at": row.created_at,
        "expires_at": row.expires_at,
        "check": shown_job(row.check_job),
        "import": shown_job(row.import_job),
        "report_url": address("api-import-report", row) if row.job and row.sha256 else None,
    }


def shown_export(row: Export) -> dict[str, Any]:
    """An export, with the address of its file once that is there."""
    return {
        "id": str(row.pk),
        "url": address("api-export", row),
        "test_set": str(row.version) if row.version else None,
        "q": row.q,
        "format": row.format,
        "media": row.media,
        "license": row.job.payload.get("license") or None,
        "file_name": row.file_name or None,
        "size": row.size,
        "sha256": row.sha256,
        "by": row.by_name,
        "created_at": row.created_at,
        "expires_at": row.expires_at,
        "job": shown_job(row.job),
        "download_url": address("api-export-download", row) if row.sha256 else None,
    }


def accepted(shown: Mapping[str, Any], job: Job) -> dict[str, Any]:
    """The 202: what was asked for, and the job that does it."""
    return {**shown, "job": shown_job(job)}
