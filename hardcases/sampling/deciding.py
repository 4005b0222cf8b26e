"""What becomes of an arrival under a list of rules, given what they have counted so far. Pure.

The first rule that is about an arrival decides; where none is, it is kept for certain.

- `keep`: a share of the contents. Each content has its own fixed draw (SHA-256 of its digest, the rule's id and its salt), so the same content asked twice
  gets the same answer.
- `quota`: the first `limit` of a period and stratum. Who comes first is not chance, so what it keeps has no known probability.
- `reservoir`: the t-th content of a period is kept with probability min(1, size/t), and nothing that was kept is put out again. Vitter's Algorithm R
  (1985) would hold exactly `size`, by displacing; but somebody may have labelled or frozen a case by then. The price is size·(1 + ln(N/size)) cases
  expected instead of `size` when N arrive; what is won is that each case's probability is known for good the moment it is kept.
"""

from dataclasses import dataclass, field
from datetime import date

from hardcases.sampling.rules import Arrival, Rule

Key = tuple[int, str, date]  # rule, stratum, first day of the period


@dataclass
class Count:
    """Of one rule, stratum and period: how many contents it decided about, and how many of them it kept."""

    seen: int = 0
    kept: int = 0


@dataclass(frozen=True)
class Decision:
    """`probability` is None where a quota decided. `rule` is None where none was about the arrival."""

    kept: bool
    probability: float | None
    rule: Rule | None = None
    stratum: str = ""


@dataclass
class Decider:
    """Decides one arrival after the other and counts. `counts` holds what was counted before, by period."""

    rules: list[Rule]
    counts: dict[Key, Count] = field(default_factory=dict)

    def rule_for(self, arrival: Arrival) -> Rule | None:
        """The first rule that is about it."""
        return next((rule for rule in self.rules if rule.is_about(arrival)), None)

    def decide(self, arrival: Arrival, day: date) -> Decision:
        """Decide and count. Call it once for each content."""
        rule = self.rule_for(arrival)
        if rule is None:
            return Decision(kept=True, probability=1.0)
        stratum = rule.stratum(arrival)
        count = self.counts.setdefault((rule.id, stratum, rule.period(day)), Count())
        count.seen += 1
        if rule.quota is not None:
            kept, probability = count.kept < rule.quota["limit"], None
        else:
            probability = rule.keep if rule.keep is not None else min(1.0, (rule.reservoir or {})["size"] / count.seen)
            kept = rule.draw(arrival.digest) < probability
        count.kept += kept
        return Decision(kept, probability, rule, stratum)
