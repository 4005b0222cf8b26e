"""Labelled cases and test sets for tests."""

import hashlib
from collections.abc import Sequence
from itertools import count
from typing import Any

import rfc8785

from hardcases.audit.actors import Actor
from hardcases.cases.models import Case
from hardcases.labels.models import CurrentLabel, LabelRevision
from hardcases.projects.models import Project
from hardcases.projects.steps import next_numbers
from hardcases.testsets import actions
from hardcases.testsets.models import DraftChange, TestSet, Version
from tests.builders import people

_numbers = count(1)


def a_case(
    project: Project, *, label: str | None = "normal", state: str = "accepted", chance: float | None = None, **attributes: Any
) -> Case:
    """A text case with one label of the project's owner; `label=None` leaves it without. `chance`: that with which the door kept it."""
    digest = hashlib.sha256(f"case {next(_numbers)}".encode()).hexdigest()
    case = Case.objects.create(
        project=project,
        number=next_numbers(project, "case"),
        kind="text",
        sha256=digest,
        stored_sha256=digest,
        size=8,
        media_type="text/plain",
        state=state,
        attributes=attributes,
        selection_probability=chance,
    )
    if label is not None:
        relabel(case, label)
    return case


def relabel(case: Case, label: str) -> LabelRevision:
    """Another revision, which becomes the current one."""
    value = {"label": label}
    revision = LabelRevision.objects.create(
        case=case,
        number=case.label_revisions.count() + 1,
        label=value,
        digest=hashlib.sha256(rfc8785.dumps(value)).hexdigest(),
        author=case.project.owner,
        author_name="owner",
    )
    CurrentLabel.objects.update_or_create(case=case, defaults={"revision": revision, "value": label})
    return revision


def a_test_set(project: Project, cases: Sequence[Case] = (), *, actor: Actor | None = None) -> TestSet:
    """A test set with these cases in its draft."""
    test_set = actions.create_test_set(
        actor=actor or people.actor(project), project=project, slug=f"hard-{next(_numbers)}", purpose="Hard ones"
    )
    draft(test_set, add=cases)
    return test_set


def draft(test_set: TestSet, *, add: Sequence[Case] = (), remove: Sequence[Case] = ()) -> None:
    """Change the draft."""
    DraftChange.objects.bulk_create(
        [
            DraftChange(test_set=test_set, case=case, adds=adds, by="tests")
            for cases, adds in ((add, True), (remove, False))
            for case in cases
        ]
    )


def a_version(project: Project, cases: Sequence[Case]) -> Version:
    """Version 1 of a new test set of these cases."""
    return actions.freeze(actor=people.actor(project), test_set=a_test_set(project, cases), reason="first")
