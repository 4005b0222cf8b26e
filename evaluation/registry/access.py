"""Finding models and model versions by the names people use, inside a project whose door is already open."""

from django.db.models import QuerySet

from evaluation.registry.models import Model, ModelVersion, ProductionMark
from hardcases.audit.actors import Actor
from hardcases.errors import Forbidden, NotFound
from hardcases.projects.models import Project

PRODUCTION = "production"


def person_behind(actor: Actor) -> int:
    """Id of the person who acts, or whose token does. The system itself registers and starts nothing."""
    if actor.user_id is None:
        raise Forbidden("Only people and their tokens register models and start runs. Nothing was changed.")
    return actor.user_id


def models_of(project: Project) -> QuerySet[Model]:
    """The project's models by slug."""
    return Model.objects.filter(project=project).order_by("slug")


def model_for(project: Project, slug: str) -> Model:
    """The model by slug. Raises NotFound."""
    found = Model.objects.filter(project=project, slug=slug).first()
    if found is None:
        raise NotFound(f"This project has no model {slug!r}. Check the name, or register the model first.")
    return found


def versions_of(project: Project) -> QuerySet[ModelVersion]:
    """The project's model versions, newest first, with their models loaded."""
    return ModelVersion.objects.filter(model__project=project).select_related("model").order_by("-id")


def version_for(model: Model, version: str) -> ModelVersion:
    """One version of a model; `production` is the one that serves now. Raises NotFound."""
    if version == PRODUCTION:
        found = in_production(model)
        if found is None:
            raise NotFound(f"No version of {model.slug} is marked as being in production. Mark one on the model's page, or name a version.")
        return found
    row = versions_of(model.project).filter(model=model, version=version).first()
    if row is None:
        raise NotFound(f"The model {model.slug} has no version {version!r}. Check the name, or register the version first.")
    return row


def model_version_for(project: Project, name: str) -> ModelVersion:
    """`slug@1.2`, `slug@production`, or `slug` for the newest version. Raises NotFound."""
    slug, at, version = name.partition("@")
    model = model_for(project, slug)
    if at:
        return version_for(model, version)
    newest = versions_of(project).filter(model=model).first()
    if newest is None:
        raise NotFound(f"The model {slug} has no version yet. Register one first.")
    return newest


def in_production(model: Model) -> ModelVersion | None:
    """What serves now according to the newest mark."""
    mark = ProductionMark.objects.filter(model=model).select_related("model_version__model").first()
    return mark.model_version if mark else None
