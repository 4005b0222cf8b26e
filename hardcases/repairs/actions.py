"""Putting right by rule what was set aside: at once, for reports to come, or by declaring what was missing."""

import uuid
from dataclasses import replace

from django.db import transaction
from django.utils import timezone

from hardcases.audit import actions as audit
from hardcases.audit.actors import Actor
from hardcases.cases import attributes
from hardcases.cases.models import DECLINE_REASONS
from hardcases.cases.shapes import NO_CLASS
from hardcases.errors import Conflict, Detail, NotFound
from hardcases.projects.access import require
from hardcases.projects.actions import update_project
from hardcases.projects.documents import AttributeSpec, document_of, read
from hardcases.projects.models import Project
from hardcases.projects.permissions import Can
from hardcases.repairs import jobs
from hardcases.repairs.models import RepairRule
from hardcases.repairs.queries import APPLY, schema_of, standing_rules
from hardcases.repairs.rereading import Schema
from hardcases.repairs.rules import STANDING, Rule, RuleRefused
from hardcases.work.actions import enqueue, hint
from hardcases.work.models import Job
from hardcases.work.tasks import run_job

MOST_STANDING = 100


class TooManyRules(Conflict):
    code, title = "too_many_repair_rules", "The project keeps as many repair rules as it can"


def check(project: Project, rule: Rule) -> None:
    """Whether what the repair makes of a value can fit the project. Raises RuleRefused."""
    problem = _problem(rule, schema_of(project))
    if problem is not None:
        raise RuleRefused(f"{problem[1]} Nothing was changed.", errors=[Detail(pointer=f"/{problem[0]}", detail=problem[1])])


def _problem(rule: Rule, schema: Schema) -> tuple[str, str] | None:
    if rule.action == "decline" and rule.decline_reason not in DECLINE_REASONS:
        return "decline_reason", f"Declining needs one of: {', '.join(DECLINE_REASONS)}."
    if rule.action not in {"map", "rename"} or rule.field is None:
        return None
    whole, _, rest = rule.field.partition(".")
    problem = _attribute_problem(rule, rest, schema) if whole == "attributes" else _said_problem(rule, rest, schema)
    return None if problem is None else ("to", problem)


def _attribute_problem(rule: Rule, name: str, schema: Schema) -> str | None:
    wanted = rule.to if rule.action == "rename" else name
    if wanted not in {attribute.name for attribute in schema.declared}:
        return f"The project declares no attribute “{wanted}”. Declare it first."
    _, findings = attributes.sort_out({name: rule.to} if rule.action == "map" else {}, schema.declared)
    return f"“{name}”: {findings[0].problem}" if findings else None


def _said_problem(rule: Rule, rest: str, schema: Schema) -> str | None:
    """Of a part of a prediction or correction: names of classes become declared classes, other names those of the task's shape."""
    if rule.action == "rename" and not rest.startswith("scores."):
        return None if rule.to in schema.shape.names() else f"A prediction has: {', '.join(schema.shape.names())}."
    names_class = rest.partition(".")[0] in {"scores", "label", "labels", "boxes"}
    return NO_CLASS if names_class and rule.to not in schema.shape.classes else None


@transaction.atomic
def start_repair(*, actor: Actor, project: Project, rule: Rule, remember: bool = False) -> Job:
    """Ask for a repair of everything that matches; with `remember`, reports to come are read so as well. Raises RuleRefused and TooManyRules."""
    check(project, rule)
    if remember:
        keep_rule(actor=actor, project=project, rule=rule)
    job = enqueue(kind=APPLY, key=str(uuid.uuid4()), project_id=project.pk, payload=jobs.payload_of(actor, rule))
    audit.record(actor, "repair.started", "project", project.slug, project_id=project.pk, after=rule.names() | {"job": str(job.pk)})
    hint(run_job, job_id=str(job.pk))
    return job


@transaction.atomic
def keep_rule(*, actor: Actor, project: Project, rule: Rule) -> RepairRule:
    """From now on every report is read with this repair too, after those kept before. The same again returns the one that is kept."""
    if rule.action not in STANDING:
        sentence = f"Only {', '.join(STANDING)} can be kept for reports to come."
        raise RuleRefused(f"{sentence} Nothing was changed.", errors=[Detail(pointer="/remember", detail=sentence)])
    check(project, rule)
    Project.objects.select_for_update(of=("self",), no_key=True).get(pk=project.pk)
    standing = standing_rules(project)
    for row in standing:
        if row.document == rule.as_json():
            return row
    if len(standing) >= MOST_STANDING:
        raise TooManyRules(f"A project keeps at most {MOST_STANDING} repair rules. Nothing was changed. Stop one that is no longer needed.")
    row = RepairRule.objects.create(project=project, document=rule.as_json(), created_by_name=actor.printed_name[:150])
    audit.record(actor, "repair.kept", "repair_rule", row.pk, project_id=project.pk, after=rule.names())
    return row


@transaction.atomic
def retire_rule(*, actor: Actor, project: Project, number: int) -> RepairRule:
    """Reports to come are no longer read with this repair; what it repaired stays. Doing it again changes nothing. Raises NotFound."""
    row = RepairRule.objects.filter(project=project, pk=number).first()
    if row is None:
        raise NotFound("There is no repair rule of this number in the project. Check the number.")
    if RepairRule.objects.filter(pk=row.pk, retired_at=None).update(retired_at=timezone.now()):
        names = {name: row.document.get(name) for name in ("action", "field")}
        audit.record(actor, "repair.retired", "repair_rule", row.pk, project_id=project.pk, after=names)
    row.refresh_from_db()
    return row


@transaction.atomic
def declare_attribute(*, actor: Actor, project: Project, name: str, kind: str) -> Job:
    """Declare an attribute that arrives undeclared, and read the values that were set aside again. Needs the right to change the project."""
    require(actor, Can.MANAGE, project)
    before = document_of(project)
    wanted = replace(before, attributes=(*before.attributes, AttributeSpec(name=name, type=kind)))
    update_project(actor=actor, project=project, document=read(wanted.as_json()))
    return start_repair(actor=actor, project=project, rule=Rule(action="again", field=f"attributes.{name}"))
