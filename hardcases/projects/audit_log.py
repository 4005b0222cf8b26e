"""The audit page of a project. It stands here because its own room lies below the doors."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from rest_framework import serializers

from hardcases.audit import sealing
from hardcases.audit.models import AuditEvent
from hardcases.audit.sentences import sentence
from hardcases.projects.doors import ProjectPage
from hardcases.projects.permissions import Can
from hardcases.web.pages import render_page
from hardcases.web.pagination import BadCursor, keyset_page
from hardcases.web.queries import ListParameters, read_page_parameters


class AuditParameters(ListParameters):
    """What the log is filtered by: exact, so that each filter uses an index or is honest about it."""

    who = serializers.CharField(required=False, allow_blank=True, max_length=200)
    action = serializers.CharField(required=False, allow_blank=True, max_length=64)
    object = serializers.CharField(required=False, allow_blank=True, max_length=64)
    since = serializers.DateField(required=False)
    until = serializers.DateField(required=False)


FILTERS = {
    "who": "actor_name__startswith",
    "action": "action__startswith",
    "object": "object_id",
    "since": "at__date__gte",
    "until": "at__date__lte",
}


class AuditLog(ProjectPage):
    """Who did what, newest first."""

    can = {"GET": Can.VIEW_AUDIT}

    def get(self, request: HttpRequest, project: str) -> HttpResponse:
        """A page of the log."""
        asked = read_page_parameters(request, AuditParameters)
        rows = AuditEvent.objects.filter(project_id=self.project.pk)
        for name, lookup in FILTERS.items():
            if asked.values.get(name):
                rows = rows.filter(**{lookup: asked.values[name]})
        notes = [*asked.notes]
        try:
            page = keyset_page(rows, order=["-id"], cursor=asked.values.get("cursor"), limit=asked.values["limit"])
        except BadCursor as refusal:
            notes.append(refusal.sentence)
            page = keyset_page(rows, order=["-id"], limit=asked.values["limit"])
        query = request.GET.copy()
        query["cursor"] = page.next or ""
        context: dict[str, Any] = {
            "entries": [{"event": event, "sentence": sentence(event)} for event in page.rows],
            "older_url": f"?{query.urlencode()}" if page.next else None,
            "newest_url": request.path if asked.values.get("cursor") else None,
            "notes": notes,
            "asked": asked.values,
            "head": sealing.head(),
            "waiting_since": sealing.oldest_unsealed(),
        }
        return render_page(request, "projects/audit.html", context)
