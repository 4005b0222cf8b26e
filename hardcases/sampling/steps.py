"""Sampling inside the transaction that files a request's reports, with the project's cases locked: what is counted there is counted once."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from django.db import connection
from django.utils import timezone

from hardcases.projects.models import Project
from hardcases.sampling.deciding import Count, Decider, Decision, Key
from hardcases.sampling.models import LeftOut, SamplingRule, SamplingTally
from hardcases.sampling.rules import Arrival, Rule

_TABLE = SamplingTally._meta.db_table  # noqa: SLF001 - documented by Django
_ADD = (
    f"INSERT INTO {_TABLE} (rule_id, day, stratum, seen, kept) VALUES {{places}} "  # noqa: S608  # nosec B608 - our own table's name
    f"ON CONFLICT (rule_id, day, stratum) DO UPDATE SET seen = {_TABLE}.seen + excluded.seen, kept = {_TABLE}.kept + excluded.kept"
)


def rules_in_force(project: Project) -> list[Rule]:
    """The project's rules in their order; no query where it has none."""
    if not project.sampling:
        return []
    rows = {row.pk: row for row in SamplingRule.objects.filter(pk__in=project.sampling)}
    return [Rule.of(rows[pk].document, id=pk, salt=rows[pk].salt) for pk in project.sampling if pk in rows]


class Sampler:
    """Decides about the new contents of one request. Make it once the project's cases are locked; call `write` in the same transaction.

    A content that a rule left out is answered the same as long as that rule decides about it; under another rule it is decided anew.
    """

    def __init__(self, project: Project, arrivals: Iterable[Arrival]) -> None:
        self.project = project
        self.today: date = timezone.now().date()
        self.decider = Decider(rules_in_force(project))
        self.left_out: dict[str, LeftOut] = {}
        self.fresh: list[LeftOut] = []
        self.changed: dict[str, LeftOut] = {}
        self.brought_in: list[LeftOut] = []
        self.tally: dict[tuple[int, str], Count] = {}
        if project.sampling is not None:  # it has or had rules
            self._read(list(arrivals))

    def _read(self, arrivals: Sequence[Arrival]) -> None:
        digests = {arrival.digest for arrival in arrivals}
        self.left_out = {row.digest: row for row in LeftOut.objects.filter(project=self.project, digest__in=digests)}
        counting = {rule.id: rule for rule in self.decider.rules if rule.keep is None}
        strata = {rule.stratum(arrival) for arrival in arrivals if (rule := self.decider.rule_for(arrival)) and rule.id in counting}
        if not strata:
            return
        since = min(rule.period(self.today) for rule in counting.values())
        for row in SamplingTally.objects.filter(rule__in=counting, day__gte=since, stratum__in=strata):
            period = counting[row.rule_id].period(self.today)
            if row.day >= period:
                key: Key = (row.rule_id, row.stratum, period)
                count = self.decider.counts.setdefault(key, Count())
                count.seen += row.seen
                count.kept += row.kept

    def decide(self, arrival: Arrival, said: Mapping[str, Any]) -> Decision | LeftOut:
        """The decision to keep a content, or the row of one that is left out; `said` is what is kept of it then."""
        before = self.left_out.get(arrival.digest)
        rule = self.decider.rule_for(arrival)
        if before is not None and (before.forgotten or (rule is not None and before.rule_id == rule.id)):
            before.times += 1
            self.changed[arrival.digest] = before
            return before
        decision = self.decider.decide(arrival, self.today)
        if decision.rule is not None:
            count = self.tally.setdefault((decision.rule.id, decision.stratum), Count())
            count.seen += 1
            count.kept += decision.kept
        if not decision.kept:
            return self._leave_out(arrival, decision, said, before)
        if before is not None:
            self.brought_in.append(self.left_out.pop(arrival.digest))
        return decision

    def _leave_out(self, arrival: Arrival, decision: Decision, said: Mapping[str, Any], before: LeftOut | None) -> LeftOut:
        assert decision.rule is not None
        row = before or LeftOut(project=self.project, digest=arrival.digest, times=0)
        row.rule_id, row.probability, row.said, row.times = decision.rule.id, decision.probability, dict(said), row.times + 1
        self.left_out[arrival.digest] = row
        if before is None:
            self.fresh.append(row)
        else:
            self.changed[arrival.digest] = row
        return row

    def write(self) -> None:
        """Everything that was decided, in a handful of statements."""
        stored = [row for row in self.brought_in if not row._state.adding]  # noqa: SLF001 - documented by Django
        if stored:
            LeftOut.objects.filter(pk__in=[row.pk for row in stored]).delete()
        fresh = [row for row in self.fresh if row.digest in self.left_out]
        LeftOut.objects.bulk_create(fresh)
        changed = [row for digest, row in self.changed.items() if digest in self.left_out and row not in fresh]
        LeftOut.objects.bulk_update(changed, ["rule", "probability", "said", "times"])
        self._add_tallies()

    def _add_tallies(self) -> None:
        if not self.tally:
            return
        today = connection.ops.adapt_datefield_value(self.today)
        values = [value for (rule, stratum), count in self.tally.items() for value in (rule, today, stratum, count.seen, count.kept)]
        places = ", ".join(["(%s, %s, %s, %s, %s)"] * len(self.tally))
        with connection.cursor() as cursor:
            cursor.execute(_ADD.format(places=places), values)
