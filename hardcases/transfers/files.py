"""Reports on their way out."""

from django.http import StreamingHttpResponse

from hardcases.errors import Conflict
from hardcases.transfers import queries, reading, reports
from hardcases.transfers.models import Import
from hardcases.web.pages import FILE_TYPES, download_name

_WRITERS = {"jsonl": ("application/x-ndjson", reports.as_jsonl), "csv": ("text/csv", reports.as_csv)}


class NoReport(Conflict):
    code, title = "no_report", "There is no report yet"


def report_response(row: Import, status: str | None, kind: str) -> StreamingHttpResponse:
    """The report as a download that is never whole in memory. Raises NoReport, and NoLongerKept."""
    if row.job is None:
        raise NoReport("Nothing was asked of this file yet. Check it or import it first.")
    reading.kept(row)
    media_type, write = _WRITERS[kind]
    response = StreamingHttpResponse(write(queries.rows_of(row.job, status)), content_type=media_type)
    name = "-".join(part for part in (row.project.slug, "import", status) if part)
    response["Content-Disposition"] = f'attachment; filename="{download_name(name, FILE_TYPES[media_type])}"'
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "private"
    return response
