"""What a DICOM header gives to a case: attributes that its sender left out, and a warning where it says who somebody is. Pure."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from hardcases.cases.attributes import Declared
from hardcases.cases.shapes import Finding
from hardcases.errors import Detail, Invalid
from hardcases.imaging.facts import DicomFacts, Identifier
from hardcases.projects.documents import DicomSpec

_AGE = re.compile(r"(\d{1,4})([DWMY])")
_YEARS = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1.0}
_DATE = re.compile(r"(\d{4})[.-]?(\d{2})[.-]?(\d{2})(?:\d{2}.*)?")
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_ANSWERS = {"YES": True, "Y": True, "1": True, "NO": False, "N": False, "0": False}


class IdentifiersFound(Invalid):
    code, title = "identifiers_found", "The file says who somebody is"


def identifiers(facts: DicomFacts, spec: DicomSpec, *, stripped: bool) -> tuple[Identifier, ...]:
    """What is to be said about identifiers; of a file that is stored without those of its header, about those in the picture. Raises IdentifiersFound."""
    if spec.identifiers == "accept":
        return ()
    found = tuple(identifier for identifier in facts.identifiers if identifier.in_picture or not stripped)
    certain = [identifier for identifier in found if identifier.certain]
    if spec.identifiers == "refuse" and certain:
        named = ", ".join(identifier.tag for identifier in certain[:5]) + (" …" if len(certain) > 5 else "")
        raise IdentifiersFound(
            f"The DICOM file identifies somebody: {named}. This project refuses such files. Nothing was stored. Take the identifiers out and send it again.",
            errors=[Detail(pointer=f"/dicom/{identifier.tag}", detail=identifier.problem) for identifier in certain],
        )
    return found


def snake_case(tag: str) -> str:
    """`PatientAge` as an attribute would be called: `patient_age`."""
    return _WORDS.sub("_", tag).lower()


def fill(
    sent: Mapping[str, Any], tags: Mapping[str, Sequence[Any]], spec: DicomSpec, declared: Iterable[Declared]
) -> tuple[dict[str, Any], list[Finding]]:
    """(attributes with those of the header added, what the header says that cannot be one). What was sent is never replaced; a null counts as not sent."""
    if not tags:
        return dict(sent), []
    by_name = {attribute.name: attribute for attribute in declared}
    mapped = {name for _, name in spec.attributes}
    sources = {name: tag for tag, name in spec.attributes} | {
        name: tag for tag in tags if (name := snake_case(tag)) in by_name and name not in mapped
    }
    filled = dict(sent)
    findings: list[Finding] = []
    for name, tag in sources.items():
        if sent.get(name) is not None or name not in by_name or tag not in tags:
            continue
        read = _READ[by_name[name].type]
        value = read(tags[tag])
        if value is None:
            told = "\\".join(str(part) for part in tags[tag])
            findings.append(Finding(name, told, f"The header's {tag} cannot be read as a {by_name[name].type}."))
        else:
            filled[name] = value
    return filled, findings


def _number(values: Sequence[Any]) -> float | None:
    first = values[0]
    if any(value != first for value in values):
        return None
    if isinstance(first, (int, float)):
        return first
    age = _AGE.fullmatch(str(first).strip().upper())
    if age is None:
        return None
    years = round(int(age[1]) * _YEARS[age[2]], 3)
    return int(years) if years == int(years) else years


def _date(values: Sequence[Any]) -> str | None:
    found = _DATE.fullmatch(str(values[0]).strip()) if len(values) == 1 else None
    return "-".join(found.groups()) if found else None


def _boolean(values: Sequence[Any]) -> bool | None:
    return _ANSWERS.get(str(values[0]).strip().upper()) if len(values) == 1 else None


def _text(values: Sequence[Any]) -> str:
    return "\\".join(str(value) for value in values)


_READ: dict[str, Callable[[Sequence[Any]], Any]] = {"number": _number, "date": _date, "boolean": _boolean, "category": _text, "text": _text}
