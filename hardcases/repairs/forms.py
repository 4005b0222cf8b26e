"""The form of one finding: what is to become of its values."""

import json
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from hardcases.cases.presenting import reasons
from hardcases.cases.shapes import shape_of
from hardcases.projects.forms import RefusedForm
from hardcases.projects.models import ATTRIBUTE_TYPES, Project
from hardcases.repairs.collecting import Finding
from hardcases.repairs.rules import COMMA, POINT, Rule, read_rule

DECLARE = "declare"
WORDS = {
    "map": _("Map the value to another"),
    "rename": _("Rename the field"),
    "number": _("Read it as a number"),
    DECLARE: _("Declare the attribute"),
    "again": _("Try again as it is"),
    "drop": _("Drop it"),
    "keep": _("Keep it set aside, reviewed"),
    "decline": _("Decline the cases"),
}
REVIEW = ("keep", "decline")


class RepairForm(RefusedForm):
    """Only what fits the finding is offered."""

    action = forms.ChoiceField(label=_("What to do"), widget=forms.RadioSelect)
    to = forms.CharField(label=_("What it becomes"), max_length=300, required=False)
    decimal = forms.ChoiceField(
        label=_("Decimal sign"), choices=[(COMMA, _("Comma: 0,07")), (POINT, _("Point: 0.07"))], required=False, initial=COMMA
    )
    kind = forms.ChoiceField(label=_("Type to declare"), choices=[(kind, kind) for kind in ATTRIBUTE_TYPES], required=False)
    decline_reason = forms.ChoiceField(label=_("Reason to decline"), required=False)
    remember = forms.BooleanField(
        label=_("Read reports to come in the same way"), required=False, help_text=_("Not for “try again”, “declare” and reviews.")
    )

    def __init__(self, project: Project, finding: Finding, *args: Any, may_declare: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.project, self.finding = project, finding
        actions = offered(finding, may_declare=may_declare)
        choices: dict[str, list[tuple[str, Any]]] = {
            "action": [(name, WORDS[name]) for name in actions],
            "decline_reason": [(code, word) for code, word, _key in reasons()],
        }
        if listed_names := targets(project, finding):
            words = [("", _("Choose…")), *((name, name) for name in listed_names)]
            self.fields["to"] = forms.ChoiceField(label=_("What it becomes"), choices=words, required=False)
        for name, listed in choices.items():
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            field.choices = listed
        self.fields["action"].initial = finding.suggested if finding.suggested in actions else actions[0]
        self.fields["decimal"].initial = finding.decimal
        needs = {
            "to": {"map", "rename"},
            "decimal": {"number"},
            "kind": {DECLARE},
            "decline_reason": {"decline"},
            "remember": {"map", "drop"},
        }
        for name, users in needs.items():
            if not users & set(actions):
                del self.fields[name]

    def rule(self) -> Rule:
        """Of a valid form. Raises RuleRefused."""
        said = self.cleaned_data
        action, finding = said["action"], self.finding
        document: dict[str, Any] = {"action": action, "field": finding.place}
        if "value" in finding.shape and action in {"map", "drop", *REVIEW}:
            document["value"] = finding.shape["value"]
        if action in {"map", "rename"}:
            document["to"] = self._typed(said.get("to", "")) if action == "map" else said.get("to", "")
        if action == "number":
            document["decimal"] = said.get("decimal") or COMMA
        if action == "decline":
            document["decline_reason"] = said.get("decline_reason") or ""
        return read_rule(document)

    def _typed(self, text: str) -> Any:
        """A value as the declared type writes it: what is typed for a number or a boolean is one."""
        kinds = {attribute.name: attribute.type for attribute in self.project.attributes.all()}
        place = self.finding.place
        kind = kinds.get(place.removeprefix("attributes.")) if place.startswith("attributes.") else None
        if kind in {"number", "boolean"}:
            try:
                return json.loads(text)
            except ValueError:
                return text
        return text or None


def targets(project: Project, finding: Finding) -> list[str]:
    """What a value may be mapped to, or a field renamed to; empty where anything that is typed may do."""
    whole, _point, rest = finding.place.partition(".")
    if whole == "attributes":
        declared = {attribute.name: attribute for attribute in project.attributes.all()}
        if rest not in declared:
            return list(declared)
        return ["true", "false"] if declared[rest].type == "boolean" else list(declared[rest].values or ())
    if rest.partition(".")[0] in {"scores", "label", "labels", "boxes"}:
        return list(project.classes)
    return list(shape_of(project.task, project.classes).names())


def offered(finding: Finding, *, may_declare: bool) -> list[str]:
    """The actions that make sense for a finding, the likeliest first."""
    if not finding.repairable:
        return list(REVIEW)
    undeclared = finding.suggested == "rename" and finding.place.startswith("attributes.")
    repairs = ["rename"] if finding.suggested == "rename" else ["map"] if "value" in finding.shape else []
    numbers = ["number"] if str(finding.shape.get("kind", "")).startswith("number ") else []
    return [*numbers, *repairs, *([DECLARE] if undeclared and may_declare else []), "again", "drop", *REVIEW]
