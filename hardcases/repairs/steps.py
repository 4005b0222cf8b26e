"""Repairs at the door: what every new report is read with, before its case is written."""

from collections.abc import Sequence

from hardcases.cases.steps import Sorted
from hardcases.projects.models import Attribute, Project
from hardcases.repairs.queries import as_rules, schema_of, standing_rules
from hardcases.repairs.rereading import mend


def mend_reports(project: Project, reports: Sequence[Sorted], declared: Sequence[Attribute]) -> list[Sorted]:
    """The reports after the project's standing repairs; one query, and the door asks only where something was set aside."""
    rules = as_rules(standing_rules(project))
    schema = schema_of(project, declared)
    return [mend(report, rules, schema) if rules else report for report in reports]
