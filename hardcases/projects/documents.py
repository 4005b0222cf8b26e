"""The project document of the public contract: its rules, and the way between it and rows. Pure but for reading the rows it is given."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from hardcases.errors import Detail, Invalid, UnsupportedMedia
from hardcases.imaging.pictures import dicom_tag_problem
from hardcases.projects.models import ATTRIBUTE_TYPES, TASKS, Attribute, Project
from hardcases.web.json_edge import pointer as path_to

DEFAULT_TEAM = "default"
MAX_CLASSES, MAX_ATTRIBUTES, MAX_VALUES, MAX_BINS = 10_000, 200, 1_000, 200
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?")
SLUG_RULE = "Use 1 to 64 lower-case letters, digits, hyphens or underscores, with a letter or digit at both ends."
_PREFIX = re.compile(r"[A-Z][A-Z0-9]{0,7}")
# A name is typed in the search line and stands in stratum ids, where these signs mean something.
_ATTRIBUTE_NAME = re.compile(r"""[^\s:"'&=,<>()\-][^\s:"'&=,<>()]{0,127}""")
_PSEUDONYM = re.compile(r"[A-Za-z0-9._-]{3,64}")
IDENTIFIERS = (
    "quarantine",
    "refuse",
    "accept",
)  # what may be done about a header that identifies somebody; the first unless another is said
_PREFIXES_TAKEN = {"R": "releases", "G": "groups"}  # R-41 is a release wherever keys are typed


@dataclass(frozen=True, kw_only=True)
class AttributeSpec:
    """One declared attribute; `values` closes a category, `bins` cuts a number into strata, left-closed."""

    name: str
    type: str
    values: tuple[str, ...] | None = None
    bins: tuple[float, ...] | None = None

    def as_json(self) -> dict[str, Any]:
        """As it stands in the document: what was not said is left out."""
        optional = {"values": self.values, "bins": self.bins}
        return {"name": self.name, "type": self.type} | {key: list(value) for key, value in optional.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class DicomSpec:
    """What becomes of DICOM headers: which tags fill which attributes, what is done about identifiers, and how names begin that identify nobody."""

    attributes: tuple[tuple[str, str], ...] = ()
    identifiers: str = "quarantine"
    pseudonyms: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """What differs from the defaults."""
        said: dict[str, Any] = {"attributes": dict(self.attributes)} if self.attributes else {}
        said |= {"identifiers": self.identifiers} if self.identifiers != IDENTIFIERS[0] else {}
        return said | ({"pseudonyms": list(self.pseudonyms)} if self.pseudonyms else {})


def dicom_of(said: Mapping[str, Any] | None) -> DicomSpec:
    """From the document's member or the project's column, whose rules have been checked."""
    said = said or {}
    pairs = tuple(sorted((said.get("attributes") or {}).items()))
    return DicomSpec(
        attributes=pairs, identifiers=said.get("identifiers") or IDENTIFIERS[0], pseudonyms=tuple(said.get("pseudonyms") or ())
    )


@dataclass(frozen=True, kw_only=True)
class ProjectDocument:
    """A project as the public contract writes it. Made by `read`, so every instance obeys the rules."""

    slug: str
    name: str
    task: str
    key_prefix: str
    team: str = DEFAULT_TEAM
    classes: tuple[str, ...] = ()
    positive_class: str | None = None
    attributes: tuple[AttributeSpec, ...] = field(default=())
    cluster_attribute: str | None = None
    strip_metadata: bool = False
    leaks: str = "mark"
    dicom: DicomSpec = DicomSpec()

    def as_json(self) -> dict[str, Any]:
        """The document; reading it again gives an equal one."""
        body: dict[str, Any] = {
            "slug": self.slug,
            "name": self.name,
            "team": self.team,
            "task": self.task,
            "key_prefix": self.key_prefix,
            "classes": list(self.classes),
            "positive_class": self.positive_class,
            "attributes": [attribute.as_json() for attribute in self.attributes],
            "cluster_attribute": self.cluster_attribute,
        }
        said = {"strip_metadata": self.strip_metadata, "leaks": self.leaks, "dicom": self.dicom.as_json()}
        usual = {"strip_metadata": False, "leaks": "mark", "dicom": {}}
        return body | {name: value for name, value in said.items() if value != usual[name]}


def document_of(project: Project) -> ProjectDocument:
    """The document that describes the project as it is now."""
    listed = [attribute for attribute in project.attributes.all() if not attribute.implied]
    return ProjectDocument(
        slug=project.slug,
        name=project.name,
        team=project.team.slug,
        task=project.task,
        key_prefix=project.key_prefix,
        classes=tuple(project.classes),
        positive_class=project.positive_class,
        attributes=tuple(_spec(attribute.name, attribute.type, attribute.values, attribute.bins) for attribute in listed),
        cluster_attribute=project.cluster_attribute,
        strip_metadata=project.strip_metadata,
        leaks=project.leaks,
        dicom=dicom_of(project.dicom),
    )


def read(body: Mapping[str, Any]) -> ProjectDocument:
    """The document in `body`, whose shape the serializer has checked. Raises Invalid with a pointer for every rule it breaks."""
    findings = [finding for check in _CHECKS for finding in check(body)]
    if findings:
        first = findings[0]
        raise Invalid(f"The project breaks a rule at {first.pointer}: {first.detail} Nothing was stored.", errors=findings)
    return ProjectDocument(
        slug=body["slug"],
        name=body["name"],
        team=body.get("team") or DEFAULT_TEAM,
        task=body["task"],
        key_prefix=body["key_prefix"],
        classes=tuple(body.get("classes") or ()),
        positive_class=body.get("positive_class"),
        attributes=tuple(_spec(item["name"], item["type"], item.get("values"), item.get("bins")) for item in body.get("attributes") or ()),
        cluster_attribute=body.get("cluster_attribute"),
        strip_metadata=bool(body.get("strip_metadata")),
        leaks=body.get("leaks") or "mark",
        dicom=dicom_of(body.get("dicom")),
    )


def _spec(name: str, kind: str, values: Sequence[str] | None, bins: Sequence[float] | None) -> AttributeSpec:
    return AttributeSpec(name=name, type=kind, values=None if values is None else tuple(values), bins=None if bins is None else tuple(bins))


def attribute_rows(project: Project, document: ProjectDocument) -> list[Attribute]:
    """Unsaved rows for the document's attributes, with one more for a cluster attribute that is declared by being named."""
    rows = [
        Attribute(
            project=project,
            position=position,
            name=spec.name,
            type=spec.type,
            values=None if spec.values is None else list(spec.values),
            bins=None if spec.bins is None else list(spec.bins),
        )
        for position, spec in enumerate(document.attributes)
    ]
    cluster = document.cluster_attribute
    if cluster is not None and cluster not in {spec.name for spec in document.attributes}:
        rows.append(Attribute(project=project, position=len(rows), name=cluster, type="category", implied=True))
    return rows


def is_slug(text: str) -> bool:
    """Whether `text` can stand in addresses and API calls, as `SLUG_RULE` says."""
    return _SLUG.fullmatch(text) is not None


def _at(pointer: str, sentence: str) -> Detail:
    return Detail(pointer=pointer, detail=sentence)


def _check_names(body: Mapping[str, Any]) -> Iterator[Detail]:
    for key in ("slug", "team"):
        value = body.get(key)
        if value is not None and not is_slug(value):
            yield _at(f"/{key}", SLUG_RULE)
    prefix = body["key_prefix"]
    if not _PREFIX.fullmatch(prefix):
        yield _at("/key_prefix", "Use 1 to 8 capital letters or digits that start with a letter, for example XR.")
    elif prefix in _PREFIXES_TAKEN:
        yield _at("/key_prefix", f"{prefix} starts the keys of {_PREFIXES_TAKEN[prefix]}. Choose another prefix.")
    if body["task"] not in TASKS:
        yield _at("/task", f"The task is one of {', '.join(TASKS)}.")


def _check_classes(body: Mapping[str, Any]) -> Iterator[Detail]:
    classes, task, positive = body.get("classes") or [], body["task"], body.get("positive_class")
    least = {"classification": 2, "multilabel": 1, "detection": 1}.get(task, 0)
    if len(classes) < least:
        yield _at("/classes", f"A project of task {task} needs {least} or more classes.")
    if task == "regression" and classes:
        yield _at("/classes", "A regression project has no classes.")
    if len(classes) > MAX_CLASSES:
        yield _at("/classes", f"At most {MAX_CLASSES:,} classes.")
    yield from _twice(classes, "/classes", "class")
    binary = task == "classification" and len(classes) == 2
    if binary and positive is None:
        yield _at("/positive_class", f"Say which of {classes[0]} and {classes[1]} is the positive class; sensitivity and AUC are about it.")
    elif positive is not None and not binary:
        yield _at("/positive_class", "Only a classification project of two classes has a positive class. Leave it out.")
    elif positive is not None and positive not in classes:
        yield _at("/positive_class", f"{positive} is not among the classes.")


def _check_attributes(body: Mapping[str, Any]) -> Iterator[Detail]:
    attributes = body.get("attributes") or []
    if len(attributes) > MAX_ATTRIBUTES:
        yield _at("/attributes", f"At most {MAX_ATTRIBUTES} attributes.")
        return
    yield from _twice([item["name"] for item in attributes], "/attributes", "attribute", "/name")
    for index, item in enumerate(attributes):
        yield from _check_attribute(f"/attributes/{index}", item)
    cluster = body.get("cluster_attribute")
    if cluster is None:
        return
    yield from _check_name("/cluster_attribute", cluster)
    kinds = {item["name"]: item["type"] for item in attributes}
    if kinds.get(cluster, "category") not in {"category", "text"}:
        yield _at(
            "/cluster_attribute",
            f"{cluster} is declared as a {kinds[cluster]}. Cases cluster by a category or a text, such as a patient id.",
        )


def _check_dicom(body: Mapping[str, Any]) -> Iterator[Detail]:
    said = body.get("dicom") or {}
    declared = {item["name"] for item in body.get("attributes") or []} | {body.get("cluster_attribute")}
    filled: dict[str, str] = {}
    for tag, name in (said.get("attributes") or {}).items():
        problem = _tag_problem(tag)
        if name not in declared:
            problem = problem or f"The project does not declare an attribute {name}."
        elif name in filled:
            problem = problem or f"{name} is filled by {filled[name]} already."
        filled.setdefault(name, tag)
        if problem:
            yield _at(path_to("dicom", "attributes", tag), problem)
    for index, start in enumerate(said.get("pseudonyms") or []):
        if not _PSEUDONYM.fullmatch(start):
            yield _at(
                f"/dicom/pseudonyms/{index}", "Use 3 to 64 letters, digits, dots, underscores or hyphens: how the study's own names begin."
            )


def _tag_problem(tag: str) -> str | None:
    try:
        return dicom_tag_problem(tag)
    except UnsupportedMedia as refusal:
        return refusal.sentence


def _check_name(pointer: str, name: str) -> Iterator[Detail]:
    if not _ATTRIBUTE_NAME.fullmatch(name):
        yield _at(pointer, "Use up to 128 characters without spaces, quotes or any of : & = , < > ( ), not starting with a hyphen.")
    elif name.startswith("attr."):
        yield _at(pointer, "attr. is how the search line names an attribute that a reserved word hides. Choose a name without it.")
    elif name == "class":
        yield _at(pointer, "class=… is the stratum of a reference label, so no attribute may have that name.")


def _check_attribute(pointer: str, item: Mapping[str, Any]) -> Iterator[Detail]:
    kind, values, bins = item["type"], item.get("values"), item.get("bins")
    yield from _check_name(f"{pointer}/name", item["name"])
    if kind not in ATTRIBUTE_TYPES:
        yield _at(f"{pointer}/type", f"The type is one of {', '.join(ATTRIBUTE_TYPES)}.")
    if values is not None:
        if kind != "category":
            yield _at(f"{pointer}/values", "Only a category has a closed list of values.")
        if not 1 <= len(values) <= MAX_VALUES:
            yield _at(f"{pointer}/values", f"Give 1 to {MAX_VALUES:,} values, or leave the list out to allow any.")
        yield from _twice(values, f"{pointer}/values", "value")
    if bins is not None:
        if kind != "number":
            yield _at(f"{pointer}/bins", "Only a number is cut into bins.")
        if not 2 <= len(bins) <= MAX_BINS or any(low >= high for low, high in pairwise(bins)):
            yield _at(f"{pointer}/bins", f"Give 2 to {MAX_BINS} edges, each larger than the one before.")


def _twice(names: Sequence[str], pointer: str, what: str, inner: str = "") -> Iterator[Detail]:
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            yield _at(f"{pointer}/{index}{inner}", f"The {what} {name} is listed twice.")
        seen.add(name)


_CHECKS = (_check_names, _check_classes, _check_attributes, _check_dicom)


def check_change(before: ProjectDocument, after: ProjectDocument, *, has_cases: bool) -> None:
    """Refuse a change that would alter what is stored: raises Invalid with pointers.

    Before the first case anything but the slug may change. Afterwards what cases, labels and frozen versions refer to may only grow.
    """
    findings = [] if before.slug == after.slug else [_at("/slug", "A project keeps its slug: tokens, links and frozen versions hold it.")]
    if has_cases:
        findings += _changes_under_cases(before, after)
    if findings:
        first = findings[0]
        raise Invalid(f"The change is refused at {first.pointer}: {first.detail} Nothing was changed.", errors=findings)


def _changes_under_cases(before: ProjectDocument, after: ProjectDocument) -> Iterator[Detail]:
    for key in ("task", "key_prefix", "positive_class", "strip_metadata"):
        if getattr(before, key) != getattr(after, key):
            yield _at(f"/{key}", "The project has cases, so this can no longer change. Make another project for it.")
    if after.classes[: len(before.classes)] != before.classes:
        yield _at(
            "/classes", "The project has cases, so classes can only be added at the end: scores and labels refer to them by place and name."
        )
    if before.cluster_attribute not in {None, after.cluster_attribute}:
        yield _at("/cluster_attribute", "The project has cases, so another cluster attribute would change the meaning of stored intervals.")
    after_by_name = {spec.name: (index, spec) for index, spec in enumerate(after.attributes)}
    for spec in before.attributes:
        index, now = after_by_name.get(spec.name, (0, None))
        if now is None:
            yield _at("/attributes", f"The attribute {spec.name} is used by cases and cannot be removed.")
        elif now.type != spec.type:
            yield _at(f"/attributes/{index}/type", f"{spec.name} is a {spec.type} in stored cases. Add another attribute instead.")
        elif now.values is not None and (spec.values is None or not set(spec.values) <= set(now.values)):
            yield _at(f"/attributes/{index}/values", f"Values of {spec.name} can be added, not taken away.")
