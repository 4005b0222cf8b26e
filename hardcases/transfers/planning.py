"""What is to be done with each item of a chunk, decided before anything is written: the same for a check, which stops there, and for an import."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hardcases.cases.content import Taken
from hardcases.cases.steps import ErasedBefore, ExternalIdTaken, Fields, Report, Sorted, check_time, sort_fields
from hardcases.errors import Conflict, Invalid, Refusal
from hardcases.formats.exchange import Item
from hardcases.labels.actions import check_statement
from hardcases.projects.models import Attribute, Project
from hardcases.transfers.items import NOTHING, facts, last_part
from hardcases.transfers.knowledge import Knowledge, Known, NamesDiffer, NotHere, exported_name


@dataclass(slots=True)
class Prepared:
    """An item on its way: what it says, checked, and its content, in the store or only looked at. `refusal`: it got no further."""

    item: Item
    fields: Fields = NOTHING
    content: Taken | None = None
    refusal: Refusal | None = None


@dataclass(slots=True)
class Planned:
    """What becomes of an item. What is `filed` is filed for `content`; a label is given to the case of this `digest`, which `case` is unless it is new.

    `says_more`: than a name that is the case's already, and a label.
    """

    item: Item
    refusal: Refusal | None = None
    content: Taken | None = None
    digest: str = ""
    case: Known | None = None
    says_more: bool = False
    fields: Fields = NOTHING
    created: bool = False
    filed: bool = False
    misfits: list[dict[str, Any]] = field(default_factory=list)
    labelled: bool = False
    label_refusal: Refusal | None = None


class Mismatch(Conflict):
    code, title = "content_differs", "The content is not the one that the file names"


class LabelsDiffer(Conflict):
    code, title = "labels_differ", "The file labels this case in two ways"


Said = dict[int, tuple[int, str]]
"""By the hash of a content's digest: the hash of the first label that the file gives it, and where that stands."""


@dataclass
class Memory:
    """What earlier items said whose effects the database does not show yet: those of the chunk, and in a check those of the whole file.

    By content digest: the facts told, and the digest of the newest label. `names` are new external ids and the content they belong to.
    """

    told: dict[str, "array[int]"] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)

    def add(self, digest: str, said: frozenset[int]) -> None:
        """These facts are known from now on."""
        self.told.setdefault(digest, array("q")).extend(said)


class Planner:
    """Plans one chunk. With `labels` it also foresees whether a label changes anything, which an import hears from the action itself."""

    def __init__(self, project: Project, declared: Sequence[Attribute], memory: Memory, said: Said, *, labels: bool) -> None:
        """`said` is of the whole file."""
        self.project, self.declared, self.memory, self.foresees_labels = project, declared, memory, labels
        self.said = said

    def plan(self, prepared: Sequence[Prepared]) -> list[Planned]:
        """In order. Asks the database a handful of questions."""
        whole = [entry for entry in prepared if entry.refusal is None]
        self.known = Knowledge(
            self.project, [entry.item for entry in whole], {entry.content.sha256 for entry in whole if entry.content is not None}
        )
        planned = [self._found(entry) for entry in prepared]
        self.known.learn({plan.case for plan in planned if plan.case is not None and plan.says_more})
        if self.foresees_labels:
            self.known.learn_labels({plan.case for plan in planned if plan.case is not None and plan.item.label is not None})
        for plan in planned:
            self._settle(plan)
        return planned

    def _found(self, entry: Prepared) -> Planned:
        plan = Planned(entry.item, refusal=entry.refusal, content=entry.content, fields=entry.fields)
        if plan.refusal is not None:
            return plan
        try:
            plan.case = self._case_of(entry)
        except (NotHere, NamesDiffer, Mismatch) as refusal:
            plan.refusal = refusal
            return plan
        if plan.case is not None:
            self._forget_file_name(plan, entry)
            if plan.case.state == "erased":
                plan.refusal = ErasedBefore(self.known.key(plan.case))
        plan.digest = plan.case.sha256 if plan.case is not None else _sha256(entry)
        plan.says_more = self._says_more(plan)
        return plan

    def _forget_file_name(self, plan: Planned, entry: Prepared) -> None:
        """An external id by which the case was found as the name of its file is no new name of it."""
        case, name = plan.case, entry.fields.external_id
        if case is None or name is None or entry.content is not None or name in self.known.by_name:
            return
        if last_part(name) in {case.file_name, exported_name(self.project, case.number, case.media_type)}:
            plan.fields = replace(entry.fields, external_id=None)

    def _case_of(self, entry: Prepared) -> Known | None:
        """The case that has the item's content, None for a content that is new."""
        if entry.content is None:
            return self.known.case_of(entry.item)
        case = self.known.by_digest.get(entry.content.sha256)
        if case is None:
            case = self._kept_otherwise(entry.item, entry.content.sha256)
        says = entry.item.sha256
        if says and says != (case.sha256 if case else entry.content.sha256):
            raise Mismatch(
                f"The file says that the SHA-256 of this content is {says[:12]}…, but it is {entry.content.sha256[:12]}…. It was not imported."
            )
        return case

    def _kept_otherwise(self, item: Item, digest: str) -> Known | None:
        """A case whose picture is kept without its metadata, and was exported so: the file names it, and the bytes are those that are kept."""
        try:
            return next((case for case in self.known.meant(item) if case.stored_sha256 == digest), None)
        except NotHere:
            return None  # the names are those of another installation

    def _says_more(self, plan: Planned) -> bool:
        """Whether the item says anything but a name that is this case's already."""
        if plan.fields is NOTHING:
            return False
        said = vars(plan.fields)
        more = any(value not in (None, "", {}, []) for name, value in said.items() if name != "external_id")
        name = said["external_id"]
        named = self.known.by_name.get(name) if name else None
        is_alias = named is not None and plan.case == named
        return more or (name is not None and not is_alias)

    def _settle(self, plan: Planned) -> None:
        """Decide, and remember it for the items that follow."""
        if plan.refusal is not None:
            return
        digest = plan.digest
        plan.created = plan.case is None and digest not in self.memory.told
        if plan.created or plan.says_more:
            said = facts(plan.fields)
            known = set(self.memory.told.get(digest, ())) | (self.known.told.get(plan.case.pk, set()) if plan.case else set())
            if (plan.created or not said <= known) and not self._file(plan, digest, said):
                return
        if plan.item.label is not None:
            self._check_label(plan, digest)

    def _file(self, plan: Planned, digest: str, said: frozenset[int]) -> bool:
        """Whether it can be filed."""
        try:
            self._check_name(plan.fields.external_id, digest)
            check_time(plan.fields.captured_at)
            if plan.case is not None:
                plan.content = _content_of(plan.case)
            assert plan.content is not None
            report = Report(content=plan.content, fields=plan.fields)
            kept: Sorted = sort_fields(report, self.project, self.declared)
        except (Invalid, ExternalIdTaken) as refusal:
            plan.refusal, plan.created = refusal, False
            return False
        plan.filed, plan.misfits = True, kept.quarantine
        self.memory.add(digest, said)
        if plan.fields.external_id:
            self.memory.names[plan.fields.external_id] = digest
        return True

    def _check_name(self, name: str | None, digest: str) -> None:
        if name is None:
            return
        named = self.known.by_name.get(name)
        if named is not None and named.sha256 != digest:
            raise ExternalIdTaken(name, self.known.key(named))
        if self.memory.names.get(name, digest) != digest:
            raise ExternalIdTaken(name, "an item before it in this file")

    def _check_label(self, plan: Planned, digest: str) -> None:
        """Sets `label_refusal` where it cannot be given; foreseeing also `labelled`, as labelling would.

        Two labels of one case in one file are no history but a contradiction: taking the last would leave the order of the rows to decide, and importing the file
        again would turn the label back and forth.
        """
        try:
            _, label = check_statement(self.project, plan.item.label, plan.item.note)
        except Invalid as refusal:
            plan.label_refusal = refusal
            return
        first, place = self.said.setdefault(hash(digest), (hash(label), plan.item.place))
        if first != hash(label):
            plan.label_refusal = LabelsDiffer(
                f"This is the same case as {place[:100]} in this file, which labels it otherwise. That label stands; this one was left out. Correct the file."
            )
        elif self.foresees_labels:
            self._foresee_label(plan, digest, label)

    def _foresee_label(self, plan: Planned, digest: str, label: str) -> None:
        newest = self.memory.labels.get(digest) or (self.known.labels.get(plan.case.pk) if plan.case else None)
        plan.labelled = label != newest
        self.memory.labels[digest] = label


def remember(project: Project, said: Said, digest: str, item: Item) -> None:
    """Keep the label of an item that was done before, unless one of the same content came before it."""
    try:
        _, label = check_statement(project, item.label, item.note)
    except Invalid:
        return
    said.setdefault(hash(digest), (hash(label), item.place))


def _sha256(entry: Prepared) -> str:
    """Of a content that is new."""
    assert entry.content is not None
    return entry.content.sha256


def _content_of(case: Known) -> Taken:
    """A content that the project has, as taking it in again would describe it."""
    return Taken(kind=case.kind, sha256=case.sha256, stored_sha256=case.stored_sha256, size=case.size, known=True)
