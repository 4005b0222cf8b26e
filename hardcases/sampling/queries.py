"""What the rules did, and what a rule would have done."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Sum
from django.utils import timezone

from hardcases.projects.models import Project
from hardcases.sampling.deciding import Decider
from hardcases.sampling.models import LeftOut, SamplingRule, SamplingTally
from hardcases.sampling.rules import Arrival, Rule

LOOKED_BACK = timedelta(days=14)
TRIED_ON = timedelta(days=7)
MOST_TRIED = 20_000

Came = tuple[datetime, Arrival]
# Filled by the room of cases: (project, since, at most) → what the door kept since then, newest first.
ARRIVALS: list[Callable[[Project, datetime, int], Sequence[Came]]] = []


@dataclass(frozen=True)
class Done:
    """A rule in force with what it did in the last 14 days."""

    row: SamplingRule
    seen: int
    kept: int

    @property
    def left_out(self) -> int:
        """How many it left out."""
        return self.seen - self.kept


@dataclass(frozen=True)
class Tried:
    """How many of the arrivals looked at a rule is about, and how many of those it would have kept. `complete`: none was too old to be looked at."""

    arrivals: int
    about: int
    kept: int
    complete: bool


def in_force(project: Project) -> list[Done]:
    """The project's rules in their order; two queries."""
    ids = project.sampling or []
    rows = {row.pk: row for row in SamplingRule.objects.filter(pk__in=ids)}
    since = (timezone.now() - LOOKED_BACK).date()
    sums = SamplingTally.objects.filter(rule__in=ids, day__gt=since).values("rule").annotate(all=Sum("seen"), some=Sum("kept"))
    done = {row["rule"]: (row["all"], row["some"]) for row in sums}
    return [Done(rows[pk], *done.get(pk, (0, 0))) for pk in ids if pk in rows]


def try_rule(project: Project, document: dict[str, Any], *, now: datetime | None = None) -> Tried:
    """What a rule would do if it stood first, tried on the last seven days' arrivals. Its draws are others than those of the rule once it is kept."""
    moment = now or timezone.now()
    came = _came(project, moment - TRIED_ON)
    rule = Rule.of(document, salt="preview")
    decider, about, kept = Decider([rule]), 0, 0
    for at, arrival in came[-MOST_TRIED:]:
        if rule.is_about(arrival):
            about += 1
            kept += decider.decide(arrival, at.date()).kept
    return Tried(min(len(came), MOST_TRIED), about, kept, len(came) <= MOST_TRIED)


def _came(project: Project, since: datetime) -> list[Came]:
    """Kept and left out, in the order in which they came; of too many the newest."""
    came = [one for arrivals in ARRIVALS for one in arrivals(project, since, MOST_TRIED + 1)]
    rows = LeftOut.objects.filter(project=project, at__gte=since).order_by("-at")[: MOST_TRIED + 1]
    came += [(row.at, arrival_of(row.digest, row.said)) for row in rows]
    return sorted(came, key=lambda one: one[0])[-MOST_TRIED - 1 :]


def arrival_of(digest: str, said: dict[str, Any]) -> Arrival:
    """An arrival from what was kept of it."""
    words = {name: said.get(name) or "" for name in ("reason", "source", "model")}
    return Arrival(digest=digest, corrected=bool(said.get("corrected")), attributes=said.get("attributes") or {}, **words)


def newest_left_out(project: Project, limit: int = 10) -> list[LeftOut]:
    """The last arrivals that were left out."""
    return list(LeftOut.objects.filter(project=project).order_by("-at")[:limit])
