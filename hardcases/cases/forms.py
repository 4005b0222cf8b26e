"""Forms of the pages of cases."""

from datetime import timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from hardcases.cases.actions import DECISIONS, Decision
from hardcases.cases.models import DECLINE_REASONS
from hardcases.cases.presenting import SNOOZE_DAYS


class DecisionForm(forms.Form):
    """A button of a case's page: what was decided."""

    state = forms.ChoiceField(choices=[(state, state) for state in DECISIONS])
    decline_reason = forms.ChoiceField(choices=[(reason, reason) for reason in DECLINE_REASONS], required=False)
    days = forms.TypedChoiceField(choices=[(days, str(days)) for days in SNOOZE_DAYS], coerce=int, required=False, empty_value=None)

    def decision(self) -> Decision:
        """Of a valid form."""
        given = self.cleaned_data
        days = given["days"]
        until = timezone.now() + timedelta(days=days) if days else None
        return Decision(state=given["state"], decline_reason=given["decline_reason"] or None, snoozed_until=until)


class EraseForm(forms.Form):
    """Erasing asks for the key in full, because it cannot be taken back."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=500,
        help_text=_("It stays in the audit log, so do not name the person in it."),
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    key = forms.CharField(label=_("Key of the case"), max_length=64, help_text=_("Write it out to confirm."))

    def __init__(self, wanted: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.wanted = wanted

    def clean_key(self) -> str:
        """The key of this case and no other."""
        if self.cleaned_data["key"].strip() != self.wanted:
            raise forms.ValidationError(_("This is not the key of the case on this page."))
        return self.wanted
