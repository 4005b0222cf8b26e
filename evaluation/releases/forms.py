"""Forms of the release pages."""

from typing import Any

from django import forms
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from evaluation.registry.access import versions_of
from evaluation.registry.models import ModelVersion, ProductionMark
from evaluation.releases.access import policies_of
from evaluation.releases.models import PolicyVersion
from hardcases.errors import Refusal
from hardcases.projects.models import Project
from hardcases.testsets.models import Version
from hardcases.web.yaml_edge import read_yaml


class OpenReleaseForm(forms.Form):
    """Candidate, baseline, version and policy, each from the project's own."""

    candidate = forms.ModelChoiceField(label=_("Candidate"), queryset=ModelVersion.objects.none())
    baseline = forms.ModelChoiceField(
        label=_("Baseline"), queryset=ModelVersion.objects.none(), help_text=_("The model version in production.")
    )
    version = forms.ModelChoiceField(label=_("Test-set version"), queryset=Version.objects.none())
    policy = forms.ModelChoiceField(label=_("Policy"), queryset=PolicyVersion.objects.none())

    def __init__(self, project: Project, *args: Any, **kwargs: Any) -> None:
        """Filled in with the newest of everything, against what is in production."""
        super().__init__(*args, **kwargs)
        choices = {
            "candidate": versions_of(project),
            "baseline": versions_of(project),
            "version": Version.objects.filter(test_set__project=project).select_related("test_set").order_by("-id"),
            "policy": policies_of(project),
        }
        for name, queryset in choices.items():
            field = self.fields[name]
            assert isinstance(field, forms.ModelChoiceField)
            field.queryset = queryset
            field.initial = queryset.first()
            field.empty_label = None
        self.project = project
        serving = ProductionMark.objects.filter(model__project=project).select_related("model_version__model").first()
        self.fields["baseline"].initial = serving.model_version if serving else None

    def first(self) -> list[dict[str, str]]:
        """What has to be there before anything can be put forward: (sentence, address) of each thing that is not."""
        needs = {
            "candidate": (_("Register the model version and the one it is to replace"), "model-list-page"),
            "version": (_("Freeze a version of a test set"), "test-set-list-page"),
            "policy": (_("Propose a policy"), "policy-list"),
        }
        return [
            {"sentence": str(said), "url": reverse(page, args=[self.project.slug])}
            for name, (said, page) in needs.items()
            if self.fields[name].initial is None
        ]


class PolicyForm(forms.Form):
    """A policy document, YAML or JSON."""

    document = forms.CharField(
        label=_("Policy"),
        widget=forms.Textarea(attrs={"rows": 20, "spellcheck": "false", "class": "code", "wrap": "off"}),
        max_length=200_000,
        strip=False,
    )

    def clean_document(self) -> Any:
        """The document's values; JSON is YAML."""
        try:
            return read_yaml(self.cleaned_data["document"].encode())
        except Refusal as refusal:
            raise forms.ValidationError(refusal.sentence) from refusal


class SignForm(forms.Form):
    """What a signature needs: its meaning, the password again, and the digest that was shown."""

    meaning = forms.ChoiceField(
        label=_("Meaning of the signature"), choices=[("approve", _("Approve")), ("reject", _("Reject"))], widget=forms.RadioSelect
    )
    comment = forms.CharField(label=_("Comment"), required=False, max_length=4_000, widget=forms.Textarea(attrs={"rows": 3}))
    looked = forms.BooleanField(label=_("I have looked at the newly wrong cases"), required=False)
    password = forms.CharField(
        label=_("Your password, again"), widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}), strip=False
    )
    evidence_digest = forms.CharField(widget=forms.HiddenInput, max_length=64)

    def clean(self) -> dict[str, Any]:
        """An approval says that the newly wrong cases were looked at; a rejection says why."""
        given: dict[str, Any] = super().clean() or {}
        if given.get("meaning") == "approve" and not given.get("looked"):
            self.add_error("looked", _("Look at the newly wrong cases before you approve, and say so here."))
        if given.get("meaning") == "reject" and not given.get("comment", "").strip():
            self.add_error("comment", _("Say why you reject it."))
        return given


class AcceptForm(forms.Form):
    """A written acceptance of one check with too few cases."""

    check_name = forms.CharField(widget=forms.HiddenInput, max_length=128)
    reason = forms.CharField(label=_("Why this is acceptable"), max_length=4_000, widget=forms.Textarea(attrs={"rows": 3}))
