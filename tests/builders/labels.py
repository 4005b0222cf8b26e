"""Labels for tests, given the way people give them."""

from hardcases.audit.actors import Actor
from hardcases.cases.models import Case
from hardcases.labels.actions import LabelItem, Labelled, label_case
from hardcases.projects.authentication import person


def label(case: Case, name: str, *, actor: Actor | None = None, note: str = "") -> Labelled:
    """Say that the case is of this class, as the project's owner."""
    item = LabelItem(case=case.key, label={"label": name}, note=note)
    return label_case(actor=actor or person(case.project.owner), project=case.project, item=item)
