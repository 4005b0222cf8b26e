"""What the pages of repairs show, in the words people use. Reads only."""

from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from hardcases.projects.models import Project
from hardcases.repairs.collecting import Finding
from hardcases.repairs.models import RepairRule
from hardcases.repairs.queries import Preview
from hardcases.repairs.rules import Rule, read_rule
from hardcases.web.json_edge import canonical
from hardcases.work.models import Job

MOST_SHOWN = 200
LONGEST = 80


def value(said: Any) -> str:
    """A value as it was sent, a text in quotes, cut where it is long."""
    text = canonical(said).decode()
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def shape(said: dict[str, Any]) -> str:
    """The value that the cases of a finding share, or what kind their values are."""
    if "value" in said:
        return _("nothing") if said["value"] is None else value(said["value"])
    words = {
        "text": _("any text"),
        "number": _("a number"),
        "true or false": _("true or false"),
        "list": _("a list"),
        "object": _("an object"),
        "nothing": _("nothing"),
        "number with a comma": _("a number with a decimal comma, as text"),
        "number in quotes": _("a number as text"),
    }
    return words.get(said["kind"], str(said["kind"]))


def row(project: Project, finding: Finding) -> dict[str, Any]:
    """A finding with the addresses of its examples and of its repair."""
    keys = [f"{project.key_prefix}-{number}" for number, _value in finding.examples]
    examples = [
        {"key": key, "url": reverse("case-page", args=[project.slug, key]), "value": value(said)}
        for key, (_number, said) in zip(keys, finding.examples, strict=True)
    ]
    return {
        "finding": finding,
        "shape": shape(finding.shape),
        "examples": examples,
        "url": reverse("quarantine-finding", args=[project.slug, finding.id]),
        "erase_urls": [] if finding.repairable else [(key, reverse("case-erase", args=[project.slug, key])) for key in keys],
    }


def in_words(rule: Rule) -> str:
    """A repair as a sentence."""
    field = rule.field or _("everything")
    said = _("any value") if rule.any_value else value(rule.value)
    becomes = "" if rule.to is None else value(rule.to) if rule.action == "map" else str(rule.to)
    sentences = {
        "map": _("%(field)s: %(value)s becomes %(to)s"),
        "rename": _("%(field)s is called %(to)s"),
        "number": _("%(field)s: text is read as a number"),
        "drop": _("%(field)s: %(value)s is dropped"),
        "again": _("%(field)s is read again"),
        "keep": _("%(field)s: %(value)s stays set aside"),
        "decline": _("cases with %(field)s: %(value)s are declined"),
    }
    return sentences[rule.action] % {"field": field, "value": said, "to": becomes}


def rule_row(kept: RepairRule) -> dict[str, Any]:
    """A repair that is kept for reports to come."""
    return {"row": kept, "words": in_words(read_rule(kept.document))}


def job_row(job: Job) -> dict[str, Any]:
    """A repair that was asked for."""
    rule = read_rule(job.payload["rule"])
    return {
        "job": job,
        "words": in_words(rule),
        "by": job.payload["actor"]["full_name"] or job.payload["actor"]["name"],
        "counts": job.result,
    }


def preview(seen: Preview, rule: Rule) -> dict[str, Any]:
    """What a repair would do, with cases before and after."""
    examples = [
        {
            "key": example["key"],
            "before": f"{example['before']['field']} = {value(example['before']['value'])}",
            "after": _("dropped") if example["after"] is None else f"{example['after']['field']} = {value(example['after']['value'])}",
        }
        for example in seen.examples
    ]
    return {"seen": seen, "words": in_words(rule), "examples": examples}
