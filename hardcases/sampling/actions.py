"""Saying which arrivals are kept."""

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone

from hardcases.audit import actions as audit
from hardcases.audit.actors import Actor
from hardcases.errors import Conflict, Invalid, NotFound
from hardcases.projects.models import Project
from hardcases.sampling.models import LeftOut, SamplingRule
from hardcases.sampling.rules import read_rules


class RulesChanged(Conflict):
    code, title = "sampling_rules_changed", "Somebody else changed the sampling rules meanwhile"


@transaction.atomic
def set_rules(*, actor: Actor, project: Project, documents: Sequence[Any], seen: Sequence[int] | None = None) -> list[SamplingRule]:
    """Make these the project's rules, in this order. A rule that is as it was keeps its id; a changed one is a new rule.

    `seen`: the ids of the rules that the person looked at; raises RulesChanged where others are in force by now. Raises RulesRefused.
    """
    wanted = read_rules(list(documents), {attribute.name for attribute in project.attributes.all()})
    locked = Project.objects.select_for_update(of=("self",), no_key=True).get(pk=project.pk)
    current = list(locked.sampling or [])
    if seen is not None and list(seen) != current:
        raise RulesChanged("The sampling rules were changed by somebody else meanwhile. Nothing was changed. Look at them again.")
    rows = {row.pk: row for row in SamplingRule.objects.filter(pk__in=current)}
    found: list[SamplingRule] = []
    for document in wanted:
        same = next((rows[pk] for pk in current if rows[pk].document == document and rows[pk] not in found), None)
        found.append(same or _create(actor, locked, document))
    ids = [row.pk for row in found]
    if ids == current:
        return found
    SamplingRule.objects.filter(pk__in=set(current) - set(ids)).update(retired_at=timezone.now())
    Project.objects.filter(pk=locked.pk).update(sampling=ids)
    project.sampling = ids
    before = {"rules": [{"id": pk, **rows[pk].document} for pk in current]}
    after = {"rules": [{"id": row.pk, **row.document} for row in found]}
    audit.record(actor, "sampling.changed", "project", project.slug, project_id=project.pk, before=before, after=after)
    return found


@transaction.atomic
def forget_left_out(*, actor: Actor, project: Project, digest: str, reason: str) -> LeftOut:
    """Lawful erasure of what was said about a content that was left out. Its digest stays, so that it is not stored later; doing it again changes nothing.

    Raises NotFound, and Invalid without a reason, which stays in the audit log.
    """
    if not reason.strip():
        raise Invalid("An erasure needs a reason, which stays in the audit log. Nothing was erased.")
    row = LeftOut.objects.filter(project=project, digest=digest).select_for_update(of=("self",)).first()
    if row is None:
        raise NotFound("No content with this SHA-256 was left out of the project. If it became a case, erase the case.")
    if not row.forgotten:
        row.said = {"forgotten": True}
        row.save(update_fields=["said"])
        after = {"sha256": digest, "reason": reason.strip()[:500]}
        audit.record(actor, "sampling.forgotten", "project", project.slug, project_id=project.pk, after=after)
    return row


def _create(actor: Actor, project: Project, document: dict[str, Any]) -> SamplingRule:
    return SamplingRule.objects.create(project=project, document=document, created_by_name=actor.printed_name[:150])
