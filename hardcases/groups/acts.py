"""What a person does with a whole group, one lot of cases at a time: small groups in the request, large ones in a job that goes on where it stopped.

Each lot is one transaction with the project's groups locked. What an act changed is noted case by case, so that undoing it touches those and no others, and
only where nobody has decided otherwise since.
"""

from collections.abc import Sequence
from typing import Any

from django.db.models import F, QuerySet

from hardcases.audit.actions import event
from hardcases.audit.actors import Actor
from hardcases.audit.models import AuditEvent
from hardcases.cases.models import Case
from hardcases.groups.models import ActCase, Fingerprint, Group, GroupAct
from hardcases.groups.steps import KEPT_STATES, Change, come_in, go_out, hold_groups, hold_groups_of

LOT = 1_000
DECIDED = ("accepted", "declined", "snoozed")
_NEEDED = ("number", "state", "received_at", "group_number", "decline_reason", "reason", "source", "attributes", "prediction", "kind")


def do_lot(actor: Actor, act: GroupAct) -> int:
    """Carry the act on by one lot; returns how many cases it changed, 0 at its end."""
    if act.kind in DECIDED:
        return _decide(actor, act, _locked(Case.objects.filter(group_number=act.group.number, state="inbox"), act))
    if act.kind == "merged":
        return move(actor, act, _locked(Case.objects.filter(group_number=act.group.number, state__in=KEPT_STATES), act))
    return 0


def _locked(rows: QuerySet[Case], act: GroupAct) -> list[Case]:
    if act.upto is not None:
        rows = rows.filter(number__lte=act.upto)
    return list(rows.filter(project_id=act.project_id).select_for_update(no_key=True).order_by("pk").only(*_NEEDED)[:LOT])


def _decide(actor: Actor, act: GroupAct, cases: Sequence[Case]) -> int:
    if not cases:
        return 0
    columns = {"decline_reason": act.details.get("decline_reason"), "snoozed_until": act.details.get("snoozed_until")}
    ids = [case.pk for case in cases]
    Case.objects.filter(pk__in=ids).update(state=act.kind, decided_at=act.at, decided_by=act.by, **columns)
    after = {"state": act.kind, "decline_reason": columns["decline_reason"]}
    _note(actor, act, cases, f"case.{act.kind}", before={"state": "inbox", "decline_reason": None}, after=after)
    return len(cases)


def move(actor: Actor, act: GroupAct, cases: Sequence[Case]) -> int:
    """Put these cases, which are locked, from the act's group into its other one."""
    assert act.other is not None
    if not cases:
        return 0
    hold_groups([act.group, act.other])
    go_out(act.group, cases)
    Case.objects.filter(pk__in=[case.pk for case in cases]).update(group_number=act.other.number)
    come_in(Change(_fresh(act.other), cases))
    note_move(actor, act, cases)
    return len(cases)


def note_move(actor: Actor, act: GroupAct, cases: Sequence[Case]) -> None:
    """Remember which cases an act moved. A case that a person chose by itself says from now on who put it there."""
    assert act.other is not None
    if act.kind != "merged":
        Fingerprint.objects.filter(case__in=[case.pk for case in cases]).update(placed_by=act.by)
    _note(actor, act, cases, "case.moved", before={"group": act.group.key}, after={"group": act.other.key})


def _note(actor: Actor, act: GroupAct, cases: Sequence[Case], action: str, *, before: dict[str, Any], after: dict[str, Any]) -> None:
    ActCase.objects.bulk_create([ActCase(act=act, case=case) for case in cases])
    GroupAct.objects.filter(pk=act.pk).update(cases=F("cases") + len(cases))
    _audit(actor, act, cases, action, before=before, after=after)


def _audit(actor: Actor, act: GroupAct, cases: Sequence[Case], action: str, *, before: dict[str, Any], after: dict[str, Any]) -> None:
    prefix = act.project.key_prefix
    AuditEvent.objects.bulk_create(
        event(actor, action, "case", f"{prefix}-{case.number}", project_id=act.project_id, before=before, after=after) for case in cases
    )


def undo_lot(actor: Actor, act: GroupAct) -> int:
    """Take the act back for one lot; returns how many of its cases were looked at, 0 at its end."""
    touched = list(act.touched.order_by("pk").values_list("pk", "case_id")[:LOT])
    rows = Case.objects.filter(pk__in=[case_id for _, case_id in touched])
    if act.kind in DECIDED:
        _reopen(actor, act, _locked(rows.filter(state=act.kind, decided_at=act.at), act))
    elif act.other is not None:
        _move_back(actor, act, _locked(rows.filter(group_number=act.other.number, state__in=KEPT_STATES), act))
    ActCase.objects.filter(pk__in=[pk for pk, _ in touched]).delete()
    return len(touched)


def _reopen(actor: Actor, act: GroupAct, cases: Sequence[Case]) -> None:
    opened = {"state": "inbox", "decline_reason": None}
    hold_groups_of(cases)  # some may have been moved since
    Case.objects.filter(pk__in=[case.pk for case in cases]).update(**opened, snoozed_until=None, decided_at=None, decided_by="")
    before = {"state": act.kind, "decline_reason": act.details.get("decline_reason")}
    _audit(actor, act, cases, "case.reopened", before=before, after=opened)


def _move_back(actor: Actor, act: GroupAct, cases: Sequence[Case]) -> None:
    if not cases or act.other is None:
        return
    hold_groups([act.group, act.other])
    go_out(act.other, cases)
    ids = [case.pk for case in cases]
    Case.objects.filter(pk__in=ids).update(group_number=act.group.number)
    if act.kind != "merged":
        Fingerprint.objects.filter(case__in=ids).update(placed_by="")
    come_in(Change(_fresh(act.group), cases))
    _audit(actor, act, cases, "case.moved", before={"group": act.other.key}, after={"group": act.group.key})


def _fresh(group: Group) -> Group:
    group.refresh_from_db()
    return group


def carry_out(actor: Actor, act: GroupAct) -> None:
    """Do the act, or undo it, to its end, and tidy up behind it; for an act of at most a lot or two."""
    step = undo_lot if act.undone_at else do_lot
    while step(actor, act) >= LOT:
        pass
    finish(act)


def finish(act: GroupAct) -> None:
    """After the last lot: nobody works at it any more, and what an undone act leaves is as it was."""
    GroupAct.objects.filter(pk=act.pk).update(working=False)
    act.refresh_from_db(fields=["cases", "working"])
    if act.undone_at is None:
        return
    if act.came_back:
        Group.objects.filter(pk=act.group_id, waiting__gt=0).update(came_back=True)
    others = Group.objects.filter(pk=act.other_id or 0)
    if act.kind == "merged" and not act.details.get("other_came_back"):
        others.update(came_back=False)
    if act.kind == "split":
        others.filter(count=0).update(merged_into=act.group)
