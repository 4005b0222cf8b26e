"""The manifest on its way out."""

from django.http import StreamingHttpResponse

from hardcases.testsets import trees
from hardcases.testsets.models import Version
from hardcases.web.pages import download_name


def manifest_response(version: Version) -> StreamingHttpResponse:
    """The manifest as a download that is never whole in memory."""
    response = StreamingHttpResponse(trees.manifest(version), content_type="application/x-ndjson")
    name = download_name(f"{version.test_set.slug}-{version.number}-manifest", ".jsonl")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "private"
    response["ETag"] = f'"{version.digest}"'
    return response
