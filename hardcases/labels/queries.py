"""Reads of labels: the newest of many cases at once, and what `label:` means in a query."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Q

from hardcases.cases.models import Case
from hardcases.cases.queries import Asked
from hardcases.labels.models import CurrentLabel, LabelRevision
from hardcases.web.search import Term
from hardcases.web.vocabulary import only_in


def shown(revision: LabelRevision) -> dict[str, Any]:
    """A revision as the API shows it."""
    said = {name: getattr(revision, name) for name in ("label", "digest", "note", "at")}
    return {"revision": revision.number, "by": revision.author_name} | said


def newest_labels(cases: Sequence[Case]) -> Mapping[int, dict[str, Any]]:
    """The newest label of each case that has one, by the case's primary key."""
    current = CurrentLabel.objects.filter(case__in=[case.pk for case in cases]).select_related("revision")
    return {label.case_id: shown(label.revision) for label in current}


def label_term(term: Term, _: Asked) -> Q:
    """`label:nodule` finds the newest label; the empty text finds cases without one."""
    values = only_in(term)
    condition = Q(pk__in=CurrentLabel.objects.filter(value__in=[value for value in values if value]).values("case_id"))
    return condition | Q(current_label=None) if "" in values else condition
