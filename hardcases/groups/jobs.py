"""What the worker does with groups. Running anything here twice does no harm."""

from collections import defaultdict
from typing import Any

from django.db import transaction
from django.utils import timezone

from hardcases.audit.actors import Actor
from hardcases.blobs.store import get_store
from hardcases.cases.models import Case
from hardcases.groups import acts
from hardcases.groups.likeness import Print
from hardcases.groups.models import Group, GroupAct
from hardcases.groups.placing import Lot
from hardcases.groups.steps import check_growth, fingerprint, lock_groups
from hardcases.projects.models import Project
from hardcases.work import leases
from hardcases.work.models import Job
from hardcases.work.pause import point

SETTLED_MEDIA = ("none", "ready", "failed")
CHECKED = 200


def place_cases(*case_ids: int) -> int:
    """Decide the group of each of these cases that has none yet; returns how many were decided.

    Fingerprints are made before the transaction. Inside it the project's groups are locked, and only cases that still have no group get one: two workers with
    the same cases, or with equal ones, come one after the other, and what a killed worker had not committed is due again.
    """
    rows = Case.objects.filter(pk__in=case_ids, group_number=None, media_state__in=SETTLED_MEDIA).exclude(state="erased")
    store = get_store()
    prints: dict[Project, dict[int, Print]] = defaultdict(dict)
    for case in rows.select_related("project").order_by("pk"):
        prints[case.project][case.pk] = fingerprint(store, case)
    placed = 0
    for project, found in prints.items():
        with transaction.atomic():
            placed += Lot(project, found).place()
            point("groups.before_commit")
    return placed


def cases_due(limit: int = 200) -> list[int]:
    """Ids of the cases whose group is to be decided, oldest first; pictures only once their small copy is made, or cannot be."""
    due: list[int] = []
    for state in SETTLED_MEDIA:  # one look into the index each
        rows = Case.objects.filter(group_number__isnull=True, media_state=state).exclude(state="erased")
        due += rows.order_by("pk").values_list("pk", flat=True)[:limit]
    return sorted(due)[:limit]


def check_due(limit: int = CHECKED) -> list[int]:
    """Ids of the groups that a new day may have stopped growing, or made grow."""
    return list(Group.objects.filter(check_on__isnull=False, check_on__lte=timezone.now().date()).values_list("pk", flat=True)[:limit])


def check_groups(*group_ids: int) -> None:
    """Decide anew whether these groups grow."""
    projects: dict[Project, list[int]] = defaultdict(list)
    for group in Group.objects.filter(pk__in=group_ids).select_related("project"):
        projects[group.project].append(group.pk)
    for project, found in projects.items():
        with transaction.atomic():
            lock_groups(project)
            check_growth(found)


def carry_out(job: Job) -> dict[str, Any]:
    """Do or undo an act on a large group, lot by lot. It says of itself how far it is, so a second run goes on where the first stopped."""
    act = GroupAct.objects.select_related("group__project", "other", "project").get(pk=job.payload["act"])
    actor = Actor(**job.payload["actor"])
    step = acts.undo_lot if act.undone_at else acts.do_lot
    done = more = 1
    while more:
        with transaction.atomic():
            lock_groups(act.project)
            done += (more := step(actor, act))
            leases.extend(job)
            Job.objects.filter(pk=job.pk).update(done=done - 1)
            if not more:
                acts.finish(act)
        point("groups.act.lot")
    return {"cases": done - 1}
