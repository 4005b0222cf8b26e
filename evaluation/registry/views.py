"""Pages of models: the list, a model, a version with its record."""

from typing import ClassVar
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _

from evaluation.registry import actions, queries
from evaluation.registry.access import in_production, model_for, version_for
from hardcases.projects.access import can
from hardcases.projects.doors import ProjectPage
from hardcases.projects.permissions import Can
from hardcases.web.pages import render_page
from hardcases.web.pagination import keyset_page
from hardcases.web.queries import ListParameters, Parameters, read_page_parameters


class ModelListPage(ProjectPage):
    """The models of a project."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW}

    def get(self, request: HttpRequest, project: str) -> HttpResponse:
        """With what serves and what is newest."""
        given = read_page_parameters(request, ListParameters)
        page = keyset_page(
            queries.models_with_versions(self.project), order=["slug"], cursor=given.values.get("cursor"), limit=given.values["limit"]
        )
        return render_page(request, "registry/list.html", {"rows": page.rows, "next": page.next, "notes": given.notes})


class ModelPage(ProjectPage):
    """One model and its versions."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW}

    def get(self, request: HttpRequest, project: str, model: str) -> HttpResponse:
        """Versions, newest first, and what served when."""
        given = read_page_parameters(request, ListParameters)
        row = model_for(self.project, model)
        page = keyset_page(
            queries.versions_with_replicates(row), order=["-id"], cursor=given.values.get("cursor"), limit=given.values["limit"]
        )
        records = {version.pk: [queries.record_of(item) for item in version.replicates.all()][:1] for version in page.rows}
        context = {
            "model": row,
            "rows": [{"version": version, "record": (records[version.pk] or [None])[0]} for version in page.rows],
            "next": page.next,
            "serving": in_production(row),
            "history": queries.production_history(row),
            "notes": given.notes,
        }
        return render_page(request, "registry/model.html", context)


class VersionPage(ProjectPage):
    """What a model version is, and whether somebody else could make it again."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW}

    def get(self, request: HttpRequest, project: str, model: str, version: str) -> HttpResponse:
        """The record, choices, replicates and history."""
        given = read_page_parameters(request, Parameters)
        row = model_for(self.project, model)
        found = version_for(row, version)
        replicates = list(found.replicates.all())
        serving = in_production(row)
        context = {
            "version": found,
            "replicates": replicates,
            "first": replicates[0] if replicates else None,
            "record": queries.record_of(replicates[0]) if replicates else None,
            "history": queries.production_history(row),
            "serving": serving,
            "may_mark": can(self.actor, Can.MARK_PRODUCTION, self.project) and serving != found,
            "may_run": can(self.actor, Can.RUN, self.project),
            "run_url": f"/p/{project}/runs/new/?{urlencode({'model': str(found)})}",  # the room above; its address is fixed by the site map
            "notes": given.notes,
        }
        return render_page(request, "registry/version.html", context)


class MarkPage(ProjectPage):
    """From now on this version serves."""

    can: ClassVar[dict[str, Can]] = {"POST": Can.MARK_PRODUCTION}

    def post(self, request: HttpRequest, project: str, model: str, version: str) -> HttpResponse:
        """Mark and show."""
        found = version_for(model_for(self.project, model), version)
        actions.mark_production(actor=self.actor, model_version=found)
        messages.success(request, _("%(version)s is marked as being in production.") % {"version": found})
        return HttpResponseRedirect(reverse("model-version-page", args=[project, model, found.version]))
