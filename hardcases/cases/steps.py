"""Row changes that reports of one case and of many share. Called inside the transaction of the act."""

import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from hardcases.audit.actors import Actor
from hardcases.cases import attributes, headers, shapes
from hardcases.cases.content import Taken
from hardcases.cases.models import Case, ExternalId, Sighting
from hardcases.database.inserting import insert, insert_values
from hardcases.database.prepared import Given, PreparedMany
from hardcases.errors import Conflict, Detail, Invalid, Refusal
from hardcases.projects.documents import dicom_of
from hardcases.projects.models import Attribute, Project
from hardcases.projects.steps import next_numbers
from hardcases.sampling.deciding import Decision
from hardcases.sampling.models import LeftOut
from hardcases.sampling.rules import Arrival
from hardcases.sampling.steps import Sampler

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
CLOCKS_DIFFER = timedelta(days=1)
_SIGHTING = ("case_id", "actor_name", "token_id", "request_id", "body")


@dataclass(frozen=True, kw_only=True)
class Fields:
    """What is said about a case when it is sent; the names of API.md. Shape and lengths have been checked by whoever made it."""

    external_id: str | None = None
    captured_at: datetime | None = None
    reason: str = ""
    source: str = ""
    model: str = ""
    prediction: Any = None
    correction: Any = None
    attributes: dict[str, Any] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)

    def as_sent(self) -> dict[str, Any]:
        """For the sighting: everything that was said, what was left out left out."""
        said = {name: value for name, value in vars(self).items() if value not in (None, "", {}, [])}
        if self.captured_at is not None:
            said["captured_at"] = self.captured_at.isoformat()
        return said


@dataclass(frozen=True, kw_only=True)
class Report:
    """One failure as it was sent: its content, already in the store, and what is said about it."""

    content: Taken
    fields: Fields


@dataclass(kw_only=True)
class Reported:
    """What became of a report. `sightings` counts this one; `quarantine` is what did not fit, of this report."""

    case: Case
    created: bool
    sightings: int
    quarantine: list[dict[str, Any]]


@dataclass(frozen=True)
class Sorted:
    """A report's sayings after they were held against the project's schema."""

    attributes: dict[str, Any]
    prediction: dict[str, Any] | None
    correction: dict[str, Any] | None
    quarantine: list[dict[str, Any]]


class ExternalIdTaken(Conflict):
    code, title = "external_id_taken", "This external id belongs to another content"

    def __init__(self, name: str, key: str) -> None:
        sentence = f"The external id “{name}” belongs to {key}, which has other content. Nothing was stored. Use another id for this one."
        super().__init__(sentence, extra={"key": key})


class LeakRefused(Invalid):
    code, title = "training_data", "A model of this project was trained on this content"


class ErasedBefore(Conflict):
    code, title = "erased", "This content was erased from the project"

    def __init__(self, key: str) -> None:
        super().__init__(f"This content was erased from the project as {key}. It is not stored again.", extra={"key": key})


def check_time(captured_at: datetime | None) -> None:
    """Raises Invalid for a time that cannot be true."""
    if captured_at is None or EARLIEST <= captured_at <= timezone.now() + CLOCKS_DIFFER:
        return
    sentence = "captured_at lies before 1970 or more than a day ahead of the server's clock."
    raise Invalid(f"{sentence} Nothing was stored. Send the true time.", errors=[Detail(pointer="/captured_at", detail=sentence)])


def sort_fields(report: Report, project: Project, declared: Sequence[Attribute]) -> Sorted:
    """Keep what fits the project's schema, set the rest aside; a DICOM header fills what was not sent. Raises Invalid where attributes are beyond every limit."""
    fields, content = report.fields, report.content
    attributes.refuse_oversized(fields.attributes)
    filled, unreadable = (
        headers.fill(fields.attributes, content.tags, dicom_of(project.dicom), declared) if content.tags else (fields.attributes, [])
    )
    kept, findings = attributes.sort_out(filled, declared)
    quarantine = [_entry("attributes", finding) for finding in (*findings, *unreadable)]
    quarantine += [{"field": f"dicom.{found.tag}", "value": None, "problem": found.problem} for found in content.identifiers]
    said = {}
    for name in ("prediction", "correction"):
        value = getattr(fields, name)
        said[name], problems = (None, []) if value is None else shapes.shape_of(project.task, project.classes).read(value)
        quarantine += [_entry(name, finding) for finding in problems]
    return Sorted(kept, said["prediction"], said["correction"], quarantine)


def _entry(whole: str, finding: shapes.Finding) -> dict[str, Any]:
    return {"field": f"{whole}.{finding.place}" if finding.place else whole, "value": finding.value, "problem": finding.problem}


TrainedOn = Callable[[Project, Sequence[str]], Mapping[str, list[str]]]
# Filled by an upper room: for those of the digests on which a model version of the project was trained, the names of such versions.
TRAINED_ON: list[TrainedOn] = []


def leaked(project: Project, contents: Sequence[Taken]) -> dict[str, list[str]]:
    """By received digest, the model versions that were trained on the content, as it was received or as it is stored."""
    found: dict[str, list[str]] = {}
    digests = sorted({digest for content in contents for digest in (content.sha256, content.stored_sha256)})
    for trained_on in TRAINED_ON if digests else ():
        known = trained_on(project, digests)
        for content in contents:
            models = [*known.get(content.sha256, ()), *known.get(content.stored_sha256, ())]
            if models:
                found[content.sha256] = sorted({*found.get(content.sha256, ()), *models})
    return found


def arrival_of(report: Report, kept: Sorted) -> Arrival:
    """What sampling rules look at."""
    said = report.fields
    return Arrival(
        digest=report.content.sha256,
        reason=said.reason,
        source=said.source,
        model=said.model,
        corrected=said.correction is not None,
        attributes=kept.attributes,
    )


def _remembered(report: Report, kept: Sorted) -> dict[str, Any]:
    """What stays of a report that is left out."""
    said = report.fields
    words = {name: getattr(said, name) for name in ("external_id", "reason", "source", "model") if getattr(said, name)}
    captured = {} if said.captured_at is None else {"captured_at": said.captured_at.isoformat()}
    return {**words, **captured, "attributes": kept.attributes, "corrected": said.correction is not None}


Mend = Callable[[Project, Sequence[Sorted], Sequence[Attribute]], Sequence[Sorted]]
ON_SET_ASIDE: list[Mend] = []


def mended(project: Project, reports: Sequence[Sorted], declared: Sequence[Attribute]) -> list[Sorted]:
    """The reports after what upper rooms do to values that were set aside; where none was, nobody is asked."""
    found = list(reports)
    at = [index for index, report in enumerate(found) if report.quarantine]
    for mend in ON_SET_ASIDE if at else ():
        for index, report in zip(at, mend(project, [found[index] for index in at], declared), strict=True):
            found[index] = report
    return found


Hold = Callable[[Sequence[Case]], None]
ON_DECIDING: list[Hold] = []


def hold_counts(cases: Sequence[Case]) -> None:
    """Before one transaction decides several cases: hold what upper rooms count them by. The cases' own rows are held already, in the order of primary keys.

    The database counts with each row that it changes, in whatever order it comes to them; two who decide cases of the same groups would wait for each other.
    """
    for hold in ON_DECIDING:
        hold(cases)


def lock_cases(project: Project) -> int:
    """Make every other writer of the project's cases wait for the end of this transaction. Returns the next free number."""
    return next_numbers(project, "case", 0)


# Of a case that is known, only what is answered of it: of the rest a good part is JSON, which takes longer to read than to find.
_ANSWERED = ("project", "number", "sha256", "state", "sightings_count", "group_number")
_BY_DIGEST: PreparedMany[Case] = PreparedMany(
    lambda digests: Case.objects.filter(project_id=Given("project"), sha256__among=digests).only(*_ANSWERED)
)
_BY_NAME: PreparedMany[ExternalId] = PreparedMany(
    lambda names: (
        ExternalId.objects.filter(project_id=Given("project"), value__among=names)
        .select_related("case")
        .only("value", *(f"case__{column}" for column in _ANSWERED))
    )
)


class Filing:
    """Files the reports of one request in order, in a handful of queries whatever their number.

    The project's counter is taken first, which locks it, so of two requests with the same new content one creates the case and the other finds it; the unique
    constraints would refuse anything that came in another way.
    """

    def __init__(self, actor: Actor, project: Project, reports: Sequence[tuple[Report, Sorted]], *, sampled: bool = False) -> None:
        self.actor = actor
        self.project = project
        self.reports = reports
        self.first_number = next_numbers(project, "case", len(reports))
        digests = {report.content.sha256 for report, _ in reports}
        self.by_digest = {case.sha256: case for case in _BY_DIGEST.all(digests, project=project.pk)}
        for case in self.by_digest.values():
            case.project = project  # for its key
        names = {report.fields.external_id for report, _ in reports if report.fields.external_id}
        self.by_name = {found.value: found.case for found in _BY_NAME.all(names, project=project.pk)}
        self.new: list[Case] = []
        self.new_names: list[ExternalId] = []
        self.arrivals: list[tuple[Case, dict[str, Any]]] = []
        fresh = [(report, kept) for report, kept in reports if report.content.sha256 not in self.by_digest]
        self.sampler = Sampler(project, [arrival_of(*one) for one in fresh]) if sampled else None
        self.leaks = leaked(project, [report.content for report, _ in fresh])

    def run(self) -> list[Reported | LeftOut | Refusal]:
        """Write everything and say what became of each report."""
        outcomes: list[Reported | LeftOut | Refusal] = []
        for report, kept in self.reports:
            try:
                outcomes.append(self._file(report, kept))
            except (Conflict, LeakRefused) as refusal:
                outcomes.append(refusal)
        self._write()
        return outcomes

    def _file(self, report: Report, kept: Sorted) -> Reported | LeftOut:
        content, name = report.content, report.fields.external_id
        named = self.by_name.get(name) if name else None
        if named is not None and named.sha256 != content.sha256:
            raise ExternalIdTaken(str(name), self._key(named))
        case = self.by_digest.get(content.sha256)
        if case is not None and case.state == "erased":
            raise ErasedBefore(self._key(case))
        created = case is None
        if case is None:
            self._refuse_leak(content)
            decision = self._decide(report, kept)
            if isinstance(decision, LeftOut):
                return decision
            case = self._new_case(report, kept, decision)
        else:
            case.sightings_count += 1
        if name and named is None:
            self.by_name[name] = case
            self.new_names.append(ExternalId(project=self.project, case=case, value=name))
        body = report.fields.as_sent()
        if content.file_name:
            body["file_name"] = content.file_name
        self.arrivals.append((case, body))
        return Reported(case=case, created=created, sightings=case.sightings_count, quarantine=kept.quarantine)

    def _key(self, case: Case) -> str:
        return f"{self.project.key_prefix}-{case.number}"

    def _refuse_leak(self, content: Taken) -> None:
        models = self.leaks.get(content.sha256)
        if models and self.project.leaks == "refuse":
            raise LeakRefused(
                f"{', '.join(models[:3])} was trained on this content, and the project refuses such cases. Nothing was stored. "
                "A model cannot be tested on what it has seen; leave the case out."
            )

    def _decide(self, report: Report, kept: Sorted) -> Decision | LeftOut | None:
        """What the project's sampling rules say, None for what does not come through the door."""
        return None if self.sampler is None else self.sampler.decide(arrival_of(report, kept), _remembered(report, kept))

    def _new_case(self, report: Report, kept: Sorted, decision: Decision | None) -> Case:
        content, fields = report.content, report.fields
        case = Case(
            uid=uuid.uuid4(),
            project=self.project,
            number=self.first_number + len(self.new),
            kind=content.kind,
            sha256=content.sha256,
            stored_sha256=content.stored_sha256,
            size=content.size,
            media_type=content.media_type,
            width=content.width,
            height=content.height,
            picture=dict(content.picture) or None,
            text=content.text,
            file_name=content.file_name,
            captured_at=fields.captured_at,
            reason=fields.reason,
            source=fields.source,
            model=fields.model,
            prediction=kept.prediction,
            correction=kept.correction,
            attributes=kept.attributes,
            tags=fields.tags,
            quarantine=kept.quarantine,
            media_state="pending" if content.kind == "image" else "none",
            selection_probability=None if decision is None else decision.probability,
            sampling_rule_id=decision.rule.id if decision is not None and decision.rule is not None else None,
            leaked_at=timezone.now() if content.sha256 in self.leaks else None,
        )
        self.by_digest[content.sha256] = case
        self.new.append(case)
        return case

    def _write(self) -> None:
        if spare := len(self.reports) - len(self.new):
            next_numbers(self.project, "case", -spare)
        insert(self.new)
        for name in self.new_names:
            name.case = name.case  # the row was made before its case had a primary key
        insert(self.new_names)
        actor = self.actor
        sender = actor.printed_name[:150], actor.token_id, actor.request_id[:64]
        insert_values(Sighting, _SIGHTING, [(case.pk, *sender, body) for case, body in self.arrivals])
        self._count_repeats()
        if self.sampler is not None:
            self.sampler.write()

    def _count_repeats(self) -> None:
        created = {case.pk for case in self.new}  # written with the count they have in memory
        repeats = Counter(case.pk for case, _ in self.arrivals if case.pk not in created)
        for count in set(repeats.values()):
            same = [pk for pk, times in repeats.items() if times == count]
            Case.objects.filter(pk__among=same).update(sightings_count=F("sightings_count") + count, last_seen_at=Now())
