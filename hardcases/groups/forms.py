"""Forms of the inbox and of a group's page."""

from typing import Any

from django import forms

from hardcases.cases.forms import DecisionForm
from hardcases.cases.keys import MAX_DIGITS

BACK = [("inbox", "inbox"), ("group", "group")]


class GroupDecisionForm(DecisionForm):
    """A decision about a whole group. `upto` is the newest case that the person could see."""

    back = forms.ChoiceField(choices=BACK)
    upto = forms.IntegerField(min_value=1, max_value=10**MAX_DIGITS, required=False)


class MergeForm(forms.Form):
    """The group to merge with, by name."""

    into = forms.CharField(max_length=24)
    back = forms.ChoiceField(choices=BACK)


class ChooseForm(forms.Form):
    """Some cases of a group, by key; `into` where they go to a group that exists."""

    back = forms.ChoiceField(choices=BACK)
    into = forms.CharField(max_length=24, required=False)

    def keys(self) -> list[str]:
        """The chosen cases as they were sent, each once."""
        data: Any = self.data
        return list(dict.fromkeys(data.getlist("case")))
