"""Finding runs by their numbers, inside a project whose door is already open."""

from django.db.models import QuerySet

from evaluation.runs.models import Run
from hardcases.errors import NotFound
from hardcases.projects.models import Project


def runs_of(project: Project) -> QuerySet[Run]:
    """The project's runs, newest first, with everything their one-line description needs."""
    related = ("model_version__model", "test_set_version__test_set", "baseline_version__model", "baseline_run", "project", "retry_of")
    return Run.objects.filter(project=project).select_related(*related).order_by("-number")


def run_for(project: Project, number: int) -> Run:
    """The run by its number. Raises NotFound."""
    found = runs_of(project).filter(number=number).first()
    if found is None:
        raise NotFound(f"This project has no run {number}. Check the number in the list of runs.")
    return found
