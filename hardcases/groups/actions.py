"""What people ask for with groups: decide them, put them together, take them apart, and take that back."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from hardcases.audit import actions as audit
from hardcases.audit.actors import Actor
from hardcases.cases.actions import Decision
from hardcases.cases.models import Case
from hardcases.errors import Invalid
from hardcases.groups import acts
from hardcases.groups.acts import DECIDED, LOT
from hardcases.groups.models import Group, GroupAct, Separation
from hardcases.groups.refusals import GroupBusy, MergedAway, NothingWaits, NotInGroup, SameGroup, WholeGroup
from hardcases.groups.steps import KEPT_STATES, found, go_out, lock_groups
from hardcases.work.actions import enqueue, hint
from hardcases.work.models import Job
from hardcases.work.tasks import run_job

JOB = "groups.act"
MOST_CHOSEN = 200  # cases that are split off or moved at once


@transaction.atomic
def decide_group(*, actor: Actor, group: Group, decision: Decision, upto: int | None = None) -> GroupAct:
    """Accept, decline or snooze every case of the group that waits, but none with a number beyond `upto`: those came after the person had looked.

    Raises NothingWaits, GroupBusy. More than a thousand are decided by a job.
    """
    decision.check()
    held = _held(group)
    waiting = Case.objects.filter(project=held.project, group_number=held.number, state="inbox")
    if upto is not None:
        waiting = waiting.filter(number__lte=upto)
    if not waiting.exists():
        raise NothingWaits(held.key)
    details = {"decline_reason": decision.decline_reason, "snoozed_until": _written(decision.snoozed_until)}
    act = _begin(actor, held, decision.state, upto=upto or _newest_number(held), details=details)
    _carry_out(actor, act, large=held.waiting > LOT)
    audit.record(actor, f"group.{act.kind}", "group", held.key, project_id=held.project_id, after={"cases": act.cases or held.waiting})
    return act


def _written(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _newest_number(group: Group) -> int:
    return Case.objects.filter(project=group.project).order_by("-number").values_list("number", flat=True)[:1].get()


@transaction.atomic
def merge_groups(*, actor: Actor, group: Group, into: Group) -> GroupAct:
    """Put all cases of `group` into `into`; the empty group then leads there. Two groups that a person kept apart are so no more.

    Raises SameGroup, MergedAway, GroupBusy.
    """
    if group.pk == into.pk:
        raise SameGroup(group.key)
    held, other = _held(group), _held(into)
    apart = _separations(held).filter(pk__in=_separations(other)).first()
    details = {"apart": apart.by if apart else None, "other_came_back": other.came_back}
    act = _begin(actor, held, "merged", other=other, details=details)
    if apart:
        apart.delete()
    _inherit_separations(held, other)
    _carry_out(actor, act, large=held.count > LOT)  # first, since who decides a case takes its row before that of its group
    Group.objects.filter(pk=held.pk).update(merged_into=other)
    Group.objects.filter(merged_into=held).update(merged_into=other)
    if held.came_back:
        Group.objects.filter(pk=other.pk).update(came_back=True)
    after = {"into": other.key, "cases": act.cases or held.count}
    audit.record(actor, "group.merged", "group", held.key, project_id=held.project_id, after=after)
    return act


def _separations(group: Group) -> Any:
    return Separation.objects.filter(first=group) | Separation.objects.filter(second=group)


def _inherit_separations(old: Group, new: Group) -> None:
    """Whatever a person kept apart from the one is now kept apart from the other."""
    for separation in _separations(old):
        other = separation.second_id if separation.first_id == old.pk else separation.first_id
        if other != new.pk:
            _keep_apart(new.pk, other, separation.by)


def _keep_apart(one: int, other: int, by: str) -> bool:
    """Whether they were not kept apart already."""
    return Separation.objects.get_or_create(first_id=min(one, other), second_id=max(one, other), defaults={"by": by})[1]


@transaction.atomic
def split_group(*, actor: Actor, group: Group, cases: Sequence[Case]) -> GroupAct:
    """Make a group of its own of some cases. The two are kept apart from now on: what is like the one joins the one. `act.other` is the new group.

    Raises NotInGroup, WholeGroup, MergedAway, GroupBusy.
    """
    held = _held(group)
    chosen = _chosen(held, cases)
    if len(chosen) == held.count:
        raise WholeGroup(held.key)
    number = lock_groups(held.project)
    (new,) = found(held.project, {number: chosen}, by=actor.printed_name)
    act = _begin(actor, held, "split", other=new)
    go_out(held, chosen)
    Case.objects.filter(pk__in=[case.pk for case in chosen]).update(group_number=new.number)
    acts.note_move(actor, act, chosen)
    return _moved(actor, act, chosen)


@transaction.atomic
def move_cases(*, actor: Actor, group: Group, cases: Sequence[Case], into: Group) -> GroupAct:
    """Put some cases into another group; unless they were all of theirs, the two groups are kept apart from now on.

    Raises SameGroup, NotInGroup, MergedAway, GroupBusy.
    """
    if group.pk == into.pk:
        raise SameGroup(group.key)
    held, other = _held(group), _held(into)
    chosen = _chosen(held, cases)
    act = _begin(actor, held, "moved", other=other)
    acts.move(actor, act, chosen)
    return _moved(actor, act, chosen)


def _moved(actor: Actor, act: GroupAct, chosen: Sequence[Case]) -> GroupAct:
    assert act.other is not None
    if len(chosen) < act.group.count and _keep_apart(act.group.pk, act.other.pk, act.by):
        act.details = {"separated": True}
        act.save(update_fields=["details"])
    act.refresh_from_db(fields=["cases"])
    keys = [f"{act.project.key_prefix}-{case.number}" for case in chosen[:20]]
    after = {"into": act.other.key, "cases": keys, "count": len(chosen)}
    audit.record(actor, f"group.{act.kind}", "group", act.group.key, project_id=act.project_id, after=after)
    return act


def _chosen(group: Group, cases: Sequence[Case]) -> list[Case]:
    """The cases, locked, all of them still in the group. Raises NotInGroup."""
    if not 1 <= len(cases) <= MOST_CHOSEN:
        raise Invalid(f"Choose 1 to {MOST_CHOSEN} cases. Nothing was changed.")
    rows = Case.objects.select_for_update(no_key=True).filter(pk__in=[case.pk for case in cases], project=group.project)
    chosen = {case.pk: case for case in rows.filter(group_number=group.number, state__in=KEPT_STATES).order_by("pk")}
    for case in cases:
        if case.pk not in chosen:
            raise NotInGroup(case.key, group.key)
    return list(chosen.values())


@transaction.atomic
def undo(*, actor: Actor, act: GroupAct) -> GroupAct:
    """Take an act back: its cases return to where they were, but for those that somebody decided or moved since. Undoing twice changes nothing."""
    lock_groups(act.project)
    act = GroupAct.objects.select_related("group__project", "other", "project").get(pk=act.pk)
    if act.undone_at is not None:
        return act
    if act.working:
        raise GroupBusy(act.group.key)
    act.undone_at, act.undone_by = timezone.now(), actor.printed_name[:150]
    act.save(update_fields=["undone_at", "undone_by"])
    if act.kind == "merged":
        Group.objects.filter(pk=act.group_id).update(merged_into=None)
        if act.details.get("apart"):
            _keep_apart(act.group_id, act.other_id or 0, act.details["apart"])
    if act.details.get("separated") and act.other_id:
        Separation.objects.filter(first_id=min(act.group_id, act.other_id), second_id=max(act.group_id, act.other_id)).delete()
    _carry_out(actor, act, large=act.cases > LOT)
    after = {"act": act.kind, "cases": act.cases}
    audit.record(actor, "group.undone", "group", act.group.key, project_id=act.project_id, after=after)
    return act


def _held(group: Group) -> Group:
    """The group as it is now, while nobody else changes groups of the project. Raises MergedAway, GroupBusy."""
    lock_groups(group.project)
    held = Group.objects.select_related("project", "merged_into").get(pk=group.pk)
    if held.merged_into is not None:
        raise MergedAway(held.key, held.merged_into.key)
    if GroupAct.objects.filter(group=held, working=True).exists() or GroupAct.objects.filter(other=held, working=True).exists():
        raise GroupBusy(held.key)
    return held


def _begin(actor: Actor, group: Group, kind: str, **columns: Any) -> GroupAct:
    by = actor.printed_name[:150]
    return GroupAct.objects.create(
        project=group.project, group=group, kind=kind, by=by, at=timezone.now(), came_back=group.came_back, **columns
    )


def _carry_out(actor: Actor, act: GroupAct, *, large: bool) -> None:
    """In this transaction, or by a job where there is much to do."""
    if not large:
        acts.carry_out(actor, act)
        return
    act.working = True
    act.save(update_fields=["working"])
    asked = {name: getattr(actor, name) for name in ("kind", "name", "full_name", "user_id", "token_id", "request_id", "address")}
    job = enqueue(kind=JOB, key=_job_key(act), project_id=act.project_id, payload={"act": act.pk, "actor": asked})
    hint(run_job, job_id=str(job.pk))


def _job_key(act: GroupAct) -> str:
    return f"{act.pk}/{'undo' if act.undone_at else 'do'}"


def job_of(act: GroupAct) -> Job | None:
    """The job that is carrying an act out, or taking it back; None where nothing is left to be done."""
    return Job.objects.get(kind=JOB, key=_job_key(act)) if act.working else None


def decided(act: GroupAct) -> bool:
    """Whether the act decided cases, instead of moving them."""
    return act.kind in DECIDED
