"""What production and people ask for with cases: report, decide, correct, erase."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from hardcases.audit import actions as audit
from hardcases.audit.actors import Actor
from hardcases.blobs.store import get_store
from hardcases.cases import attributes as schema
from hardcases.cases import content as contents
from hardcases.cases import queries, replies
from hardcases.cases.bulk_jobs import forget_case
from hardcases.cases.content import Sent, Taken
from hardcases.cases.models import DECLINE_REASONS, Case, ExternalId, Sighting
from hardcases.cases.steps import Fields, Filing, Report, Reported, Sorted, check_time, lock_cases, mended, sort_fields
from hardcases.cases.tasks import in_lots, make_media
from hardcases.database.prepared import Given, Prepared
from hardcases.errors import Conflict, Detail, Invalid, Refusal
from hardcases.projects.models import Attribute, Project
from hardcases.sampling.models import LeftOut
from hardcases.work.actions import hint

LONGEST_SNOOZE = timedelta(days=366)
DECISIONS = ("accepted", "declined", "snoozed")


_DECLARED = Prepared(lambda: Attribute.objects.filter(project_id=Given("project")))


class AlreadyDecided(Conflict):
    code, title = "already_decided", "Somebody else decided this case meanwhile"


class Erased(Conflict):
    code, title = "erased", "This case was erased"


@transaction.atomic(savepoint=False)  # refusals are answers, not exceptions: nothing is ever undone alone
def report_cases(*, actor: Actor, project: Project, reports: Sequence[Report]) -> list[Reported | Refusal]:
    """File what was sent, in order; a refused one does not hold up the others. Their contents are in the store already (`content.take`).

    A content or an external id that the project knows is another sighting of that case. Numbers of queries do not grow with the reports.
    Everything is kept: sampling rules are for what production sends (`receive_cases`).
    """
    return [outcome for outcome in _file(actor, project, reports, sampled=False) if not isinstance(outcome, LeftOut)]


@transaction.atomic(savepoint=False)
def receive_cases(*, actor: Actor, project: Project, reports: Sequence[Report]) -> list[Reported | LeftOut | Refusal]:
    """File what production sent, as `report_cases` does, unless one of the project's sampling rules leaves it out."""
    return _file(actor, project, reports, sampled=True)


def _file(actor: Actor, project: Project, reports: Sequence[Report], *, sampled: bool) -> list[Reported | LeftOut | Refusal]:
    outcomes: dict[int, Reported | LeftOut | Refusal] = {}
    fit: dict[int, tuple[Report, Sorted]] = {}
    declared = _DECLARED.all(project=project.pk)
    for index, report in enumerate(reports):
        try:
            check_time(report.fields.captured_at)
            fit[index] = report, sort_fields(report, project, declared)
        except Invalid as refusal:
            outcomes[index] = refusal
    if fit:
        kept = mended(project, [kept for _, kept in fit.values()], declared)
        together = [(report, whole) for (report, _), whole in zip(fit.values(), kept, strict=True)]
        outcomes.update(zip(fit, Filing(actor, project, together, sampled=sampled).run(), strict=True))
    filed = [outcome for outcome in outcomes.values() if isinstance(outcome, Reported)]
    _record(actor, project, filed)
    for lot in in_lots([outcome.case.pk for outcome in filed if outcome.created and outcome.case.media_state == "pending"]):
        hint(make_media, **lot)
    return [outcomes[index] for index in range(len(reports))]


def report_case(*, actor: Actor, project: Project, content: Sent | Taken, fields: Fields) -> Reported:
    """File one failure. Raises the refusal that `report_cases` would list. Within a transaction, pass a content that has been taken in before."""
    taken = content if isinstance(content, Taken) else contents.take_one(project, content)
    (outcome,) = report_cases(actor=actor, project=project, reports=[Report(content=taken, fields=fields)])
    if isinstance(outcome, Refusal):
        raise outcome
    return outcome


def receive_case(*, actor: Actor, project: Project, content: Taken, fields: Fields) -> Reported | LeftOut:
    """One failure that production sent. Raises the refusal that `receive_cases` would list."""
    (outcome,) = receive_cases(actor=actor, project=project, reports=[Report(content=content, fields=fields)])
    if isinstance(outcome, Refusal):
        raise outcome
    return outcome


def _record(actor: Actor, project: Project, filed: Sequence[Reported]) -> None:
    if len(filed) == 1:
        (one,) = filed
        action = "case.created" if one.created else "case.seen_again"
        audit.record(actor, action, "case", one.case.key, project_id=project.pk, after={"sha256": one.case.sha256})
    elif filed:
        created = [outcome.case.number for outcome in filed if outcome.created]
        after = {
            "created": len(created),
            "seen_again": len(filed) - len(created),
            "numbers": [min(created), max(created)] if created else [],
        }
        audit.record(actor, "case.batch_reported", "project", project.slug, project_id=project.pk, after=after)


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What a person decides about a case: a state, for `declined` a reason, for `snoozed` a time."""

    state: str
    decline_reason: str | None = None
    snoozed_until: datetime | None = None

    def check(self) -> None:
        """Raises Invalid."""
        problem = self._problem()
        if problem:
            raise Invalid(f"{problem[1]} Nothing was changed.", errors=[Detail(pointer=f"/{problem[0]}", detail=problem[1])])

    def _problem(self) -> tuple[str, str] | None:
        if self.state not in DECISIONS:
            return "state", "A case becomes accepted, declined or snoozed."
        if (self.state == "declined") != (self.decline_reason is not None) or self.decline_reason not in {None, *DECLINE_REASONS}:
            return "decline_reason", f"Declining, and only that, needs one of: {', '.join(DECLINE_REASONS)}."
        if (self.state == "snoozed") != (self.snoozed_until is not None):
            return "snoozed_until", "Snoozing, and only that, needs a time."
        now = timezone.now()
        if self.snoozed_until is not None and not now < self.snoozed_until <= now + LONGEST_SNOOZE:
            return "snoozed_until", "The time lies between now and a year from now."
        return None


@transaction.atomic
def decide(*, actor: Actor, case: Case, decision: Decision) -> Case:
    """Accept, decline or snooze a case as it was read; deciding the same again changes nothing. Raises AlreadyDecided where it is no longer as read."""
    decision.check()
    refuse_erased(case)
    columns = {"state": decision.state, "decline_reason": decision.decline_reason, "snoozed_until": decision.snoozed_until}
    if all(getattr(case, name) == value for name, value in columns.items()):
        return case
    return _move(actor, case, f"case.{decision.state}", **columns, decided_at=timezone.now(), decided_by=actor.printed_name[:150])


@transaction.atomic
def change_case(*, actor: Actor, case: Case, change: Mapping[str, Any]) -> Case:
    """Several changes at once, all or nothing: `state` with its details, `attributes`, `tags`; each as its own action takes it."""
    if "attributes" in change or "tags" in change:
        change_facts(actor=actor, case=case, attributes=change.get("attributes"), tags=change.get("tags"))
    if "state" in change:
        details = {name: change.get(name) for name in ("decline_reason", "snoozed_until")}
        decide(actor=actor, case=case, decision=Decision(state=change["state"], **details))
    return case


@transaction.atomic
def undo_decision(*, actor: Actor, case: Case) -> Case:
    """Back to the inbox from whatever was decided. Nothing to undo changes nothing."""
    refuse_erased(case)
    if case.state == "inbox":
        return case
    return _move(actor, case, "case.reopened", state="inbox", decline_reason=None, snoozed_until=None, decided_at=None, decided_by="")


def _move(actor: Actor, case: Case, action: str, **columns: Any) -> Case:
    """Compare and set: the row changes only from the state that the actor saw."""
    before = {"state": case.state, "decline_reason": case.decline_reason}
    if not Case.objects.filter(pk=case.pk, state=case.state, decided_at=case.decided_at).update(**columns):
        raise AlreadyDecided(f"{case.key} was decided by somebody else meanwhile. Nothing was changed. Reload it and look again.")
    for name, value in columns.items():
        setattr(case, name, value)
    after = {"state": case.state, "decline_reason": case.decline_reason}
    audit.record(actor, action, "case", case.key, project_id=case.project_id, before=before, after=after)
    return case


def refuse_erased(case: Case) -> None:
    """Raises Erased."""
    if case.state == "erased":
        raise Erased(f"{case.key} was erased for good. Nothing was changed; its number and digest remain so that records still add up.")


@transaction.atomic
def change_facts(*, actor: Actor, case: Case, attributes: dict[str, Any] | None = None, tags: list[str] | None = None) -> Case:
    """Correct attributes (a null removes one) and replace tags. Strict, since a person is there to hear: one misfit refuses the whole change."""
    refuse_erased(case)
    locked = Case.objects.select_for_update().get(pk=case.pk)
    columns: dict[str, Any] = {}
    if attributes is not None:
        columns["attributes"] = _merged(locked, attributes)
        columns["quarantine"] = [
            entry for entry in locked.quarantine if entry["field"] not in {f"attributes.{name}" for name in attributes}
        ]
    if tags is not None:
        columns["tags"] = tags
    columns = {name: value for name, value in columns.items() if getattr(locked, name) != value}
    if not columns:
        return case
    Case.objects.filter(pk=case.pk).update(**columns)
    for name, value in columns.items():
        setattr(case, name, value)
    # Names only: an attribute may identify a person, and the log cannot be erased.
    audit.record(
        actor, "case.changed", "case", case.key, project_id=case.project_id, after={"changed": sorted({*columns, *(attributes or {})})}
    )
    return case


def _merged(case: Case, sent: dict[str, Any]) -> dict[str, Any]:
    schema.refuse_oversized(sent)
    kept, findings = schema.sort_out(sent, case.project.attributes.all())
    if findings:
        errors = [Detail(pointer=f"/attributes/{finding.place}", detail=finding.problem) for finding in findings]
        raise Invalid(f"“{findings[0].place}”: {findings[0].problem} Nothing was changed.", errors=errors)
    removed = {name for name, value in sent.items() if value is None}
    return {name: value for name, value in (case.attributes | kept).items() if name not in removed}


OnErase = Callable[[Actor, Case], None]
ON_ERASE: list[OnErase] = []


def on_erase(handler: OnErase) -> None:
    """An upper room's part of an erasure. `handler(actor, case)` runs in its transaction, before the case itself is blanked."""
    if handler not in ON_ERASE:
        ON_ERASE.append(handler)


def erase_case(*, actor: Actor, case: Case, reason: str) -> Case:
    """Lawful erasure: bytes and everything personal go, a tombstone (key, digest, size of nothing else) stays. Erasing again changes nothing.

    Files are removed after the commit, and only those that no other case of any project uses.
    """
    if not reason.strip():
        raise Invalid("An erasure needs a reason, which stays in the audit log. Nothing was erased.")
    digests = _blank(actor, case, reason.strip()[:500])
    store = get_store()
    for digest in digests - queries.in_use(digests):
        store.delete(digest)
    return case


@transaction.atomic
def _blank(actor: Actor, case: Case, reason: str) -> set[str]:
    """Blank the rows; returns the digests of the files to remove. For a case erased before, its digests again: a crash may have kept the files."""
    lock_cases(case.project)
    case.refresh_from_db()
    digests = {case.sha256, case.stored_sha256, *filter(None, (case.thumbnail_sha256, case.display_sha256))}
    if case.state == "erased":
        return digests
    for handler in ON_ERASE:
        handler(actor, case)
    replies.forget(case)
    forget_case(case)
    ExternalId.objects.filter(case=case).delete()
    Sighting.objects.filter(case=case).update(body=None)
    columns: dict[str, Any] = {
        **dict.fromkeys(
            ("text", "captured_at", "prediction", "correction", "attributes_salt", "thumbnail_sha256", "display_sha256", "picture")
        ),
        **dict.fromkeys(("width", "height", "decline_reason", "snoozed_until", "media_busy_until")),
        **dict.fromkeys(("file_name", "reason", "source", "model", "media_failure"), ""),
        "attributes": {},
        "tags": [],
        "quarantine": [],
        "media_state": "none",
        "state": "erased",
        "erased_at": Now(),
    }
    Case.objects.filter(pk=case.pk).update(**columns)
    audit.record(actor, "case.erased", "case", case.key, project_id=case.project_id, after={"sha256": case.sha256, "reason": reason})
    project = case.project
    case.refresh_from_db()
    case.project = project
    return digests
