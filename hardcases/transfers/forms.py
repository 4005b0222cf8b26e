"""Forms of this room's pages."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from hardcases.formats.registry import READERS, WRITERS
from hardcases.projects.forms import RefusedForm
from hardcases.projects.models import Project
from hardcases.testsets.models import Version
from hardcases.transfers.models import Import
from hardcases.web.search import MAX_CHARACTERS

Choices = list[tuple[str, str | Promise]]
FORMATS: dict[str, str | Promise] = {
    "coco": _("COCO"),
    "label_studio": _("Label Studio"),
    "fiftyone": _("FiftyOne"),
    "yolo": _("YOLO"),
    "csv": _("CSV"),
    "jsonl": _("JSON lines"),
    "parquet": _("Parquet"),
    "dicom_zip": _("DICOM files"),
    "zip": _("Pictures"),
    "croissant": _("Croissant"),
}
LEAVE_OUT = "-"
_MEANINGS: Choices = [
    ("key", _("Key of a case")),
    ("external_id", _("External id")),
    ("sha256", _("SHA-256 of the content")),
    ("file", _("File of the picture")),
    ("text", _("Text")),
    ("label", _("Label")),
    ("note", _("Note beside the label")),
    ("prediction.label", _("Production's answer")),
    ("reason", _("Why it was sent")),
    ("source", _("Sent by")),
    ("model", _("Model")),
    ("captured_at", _("Time of capture")),
    ("tags", _("Tags")),
]


def _named(names: Mapping[str, Any]) -> Choices:
    """Formats with their words, those first that the words know."""
    return [(name, word) for name, word in FORMATS.items() if name in names] + [
        (name, name) for name in sorted(names) if name not in FORMATS
    ]


class UploadForm(RefusedForm):
    """A file to import."""

    file = forms.FileField(
        label=_("File"), help_text=_("A table, annotations, or an archive of pictures with either; up to 2 GB."), allow_empty_file=True
    )
    format = forms.ChoiceField(label=_("Format"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["format"].choices = [("", _("Tell it from the file")), *_named(READERS)]  # type: ignore[attr-defined]


class ExportForm(RefusedForm):
    """A file to be made."""

    version = forms.ChoiceField(label=_("Cases of"), required=False)
    q = forms.CharField(
        label=_("Search"),
        required=False,
        max_length=MAX_CHARACTERS,
        help_text=_("For example state:accepted label:nodule. Empty: every case."),
    )
    format = forms.ChoiceField(label=_("Format"))
    license = forms.CharField(
        label=_("Licence"), required=False, max_length=500, help_text=_("Its name or address, for COCO and Croissant. Nothing is made up.")
    )
    pictures = forms.BooleanField(label=_("With the pictures as they were received"), required=False)

    def __init__(self, project: Project, *args: Any, may_see_originals: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.project = project
        versions = Version.objects.filter(test_set__project=project).select_related("test_set").order_by("-pk")[:100]
        shown = [(str(version), f"{version.test_set.slug} v{version.number}") for version in versions]
        self.fields["version"].choices = [("", _("A search")), *shown]  # type: ignore[attr-defined]
        self.fields["format"].choices = _named(WRITERS)  # type: ignore[attr-defined]
        if not may_see_originals:
            del self.fields["pictures"]


class MappingForm(RefusedForm):
    """What the names in a file mean: its format, each column that is no field of ours, each class that the project does not have."""

    checked = forms.CharField(widget=forms.HiddenInput)
    format = forms.ChoiceField(label=_("Format"))

    def __init__(self, row: Import, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.row = row
        self.fields["format"].choices = _named(READERS)  # type: ignore[attr-defined]
        self.fields["format"].initial = row.format
        self.fields["checked"].initial = str(row.check_job_id)
        preview = row.preview or {}
        self.names = {
            "columns": self._names("columns", preview.get("attributes", {})),
            "classes": self._names("classes", preview.get("classes", {})),
        }
        undecided: dict[str, Choices] = {
            "columns": [("", _("Keep aside with the case")), (LEAVE_OUT, _("Leave it out")), *_MEANINGS, *self._attributes()],
            "classes": [
                ("", _("No class of ours; leave the label out")),
                (LEAVE_OUT, _("Ignore it")),
                *((name, name) for name in row.project.classes),
            ],
        }
        for part, names in self.names.items():
            for number, (name, times) in enumerate(names.items()):
                self.fields[f"{part}-{number}"] = self._field(part, name, times, undecided[part])

    def _names(self, part: str, seen: Mapping[str, int]) -> dict[str, int | None]:
        """Names that were mapped before, and those that the last check did not know."""
        mapped = self.row.mapping.get(part)
        return dict.fromkeys(mapped if isinstance(mapped, dict) else {}) | dict(seen)

    def _attributes(self) -> Choices:
        return [(f"attributes.{name}", name) for name in self.row.project.attributes.values_list("name", flat=True)]

    def _field(self, part: str, name: str, times: int | None, choices: Choices) -> forms.ChoiceField:
        mapped = self.row.mapping.get(part, {})
        initial = (LEAVE_OUT if mapped[name] is None else mapped[name]) if name in mapped else ""
        extra: Choices = [] if initial in {value for value, _word in choices} else [(initial, initial)]
        field = forms.ChoiceField(label=name, choices=[*choices, *extra], required=False, initial=initial)
        field.help_text = _("Mapped") if times is None else ngettext("In %(n)s row", "In %(n)s rows", times) % {"n": f"{times:,}"}
        return field

    def groups(self) -> list[tuple[str | Promise, list[forms.BoundField]]]:
        """(heading, fields) of what is there to be mapped."""
        headings = {"columns": _("Columns"), "classes": _("Classes")}
        return [(headings[part], [self[f"{part}-{number}"] for number in range(len(names))]) for part, names in self.names.items() if names]

    def mapping(self) -> dict[str, Any]:
        """Of a valid form. What the form does not show of the mapping stays."""
        said: dict[str, Any] = {name: value for name, value in self.row.mapping.items() if name not in self.names}
        for part, names in self.names.items():
            meant = {name: self.cleaned_data[f"{part}-{number}"] for number, name in enumerate(names)}
            chosen = {name: None if value == LEAVE_OUT else value for name, value in meant.items() if value}
            if chosen:
                said[part] = chosen
        return said
