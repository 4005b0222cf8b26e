"""What came in last, as the Upload page shows it: what was taken, from the audit log, and what was refused."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count

from hardcases.audit.models import AuditEvent
from hardcases.cases.models import Case, Refused, Sighting
from hardcases.cases.refusals import set_aside
from hardcases.projects.models import ApiToken, Project

LINES = 20
_TAKEN = ("case.created", "case.seen_again", "case.batch_reported")


@dataclass(frozen=True)
class Line:
    """One answer that was given. `token` is its name, or whoever sent it; `key` of the case, if it was one; `created` and `again` of a batch."""

    at: datetime
    token: str
    status: int
    key: str = ""
    created: int = 0
    again: int = 0
    sentence: str = ""


def last_received(project: Project) -> list[Line]:
    """The newest 20, newest first, in four queries."""
    taken = list(AuditEvent.objects.filter(project_id=project.pk, action__in=_TAKEN).order_by("-id")[:LINES])
    refused = list(Refused.objects.filter(project=project).order_by("-id")[:LINES])
    names = {str(pk): name for pk, name in ApiToken.objects.filter(project=project).values_list("pk", "name")}
    aside = _quarantines(project, (event for event in taken if event.action == "case.created"))
    lines = [_line_of(event, names, aside) for event in taken]
    lines += [Line(row.at, _who(row.token_id, row.actor_name, names), row.status, sentence=row.sentence) for row in refused]
    return sorted(lines, key=lambda line: line.at, reverse=True)[:LINES]


def _quarantines(project: Project, events: Iterable[AuditEvent]) -> dict[str, str]:
    numbers = [int(event.object_id.rpartition("-")[2]) for event in events]
    found = Case.objects.filter(project=project, number__in=numbers).exclude(quarantine=[]).values_list("number", "quarantine")
    return {f"{project.key_prefix}-{number}": set_aside(quarantine[0]) for number, quarantine in found}


def _line_of(event: AuditEvent, names: dict[str, str], aside: dict[str, str]) -> Line:
    who = _who(event.token_id, event.actor_name, names)
    if event.action == "case.batch_reported":
        after: dict[str, Any] = event.after or {}
        return Line(event.at, who, 207, created=int(after.get("created", 0)), again=int(after.get("seen_again", 0)))
    status = 201 if event.action == "case.created" else 200
    return Line(event.at, who, status, key=event.object_id, sentence=aside.get(event.object_id, "") if status == 201 else "")


def _who(token_id: str | None, name: str, names: dict[str, str]) -> str:
    return names.get(token_id or "", name)


def sent_by(token_ids: Iterable[str]) -> dict[str, int]:
    """How many cases each token has sent, repeats included."""
    found = Sighting.objects.filter(token_id__in=list(token_ids)).order_by().values_list("token_id").annotate(Count("pk"))
    return {str(token_id): count for token_id, count in found}
