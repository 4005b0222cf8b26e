"""The only place that finds imports and exports by their id. The project's door is open before anybody comes here."""

from uuid import UUID

from hardcases.errors import NotFound
from hardcases.projects.models import Project
from hardcases.transfers.models import Export, Import

NO_IMPORT = "There is no such import in this project. Check the address."
NO_EXPORT = "There is no such export in this project. Check the address."


def import_for(project: Project, import_id: UUID) -> Import:
    """The import, with its jobs. Raises NotFound."""
    found = Import.objects.filter(project=project, pk=import_id).select_related("check_job", "import_job").first()
    if found is None:
        raise NotFound(NO_IMPORT)
    found.project = project
    return found


def export_for(project: Project, export_id: UUID) -> Export:
    """The export, with its job. Raises NotFound."""
    found = Export.objects.filter(project=project, pk=export_id).select_related("job", "version__test_set").first()
    if found is None:
        raise NotFound(NO_EXPORT)
    found.project = project
    return found
