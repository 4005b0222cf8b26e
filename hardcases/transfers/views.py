"""Pages of imports and exports: the list with both forms, and one import from its upload to its end."""

from typing import Any, ClassVar
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from hardcases.errors import Refusal
from hardcases.projects.access import permissions_in
from hardcases.projects.doors import ProjectPage
from hardcases.projects.permissions import Can
from hardcases.testsets.access import version_for
from hardcases.transfers import actions, presenting, queries
from hardcases.transfers.access import import_for
from hardcases.transfers.forms import ExportForm, MappingForm, UploadForm
from hardcases.transfers.models import Import
from hardcases.web.pages import render_page
from hardcases.web.queries import Parameters, read_page_parameters

LISTED = 50


class ListPage(ProjectPage):
    """What the two forms and the lists share."""

    can: ClassVar[dict[str, Can]] = {}

    def shown(self, *, upload: UploadForm | None = None, export: ExportForm | None = None, status: int = 200) -> HttpResponse:
        """The page, or for htmx its lists alone."""
        may = permissions_in(self.actor, self.project)
        imports = list(queries.imports_of(self.project).order_by("-created_at")[:LISTED])
        exports = list(queries.exports_of(self.project).order_by("-created_at")[:LISTED])
        for imported in imports:
            imported.project = self.project
        for exported in exports:
            exported.project = self.project
        jobs = [*(imported.job for imported in imports), *(exported.job for exported in exports)]
        context = {
            "imports": [presenting.shown_import(row) for row in imports],
            "exports": [presenting.shown_export(row) for row in exports],
            "working": any(job is not None and job.state in queries.OPEN for job in jobs),
            "may_import": Can.IMPORT in may,
            "may_export": Can.EXPORT in may,
            "may_see_originals": Can.VIEW_ORIGINAL in may,
            "upload": upload or UploadForm(auto_id="upload_%s"),
            "export": export or ExportForm(self.project, auto_id="export_%s", may_see_originals=Can.VIEW_ORIGINAL in may),
            "listed": LISTED,
            "notes": read_page_parameters(self.request, Parameters).notes,
        }
        return render_page(self.request, "transfers/list.html", context, fragment="transfers/_lists.html", status=status)


class TransferListPage(ListPage):
    """Imports and exports, newest first."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW}

    def get(self, request: HttpRequest, project: str) -> HttpResponse:
        """With the forms."""
        return self.shown()


class ImportNewPage(ListPage):
    """Where the upload form goes."""

    can: ClassVar[dict[str, Can]] = {"POST": Can.IMPORT}

    def post(self, request: HttpRequest, project: str) -> HttpResponse:
        """Take the file and have it checked; nothing is imported before somebody says so."""
        form = UploadForm(request.POST, request.FILES, auto_id="upload_%s")
        if form.is_valid():
            file = form.cleaned_data["file"]
            try:
                uploaded = actions.take_file(file, file.name or "", format_name=form.cleaned_data["format"] or None)
                row = actions.create_import(actor=self.actor, project=self.project, uploaded=uploaded)
                actions.start_check(actor=self.actor, row=row, mapping={})
            except Refusal as refusal:
                if refusal.status >= 500:
                    raise
                form.refuse(refusal)
            else:
                return redirect("import-page", project, row.pk)
        return self.shown(upload=form, status=422)


class ExportNewPage(ListPage):
    """Where the export form goes."""

    can: ClassVar[dict[str, Can]] = {"POST": Can.EXPORT}

    def post(self, request: HttpRequest, project: str) -> HttpResponse:
        """Have the file made, and back to the list."""
        originals = Can.VIEW_ORIGINAL in permissions_in(self.actor, self.project)
        form = ExportForm(self.project, request.POST, auto_id="export_%s", may_see_originals=originals)
        if form.is_valid():
            said = form.cleaned_data
            try:
                actions.start_export(
                    actor=self.actor,
                    project=self.project,
                    version=version_for(self.project, said["version"]) if said["version"] else None,
                    q=None if said["version"] else said["q"],
                    format_name=said["format"],
                    media=said.get("pictures", False),
                    licence=said["license"],
                )
            except Refusal as refusal:
                form.refuse(refusal)
            else:
                messages.success(request, _("The export is being made. Its file will be in the list below."))
                return redirect("transfer-list", project)
        return self.shown(export=form, status=422)


class ImportPage(ProjectPage):
    """One import: what is in the file, what importing it would do, what it did."""

    can: ClassVar[dict[str, Can]] = {"GET": Can.VIEW, "POST": Can.IMPORT}

    def get(self, request: HttpRequest, project: str, import_id: UUID) -> HttpResponse:
        """Refreshes itself while a worker is at it."""
        return self._page(import_for(self.project, import_id))

    def post(self, request: HttpRequest, project: str, import_id: UUID) -> HttpResponse:
        """Check again with other meanings, or import; the button says which."""
        row = import_for(self.project, import_id)
        if request.POST.get("do") == "import":
            return self._import(row)
        form = MappingForm(row, request.POST)
        if form.is_valid():
            try:
                actions.start_check(actor=self.actor, row=row, mapping=form.mapping(), format_name=form.cleaned_data["format"])
            except Refusal as refusal:
                form.refuse(refusal)
            else:
                return redirect("import-page", project, row.pk)
        return self._page(row, form, status=422)

    def _import(self, row: Import) -> HttpResponse:
        if self.request.POST.get("checked") not in {str(row.check_job_id), str(row.import_job_id)}:
            messages.error(self.request, _("The file was checked again meanwhile. Nothing was imported. Look at the new result first."))
        else:
            try:
                actions.start_import(actor=self.actor, row=row)
            except Refusal as refusal:
                messages.error(self.request, refusal.sentence)
        return redirect("import-page", self.project.slug, row.pk)

    def _page(self, row: Import, form: MappingForm | None = None, status: int = 200) -> HttpResponse:
        job, may = row.job, permissions_in(self.actor, self.project)
        counts = queries.full(job.result) if job and job.state == "done" and row.sha256 else None
        code, word = presenting.phase(row)
        open_to_change = row.import_job is None and row.sha256 is not None and Can.IMPORT in may
        context: dict[str, Any] = {
            "row": row,
            "job": job,
            "code": code,
            "word": word,
            "format": presenting.format_word(row.format),
            "working": job is not None and job.state in queries.OPEN,
            "lines": presenting.lines(row, counts) if counts else [],
            "sentence": presenting.sentence(counts) if counts else "",
            "button": presenting.button(counts) if counts and open_to_change else None,
            "may_import": Can.IMPORT in may,
            "form": (form or MappingForm(row)) if open_to_change and (job is None or job.state in {"done", "failed"}) else None,
            "preview": (row.preview or {}).get("rows", []) if row.import_job is None else [],
            "notes": read_page_parameters(self.request, Parameters).notes,
        }
        return render_page(self.request, "transfers/import.html", context, fragment="transfers/_import.html", status=status)
