"""Forms of this room's pages. The rules stand in the actions; a form carries them back to the field that broke them."""

import re
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from hardcases.errors import Refusal
from hardcases.projects.actions import MAX_TOKEN_DAYS, TOKEN_DAYS
from hardcases.projects.documents import IDENTIFIERS, ProjectDocument
from hardcases.projects.models import TASKS
from hardcases.projects.permissions import Role, Scope

ROLE_NAMES = {
    Role.VIEWER: _("Viewer"),
    Role.ANNOTATOR: _("Annotator"),
    Role.CURATOR: _("Curator"),
    Role.ENGINEER: _("Engineer"),
    Role.RELEASE_MANAGER: _("Release manager"),
    Role.AUDITOR: _("Auditor"),
    Role.ADMIN: _("Admin"),
}
ROLE_WORDS = {
    Role.VIEWER: _("Viewer: sees cases, test sets, runs and releases"),
    Role.ANNOTATOR: _("Annotator: sees cases and labels them, nothing else"),
    Role.CURATOR: _("Curator: empties the inbox, labels, freezes test sets"),
    Role.ENGINEER: _("Engineer: registers models, starts runs, opens releases"),
    Role.RELEASE_MANAGER: _("Release manager: approves policies, signs or rejects releases"),
    Role.AUDITOR: _("Auditor: reads everything, the audit log included"),
    Role.ADMIN: _("Admin: people, tokens, settings; does not sign"),
}
SCOPE_WORDS = {
    Scope.REPORT: _("report: send cases; cannot read anything"),
    Scope.READ: _("read: look at everything"),
    Scope.CURATE: _("curate: decide cases, label, freeze test sets"),
    Scope.RUN: _("run: register models, start runs, open releases"),
    Scope.ADMIN: _("admin: change the project and its policies"),
}
IDENTIFIER_WORDS = {
    "quarantine": _("Set aside: the case is kept and marked, with the names of the tags"),
    "refuse": _("Refuse: nothing is stored"),
    "accept": _("Accept: this project may hold them"),
}
TASK_WORDS = {
    "classification": _("Classification: one class a case"),
    "multilabel": _("Multi-label: any number of classes a case"),
    "detection": _("Detection: boxes with classes"),
    "regression": _("Regression: a number"),
}


class RefusedForm(forms.Form):
    """A form that can carry a refusal: findings go to their fields by the first step of the pointer, the rest above the form."""

    def refuse(self, refusal: Refusal) -> None:
        """Take the refusal's findings."""
        placed = False
        for finding in refusal.errors:
            steps = finding.pointer.split("/")[1:]
            name = steps[0] if steps else ""
            name = "password1" if name == "password" else name
            inner = "_".join(steps[:2])  # /dicom/attributes/… belongs to the field dicom_attributes
            name = inner if inner in self.fields else name
            placed = placed or name in self.fields
            self.add_error(name if name in self.fields else None, finding.detail)
        if not placed:
            self.add_error(None, refusal.sentence)


class ProjectForm(RefusedForm):
    """A project as people write it: one class a line, one attribute a line."""

    name = forms.CharField(label=_("Name"), max_length=150)
    slug = forms.CharField(
        label=_("Short name"), max_length=64, help_text=_("In addresses and API calls; it stays. For example chest-xray.")
    )
    key_prefix = forms.CharField(label=_("Key prefix"), max_length=8, help_text=_("Cases are called XR-1, XR-2 … if this is XR."))
    team = forms.CharField(label=_("Team"), max_length=64, required=False, help_text=_("Its members see the project. Made if it is new."))
    task = forms.ChoiceField(label=_("Task"), choices=[(task, TASK_WORDS[task]) for task in TASKS])
    classes = forms.CharField(
        label=_("Classes"), required=False, widget=forms.Textarea(attrs={"rows": 4}), help_text=_("One a line. Regression has none.")
    )
    positive_class = forms.CharField(
        label=_("Positive class"), max_length=128, required=False, help_text=_("With two classes: the one that is looked for.")
    )
    attributes = forms.CharField(
        label=_("Attributes"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 5}),
        help_text=_(
            "One a line: name and type (category, number, boolean, text, date). “age number: 0, 18, 65” cuts bins, “sex category: f, m” closes the list."
        ),
    )
    cluster_attribute = forms.CharField(
        label=_("Cluster attribute"), max_length=128, required=False, help_text=_("What makes cases belong together, such as patient.")
    )
    strip_metadata = forms.BooleanField(
        label=_("Keep pictures without metadata"),
        required=False,
        help_text=_(
            "What a camera or scanner wrote into a file (names, places, comments) is taken out when it arrives; the pixels stay as they are."
        ),
    )
    leaks = forms.ChoiceField(
        label=_("Cases a model was trained on"),
        choices=[("mark", _("Keep and mark them")), ("refuse", _("Refuse them"))],
        initial="mark",
        required=False,
        help_text=_("A new case whose file is in the training list of a registered model version. Cases that are here already are marked."),
    )

    dicom_attributes = forms.CharField(
        label=_("Attributes from DICOM headers"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_(
            "One a line: tag and attribute, such as “PatientAge age”. An attribute modality is filled from Modality without being named."
        ),
    )
    dicom_identifiers = forms.ChoiceField(
        label=_("DICOM headers that identify somebody"), required=False, choices=[(name, IDENTIFIER_WORDS[name]) for name in IDENTIFIERS]
    )
    dicom_pseudonyms = forms.CharField(
        label=_("Pseudonyms begin with"),
        max_length=1000,
        required=False,
        help_text=_("Separated by commas, such as STUDY-. Patient names and ids that begin so identify nobody."),
    )

    def clean_dicom_attributes(self) -> dict[str, str]:
        """The lines as the contract writes them."""
        lines = [line.split() for line in self.cleaned_data["dicom_attributes"].splitlines() if line.strip()]
        wrong = next((line for line in lines if len(line) != 2), None)
        if wrong:
            raise forms.ValidationError(
                _("“%(line)s” is not a tag and an attribute, such as “PatientAge age”."), params={"line": " ".join(wrong)}
            )
        said = dict(lines)
        if len(said) < len(lines):
            raise forms.ValidationError(_("A tag stands here twice."))
        return said

    def clean_attributes(self) -> list[dict[str, Any]]:
        """The lines as the contract writes them."""
        lines = [line.strip() for line in self.cleaned_data["attributes"].splitlines() if line.strip()]
        return [_attribute(line) for line in lines]

    def body(self) -> dict[str, Any]:
        """The document's members."""
        said = self.cleaned_data
        return {
            "slug": said["slug"],
            "name": said["name"],
            "team": said["team"] or None,
            "task": said["task"],
            "key_prefix": said["key_prefix"],
            "classes": [line.strip() for line in said["classes"].splitlines() if line.strip()],
            "positive_class": said["positive_class"] or None,
            "attributes": said["attributes"],
            "cluster_attribute": said["cluster_attribute"] or None,
            "strip_metadata": said["strip_metadata"],
            "leaks": said["leaks"] or "mark",
            "dicom": {
                "attributes": said["dicom_attributes"],
                "identifiers": said["dicom_identifiers"] or IDENTIFIERS[0],
                "pseudonyms": [part.strip() for part in said["dicom_pseudonyms"].split(",") if part.strip()],
            },
        }

    @staticmethod
    def initial_of(document: ProjectDocument) -> dict[str, Any]:
        """What the form shows for a project that exists."""
        return document.as_json() | {
            "classes": "\n".join(document.classes),
            "positive_class": document.positive_class or "",
            "cluster_attribute": document.cluster_attribute or "",
            "strip_metadata": document.strip_metadata,
            "leaks": document.leaks,
            "dicom_attributes": "\n".join(f"{tag} {name}" for tag, name in document.dicom.attributes),
            "dicom_identifiers": document.dicom.identifiers,
            "dicom_pseudonyms": ", ".join(document.dicom.pseudonyms),
            "attributes": "\n".join(_line(attribute.as_json()) for attribute in document.attributes),
        }


_LINE = re.compile(r"(?P<name>\S+?):?\s+(?P<type>[a-z]+)\s*(?::\s*(?P<rest>.*))?")


def _attribute(line: str) -> dict[str, Any]:
    found = _LINE.fullmatch(line)
    if not found:
        raise forms.ValidationError(_("“%(line)s” is not a name and a type, such as “site category”."), params={"line": line})
    spec: dict[str, Any] = {"name": found["name"], "type": found["type"]}
    parts = [part.strip() for part in (found["rest"] or "").split(",") if part.strip()]
    if not parts:
        return spec
    if spec["type"] != "number":
        return spec | {"values": parts}
    try:
        return spec | {"bins": [int(part) if part.lstrip("-").isdecimal() else float(part) for part in parts]}
    except ValueError as error:
        raise forms.ValidationError(_("The bins in “%(line)s” are not numbers."), params={"line": line}) from error


def _line(spec: dict[str, Any]) -> str:
    rest = spec.get("values") or spec.get("bins")
    return f"{spec['name']} {spec['type']}" + (": " + ", ".join(str(part) for part in rest) if rest else "")


class TokenForm(RefusedForm):
    """A new token; sending only, unless more is asked for."""

    name = forms.CharField(label=_("Name"), max_length=150, help_text=_("Which service uses it."))
    scopes = forms.MultipleChoiceField(label=_("It may"), widget=forms.CheckboxSelectMultiple)
    days = forms.IntegerField(label=_("Days until it expires"), min_value=1, max_value=MAX_TOKEN_DAYS, initial=TOKEN_DAYS)

    def __init__(self, *args: Any, scopes: list[Scope], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["scopes"]
        if isinstance(field, forms.MultipleChoiceField):
            field.choices = [(scope.value, SCOPE_WORDS[scope]) for scope in scopes]
        field.initial = [Scope.REPORT.value] if Scope.REPORT in scopes else [scope.value for scope in scopes[:1]]

    def chosen(self) -> list[Scope]:
        """The scopes asked for."""
        return [Scope(scope) for scope in self.cleaned_data["scopes"]]


class RolesForm(RefusedForm):
    """The roles of a person; none takes the person out."""

    roles = forms.MultipleChoiceField(
        label=_("Roles"), widget=forms.CheckboxSelectMultiple, required=False, choices=[(role.value, ROLE_WORDS[role]) for role in Role]
    )

    def chosen(self) -> list[Role]:
        """The roles ticked."""
        return [Role(role) for role in self.cleaned_data["roles"]]


class InviteForm(RolesForm):
    """Somebody new in the project."""

    username = forms.CharField(label=_("User name"), max_length=64, help_text=_("Of an account that exists, or of one to be made."))
    field_order = ["username", "roles"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["roles"].required = True


class TeamForm(RefusedForm):
    """A team's name, and what its members are in each of its projects."""

    name = forms.CharField(label=_("Name"), max_length=150)
    default_role = forms.ChoiceField(
        label=_("Role of its members"),
        choices=[(role.value, ROLE_WORDS[role]) for role in Role],
        initial=Role.VIEWER.value,
        help_text=_("In every project of the team. More can be given to single people in single projects."),
    )

    def role(self) -> Role:
        """The role chosen."""
        return Role(self.cleaned_data["default_role"])


class NewTeamForm(TeamForm):
    """A team to be made."""

    slug = forms.CharField(
        label=_("Short name"), max_length=64, help_text=_("In addresses and API calls; it stays. For example radiology.")
    )
    field_order = ["name", "slug", "default_role"]


class TeamInviteForm(RefusedForm):
    """Somebody new in a team."""

    username = forms.CharField(label=_("User name"), max_length=64, help_text=_("Of an account that exists, or of one to be made."))


class NewPasswordForm(RefusedForm):
    """Name and password of an invited person."""

    name = forms.CharField(label=_("Full name"), max_length=150, required=False, help_text=_("Stands under what you sign."))
    password1 = forms.CharField(
        label=_("New password"),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        strip=False,
        help_text=_("At least ten characters. A few words make a good one."),
    )
    password2 = forms.CharField(label=_("The same again"), widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}), strip=False)

    def clean(self) -> dict[str, Any] | None:
        """Both must agree."""
        said = super().clean() or self.cleaned_data
        if said.get("password1") and said.get("password2") and said["password1"] != said["password2"]:
            self.add_error("password2", _("The two passwords differ."))
        return said


class ChangePasswordForm(NewPasswordForm):
    """A new password for oneself."""

    old = forms.CharField(label=_("Present password"), widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}), strip=False)
    field_order = ["old", "password1", "password2"]
    name = None  # type: ignore[assignment]  # Django's way to take an inherited field out
