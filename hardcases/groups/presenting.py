"""What the pages of groups show, in the words people use. Reads only."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from hardcases.cases import presenting
from hardcases.cases.models import Case
from hardcases.groups.models import Fingerprint, Group, GroupAct
from hardcases.groups.queries import days_of
from hardcases.web import formatting


@dataclass(frozen=True)
class ShownGroup:
    """A group as the list and its page show it. `days` are counts of the last fourteen days, oldest first."""

    group: Group
    key: str
    url: str
    title: str
    where: str
    days: list[int]


def shown(groups: Sequence[Group], *, slug: str, today: date) -> list[ShownGroup]:
    """The entries of a list; one query."""
    days = days_of(groups, until=today)
    return [
        ShownGroup(
            group=group,
            key=group.key,
            url=reverse("group-page", args=[slug, group.key]),
            title=title(group),
            where=" · ".join(group.sites),
            days=days[group.pk],
        )
        for group in groups
    ]


def title(group: Group) -> str:
    """What its cases have in common."""
    return group.title or _("Cases without a reason")


def number(alike: float) -> str:
    """A likeness, rounded down, so that only equal ones are 1.00."""
    return f"{math.floor(alike * 100) / 100:.2f}"


def rule(group: Group) -> str:
    """Why these cases are together, in one sentence."""
    if group.made_by:
        return _("Split off by %(name)s.") % {"name": group.made_by}
    if group.least_alike is None:
        return _("Nothing that is alike has come so far.") if group.count <= 1 else _("Put together by a person.")
    sentences = {
        "image": _("No two failure reasons contradict each other; each picture is at least %(alike)s alike to another one here."),
        "text": _("No two failure reasons contradict each other; each text is at least %(alike)s alike to another one here."),
        "record": _("No two failure reasons contradict each other; each record is at least %(alike)s alike to another one here."),
    }
    return sentences[group.kind] % {"alike": number(group.least_alike)}


def why(stored: Fingerprint, nearest: str) -> str:
    """Why a case is where it is; `nearest` is the key of the case that it is most alike to."""
    if stored.placed_by:
        return _("put here by %(name)s") % {"name": stored.placed_by}
    if stored.alike is None:
        return _("the first of its kind") if stored.kind != "none" else _("nothing in it to compare")
    alike = {
        "text": _("text %(alike)s alike to %(key)s"),
        "record": _("record %(alike)s alike to %(key)s"),
    }.get(stored.kind, _("picture %(alike)s alike to %(key)s"))
    words = {"reason": _("same failure reason"), "site": _("same site"), "model": _("same model")}
    said = [words[code] for code in stored.same if code in words]
    said.insert(1 if "reason" in stored.same else 0, alike % {"alike": number(stored.alike), "key": nearest})
    return ", ".join(said)


def whys(stored: Mapping[int, Fingerprint], prefix: str) -> Mapping[int, str]:
    """Why each case is where it is, by primary key; one query."""
    nearest = {found.nearest_id for found in stored.values() if found.nearest_id is not None}
    keys = {pk: f"{prefix}-{key}" for pk, key in Case.objects.filter(pk__in=nearest).values_list("pk", "number")}
    return {pk: why(found, keys.get(found.nearest_id or 0, _("a case that was erased"))) for pk, found in stored.items()}


def done(act: GroupAct) -> str:
    """What an act did, for the toast and the history."""
    into = act.other.key if act.other else ""
    if act.working:
        return _("%(key)s: under way, case by case.") % {"key": act.group.key}
    sentences = {
        "accepted": ngettext("%(key)s: %(n)s case accepted.", "%(key)s: %(n)s cases accepted.", act.cases),
        "declined": ngettext("%(key)s: %(n)s case declined.", "%(key)s: %(n)s cases declined.", act.cases),
        "snoozed": ngettext("%(key)s: %(n)s case snoozed.", "%(key)s: %(n)s cases snoozed.", act.cases),
        "merged": ngettext("%(key)s: %(n)s case merged into %(into)s.", "%(key)s: %(n)s cases merged into %(into)s.", act.cases),
        "split": ngettext("%(key)s: %(n)s case split off as %(into)s.", "%(key)s: %(n)s cases split off as %(into)s.", act.cases),
        "moved": ngettext("%(key)s: %(n)s case moved to %(into)s.", "%(key)s: %(n)s cases moved to %(into)s.", act.cases),
    }
    return sentences[act.kind] % {"key": act.group.key, "n": formatting.count(act.cases), "into": into}


def toast(act: GroupAct, slug: str) -> dict[str, str]:
    """Just done, and the way back."""
    undo = "" if act.working or act.undone_at else reverse("group-undo", args=[slug, act.group.key, act.pk])
    return {"sentence": done(act), "url": undo}


def history(acts: Sequence[GroupAct], slug: str) -> list[dict[str, Any]]:
    """Everything that people did with a group, newest first."""
    return [{"act": act, **toast(act, slug)} for act in acts]


def facts(case: Case, because: str) -> list[dict[str, Any]]:
    """What was said about a case, and why it is in its group."""
    rows = presenting.facts(case)
    return [row for row in rows if row["label"] != _("Group")] + ([{"label": _("Why here"), "value": because}] if because else [])
