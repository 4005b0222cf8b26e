"""The rules by which cases belong together and groups are urgent. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

WEEK = timedelta(days=7)
GROWING_FROM = 3  # cases in the last seven days
MOST_SITES = 5


def reason_of(said: str) -> str:
    """A failure reason as it is compared: `Doctor_Disagreed ` is `doctor disagreed`."""
    return " ".join(said.replace("_", " ").casefold().split())


def contradict(one: str, other: str) -> bool:
    """Whether two failure reasons cannot be the same problem: both are said, and differ. Who says nothing contradicts nobody."""
    return bool(one and other) and reason_of(one) != reason_of(other)


def site_of(attributes: Mapping[str, Any], source: str) -> str:
    """Where a case comes from: its attribute `site`, else whoever sent it."""
    named = attributes.get("site")
    return named if isinstance(named, str) and named else source


@dataclass(frozen=True)
class Facts:
    """What is compared about two cases besides their content."""

    reason: str
    source: str
    attributes: Mapping[str, Any]
    model: str

    @property
    def site(self) -> str:
        """Where it comes from."""
        return site_of(self.attributes, self.source)


def in_common(one: Facts, other: Facts) -> list[str]:
    """What two cases share, as stored codes: reason, site, model. Only what is said counts."""
    pairs = {
        "reason": (reason_of(one.reason), reason_of(other.reason)),
        "site": (one.site, other.site),
        "model": (one.model, other.model),
    }
    return [name for name, (left, right) in pairs.items() if left and left == right]


def grows(days: Mapping[date, int], *, first_seen: date, today: date) -> bool:
    """More cases in the last seven days than twice those of the week before, and at least three; never for a group younger than a week, which is new."""
    if first_seen > today - WEEK:
        return False
    last = sum(count for day, count in days.items() if day > today - WEEK)
    before = sum(count for day, count in days.items() if today - 2 * WEEK < day <= today - WEEK)
    return last >= GROWING_FROM and last > 2 * before


def first_few(sites: Sequence[str]) -> list[str]:
    """The different names among these, in their order, at most five; long ones are cut."""
    return list(dict.fromkeys(site[:64] for site in sites if site))[:MOST_SITES]
