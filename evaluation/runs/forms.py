"""Starting a run in the browser: three choices, all filled in."""

from collections.abc import Callable
from typing import Any, TypeVar

from django import forms
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from evaluation.registry.access import model_version_for, versions_of
from evaluation.registry.models import ModelVersion, ProductionMark
from hardcases.errors import NotFound
from hardcases.projects.models import Project
from hardcases.testsets.access import version_for
from hardcases.testsets.models import Version

LISTED = 200
Row = TypeVar("Row")


class StartForm(forms.Form):
    """Names as the API takes them, so that an address can fill the form."""

    model = forms.ChoiceField(label=_("Model version"))
    test_set = forms.ChoiceField(label=_("Test-set version"))
    baseline = forms.ChoiceField(label=_("Baseline"), required=False, help_text=_("What it is compared with, case by case."))

    def __init__(self, project: Project, data: Any = None, initial: dict[str, Any] | None = None) -> None:
        versions = [str(row) for row in versions_of(project)[:LISTED]]
        sets = [str(row) for row in Version.objects.filter(test_set__project=project).select_related("test_set").order_by("-id")[:LISTED]]
        serving = ProductionMark.objects.filter(model__project=project).select_related("model_version__model").first()
        newest = {"model": versions[:1], "test_set": sets[:1], "baseline": [str(serving.model_version)] if serving else []}
        filled = {name: values[0] for name, values in newest.items() if values} | (initial or {})
        if filled.get("baseline") == filled.get("model"):
            filled.pop("baseline", None)
        super().__init__(data, initial=filled)
        self.project = project
        for name, choices in (("model", versions), ("test_set", sets), ("baseline", versions)):
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            empty = [("", _("none"))] if name == "baseline" else []
            field.choices = [*empty, *((value, value) for value in choices)]

    def first(self) -> list[dict[str, str]]:
        """What has to be there before anything can be run: (sentence, address) of each thing that is not."""
        needs = {
            "model": (_("Register a model version"), "model-list-page"),
            "test_set": (_("Freeze a version of a test set"), "test-set-list-page"),
        }
        return [
            {"sentence": str(said), "url": reverse(page, args=[self.project.slug])}
            for name, (said, page) in needs.items()
            if name not in self.initial
        ]

    def clean_model(self) -> ModelVersion:
        """The row."""
        return self._found(model_version_for, self.cleaned_data["model"])

    def clean_baseline(self) -> ModelVersion | None:
        """The row, if one was chosen."""
        chosen = self.cleaned_data["baseline"]
        return self._found(model_version_for, chosen) if chosen else None

    def clean_test_set(self) -> Version:
        """The row."""
        return self._found(version_for, self.cleaned_data["test_set"])

    def _found(self, find: Callable[[Project, str], Row], name: str) -> Row:
        try:
            return find(self.project, name)
        except NotFound as refusal:
            raise forms.ValidationError(refusal.sentence) from refusal
