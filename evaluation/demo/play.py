"""The story, played with the real parts: each act asks the same actions as the REST API does, and asking again changes nothing."""

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from io import BytesIO
from pathlib import Path

from evaluation.demo import story
from evaluation.demo.cast import APPROVER, CAST, EXPERT, OWNER, Part, accounts
from evaluation.demo.story import DemoCase
from evaluation.registry import actions as registry
from evaluation.registry.access import model_version_for
from evaluation.registry.documents import read_version
from evaluation.registry.models import ModelVersion
from evaluation.releases import actions as releases
from evaluation.releases.models import Release
from evaluation.runs import actions as runs
from evaluation.runs.models import FINAL, Run
from evaluation.runs.queries import latest_run
from hardcases.audit.actors import Actor
from hardcases.cases import actions as cases
from hardcases.cases import content
from hardcases.cases.content import Taken
from hardcases.cases.models import Case, ExternalId
from hardcases.cases.steps import Fields, Report
from hardcases.client import CaseItem, Client
from hardcases.errors import Refusal
from hardcases.labels import actions as labels
from hardcases.labels.actions import LabelItem
from hardcases.projects import actions as projects
from hardcases.projects.authentication import person
from hardcases.projects.models import Project
from hardcases.projects.permissions import Scope
from hardcases.projects.serializers import ProjectSerializer
from hardcases.testsets import actions as test_sets
from hardcases.testsets.drafts import Selection
from hardcases.testsets.models import Stratum, TestSet, Version

OVER_HTTP = 300
BATCH = 200
POLL_SECONDS = 0.2
PATIENCE_SECONDS = 600
Progress = Callable[[int, int], None]


def set_the_stage() -> tuple[Project, dict[Part, Actor]]:
    """People, project and members."""
    users = accounts()
    cast = {part: person(user) for part, user in users.items()}
    document = ProjectSerializer(data=story.project_document()).document()
    project = Project.objects.filter(slug=document.slug).first()
    owner = cast[OWNER]
    if project is None:
        project = projects.create_project(actor=owner, document=document, owner=users[OWNER])
    for part in CAST:
        projects.set_roles(actor=owner, project=project, user=users[part], roles=part.roles)
    return project, cast


def absent(project: Project, told: Iterable[DemoCase]) -> list[DemoCase]:
    """Those of the story's cases that the project does not have yet, by their bytes."""
    there = set(Case.objects.filter(project=project).values_list("sha256", flat=True))
    return [case for case in told if hashlib.sha256(case.png).hexdigest() not in there]


def send_over_http(project: Project, cast: dict[Part, Actor], address: str, sent: Sequence[DemoCase], progress: Progress) -> None:
    """What a production service does: a report-only token, the client, one request a failure and then a batch."""
    token, text = projects.create_token(actor=cast[OWNER], project=project, name="demo upload", scopes=[Scope.REPORT], days=1)
    try:
        with Client(address, text, project.slug) as client:
            for done, case in enumerate(sent[: OVER_HTTP // 3], start=1):
                client.send_case(file=case.png, file_name=case.file_name, **case.document())
                progress(done, len(sent))
            items = [CaseItem(file=case.png, file_name=case.file_name, fields=case.document()) for case in sent[OVER_HTTP // 3 :]]
            for done, _ in enumerate(client.stream_batch(items), start=OVER_HTTP // 3 + 1):
                progress(done, len(sent))
    finally:
        projects.revoke_token(actor=cast[OWNER], project=project, token=token)


def send_through_actions(project: Project, cast: dict[Part, Actor], sent: Sequence[DemoCase], progress: Progress) -> None:
    """The rest through the actions that the API's views call."""
    for first in range(0, len(sent), BATCH):
        batch = sent[first : first + BATCH]
        taken = content.take(project, [content.File(BytesIO(case.png), case.file_name) for case in batch])
        reports = [Report(content=_kept(item), fields=_fields(case)) for item, case in zip(taken, batch, strict=True)]
        for outcome in cases.receive_cases(actor=cast[OWNER], project=project, reports=reports):
            if isinstance(outcome, Refusal):
                raise outcome
        progress(first + len(batch), len(sent))


def _kept(item: Taken | Refusal) -> Taken:
    if isinstance(item, Refusal):
        raise item
    return item


def _fields(case: DemoCase) -> Fields:
    return Fields(
        external_id=case.external_id,
        captured_at=datetime.fromisoformat(case.captured_at),
        reason=case.reason,
        source=case.source,
        attributes=dict(case.attributes),
        tags=list(case.tags),
    )


def label(project: Project, cast: dict[Part, Actor], progress: Progress) -> None:
    """The expert says what each picture shows. An equal label makes no new revision."""
    digits = {case.external_id: case.label for case in story.cases()}
    known = ExternalId.objects.filter(project=project, value__in=digits).select_related("case__project").order_by("case__number")
    items = [LabelItem(case=row.case.key, label={"label": digits[row.value]}) for row in known]
    for first in range(0, len(items), BATCH):
        part = items[first : first + BATCH]
        for outcome in labels.label_cases(actor=cast[EXPERT], project=project, items=part):
            if isinstance(outcome, Refusal):
                raise outcome
        progress(first + len(part), len(items))


def freeze(project: Project, cast: dict[Part, Actor]) -> Version:
    """Sixteen strata, every case in the draft, version 1."""
    owner = cast[OWNER]
    have = set(Stratum.objects.filter(project=project).values_list("slug", flat=True))
    for document in story.strata_documents():
        if document["slug"] not in have:
            test_sets.create_stratum(actor=owner, project=project, **document)
    wanted = story.test_set_document()
    test_set = TestSet.objects.filter(project=project, slug=wanted["slug"]).first()
    if test_set is None:
        test_set = test_sets.create_test_set(actor=owner, project=project, **wanted)
    version = test_set.versions.filter(number=1).first()
    if version is None:
        test_sets.change_draft(actor=owner, test_set=test_set, add=Selection(q="state:inbox,accepted"))
        version = test_sets.freeze(actor=owner, test_set=test_set, reason="The hard cases of the first spring")
    return version


def register(project: Project, cast: dict[Part, Actor], progress: Progress) -> dict[str, ModelVersion]:
    """v1, which serves, and five seeds each of v2 and v3, as ONNX files with the record of how they were made."""
    document = story.model_document()
    model, _ = registry.register_model(actor=cast[OWNER], project=project, slug=document["slug"], name=document["name"])
    described = story.model_versions()
    for done, item in enumerate(described, start=1):
        read = read_version(item.document)
        with Path(item.artefact).open("rb") as artefact:
            files = registry.store_files(read, artefact)
        registry.register_version(actor=cast[OWNER], model=model, document=read, files=files)
        progress(done, len(described))
    versions = {name: model_version_for(project, f"{model.slug}@{name}") for name in ("v1", "v2", "v3")}
    registry.mark_production(actor=cast[APPROVER], model_version=versions["v1"])
    return versions


def evaluate(project: Project, cast: dict[Part, Actor], versions: dict[str, ModelVersion], version: Version, progress: Progress) -> None:
    """v2 and v3 against v1, shard by shard in the worker; this process only watches."""
    for name in ("v2", "v3"):
        if latest_run(versions[name], versions["v1"], version) is None and not _under_way(versions[name], version):
            runs.start_run(
                actor=cast[OWNER],
                project=project,
                model_version=versions[name],
                version=version,
                baseline=versions["v1"],
                plan={"home": "stratum:iid-hold-out"},
            )
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        mine = Run.objects.filter(project=project, test_set_version=version)
        shards = mine.values_list("shards__state", flat=True)
        progress(sum(state == "done" for state in shards), len(shards))
        if not mine.exclude(state__in=FINAL).exists():
            break
        time.sleep(POLL_SECONDS)
    for run in Run.objects.filter(project=project, state="failed"):
        raise RuntimeError(f"Run {run.number} failed: {run.failure}")


def _under_way(model_version: ModelVersion, version: Version) -> bool:
    return Run.objects.filter(model_version=model_version, test_set_version=version).exclude(state__in=FINAL).exists()


def decide(project: Project, cast: dict[Part, Actor], versions: dict[str, ModelVersion], version: Version) -> list[Release]:
    """The policy, approved by a second person, and one release for each candidate."""
    policy, _ = releases.propose_policy(actor=cast[OWNER], project=project, document=story.policy_document())
    policy = releases.approve_policy(actor=cast[APPROVER], project=project, version=policy)
    opened = []
    for name in ("v2", "v3"):
        release = Release.objects.filter(project=project, candidate=versions[name], policy_version=policy).order_by("-number").first()
        if release is None:
            release = releases.open_release(
                actor=cast[OWNER], project=project, candidate=versions[name], baseline=versions["v1"], version=version, policy=policy
            )
        opened.append(release)
    return opened


def quiet(done: int, total: int) -> None:
    """No progress shown."""
