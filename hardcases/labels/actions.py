"""Labelling: people append statements about what a case truly is; the newest counts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db import transaction

from hardcases.audit import actions as audit
from hardcases.audit.actors import Actor
from hardcases.cases.access import NO_CASE, number_in
from hardcases.cases.models import Case
from hardcases.cases.shapes import shape_of
from hardcases.database.inserting import insert_values
from hardcases.database.prepared import Given, PreparedMany
from hardcases.errors import Conflict, Detail, Forbidden, Invalid, NotFound, Refusal
from hardcases.labels.models import CurrentLabel, LabelRevision
from hardcases.projects.models import Project
from hardcases.web.json_edge import digest_of

MAX_NOTE = 2_000
_COLUMNS = ("case_id", "number", "label", "digest", "note", "author_id", "author_name")


@dataclass(frozen=True, kw_only=True)
class LabelItem:
    """One statement: the case's key, the label in the shape of the project's task, and perhaps why."""

    case: str
    label: Any
    note: str = ""


class Statement(NamedTuple):
    """A `LabelItem` whose key was read: the number of the case, None for a key that is none of the project's."""

    number: int | None
    label: Any
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Labelled:
    """What became of a statement: the number of the case and of the revision that says `label`. `created` is False where the newest one said so already."""

    number: int
    revision: int
    label: dict[str, Any]
    created: bool


class _Held(NamedTuple):
    """A case, locked."""

    number: int
    pk: int
    state: str


_LOCKED: PreparedMany[tuple[Any, ...]] = PreparedMany(
    lambda numbers: (
        Case.objects.select_for_update(no_key=True)
        .filter(project_id=Given("project"), number__among=numbers)
        .order_by("pk")
        .values_list(*_Held._fields)
    )
)
_NEWEST: PreparedMany[tuple[int, int, str]] = PreparedMany(
    lambda cases: CurrentLabel.objects.filter(case__among=cases).values_list("case_id", "revision__number", "revision__digest")
)


@dataclass
class _Batch:
    """The cases of one call by their numbers, and the number and digest of their newest revisions by primary key. Plain values: a call may have a thousand."""

    cases: dict[int, _Held]
    newest: dict[int, tuple[int, str]]
    new: list[tuple[Any, ...]] = field(default_factory=list)  # rows of `_COLUMNS`
    numbers: list[int] = field(default_factory=list)
    checked: dict[str, tuple[dict[str, Any], str]] = field(default_factory=dict)


def label_cases(*, actor: Actor, project: Project, items: Sequence[LabelItem]) -> list[Labelled | Refusal]:
    """Append label revisions, in order; a refused item does not hold up the others. An equal label makes none.

    The number of queries does not grow with the items. Raises Forbidden for the system: a label is a person's word.
    """
    return label_numbers(
        actor=actor, project=project, statements=[Statement(number_in(project, item.case), item.label, item.note) for item in items]
    )


@transaction.atomic
def label_numbers(*, actor: Actor, project: Project, statements: Sequence[Statement]) -> list[Labelled | Refusal]:
    """`label_cases` for cases whose numbers are known."""
    if actor.user_id is None:
        raise Forbidden("A label is a person's word; the system itself cannot give one. Nothing was changed.")
    batch = _locked(project, statements)
    author = actor.user_id, actor.printed_name[:150]
    outcomes: list[Labelled | Refusal] = []
    for statement in statements:
        try:
            outcomes.append(_append(author, project, batch, statement))
        except (NotFound, Conflict, Invalid) as refusal:
            outcomes.append(refusal)
    _write(batch)
    _record(actor, project, batch)
    return outcomes


def label_case(*, actor: Actor, project: Project, item: LabelItem) -> Labelled:
    """One statement. Raises its refusal."""
    (outcome,) = label_cases(actor=actor, project=project, items=[item])
    if isinstance(outcome, Refusal):
        raise outcome
    return outcome


def checked_label(project: Project, said: Any) -> dict[str, Any]:
    """The label in the form in which equal labels are equal. Raises Invalid, with a pointer, for anything that does not fit the project."""
    label, findings = shape_of(project.task, project.classes, label=True).read(said)
    if findings:
        errors = [
            Detail(pointer="/label" + "".join(f"/{step}" for step in part.place.split(".") if step), detail=part.problem)
            for part in findings
        ]
        raise Invalid(f"The label does not fit the project: {findings[0].problem} It was not stored.", errors=errors[:20])
    if label is None:
        raise Invalid("The label says nothing. It was not stored.", errors=[Detail(pointer="/label", detail="The label is empty.")])
    if "labels" in label:
        label = {"labels": sorted(label["labels"])}
    return label


def check_statement(project: Project, label: Any, note: str = "") -> tuple[dict[str, Any], str]:
    """The label as it is stored, and its digest. Raises Invalid."""
    if len(note) > MAX_NOTE:
        raise Invalid(f"The note is longer than {MAX_NOTE:,} characters. This label was not stored. Shorten it.")
    checked = checked_label(project, label)
    return checked, digest_of(checked)


def _locked(project: Project, statements: Sequence[Statement]) -> _Batch:
    numbers = {statement.number for statement in statements if statement.number is not None}
    # Locked in one order, so that two batches over the same cases wait for each other instead of blocking each other.
    cases = list(map(_Held._make, _LOCKED.all(numbers, project=project.pk)))
    # Asked for after the locks were had: together with them it would be what was so before the wait.
    newest = {case_id: (number, digest) for case_id, number, digest in _NEWEST.all([case.pk for case in cases])}
    return _Batch({case.number: case for case in cases}, newest)


def _append(author: tuple[int, str], project: Project, batch: _Batch, item: Statement) -> Labelled:
    case = None if item.number is None else batch.cases.get(item.number)
    if case is None:
        raise NotFound(f"{NO_CASE} This label was not stored.")
    if case.state == "erased":
        raise Conflict(f"{project.key_prefix}-{case.number} was erased for good. This label was not stored.")
    label, digest = _checked(project, batch, item)
    before, newest = batch.newest.get(case.pk, (0, ""))
    if newest == digest:
        return Labelled(number=case.number, revision=before, label=label, created=False)
    batch.newest[case.pk] = before + 1, digest
    batch.numbers.append(case.number)
    batch.new.append((case.pk, before + 1, label, digest, item.note, *author))
    return Labelled(number=case.number, revision=before + 1, label=label, created=True)


def _checked(project: Project, batch: _Batch, item: Statement) -> tuple[dict[str, Any], str]:
    """`check_statement`, once for each class of a call: most labels of a large one are the same few."""
    said = item.label
    name = said.get("label") if isinstance(said, dict) and len(said) == 1 and not item.note else None
    if not isinstance(name, str):
        return check_statement(project, said, item.note)
    if name not in batch.checked:
        batch.checked[name] = check_statement(project, said)
    return batch.checked[name]


def _write(batch: _Batch) -> None:
    keys = insert_values(LabelRevision, _COLUMNS, batch.new)
    current = {case_id: (case_id, key, label.get("label")) for key, (case_id, _, label, *_) in zip(keys, batch.new, strict=True)}
    insert_values(CurrentLabel, ("case_id", "revision_id", "value"), list(current.values()), instead=("case_id", ("revision_id", "value")))


def _record(actor: Actor, project: Project, batch: _Batch) -> None:
    if len(batch.new) == 1:
        ((_, revision, _, digest, *_),), (number,) = batch.new, batch.numbers
        after = {"revision": revision, "digest": digest}
        audit.record(actor, "case.labelled", "case", f"{project.key_prefix}-{number}", project_id=project.pk, after=after)
    elif batch.new:
        audit.record(actor, "case.batch_labelled", "project", project.slug, project_id=project.pk, after={"revisions": len(batch.new)})


def forget_notes(_: Actor, case: Case) -> None:
    """This room's part of a lawful erasure: what people wrote beside their labels may be personal. The labels themselves stay."""
    LabelRevision.objects.filter(case=case).exclude(note="").update(note="")
