"""What a person says the names in a file mean: `{"columns": {theirs: ours}, "classes": {theirs: ours}, …}`."""

from collections.abc import Mapping
from typing import Any

from hardcases.errors import Detail, Invalid
from hardcases.formats.classes import LONGEST_NAME
from hardcases.projects.models import Project
from hardcases.web.json_edge import pointer

MOST = 2_000


def check_mapping(project: Project, mapping: Mapping[str, Any]) -> None:
    """Raises Invalid for what no reader could mean: classes that the project does not have, texts without end."""
    findings = []
    for name, value in mapping.items():
        if name in {"columns", "classes"}:
            findings += _of_names(project, name, value)
        elif not _is_plain(value):
            findings.append(
                Detail(pointer=pointer("mapping", name), detail="This is a text, a number, true or false, or a list or an object of such.")
            )
    if findings:
        raise Invalid(f"The mapping does not fit: {findings[0].detail} Nothing was changed.", errors=findings[:20])


def _of_names(project: Project, name: str, value: Any) -> list[Detail]:
    if not isinstance(value, Mapping) or len(value) > MOST:
        return [
            Detail(
                pointer=pointer("mapping", name), detail=f"“{name}” is an object of at most {MOST:,} names in the file and what they mean."
            )
        ]
    findings = []
    for theirs, ours in value.items():
        place = pointer("mapping", name, theirs)
        if not (ours is None or isinstance(ours, str)) or len(str(ours)) > LONGEST_NAME or len(theirs) > LONGEST_NAME:
            findings.append(
                Detail(pointer=place, detail="A name and its meaning are texts of at most 500 characters; null leaves the name out.")
            )
        elif name == "classes" and ours and ours not in project.classes:
            findings.append(Detail(pointer=place, detail=f"The project has no class “{ours[:80]}”."))
    return findings


def _is_plain(value: Any) -> bool:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        return len(value) <= MOST and all(not isinstance(item, (Mapping, list)) and len(str(item)) <= LONGEST_NAME for item in value)
    return len(str(value)) <= LONGEST_NAME
