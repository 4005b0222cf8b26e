"""The form of one sampling rule."""

import json
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from hardcases.projects.forms import RefusedForm
from hardcases.projects.models import Project
from hardcases.sampling.rules import KINDS, MOST, PERIODS, WORDS

KIND_WORDS = {
    "keep": _("A share of them"),
    "quota": _("The first ones of each day or week"),
    "reservoir": _("A sample of about this size"),
}
PERIOD_WORDS = {"day": _("a day"), "week": _("a week")}


class RuleForm(RefusedForm):
    """Conditions that are left empty hold for everything. Several values of one condition go on one line, with commas."""

    name = forms.CharField(label=_("Name"), max_length=100, required=False, help_text=_("For people; it changes nothing."))
    reason = forms.CharField(label=_("Reason"), max_length=1_000, required=False, help_text=_("For example random_sample"))
    source = forms.CharField(label=_("Source"), max_length=1_000, required=False)
    model = forms.CharField(label=_("Model"), max_length=1_000, required=False)
    attributes = forms.CharField(
        label=_("Attributes"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_("One a line, such as site = clinic-7, clinic-9"),
    )
    correction = forms.BooleanField(
        label=_("Also, and only, cases that came with a correction"),
        required=False,
        help_text=_(
            "Without this no rule leaves a corrected case out. “Doctor disagreed” is left out only where the reason above names it."
        ),
    )
    kind = forms.ChoiceField(
        label=_("Keep"), choices=[(kind, KIND_WORDS[kind]) for kind in KINDS], widget=forms.RadioSelect, initial="keep"
    )
    share = forms.FloatField(label=_("Share in percent"), min_value=0, max_value=100, required=False, help_text=_("For a share."))
    size = forms.IntegerField(
        label=_("How many"), min_value=1, max_value=MOST, required=False, help_text=_("For the first ones, or a sample.")
    )
    per = forms.ChoiceField(label=_("In"), choices=[(per, PERIOD_WORDS[per]) for per in PERIODS], required=False)
    by = forms.CharField(
        label=_("Counted apart by"), max_length=500, required=False, help_text=_("For the first ones: so many for each site, for example.")
    )
    first = forms.BooleanField(label=_("Ask this rule before the others"), required=False)

    def __init__(self, project: Project, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kinds = {attribute.name: attribute.type for attribute in project.attributes.all()}

    def clean_attributes(self) -> dict[str, list[Any]]:
        """Lines of name = values; numbers and booleans are read as such where the attribute is one."""
        found: dict[str, list[Any]] = {}
        for line in filter(None, map(str.strip, self.cleaned_data["attributes"].splitlines())):
            name, sign, rest = (part.strip() for part in line.partition("="))
            if not sign:
                raise forms.ValidationError(_("“%(line)s” is not a name, an equals sign and values."), params={"line": line})
            found[name] = [self._typed(name, one) for one in _listed(rest)]
        return found

    def _typed(self, name: str, text: str) -> Any:
        if self.kinds.get(name) not in {"number", "boolean"}:
            return text
        try:
            return json.loads(text)
        except ValueError:
            return text

    def document(self) -> dict[str, Any]:
        """Of a valid form: the rule as it is written down. What breaks a rule is refused by the action."""
        said = self.cleaned_data
        when: dict[str, Any] = {name: _listed(said[name]) for name in WORDS if said[name].strip()}
        when |= {"attributes": said["attributes"]} if said["attributes"] else {}
        when |= {"correction": True} if said["correction"] else {}
        named = {"name": said["name"]} if said["name"].strip() else {}
        per = said["per"] or PERIODS[0]
        match said["kind"]:
            case "keep":
                rest: dict[str, Any] = {"keep": None if said["share"] is None else said["share"] / 100}
            case "quota":
                rest = {"quota": {"per": per, "limit": said["size"], "by": _listed(said["by"])}}
            case _:
                rest = {"reservoir": {"size": said["size"], "per": per}}
        return {**named, "when": when, **rest}


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
