"""Reads for lists and pages of models: what serves, what is newest, how complete a record is."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import OuterRef, QuerySet, Subquery

from evaluation.registry.models import Model, ModelVersion, ProductionMark, Replicate
from hardcases.projects.models import Project


def models_with_versions(project: Project) -> QuerySet[Model]:
    """Models by slug, each with the version names `production` and `newest` (None where there is none), in one query."""
    marks = ProductionMark.objects.filter(model=OuterRef("pk")).order_by("-id").values("model_version__version")[:1]
    newest = ModelVersion.objects.filter(model=OuterRef("pk")).order_by("-id").values("version")[:1]
    found = Model.objects.filter(project=project).select_related("project").order_by("slug")
    return found.annotate(production=Subquery(marks), newest=Subquery(newest))


def versions_with_replicates(model: Model) -> QuerySet[ModelVersion]:
    """A model's versions, newest first, with replicates and their people."""
    return ModelVersion.objects.filter(model=model).select_related("model__project").prefetch_related("replicates").order_by("-id")


@dataclass(frozen=True)
class Record:
    """What is known about how a version was made: names of what is recorded and of what is missing, in a fixed order."""

    recorded: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def total(self) -> int:
        return len(self.recorded) + len(self.missing)


def record_of(replicate: Replicate) -> Record:
    """The meter of the record. It informs and never blocks."""
    provenance = replicate.provenance
    code = provenance.get("code") or {}
    data = provenance.get("data") or []
    facts = {
        "code repository": bool(code.get("repository")),
        "commit": bool(code.get("commit")),
        "uncommitted changes": bool(code.get("commit")) or "dirty_patch_sha256" in code,
        "training data": bool(data),
        "training data digests": bool(data) and all(item.get("sha256") for item in data),
        "parameters": bool(provenance.get("parameters")),
        "seed": replicate.seed is not None,
        "packages": bool(provenance.get("packages")),
        "platform": bool(provenance.get("platform")),
        "hardware": bool(provenance.get("hardware")),
        "artefact digest": replicate.artefact_sha256 is not None,
    }
    return Record(tuple(name for name, known in facts.items() if known), tuple(name for name, known in facts.items() if not known))


def production_history(model: Model) -> Iterable[ProductionMark]:
    """Every mark, newest first."""
    return ProductionMark.objects.filter(model=model).select_related("model_version__model")
