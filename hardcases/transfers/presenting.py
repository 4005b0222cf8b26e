"""What the pages of imports and exports show, in the words people use. Reads only."""

from collections.abc import Mapping
from typing import Any

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from hardcases.transfers.forms import FORMATS
from hardcases.transfers.models import Export, Import
from hardcases.transfers.reports import ALREADY_HERE, LABELLED, NEW, REJECTED, SEEN_AGAIN, WARNING
from hardcases.web.formatting import count
from hardcases.web.looks import look

_WORDS: dict[str, Promise] = {
    NEW: gettext_lazy("New cases"),
    LABELLED: gettext_lazy("Labels"),
    SEEN_AGAIN: gettext_lazy("Known cases of which something new is said"),
    ALREADY_HERE: gettext_lazy("Already here, nothing new"),
    REJECTED: gettext_lazy("Rejected"),
    WARNING: gettext_lazy("Parts that could not be used"),
}
_COUNTED = {WARNING: "warnings"}
_STATES = {"queued": gettext_lazy("Waiting"), "failed": gettext_lazy("Failed")}


def format_word(name: str) -> str:
    """A format as people call it."""
    return str(FORMATS.get(name, name))


def phase(row: Import) -> tuple[str, str]:
    """(code of the chip, its word): where an import stands."""
    if row.job is None:
        return "waiting", _("Uploaded")
    checking = row.import_job is None
    words = {
        "queued": _("Waiting to be checked") if checking else _("Waiting to be imported"),
        "running": _("Checking") if checking else _("Importing"),
        "done": _("Checked") if checking else _("Imported"),
        "failed": _("Could not be checked") if checking else _("Stopped"),
        "cancelled": _("Cancelled"),
    }
    return "waiting" if checking and row.job.state == "done" else row.job.state, words[row.job.state]


def export_phase(export: Export) -> tuple[str, str]:
    """(code of the chip, its word)."""
    if export.job.state == "done":
        return ("done", _("Ready")) if export.sha256 else ("cancelled", _("No longer kept"))
    return export.job.state, str(_STATES.get(export.job.state, look(export.job.state).word))


def sentence(counts: Mapping[str, int]) -> str:
    """The counts that are not zero, in one sentence: `1,180 new, 15 already here, 5 rejected.`"""
    said = [
        (counts["new"], _("%(n)s new")),
        (counts["seen_again"], _("%(n)s seen again")),
        (counts["labelled"], _("%(n)s labels")),
        (counts["already_here"], _("%(n)s already here")),
        (counts["rejected"], _("%(n)s rejected")),
    ]
    parts = [words % {"n": count(number)} for number, words in said if number]
    return (", ".join(parts) or _("Nothing in it")) + "."


def button(counts: Mapping[str, int]) -> str | None:
    """What importing would do, for the button; None where it would do nothing."""
    new, again, labels = counts["new"], counts["seen_again"], counts["labelled"]
    if new:
        return ngettext("Import %(n)s case", "Import %(n)s cases", new) % {"n": count(new)}
    if labels:
        return ngettext("Give %(n)s label", "Give %(n)s labels", labels) % {"n": count(labels)}
    if again:
        return ngettext("Add to %(n)s known case", "Add to %(n)s known cases", again) % {"n": count(again)}
    return None


def lines(row: Import, counts: Mapping[str, int]) -> list[dict[str, Any]]:
    """Each count with the address of its rows."""
    report = reverse("api-import-report", args=[row.project.slug, row.pk])
    found = [(status, word, counts[_COUNTED.get(status, status)]) for status, word in _WORDS.items()]
    return [
        {"word": word, "count": number, "jsonl": f"{report}?status={status}", "csv": f"{report}?status={status}&format=csv"}
        for status, word, number in found
        if number
    ]


def shown_import(row: Import) -> dict[str, Any]:
    """An import in a list."""
    code, word = phase(row)
    job = row.job
    return {
        "row": row,
        "code": code,
        "word": word,
        "format": format_word(row.format),
        "url": reverse("import-page", args=[row.project.slug, row.pk]),
        "sentence": sentence(job.result) if job and job.state == "done" and job.result else "",
    }


def shown_export(row: Export) -> dict[str, Any]:
    """An export in a list."""
    code, word = export_phase(row)
    result = row.job.result or {}
    return {
        "row": row,
        "code": code,
        "word": word,
        "format": format_word(row.format),
        "of": f"{row.version.test_set.slug} v{row.version.number}" if row.version else row.q or _("every case"),
        "cases": result.get("cases"),
        "download": reverse("api-export-download", args=[row.project.slug, row.pk]) if row.sha256 else None,
        "digest": reverse("api-export-digest", args=[row.project.slug, row.pk]) if row.sha256 else None,
    }
