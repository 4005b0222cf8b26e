"""Forms of this room's pages. The rules stand in the actions; a form carries them back to the field that broke them."""

from django import forms
from django.utils.translation import gettext_lazy as _

from hardcases.projects.forms import RefusedForm
from hardcases.testsets.drafts import Selection
from hardcases.web.search import MAX_CHARACTERS


class TestSetForm(RefusedForm):
    """A new test set."""

    slug = forms.SlugField(
        label=_("Short name"), max_length=64, help_text=_("In addresses, API calls and reports; it stays. For example hard-cxr.")
    )
    purpose = forms.CharField(
        label=_("Purpose"),
        max_length=500,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_("One sentence: what is it to show?"),
    )


class DraftForm(RefusedForm):
    """Cases that come into the draft or leave it, by a search or by their keys."""

    q = forms.CharField(
        label=_("Search"),
        max_length=MAX_CHARACTERS,
        required=False,
        help_text=_("For example state:accepted portable:true. All cases that it finds."),
    )
    keys = forms.CharField(
        label=_("Or keys"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_("For example XR-1061 XR-1062, separated by spaces or lines."),
    )

    def clean(self) -> dict[str, object] | None:
        """One of the two."""
        said = super().clean()
        if bool(self.cleaned_data.get("q")) == bool(self.cleaned_data.get("keys")):
            self.add_error("q", _("Write a search or keys."))
        return said

    def selection(self) -> Selection:
        """What was meant, once the form is valid."""
        keys = self.cleaned_data["keys"].replace(",", " ").split()
        return Selection(keys=tuple(dict.fromkeys(keys))) if keys else Selection(q=self.cleaned_data["q"])


class FreezeForm(RefusedForm):
    """Why a version is frozen."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_("One sentence for whoever reads the history in two years."),
    )


class StratumForm(RefusedForm):
    """A new named stratum."""

    name = forms.CharField(label=_("Name"), max_length=150, help_text=_("For example Portable X-rays."))
    slug = forms.SlugField(label=_("Short name"), max_length=64, help_text=_("Reports call it stratum:portable if this is portable."))
    q = forms.CharField(
        label=_("Rule"), max_length=MAX_CHARACTERS, help_text=_("A search by labels and attributes, for example portable:true age:>=65.")
    )
    minimum = forms.IntegerField(
        label=_("Minimum"),
        min_value=1,
        max_value=1_000_000_000,
        required=False,
        help_text=_("How many cases a version ought to have of it."),
    )
