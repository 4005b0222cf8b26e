"""One change to every case that a search finds, and taking it back: what is asked for, what is done to a run of cases, what of it can be undone.

A case that somebody decides between the asking and the doing is left alone, and undoing restores only what is still as the bulk change left it.
"""

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.utils import timezone

from hardcases.cases.models import Case
from hardcases.cases.queries import condition, search
from hardcases.cases.steps import hold_counts
from hardcases.errors import Detail, Invalid
from hardcases.projects.models import Project

MOST_TAGS = 50
AT_ONCE = 200
DECIDED = ("state", "decline_reason", "snoozed_until", "decided_at", "decided_by")
_TIMES = ("snoozed_until", "decided_at")


@dataclass(frozen=True, kw_only=True)
class Change:
    """What is done to each case: a decision, tags added, tags taken off; one of them or several."""

    state: str | None = None
    decline_reason: str | None = None
    snoozed_until: datetime | None = None
    add_tags: tuple[str, ...] = ()
    remove_tags: tuple[str, ...] = ()

    def check(self) -> None:
        """Raises Invalid for a change that does nothing or that contradicts itself. Whether a decision is one, `actions.Decision` knows."""
        if self.state is None and not self.add_tags and not self.remove_tags:
            raise Invalid("The action changes nothing. Nothing was changed. Send a state, add_tags or remove_tags.")
        both = sorted(set(self.add_tags) & set(self.remove_tags))
        if both:
            sentence = f"The tag “{both[0]}” is both added and taken off."
            raise Invalid(f"{sentence} Nothing was changed.", errors=[Detail(pointer="/action/remove_tags", detail=sentence)])

    def remembered(self) -> dict[str, Any]:
        """As JSON, what is not said left out."""
        said = {name: _plain(value) for name, value in vars(self).items() if value not in (None, ())}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in said.items()}

    @classmethod
    def recalled(cls, said: Mapping[str, Any]) -> "Change":
        """From what `remembered` gave."""
        until = said.get("snoozed_until")
        tags = {name: tuple(said.get(name, ())) for name in ("add_tags", "remove_tags")}
        return cls(
            state=said.get("state"),
            decline_reason=said.get("decline_reason"),
            snoozed_until=datetime.fromisoformat(until) if until else None,
            **tags,
        )

    def tags_of(self, case: Case) -> list[str]:
        """The case's tags after the change; as before where they would become too many."""
        kept = [tag for tag in case.tags if tag not in self.remove_tags]
        wanted = [*kept, *(tag for tag in self.add_tags if tag not in kept)]
        return wanted if len(wanted) <= MOST_TAGS else list(case.tags)

    def columns_for(self, case: Case, *, at: datetime, by: str) -> dict[str, Any]:
        """The columns that change, with their new values; none where the case is so already."""
        columns: dict[str, Any] = {}
        if self.state is not None:
            decision = {"state": self.state, "decline_reason": self.decline_reason, "snoozed_until": self.snoozed_until}
            if any(getattr(case, name) != value for name, value in decision.items()):
                columns |= decision | {"decided_at": at, "decided_by": by}
        tags = self.tags_of(case)
        return columns | ({} if tags == case.tags else {"tags": tags})


@dataclass(frozen=True, kw_only=True)
class Done:
    """What happened to a run of cases. `last` is the primary key of the last one looked at; `changes` can be taken back."""

    last: int
    changed: int
    unchanged: int
    left_alone: int
    changes: list[dict[str, Any]]


def matching(project: Project, q: str, asked_at: datetime) -> Q:
    """What the query means, `since:` counted from when it was asked; tombstones only where it speaks of them, which no change touches."""
    return condition(project, q, now=asked_at) & Q(project=project) & ~Q(state="erased")


def how_many(project: Project, q: str) -> int:
    """How many cases the query finds now."""
    return search(project, q).exclude(state="erased").count()


def apply(change: Change, cases: Sequence[Case], *, asked_at: datetime, by: str) -> Done:
    """Change these cases, whose rows are held. Call it inside the transaction that remembers it."""
    at, changes, unchanged, alone = timezone.now(), [], 0, 0
    for case in cases:
        if change.state is not None and case.decided_at is not None and case.decided_at > asked_at:
            alone += 1
            continue
        columns = change.columns_for(case, at=at, by=by)
        if not columns:
            unchanged += 1
            continue
        before = {name: getattr(case, name) for name in columns}
        changes.append({"case": case.pk, "before": before, "after": columns})
    if change.state is not None:
        hold_counts(cases)
    _write(changes, "after")
    return Done(last=cases[-1].pk, changed=len(changes), unchanged=unchanged, left_alone=alone, changes=changes)


def take_back(changes: Sequence[dict[str, Any]]) -> tuple[int, int]:
    """Restore what is still as the change left it: (restored, left alone). Decision and tags are looked at apart. Call it inside a transaction."""
    rows = Case.objects.select_for_update(no_key=True).filter(pk__in=[change["case"] for change in changes])
    cases = {case.pk: case for case in rows.order_by("pk")}
    restoring, alone = [], 0
    for change in changes:
        case = cases.get(change["case"])
        ours = {} if case is None or case.state == "erased" else _still(case, change)
        alone += len(ours) < len(change["before"])
        if ours:
            restoring.append({"case": change["case"], "before": ours})
    hold_counts(list(cases.values()))
    _write(restoring, "before")
    return len(restoring), alone


def _still(case: Case, change: Mapping[str, Any]) -> dict[str, Any]:
    """The columns to restore: those of the decision together or not at all, and the tags."""
    before, after = change["before"], change["after"]
    decided = [name for name in DECIDED if name in after]
    restored: dict[str, Any] = {}
    if decided and all(getattr(case, name) == after[name] for name in decided):
        restored |= {name: before[name] for name in decided}
    if "tags" in after and case.tags == after["tags"]:
        restored["tags"] = before["tags"]
    return restored


def _write(changes: Sequence[dict[str, Any]], which: str) -> None:
    """One statement for all cases that get the same values."""
    groups: dict[str, tuple[dict[str, Any], list[int]]] = {}
    for change in changes:
        columns = change[which]
        groups.setdefault(json.dumps(columns, default=_plain, sort_keys=True), (columns, []))[1].append(change["case"])
    for columns, pks in groups.values():
        Case.objects.filter(pk__in=pks).update(**columns)


def packed(changes: Sequence[dict[str, Any]]) -> bytes:
    """For the column `BulkPart.changes`."""
    return zlib.compress(json.dumps(list(changes), default=_plain).encode())


def unpacked(data: bytes) -> Iterator[dict[str, Any]]:
    """The changes as they were made."""
    for change in json.loads(zlib.decompress(data)):
        for values in (change["before"], change["after"]):
            for name in _TIMES:
                if values.get(name):
                    values[name] = datetime.fromisoformat(values[name])
        yield change


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
