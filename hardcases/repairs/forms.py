"""The form of one group of findings: what is to become of its values."""

import json
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from hardcases.cases.presenting import reasons
from hardcases.cases.shapes import shape_of
from hardcases.projects.forms import RefusedForm
from hardcases.projects.models import ATTRIBUTE_TYPES, Project
from hardcases.repairs.grouping import Group
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
    """Only what fits the group is offered."""

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

    def __init__(self, project: Project, group: Group, *args: Any, may_declare: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.project, self.group = project, group
        actions = offered(group, may_declare=may_declare)
        choices: dict[str, list[tuple[str, Any]]] = {
            "action": [(name, WORDS[name]) for name in actions],
            "decline_reason": [(code, word) for code, word, _key in reasons()],
        }
        if listed_names := targets(project, group):
            words = [("", _("Choose…")), *((name, name) for name in listed_names)]
            self.fields["to"] = forms.ChoiceField(label=_("What it becomes"), choices=words, required=False)
        for name, listed in choices.items():
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            field.choices = listed
        self.fields["action"].initial = group.suggested if group.suggested in actions else actions[0]
        self.fields["decimal"].initial = group.decimal
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
        action, group = said["action"], self.group
        document: dict[str, Any] = {"action": action, "field": group.place}
        if "value" in group.shape and action in {"map", "drop", *REVIEW}:
            document["value"] = group.shape["value"]
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
        place = self.group.place
        kind = kinds.get(place.removeprefix("attributes.")) if place.startswith("attributes.") else None
        if kind in {"number", "boolean"}:
            try:
                return json.loads(text)
            except ValueError:
                return text
        return text or None


def targets(project: Project, group: Group) -> list[str]:
    """What a value may be mapped to, or a field renamed to; empty where anything that is typed may do."""
    whole, _point, rest = group.place.partition(".")
    if whole == "attributes":
        declared = {attribute.name: attribute for attribute in project.attributes.all()}
        if rest not in declared:
            return list(declared)
        return ["true", "false"] if declared[rest].type == "boolean" else list(declared[rest].values or ())
    if rest.partition(".")[0] in {"scores", "label", "labels", "boxes"}:
        return list(project.classes)
    return list(shape_of(project.task, project.classes).names())


def offered(group: Group, *, may_declare: bool) -> list[str]:
    """The actions that make sense for a group, the likeliest first."""
    if not group.repairable:
        return list(REVIEW)
    undeclared = group.suggested == "rename" and group.place.startswith("attributes.")
    repairs = ["rename"] if group.suggested == "rename" else ["map"] if "value" in group.shape else []
    numbers = ["number"] if str(group.shape.get("kind", "")).startswith("number ") else []
    return [*numbers, *repairs, *([DECLARE] if undeclared and may_declare else []), "again", "drop", *REVIEW]
