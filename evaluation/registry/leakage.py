"""Which contents the project's model versions were trained on: the lookup of the door and of lists of cases."""

from collections.abc import Mapping, Sequence

from django.db.models import QuerySet

from evaluation.registry.models import Replicate, TrainingDigest
from hardcases.cases.models import Case
from hardcases.database.prepared import Given, PreparedMany
from hardcases.projects.models import Project

LISTING = "registry.training"

_KNOWN: PreparedMany[tuple[str, int]] = PreparedMany(
    lambda digests: TrainingDigest.objects.filter(project_id=Given("project"), digest__among=digests).values_list("digest", "replicate_id")
)


def trained_on(project: Project, digests: Sequence[str]) -> dict[str, list[str]]:
    """For those of the digests that stand in a training list, the model versions whose list it is.

    One lookup in an index; a second query for the names only where something was found.
    """
    known = _KNOWN.all(digests, project=project.pk)
    if not known:
        return {}
    columns = ("pk", "model_version__model__slug", "model_version__version")
    rows = Replicate.objects.filter(pk__in={replicate for _, replicate in known}).order_by("pk").values_list(*columns)
    names = {pk: f"{model}@{version}" for pk, model, version in rows}
    found: dict[str, set[str]] = {}
    for digest, replicate in known:
        found.setdefault(digest, set()).add(names[replicate])
    return {digest: sorted(versions) for digest, versions in found.items()}


def trained_on_cases(cases: Sequence[Case]) -> Mapping[int, list[str]]:
    """For cases that are marked, the model versions that were trained on their content. No query where none is."""
    marked = [case for case in cases if case.leaked_at is not None]
    if not marked:
        return {}
    known = trained_on(marked[0].project, sorted({digest for case in marked for digest in (case.sha256, case.stored_sha256)}))
    return {case.pk: sorted({*known.get(case.sha256, ()), *known.get(case.stored_sha256, ())}) for case in marked}


def with_training_list() -> QuerySet[Replicate]:
    """Replicates that were registered with a list of training digests."""
    return Replicate.objects.filter(training_digests_sha256__isnull=False)
