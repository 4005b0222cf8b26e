"""Registering models and their versions, and marking what serves."""

from dataclasses import dataclass
from typing import IO

from django.db import IntegrityError, transaction

from evaluation.registry.access import in_production, person_behind
from evaluation.registry.documents import VersionDocument
from evaluation.registry.leakage import LISTING
from evaluation.registry.models import Model, ModelVersion, ProductionMark, Replicate
from hardcases.audit.actions import record
from hardcases.audit.actors import Actor
from hardcases.blobs.store import get_store
from hardcases.errors import Conflict, Detail, Invalid
from hardcases.projects.models import Project
from hardcases.work.actions import enqueue, hint
from hardcases.work.tasks import run_job

MAX_ARTEFACT = 2 * 10**9


@dataclass(frozen=True)
class Registered:
    """The row, and whether this call made it (201) or found it equal (200)."""

    replicate: Replicate
    created: bool


def register_model(*, actor: Actor, project: Project, slug: str, name: str) -> tuple[Model, bool]:
    """A new line of model versions. The same slug and name again returns the row; another name raises Conflict."""
    with transaction.atomic():
        model, created = Model.objects.get_or_create(project=project, slug=slug, defaults={"name": name})
        if not created and model.name != name:
            raise Conflict(f"The model {slug} exists under the name “{model.name}”. Nothing was changed. Choose another slug.")
        if created:
            record(actor, "model.registered", "model", model.pk, project_id=project.pk, after={"slug": slug, "name": name})
    return model, created


@dataclass(frozen=True)
class Files:
    """Digests of the blobs that a registration names; they are durable before a row says so."""

    artefact_sha256: str | None = None
    training_sha256: str | None = None


def store_files(document: VersionDocument, artefact: IO[bytes] | None = None) -> Files:
    """Put a model file and the training digests into the blob store, outside any transaction. Refuses a file that the adapter does not take."""
    kind = document.adapter["kind"]
    if kind == "onnx" and artefact is None:
        sentence = "An adapter of kind onnx needs its file: send it as the part “model”. Nothing was stored."
        raise Invalid(sentence, errors=[Detail(pointer="/model", detail="This part is missing.")])
    if kind != "onnx" and artefact is not None:
        sentence = f"An adapter of kind {kind} takes no part “model”. Nothing was stored. Leave the part out, or register kind onnx."
        raise Invalid(sentence, errors=[Detail(pointer="/model", detail="This part is not expected.")])
    store = get_store()
    training = None
    if document.training_digests is not None:
        training = store.put_bytes("".join(f"{digest}\n" for digest in document.training_digests).encode())
    return Files(store.commit(store.receive(artefact, limit=MAX_ARTEFACT)) if artefact else None, training)


def register_version(*, actor: Actor, model: Model, document: VersionDocument, files: Files) -> Registered:
    """Register one replicate of one version, creating the version with its first replicate.

    The same version and replicate again: equal in everything returns the row, anything else raises Conflict.
    """
    try:
        with transaction.atomic():
            return _store(actor, model, document, files)
    except IntegrityError:  # the same pair was registered a moment ago by another request; compare with what it wrote
        with transaction.atomic():
            return _store(actor, model, document, files)


def _store(actor: Actor, model: Model, document: VersionDocument, files: Files) -> Registered:
    digest = document.digest(files.artefact_sha256, files.training_sha256)
    version, _ = ModelVersion.objects.get_or_create(model=model, version=document.version)
    existing = Replicate.objects.filter(model_version=version, number=document.replicate).select_related("model_version__model").first()
    if existing is not None:
        if existing.digest != digest:
            raise Conflict(
                f"Replicate {document.replicate} of {version} is already registered with other content. A registered version never "
                "changes; nothing was stored. Register a new version, or another replicate."
            )
        return Registered(existing, created=False)
    row = Replicate.objects.create(
        model_version=version,
        number=document.replicate,
        seed=document.seed,
        adapter=document.adapter,
        artefact_sha256=files.artefact_sha256,
        operating_threshold=document.operating_threshold,
        intended_choices=document.intended_choices,
        unintended_choices=document.unintended_choices,
        provenance=document.provenance,
        training_digests_sha256=files.training_sha256,
        digest=digest,
        registered_by_id=person_behind(actor),
        registered_by_name=actor.printed_name[:150],
    )
    after = {"model_version": str(version), "replicate": row.number, "digest": digest}
    record(actor, "model_version.registered", "model_version", version.pk, project_id=model.project_id, after=after)
    if row.training_digests_sha256 is not None:
        job = enqueue(kind=LISTING, key=str(row.pk), project_id=model.project_id, payload={"replicate": row.pk})
        hint(run_job, job_id=str(job.pk))
    return Registered(row, created=True)


def mark_production(*, actor: Actor, model_version: ModelVersion) -> ProductionMark:
    """From now on this version serves. Marking what is already marked returns the mark in force and adds none."""
    model = model_version.model
    with transaction.atomic():
        Model.objects.select_for_update().get(pk=model.pk)  # two marks at once end in one order
        before = in_production(model)
        if before is not None and before.pk == model_version.pk:
            return ProductionMark.objects.filter(model=model).select_related("model_version__model")[0]
        mark = ProductionMark.objects.create(
            model=model, model_version=model_version, by_id=person_behind(actor), by_name=actor.printed_name[:150]
        )
        record(
            actor,
            "model_version.marked_production",
            "model_version",
            model_version.pk,
            project_id=model.project_id,
            before={"model_version": str(before)} if before else None,
            after={"model_version": str(model_version)},
        )
    return mark
